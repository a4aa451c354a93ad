"""Provenance of a result: the settings, machine, versions, code and data that it was measured with."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_benchmark.utils import get_commit_info

from harness.aws import AWS
from harness.bench.results.extra_info import REHEARSAL, SETTINGS, ExtraInfo
from harness.errors import SetupError
from harness.java import find_java
from harness.settings import Settings

_PACKAGES = {"spark": ("pyspark",), "sdk": ("sagemaker-pyspark",), "xgboost": ("xgboost-cpu", "xgboost")}
_HASH_DIGITS = 12
_SECRET = re.compile("(?i)secret|password|token|access[.]?key")
"""Names of options whose values Spark keeps out of its logs: ``spark.redaction.regex`` in
https://spark.apache.org/docs/3.3.0/configuration.html."""


def environment(settings: Settings, aws: AWS | None = None) -> ExtraInfo:
    """Return the metadata that every benchmark records: settings, cores, versions and commit.

    :param aws: the AWS that is measured, if any. If the settings ask for a real one and this is local, the mode is
        that of a rehearsal.
    """
    found: dict[str, Any] = {name: getattr(settings, name) for name in SETTINGS}
    if aws is not None and settings.in_aws and aws.is_local:
        found["mode"] = REHEARSAL
    conf = _spark_conf(settings.spark_options)
    return ExtraInfo(**found | _versions(), spark_conf=conf, cores=_cores(), commit=commit())


def _spark_conf(options: Mapping[str, str]) -> str:
    """Return options of Spark as one text, without the values that Spark hides."""
    shown = (f"{name}={'*********(redacted)' if _SECRET.search(name) else options[name]}" for name in sorted(options))
    return ", ".join(shown) or "default"


def data_hash(*data: bytes | Path) -> str:
    """Return a hash of some data (bytes, files or both), by which results on other data are recognized.

    It has 12 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in data:
        if isinstance(part, bytes):
            digest.update(part)
        else:
            with part.open("rb") as stream:
                while chunk := stream.read(2**20):
                    digest.update(chunk)
    return digest.hexdigest()[:_HASH_DIGITS]


@cache
def mnist_hash() -> str:
    """Return the hash of the MNIST in the package, which is the hash of its list of checksums."""
    return data_hash((files("harness") / "data" / "mnist" / "SHA256SUMS").read_bytes())


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _versions() -> dict[str, str]:
    found = {name: _installed(packages) for name, packages in _PACKAGES.items()}
    try:
        found["java"] = find_java().version
    except SetupError:
        found["java"] = ""
    return {**found, "python": platform.python_version()}


def _installed(packages: tuple[str, ...]) -> str:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


@cache
def commit() -> str:
    """Return the id of the commit in the working directory, followed by ``+`` if there are changes beyond it."""
    found = get_commit_info()  # type: ignore[no-untyped-call]
    return (found["id"] or "") + ("+" if found["dirty"] else "")


def measured_code() -> str:
    """Return the commit, followed by ``+`` and a hash of the changes beyond it if there are any.

    Changes are git's diff, and names and contents of untracked Python files. Files of results are no changes.
    """
    diff = _git("diff", "HEAD", "--no-ext-diff")
    names = [name for name in _git("ls-files", "--others", "--exclude-standard", "-z", ":/*.py").split(b"\0") if name]
    if not diff and not names:
        return commit()
    contents = [part for name in names for part in (name, _content(Path(os.fsdecode(name))))]
    return f"{commit().rstrip('+')}+{data_hash(diff, *contents)}"


def _git(*arguments: str) -> bytes:
    """Return git's output, which is empty without git or outside a repository."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
