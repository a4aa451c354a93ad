"""Scratch directories that are deleted even if the processes that use them are killed.

Processes that use a directory hold a lock on it (flock(2)). The kernel releases it when the last of them ends, however
it ends. The next process that makes a directory, of any kind, deletes the unlocked ones of its user. Process ids do not
suffice: they are reused, and processes in different PID namespaces may share a temporary directory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIXES = ("harness-credentials-", "harness-localaws-", "harness-null-server-", "harness-spark-")
"""Starts of the names of all kinds of directories. No other program's directory may be taken for unused."""


class Scratch:
    """A directory that exists while its lock is held."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock
        """Descriptor that holds the lock, as do its copies in child processes."""

    def delete(self) -> None:
        """Delete the directory and release the lock. A second call does nothing."""
        if self.lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self.lock)
            self.lock = -1


def make_scratch(prefix: str) -> Scratch:
    """Create a locked directory in the temporary directory, and delete unused ones of this prefix and of all others.

    :raises OSError: the directory cannot be created.
    """
    delete_unused(prefix)  # a run that needs no Spark removes the files of a killed Spark too
    while True:
        scratch = _locked(Path(tempfile.mkdtemp(prefix=prefix)))
        if scratch is not None:
            return scratch


def _locked(path: Path) -> Scratch | None:
    """Lock a new directory; return None if another process is deleting it as unused."""
    try:
        lock = _open(path)
    except FileNotFoundError:
        return None
    try:
        _lock(lock)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        return Scratch(path, lock)  # file system without locks: no process can lock it to delete it
    if _is_at(lock, path):
        return Scratch(path, lock)
    os.close(lock)
    return None


def delete_unused(prefix: str = PREFIXES[0]) -> None:
    """Delete the unused directories of this user, of this prefix and of all :data:`PREFIXES`."""
    for each in {prefix, *PREFIXES}:
        for path in Path(tempfile.gettempdir()).glob(f"{each}*"):
            with suppress(OSError):  # not a directory, a link, of another user, in use, or gone
                _delete_if_unused(path)


def _delete_if_unused(path: Path) -> None:
    lock = _open(path)
    try:
        if os.fstat(lock).st_uid == os.getuid():
            _lock(lock)
            if _is_at(lock, path):
                shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(descriptor: int) -> None:
    """Lock a directory.

    :raises BlockingIOError: another process has locked it.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether a path still names this open directory."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
