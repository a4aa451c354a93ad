"""Polling until a condition holds, with a timeout and the last state seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.errors import HarnessError

T = TypeVar("T")


class WaitTimeout(HarnessError):
    """The condition did not hold in time."""


def pauses(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds between two probes, without end: from ``first``, times 1.5 each time, up to ``longest``."""
    pause = first
    while True:
        yield pause
        pause = max(first, min(pause * 1.5, longest))


def wait_until(
    probe: Callable[[], T],
    what: str,
    *,
    done: Callable[[T], bool] = bool,
    timeout: float = 60.0,
    interval: float = 0.05,
    longest: float = 0.05,
) -> T:
    """Call ``probe`` until ``done`` accepts its value.

    :param what: noun phrase for the error ("endpoint x to be InService").
    :param timeout: seconds after which to give up.
    :param interval: seconds between the first two probes.
    :param longest: seconds up to which that interval grows, to spare a service that is costly to ask.
    :return: the value that ``done`` accepted.
    :raises WaitTimeout: the timeout passed. The error has the last value.
    """
    deadline = time.monotonic() + timeout
    for pause in pauses(interval, longest):
        seen = probe()
        if done(seen):
            return seen
        if time.monotonic() >= deadline:
            raise WaitTimeout(
                f"Timed out after {timeout:g} s waiting for {what}.",
                checked=f"the last state seen was {seen!r}",
            )
        time.sleep(pause)
    raise AssertionError("pauses never end")
