"""Preparation of a session while its AWS starts."""

from __future__ import annotations

from harness.java import find_java_early
from harness.spark.pythonpath import harness_cloudpickle


def prepare_early() -> None:
    """Do what a session needs before there is an AWS, so that it can be done while one starts.

    These are the imports of pyspark and the SDK, and the search for a Java.
    """
    find_java_early()
    harness_cloudpickle.install()
    from harness.spark import session  # noqa: F401, PLC0415
