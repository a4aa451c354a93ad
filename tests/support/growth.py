"""Resources that a local AWS holds, as the operating system reports them."""

import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple

import psutil


class Held(NamedTuple):
    """Resources of the process of a local AWS, of which each use is to give back what it took."""

    descriptors: int
    threads: int
    memory: int
    disk: int
    """Bytes: of the bodies below its directory, and on Linux of files that are deleted and still open."""


def held(aws):
    """Return what a local AWS holds now."""
    process = psutil.Process(aws.connection.pid)
    return Held(process.num_fds(), process.num_threads(), process.memory_info().rss, disk(aws))


def disk(aws):
    """Return the bytes that a local AWS has on disk, deleted or not."""
    bodies = Path(aws.connection.directory, "objects")
    return sum(size_of(path) for path in bodies.rglob("*")) + deleted_but_open(aws.connection.pid)


def deleted_but_open(pid):
    """Return the bytes of a process's open files that no other process can see; 0 without /proc."""
    if sys.platform != "linux":
        return 0
    return sum(size_of(path, deleted=True) for path in Path(f"/proc/{pid}/fd").iterdir())


def size_of(path, *, deleted=False):
    """Return the bytes of a file; 0 of what is none, or has gone meanwhile."""
    try:
        found = os.stat(path)
    except OSError:
        return 0
    counts = stat.S_ISREG(found.st_mode) and (found.st_nlink == 0) == deleted
    return found.st_size if counts else 0
