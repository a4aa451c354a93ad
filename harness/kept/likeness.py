"""The facts that a session and a kept environment must share, so that tests see no difference from a new one."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import harness
from harness import java
from harness.settings import Settings

_OF_JVMS = ("SPARK_", "PYSPARK_", "HADOOP_", "JAVA_", "JDK_JAVA_", "_JAVA_")
"""Starts of the names of variables that Spark's launcher, Hadoop or a JVM reads when it starts."""
_OF_TRUST = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""Variables whose authorities a local AWS adds its own to."""
_ALSO_OF_JVMS = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "TZ", "USER")
_OF_CONTAINERS = ("PATH", "VIRTUAL_ENV")
"""Variables that containers inherit from a local AWS, apart from those above."""
_PACKAGES = ("pyspark", "sagemaker_pyspark", "py4j", "moto", "xgboost")


def kept_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a JVM or a local AWS reads when it starts, and not later.

    All others reach the Python workers of a session in another way.
    """
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_OF_JVMS) or name in (*_ALSO_OF_JVMS, *_OF_CONTAINERS, *_OF_TRUST)
    }


def likeness(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what must be equal, by a name for a message: region, Python, Java, Spark, harness, variables."""
    candidates = [(source, path) for source, path in java.candidates(environment) if path]
    return {
        "region": settings.region,
        "Python": f"{sys.executable} {sys.version.split()[0]}",
        "Java": json.dumps(candidates),
        "packages": json.dumps({name: _stamp(name) for name in _PACKAGES}),
        "harness": f"{harness.__version__} {_newest(Path(harness.__file__).parent)}",
        "variables": json.dumps(kept_variables(environment), sort_keys=True),
    }


def differences(kept: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return the names of what differs. Of variables, they are the variables' own names."""
    found = []
    for name in sorted({*kept, *wanted}):
        if kept.get(name) == wanted.get(name):
            continue
        if name == "variables":
            ours, theirs = json.loads(kept.get(name, "{}")), json.loads(wanted.get(name, "{}"))
            found += [f"the variable {each}" for each in sorted({*ours, *theirs}) if ours.get(each) != theirs.get(each)]
        else:
            found.append(f"the {name}" if name == "region" else name)
    return found


def _stamp(package: str) -> str:
    """Return the place of a package, and when it was installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    return f"{spec.origin} {Path(spec.origin).stat().st_mtime_ns}"


def _newest(directory: Path) -> int:
    """Return the time of the newest module of a package, in nanoseconds: an editable one changes without a version."""
    return max(path.stat().st_mtime_ns for path in directory.rglob("*.py"))
