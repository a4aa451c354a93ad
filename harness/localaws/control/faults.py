"""Faults that a test injects: errors, delays, lost answers, signals, a full disk, a dying container."""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

from harness.localaws.api_models import service_model
from harness.localaws.http import hosts

EFFECTS = ("error", "disk_full", "kill_container", "cut", "lose_answer", "signal", "stuck")
_ONE_OPERATION = {"kill_container": "InvokeEndpoint", "stuck": "CreateEndpoint"}
"""Effects that only one operation can have."""


@lru_cache
def known_operations() -> frozenset[str]:
    """Return the operations of all emulated services, so that a misspelt name is an error."""
    models = map(service_model, hosts.SERVICES)
    return frozenset(name for model in models for name in model.operation_names)


@dataclass
class Fault:
    """Something that happens to the next calls of an operation."""

    operation: str
    """The operation as AWS names it (``InvokeEndpoint``, ``PutObject``), or ``*`` for any."""
    effect: str = "error"
    """Effect on the call:

    - ``error`` answers with ``status``, ``code`` and ``message``;
    - ``cut`` cuts the connection, and the call is not applied;
    - ``lose_answer`` applies the call and cuts the connection before its answer;
    - ``signal`` sends ``signal`` to the process ``pid`` before the call is applied, or with ``after`` once it is
      applied and before it is answered; the call itself continues;
    - ``stuck`` keeps an endpoint in ``Creating`` for ``delay`` seconds;
    - ``disk_full`` acts like a full disk;
    - ``kill_container`` kills the serving process while it has the request;
    - '' only delays.
    """
    status: int = 500
    code: str = "InternalFailure"
    message: str = "A fault that was asked for"
    delay: float = 0.0
    """Seconds to wait before the effect."""
    times: int = 1
    """Number of calls that it happens to."""
    skip: int = 0
    """Number of calls of the operation that pass before the first that it may happen to."""
    share: float = 1.0
    """Share of calls, from 0 to 1, that it happens to, chosen at random."""
    seed: int = 0
    """Seed of the random choice: the same seed chooses the same calls."""
    caller: str = ""
    """Access key of the caller whose calls it happens to; '' for all callers."""
    pid: int = 0
    signal: str = "SIGKILL"
    """The signal's name."""
    after: bool = False

    def __post_init__(self) -> None:
        if self.effect not in ("", *EFFECTS):
            raise ValueError(f"effect is {self.effect!r}; choose one of {', '.join(EFFECTS)} or ''")
        if self.operation != "*" and self.operation not in known_operations():
            raise ValueError(f"there is no operation {self.operation!r}; give one as AWS names it, or *")
        if self.times < 1 or self.delay < 0 or self.skip < 0 or not 0 < self.share <= 1:
            raise ValueError("times must be at least 1, delay and skip at least 0, and share above 0 and up to 1")
        if self.operation != (only := _ONE_OPERATION.get(self.effect, self.operation)):
            raise ValueError(f"{self.effect} happens to {only} only, not to {self.operation}")
        if self.effect == "signal" and (self.pid < 1 or self.signal not in signal.Signals.__members__):
            raise ValueError(f"a signal needs a pid and a name such as SIGTERM, not {self.pid} and {self.signal!r}")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Fault:
        """Return the fault that a JSON object describes.

        :raises ValueError: a member is unknown or has a value that cannot be used.
        """
        unknown = values.keys() - {member.name for member in fields(cls)}
        if unknown or "operation" not in values:
            raise ValueError(f"a fault needs an operation and has no {', '.join(sorted(unknown)) or 'other members'}")
        return cls(**values)


class Faults:
    """The faults that wait for a call."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, random.Random]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Inject a fault into the next calls of its operation."""
        with self._lock:
            self._waiting.append((fault, random.Random(fault.seed)))

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str, caller: str = "") -> Fault | None:
        """Return the fault for this call of ``operation``, or None, and count it as happened."""
        with self._lock:
            for waiting in self._waiting:
                fault, chance = waiting
                if fault.operation in (operation, "*") and fault.caller in (caller, "") and _hits(fault, chance):
                    fault.times -= 1
                    if not fault.times:
                        self._waiting.remove(waiting)
                    return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the faults that still wait."""
        with self._lock:
            return [asdict(fault) for fault, _ in self._waiting]


def _hits(fault: Fault, chance: random.Random) -> bool:
    """Return whether a fault happens to this call of its operation, and count the call."""
    if fault.skip:
        fault.skip -= 1
        return False
    return fault.share == 1 or chance.random() < fault.share
