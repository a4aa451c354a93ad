"""Checks of processes that a test started."""

from contextlib import suppress

import psutil


def alive(process):
    """Return whether a process still runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it has ended in between
        return False


def descendants(process):
    """Return the processes below a ``subprocess.Popen``, all the way down."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def commands(processes):
    """Return the command lines of those processes that still run."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it has ended; a zombie counts too
            found.append(" ".join(process.cmdline()))
    return found
