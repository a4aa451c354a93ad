"""Checks of processes that a test started."""

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
    return [" ".join(process.cmdline()) for process in processes if alive(process)]
