"""Order and markers of tests by what they start: ``-m "not spark"`` starts no JVM."""

import gc
import os

import pytest

from tests.support.outside import OUTSIDE

MARKED_BY_FIXTURE = {"browser": "browser", "spark": "spark"}
"""Fixture → marker of the tests that use it, directly or through another fixture."""
NO_JVM = "-XX:TestsThatStartAJvmAreMarkedSpark"
"""An option that no JVM knows: a JVM that gets it prints it and does not start."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Run one process more than there are cores if slow tests run, since many of them wait for a JVM or a container."""
    return (os.cpu_count() or 1) + ("not slow" not in config.option.markexpr)


def pytest_collection_finish():
    """Keep the garbage collector from the collected tests, which it would visit again and again.

    They are a million objects: a tenth of the unit tests' CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_collection_modifyitems(config, items):
    for item in items:
        for fixture in MARKED_BY_FIXTURE.keys() & set(item.fixturenames):
            item.add_marker(MARKED_BY_FIXTURE[fixture])
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)  # last, they would leave the other processes idle


@pytest.fixture(autouse=True)
def no_jvm_without_the_marker(request, monkeypatch):
    """Keep a test from starting a JVM unless it is marked ``spark``."""
    if request.node.get_closest_marker("spark") is None:
        monkeypatch.setenv("JDK_JAVA_OPTIONS", NO_JVM)
        monkeypatch.setitem(OUTSIDE, "JDK_JAVA_OPTIONS", NO_JVM)
