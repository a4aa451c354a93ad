"""Place of a kept environment: a directory that only its owner can use, one for each working directory.

A JVM cannot change its working directory, in which relative paths of a test begin. So each has its own
environment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from harness.caches.directory import is_own
from harness.errors import SetupError

SOCKET = "socket"
"""Name of the keeper's socket in its place."""
_LONGEST = 103
"""Longest path of a socket, in characters, on macOS (sockaddr_un.sun_path); Linux has 107."""


def runtime_directory() -> Path | None:
    """Return the user's directory for sockets, which the system deletes when the user logs out; None if there is none.

    See https://specifications.freedesktop.org/basedir-spec/latest/ (``XDG_RUNTIME_DIR``).
    """
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(named) if named and is_own(Path(named)) else None


def place(directory: Path) -> Path:
    """Return the place of the environment that is kept for a working directory; it may not exist."""
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:12]
    name = f"harness-kept-{os.getuid()}-{digest}"
    roots = [runtime_directory() or Path(tempfile.gettempdir()), Path("/tmp")]
    return next((root / name for root in roots if len(str(root / name / SOCKET)) <= _LONGEST), roots[0] / name)


def is_private(path: Path) -> bool:
    """Return whether a directory belongs to this user, and no other user can use it."""
    return is_own(path) and path.is_dir() and not path.stat().st_mode & 0o077


def make_place(directory: Path) -> Path:
    """Make the place of a working directory. One that a killed keeper left is replaced.

    :raises SetupError: another user has made it, or it cannot be made.
    """
    made = place(directory)
    if is_private(made):
        shutil.rmtree(made, ignore_errors=True)
    try:
        made.mkdir(mode=0o700)
    except OSError as error:
        raise SetupError(
            f"{made} cannot be made: {error.strerror}.",
            checked="the place of the environment that is kept for this directory",
            fix="delete it, or set XDG_RUNTIME_DIR to a directory that is yours",
        ) from error
    return made
