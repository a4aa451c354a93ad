"""What a benchmark ran on and with, as it is kept in ``extra_info`` of the standard JSON.

Figures mean something only beside these, and :mod:`harness.bench.analysis.comparison` says where two results differ in
them.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_benchmark.utils import get_commit_info

from harness.errors import SetupError
from harness.java import find_java
from harness.settings import Settings

INSTANCE_TYPES = ("training_instance_type", "endpoint_instance_type")
"""Settings that mean something in AWS only: the local AWS takes the names and is no such machine."""

_SETTINGS = (
    "mode",
    "region",
    *INSTANCE_TYPES,
    "training_instance_count",
    "endpoint_instance_count",
    "spark_master",
)
_PACKAGES = {"spark": ("pyspark",), "sdk": ("sagemaker-pyspark",), "xgboost": ("xgboost-cpu", "xgboost")}

COMPARED = (*_SETTINGS, "cores", *_PACKAGES, "java", "python", "dataset", "rows", "bytes")
"""The keys by which two results may differ so that their times are not those of the same thing."""

_HASH_DIGITS = 12


def environment(settings: Settings) -> dict[str, Any]:
    """Return what every benchmark notes, whatever it measures: settings, cores, versions and commit."""
    chosen = {name: getattr(settings, name) for name in _SETTINGS}
    return {**chosen, "cores": _cores(), **_versions(), "commit": commit()}


def work(*, rows: int, size: int, dataset: str) -> dict[str, Any]:
    """Return what a benchmark notes of the work of one round.

    :param size: bytes, as they are read or sent.
    :param dataset: a hash of the data (:func:`data_hash`), by which results on other data are told apart.
    """
    return {"rows": rows, "bytes": size, "dataset": dataset}


def data_hash(*data: bytes | Path) -> str:
    """Return a hash of some data: bytes, files, or both; 12 hexadecimal digits."""
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
    """Return the hash of the MNIST that is shipped: of the list of its files' hashes."""
    return data_hash((files("harness") / "data" / "mnist" / "SHA256SUMS").read_bytes())


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _versions() -> Mapping[str, str]:
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
    """Return the id of the commit in the working directory, with ``+`` where there are changes beyond it."""
    found = get_commit_info()  # type: ignore[no-untyped-call]
    return (found["id"] or "") + ("+" if found["dirty"] else "")


def measured_code() -> str:
    """Return the commit, followed by ``+`` and a hash of the changes beyond it where there are any.

    They are git's diff, and the names and contents of Python files that git does not know of: results are none.
    """
    diff = _git("diff", "HEAD", "--no-ext-diff")
    names = [name for name in _git("ls-files", "--others", "--exclude-standard", "-z", ":/*.py").split(b"\0") if name]
    if not diff and not names:
        return commit()
    contents = [part for name in names for part in (name, _content(Path(os.fsdecode(name))))]
    return f"{commit().rstrip('+')}+{data_hash(diff, *contents)}"


def _git(*arguments: str) -> bytes:
    """Return what git says; nothing where there is no git, or no repository here."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
