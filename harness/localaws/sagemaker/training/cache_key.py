"""Key of a training job in the cache of trained models: a digest of all that can change what its containers do.

That is what a container sees of the job (its configuration, and its files with their names, order and bytes, on each
host), the image and the command in its place, variables of the environment, the number of cores, and the code: source
of the containers, versions of the libraries and of Python. A random part in a file's name does not count, since Spark
writes another one each time. All built-in algorithms start from fixed seeds. MD5s identify bytes, as S3 has
computed them: other bytes with the same one exist only on purpose.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import harness
from harness.localaws.s3.bodies.body import Body

SOURCE = (
    "__init__.py",
    "caches",
    "containers",
    "errors.py",
    "libsvm",
    "localaws/sagemaker/algorithm_metrics.py",
    "localaws/sagemaker/training",
    "recordio",
)
"""Modules and packages whose code makes a model, its log or its archive."""
PACKAGES = (
    "jsonschema", "numpy", "pandas", "protobuf", "pyarrow", "scikit-learn", "scipy", "xgboost", "xgboost-cpu",
)  # fmt: skip
"""Distributions that the containers use. Some may not be installed."""
_VARIABLES = ("PYTHONPATH", "LD_LIBRARY_PATH")
"""Variables of the local AWS that a container inherits, and that choose its code."""
_RANDOM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ROOT = Path(harness.__file__).parent
Files = Sequence[tuple[str, Body]]
"""Paths and bodies of a channel's files on one host."""


def cache_key(
    image: str,
    command: Sequence[str],
    variables: Mapping[str, str],
    hosts: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Files]]],
) -> str:
    """Return the key of a job.

    :param command: the command in place of the image.
    :param variables: environment variables that the job gives to its containers.
    :param hosts: configuration of each host, by file, and its files by channel.
    """
    inherited = {name: os.environ.get(name) for name in _VARIABLES}
    seen = {
        "image": [image, *command],
        "variables": [dict(variables), inherited],
        "machine": [platform.system(), platform.machine(), _cores()],
        "code": [platform.python_version(), _versions(), _source(tuple(_states()))],
        "hosts": {host: [config, _channels(channels)] for host, (config, channels) in hosts.items()},
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def _channels(channels: Mapping[str, Files]) -> dict[str, list[Any]]:
    """Return what counts of the files of each channel, in the order in which the algorithms read them."""
    return {
        name: [[_RANDOM.sub("*", path), body.size, body.digests()] for path, body in sorted(files, key=_path)]
        for name, files in channels.items()
    }


def _path(file: tuple[str, Body]) -> tuple[str, ...]:
    return Path(file[0]).parts


def _cores() -> int | None:
    """Return the number of cores that containers may use. :mod:`harness.libsvm.parallel` is slow to import."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _states() -> Iterator[tuple[str, int, int]]:
    """Yield path, time of the last change and size of each module of :data:`SOURCE`."""
    for name in SOURCE:
        root = _ROOT / name
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            status = path.stat()
            yield str(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _source(states: tuple[tuple[str, int, int], ...]) -> str:
    """Return the digest of modules. It is computed again when one has changed, as in an editable installation."""
    digest = hashlib.sha256()
    for path, _, size in states:
        digest.update(f"{Path(path).relative_to(_ROOT)} {size}\n".encode())
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()
