"""Processes of a run, which a variable in their environment marks.

A process group does not suffice, since commands and JVMs create their own. Neither do parents, which may end first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

RUN_VARIABLE = "HARNESS_RUN"
"""Variable that names the run for which a process was started."""

_END_SECONDS = 3
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_reasons: list[Callable[[], str]] = []


def end_processes_of(run: str) -> None:
    """End every process that was started for the run: Spark's JVM and workers, a user's command, containers."""
    found = processes_with(RUN_VARIABLE, run)
    for process in found:
        with suppress(psutil.Error):  # it has already ended
            process.terminate()
    psutil.wait_procs(found, timeout=_END_SECONDS)
    kill_processes_with(RUN_VARIABLE, run)


def kill_processes_with(variable: str, start: str) -> None:
    """Kill the processes that :func:`processes_with` returns."""
    for process in processes_with(variable, start):
        with suppress(psutil.Error):
            process.kill()


def processes_with(variable: str, start: str) -> list[psutil.Process]:
    """Return this user's other processes whose variable has a value with this start; none for an empty start.

    Other users' processes are excluded: root can read all environments, and any user can set any mark.
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
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that resources are closed; by default they kill.

    Handlers that were set before are kept. Outside the main thread nothing changes.
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


@contextmanager
def reason_to_end(reason: Callable[[], str]) -> Iterator[None]:
    """Call ``reason`` when a signal ends the block in order; the interruption has the text that it returns, if any."""
    _reasons.append(reason)
    try:
        yield
    finally:
        _reasons.remove(reason)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt(next(filter(None, [reason() for reason in _reasons]), "terminated by a signal"))
