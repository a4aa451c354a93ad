"""Faults in the local AWS: injecting them, and reporting how many calls each has hit."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, cast

from harness.errors import LocalAWSError
from harness.localaws.control.faults import Fault

_POLL_SECONDS = 1.0
_MANY_CALLS = 20
"""Calls of a test that faults hit, from which on the client is likely to be retrying."""
_FEW_CALLS, _LONG_SECONDS = 5, 30.0
"""Calls, and seconds of a test, from which on the same is likely: pauses between retries grow to 20 s."""


@dataclass(frozen=True, repr=False)
class InjectedFault:
    """A fault that was added to the local AWS."""

    fault: Fault
    number: int
    """Its place among the faults that the local AWS has had."""
    counts: Callable[[], list[int]]
    """Returns the number of calls that each of these has hit."""

    @property
    def applied(self) -> int:
        """Number of calls that it has hit so far. Clearing faults does not reset it."""
        return self.counts()[self.number]

    def __repr__(self) -> str:
        fault = self.fault
        error = f"error {fault.status} {fault.code}"
        return f"<fault {fault.operation}: {error if fault.effect == 'error' else fault.effect or 'delay'}>"


class FaultInjection:
    """Injects faults into the local AWS."""

    def __init__(self, control: Callable[..., Any]) -> None:
        self._control = control
        self._added: list[InjectedFault] = []

    def add(self, operation: str, **members: Any) -> InjectedFault:
        """Have a fault occur in the next calls of ``operation``. Return it, to ask how many calls it has hit.

        The members are those of :class:`harness.localaws.control.faults.Fault`.
        """
        fault = Fault(operation, **members)
        added = InjectedFault(fault, self._control("POST", "/faults", asdict(fault)), self._counts)
        self._added.append(added)
        return added

    def clear(self) -> None:
        """Remove all faults."""
        self._control("DELETE", "/faults")
        self._added.clear()

    def applied(self) -> dict[str, int]:
        """Return the number of calls hit by each fault that was added since the last :meth:`clear`.

        A fault that has hit none is not in it. Equal faults are counted together.
        """
        added = list(self._added)
        counts = self._counts() if added else []
        found = Counter[str]()
        for fault in added:
            found[repr(fault)] += counts[fault.number]
        return dict(+found)

    def _counts(self) -> list[int]:
        return cast("list[int]", self._control("GET", "/faults/applied"))


def applied_text(applied: Mapping[str, int]) -> str:
    """Return how many calls each fault has hit, in one line."""
    return ", ".join(
        f"{fault} has hit {count:,} {'calls' if count > 1 else 'call'}" for fault, count in applied.items()
    )


@contextmanager
def reported_while_waiting(faults: FaultInjection, terminal: IO[str]) -> Iterator[None]:
    """Print one line if faults hit many calls during the block: a client that retries may wait for hours.

    :param terminal: where to print it. It is closed at the end.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(faults, terminal, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        terminal.close()


def _watch(faults: FaultInjection, terminal: IO[str], ended: threading.Event) -> None:
    began = time.monotonic()
    while not ended.wait(_POLL_SECONDS):
        try:
            applied = faults.applied()
        except LocalAWSError:  # it has ended, or the test has cut it off
            continue
        calls, seconds = sum(applied.values()), time.monotonic() - began
        if calls >= _MANY_CALLS or (calls >= _FEW_CALLS and seconds >= _LONG_SECONDS):
            print(f"\nharness: after {seconds:.0f} s, {applied_text(applied)}: is a client retrying?", file=terminal)
            return
