"""Fixtures and settings for the repository's own tests; pytest loads the plugin through its entry point."""

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# A shell's background ignores SIGINT and nohup ignores SIGHUP. Children inherit that, and tests send them both.
# A signal with a handler, even one that does nothing, is back at its default in them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

settings.register_profile("ci", max_examples=40, deadline=None)
# Eight properties in tests/unit/libsvm/test_libsvm_properties.py take a dataset for each example: 10⁵ together. How
# long drawing one takes on a busy machine says nothing of the code.
settings.register_profile(
    "nightly", max_examples=12_500, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
