"""What the repository's own tests need; the plugin itself is loaded through its entry point."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

settings.register_profile("ci", max_examples=40, deadline=None)
# Eight properties in tests/unit/test_libsvm_properties.py take a dataset for each example: 10⁵ together. How long
# drawing one takes on a busy machine says nothing of the code.
settings.register_profile(
    "nightly", max_examples=12_500, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
