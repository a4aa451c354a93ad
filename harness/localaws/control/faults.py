"""Faults that a test injects: errors, delays, lost answers, signals, a full disk, a dying container."""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from harness.localaws.api_models import service_model
from harness.localaws.http import hosts

ALWAYS = "always"
"""Number of calls of a fault that stays until faults are cleared."""
EFFECTS = {
    "error": "answers with ``status``, ``code`` and ``message``",
    "disk_full": "fails as a full disk does",
    "kill_container": "kills the serving process while it has the request",
    "cut": "cuts the connection, and the call is not applied",
    "lose_answer": "applies the call, then cuts the connection before the answer",
    "signal": "sends ``signal`` to the process ``pid``, and the call continues",
    "stuck": "keeps an endpoint in ``Creating`` for ``delay`` seconds",
    "": "only delays the call by ``delay`` seconds",
}
"""Effects on a call, and their meanings."""
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
    """operation as AWS names it (``InvokeEndpoint``, ``PutObject``), or ``*`` for any"""
    effect: str = "error"
    """name of the effect on the call"""
    status: int = 500
    """HTTP status of the error"""
    code: str = "InternalFailure"
    """code of the error"""
    message: str = "A fault that was asked for"
    """message of the error"""
    delay: float = 0.0
    """seconds to wait before the effect"""
    times: int | Literal["always"] = 1
    """number of calls that it hits, or ``"always"`` for all until faults are cleared"""
    skip: int = 0
    """number of calls of the operation that pass first"""
    share: float = 1.0
    """share of calls, from 0 to 1, that it hits, chosen at random"""
    seed: int = 0
    """seed of the random choice: the same seed chooses the same calls"""
    caller: str = ""
    """access key of the caller whose calls it hits; ``""`` for all callers"""
    pid: int = 0
    """process that gets the signal"""
    signal: str = "SIGKILL"
    """the signal's name"""
    after: bool = False
    """True to send the signal once the call is applied, before its answer"""

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"effect is {self.effect!r}; choose one of {', '.join(filter(None, EFFECTS))} or ''")
        if self.operation != "*" and self.operation not in known_operations():
            raise ValueError(f"there is no operation {self.operation!r}; give one as AWS names it, or *")
        if self.times != ALWAYS and not (isinstance(self.times, int) and self.times >= 1):
            raise ValueError(f'times must be a number of at least 1, or "{ALWAYS}", not {self.times!r}')
        if self.delay < 0 or self.skip < 0 or not 0 < self.share <= 1:
            raise ValueError("delay and skip must be at least 0, and share above 0 and up to 1")
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


@dataclass
class _Waiting:
    """A fault that waits for a call."""

    number: int
    fault: Fault
    chance: random.Random


class Faults:
    """The faults that wait for a call, and the number of calls that each fault has hit."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._applied: list[int] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> int:
        """Inject a fault into the next calls of its operation. Return its number, its place in :meth:`applied`."""
        with self._lock:
            self._waiting.append(_Waiting(len(self._applied), fault, random.Random(fault.seed)))
            self._applied.append(0)
            return len(self._applied) - 1

    def clear(self) -> None:
        """Remove every fault. The numbers of calls stay."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str, caller: str = "") -> Fault | None:
        """Return the fault for this call of ``operation``, or None, and count the call as hit."""
        with self._lock:
            for waiting in self._waiting:
                fault = waiting.fault
                if fault.operation in (operation, "*") and fault.caller in (caller, "") and _hits(waiting):
                    self._count(waiting)
                    return fault
        return None

    def _count(self, waiting: _Waiting) -> None:
        """Count a call that a fault hits, and remove the fault after its last one."""
        self._applied[waiting.number] += 1
        if isinstance(waiting.fault.times, int):
            waiting.fault.times -= 1
            if not waiting.fault.times:
                self._waiting.remove(waiting)

    def applied(self) -> list[int]:
        """Return the number of calls that each fault has hit so far, in the order in which faults were added."""
        with self._lock:
            return list(self._applied)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the faults that still wait."""
        with self._lock:
            return [asdict(waiting.fault) for waiting in self._waiting]


def _hits(waiting: _Waiting) -> bool:
    """Return whether a fault hits this call of its operation, and count the call if it passes first."""
    fault = waiting.fault
    if fault.skip:
        fault.skip -= 1
        return False
    return fault.share == 1 or waiting.chance.random() < fault.share
