"""Commands about what later runs use again: ``harness up``, ``down``, ``status`` and ``harness cache``."""
