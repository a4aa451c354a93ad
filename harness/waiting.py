"""Waiting for a condition, with a limit and the last state seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.errors import HarnessError

T = TypeVar("T")


class WaitTimeout(HarnessError):
    """The condition did not come true in time."""


def pauses(first: float, longest: float) -> Iterator[float]:
    """Yield for ever the seconds between two probes: half as long again each time, from ``first`` up to ``longest``."""
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
    """Call ``probe`` until ``done`` accepts what it returns.

    :param what: what is being waited for, as a noun phrase ("endpoint x to be InService").
    :param timeout: seconds after which to give up.
    :param interval: seconds between the first two probes.
    :param longest: seconds that the time between two probes grows to, where what is asked does not like to be.
    :return: the value that ``done`` accepted.
    :raises WaitTimeout: with the last value seen.
    """
    deadline = time.monotonic() + timeout
    for pause in pauses(interval, longest):
        seen = probe()
        if done(seen):
            return seen
        if time.monotonic() >= deadline:
            raise WaitTimeout(
                f"Waited {timeout:g} s for {what}, in vain.",
                checked=f"the last state seen was {seen!r}",
            )
        time.sleep(pause)
    raise AssertionError("pauses never end")
