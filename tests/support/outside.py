"""The environment that processes of tests start in: that of pytest, before the ``aws`` fixture changes it."""

import os
from pathlib import Path

import harness

ROOT = str(Path(harness.__file__).parents[1])
"""Directory of the repository."""
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of a JVM that lives for seconds: half the CPU time of one that compiles and collects for the long run."""
for _name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
    del os.environ[_name]  # pytest-benchmark of a child measures nothing if it finds them
os.environ.setdefault("JDK_JAVA_OPTIONS", QUICK_JAVA)
os.environ.setdefault("CI", "true")  # sessions use nothing that earlier ones left, and make no archive of classes
OUTSIDE = dict(os.environ) | {"HARNESS_MODEL_CACHE": "off"}  # tests are about training
"""The environment before the ``aws`` fixture points this process to the local AWS."""


def restore_environment(monkeypatch):
    """Give a test :data:`OUTSIDE` as its environment. Variables of pytest itself stay."""
    for name in set(os.environ) - set(OUTSIDE):
        if not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    for name, value in OUTSIDE.items():
        monkeypatch.setenv(name, value)
