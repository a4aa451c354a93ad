"""Effects of faults on calls: errors, delays, cut connections, signals, a full disk, a dying container."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from contextlib import suppress

from harness.localaws.control.faults import Fault
from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import Request


async def act_before_call(request: Request, fault: Fault) -> None:
    """Do what a fault does before its call is applied.

    :raises AWSError: the fault is an error.
    :raises OSError: the fault is a full disk.
    :raises ClientGone: the fault cuts the connection.
    """
    if fault.effect != "stuck":
        await asyncio.sleep(fault.delay)
    if fault.effect == "cut":
        request.cut()
    if fault.effect == "signal" and not fault.after:
        _signal(fault)
    if fault.effect == "error":
        error = AWSError(fault.message)
        error.status, error.code = fault.status, fault.code
        raise error
    if fault.effect == "disk_full":
        raise OSError(errno.ENOSPC, "No space left on device")


def act_before_answer(request: Request, fault: Fault) -> None:
    """Do what a fault does once its call is applied, and before it is answered.

    :raises ClientGone: the fault loses the answer.
    """
    if fault.effect == "lose_answer":
        request.cut()
    if fault.effect == "signal" and fault.after:
        _signal(fault)


def kills_container(fault: Fault | None) -> bool:
    """Return whether a fault kills the serving process during an invocation."""
    return fault is not None and fault.effect == "kill_container"


def seconds_stuck(fault: Fault | None) -> float:
    """Return how long a fault keeps a new endpoint in ``Creating``."""
    return fault.delay if fault is not None and fault.effect == "stuck" else 0.0


def _signal(fault: Fault) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(fault.pid, signal.Signals[fault.signal])
