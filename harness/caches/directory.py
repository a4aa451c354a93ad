"""Directory in which runs keep, for later runs, what they can make again: nothing breaks if it is deleted."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

_NAME = "sagemaker-spark-harness"


def cache_directory(name: str, environment: Mapping[str, str]) -> Path | None:
    """Return the directory of one kind of cache, which may not exist yet. None if the user has no home directory.

    It is below ``$XDG_CACHE_HOME``, which counts only as an absolute path
    (https://specifications.freedesktop.org/basedir-spec/latest/). Without that variable it is where the system keeps
    caches: ``~/Library/Caches`` on macOS, ``~/.cache`` elsewhere.
    """
    usual = Path(os.path.expanduser("~"), "Library/Caches" if sys.platform == "darwin" else ".cache")
    roots = (Path(environment.get("XDG_CACHE_HOME", "")), usual)
    return next((root / _NAME / name for root in roots if root.is_absolute()), None)


def make_private(directory: Path) -> bool:
    """Make a directory that only this user can enter, with its parents; return whether it is one now.

    A directory of another user, or a link, is not used: its owner could put files there.

    :raises OSError: it cannot be made.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_own(directory):
        return False
    directory.chmod(0o700)
    return True


def is_own(path: Path) -> bool:
    """Return whether a path is a file or directory of this user, not a link, and exists."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode)
