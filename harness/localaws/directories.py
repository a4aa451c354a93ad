"""Directory of a local AWS, locked while its process lives, and the removal of those whose process was killed.

The kernel drops a lock with the process that holds it, and it is the same lock in every PID namespace. A process id is
not: a container that shares ``/tmp`` does not see the processes of another one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "harness-localaws-"
_LOCK = "lock"


def make() -> Path:
    """Return a new directory. It is in use until this process ends."""
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    unlocked = directory / f"{_LOCK}.new"
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)  # open until the process ends
    with suppress(OSError):  # a file system without locks: nobody else gets one either, and the directory stays
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unlocked.rename(directory / _LOCK)  # others see it only once it is locked
    return directory


def remove_stale() -> None:
    """Delete the directories of this user's local AWSs that were killed.

    Left alone are directories of other users, links, anything without the lock file, and a directory whose lock is held
    or cannot be had.
    """
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.startswith(_PREFIX) and _is_own_directory(entry):
                    _remove_unless_in_use(Path(entry.path))


def _is_own_directory(entry: os.DirEntry[str]) -> bool:
    found = entry.stat(follow_symlinks=False)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _remove_unless_in_use(directory: Path) -> None:
    with _locked(directory / _LOCK):
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file for a block.

    :raises OSError: another process holds it, the file system has no locks, or there is no such regular file.
    """
    # NFS grants an exclusive lock only to a process that may write. A FIFO is opened without waiting for its other end.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
