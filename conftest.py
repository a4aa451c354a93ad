"""What the repository's own tests need; the plugin itself is loaded through its entry point."""

import os

from hypothesis import settings

pytest_plugins = ["pytester"]

settings.register_profile("ci", max_examples=40, deadline=None)
# Eight properties in tests/unit/test_libsvm_properties.py take a dataset for each example: 10⁵ together.
settings.register_profile("nightly", max_examples=12_500, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
