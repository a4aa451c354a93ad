"""Processes that belong to a run, wherever they are: their environment marks them.

A process group would not do, since commands and JVMs make their own; nor would parents, since they may end first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

RUN_VARIABLE = "HARNESS_RUN"
"""Names the run that a process was started for, in its environment."""

_END_SECONDS = 3
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def end_processes_of(run: str) -> None:
    """End every process that was started for the run: Spark's JVM, its workers, a user's command, containers."""
    found = processes_with(RUN_VARIABLE, run)
    for process in found:
        with suppress(psutil.Error):  # it has ended meanwhile
            process.terminate()
    psutil.wait_procs(found, timeout=_END_SECONDS)
    kill_processes_with(RUN_VARIABLE, run)


def kill_processes_with(variable: str, start: str) -> None:
    """Kill the other processes in whose environment the variable's value starts so."""
    for process in processes_with(variable, start):
        with suppress(psutil.Error):
            process.kill()


def processes_with(variable: str, start: str) -> list[psutil.Process]:
    """Return this user's other processes in whose environment the variable's value starts so; none for an empty text.

    Root can read all environments, and another user can put any mark into one.
    """
    return [process for process in psutil.process_iter() if _has(process, variable, start)]


def _has(process: psutil.Process, variable: str, start: str) -> bool:
    try:
        if process.uids().effective != os.geteuid():
            return False
        value: str = process.environ().get(variable, "")
    except (psutil.Error, OSError):
        return False
    return process.pid != os.getpid() and bool(start) and value.startswith(start)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that what is open is closed; they kill otherwise.

    A handler that somebody set is left in place, and so is a process whose main thread is elsewhere.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    ours = [number for number in _ENDING if in_main_thread and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("terminated by a signal")
