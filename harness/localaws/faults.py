"""Faults that a test puts into the local AWS: errors, delays, a full disk, a container that dies."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

from harness.localaws.validation import service_model

_SERVICES = ("iam", "logs", "s3", "sagemaker", "sagemaker-runtime", "sts")
EFFECTS = ("error", "disk_full", "kill_container")


@lru_cache
def known_operations() -> frozenset[str]:
    """Return the names of the operations of all services that are emulated, so that a misspelt fault is noticed."""
    models = map(service_model, _SERVICES)
    return frozenset(name for model in models for name in model.operation_names)


@dataclass
class Fault:
    """What happens to the next calls of an operation."""

    operation: str
    """The operation as AWS names it (``InvokeEndpoint``, ``PutObject``), or ``*`` for any."""
    effect: str = "error"
    """``error`` answers with ``status``, ``code`` and ``message``; ``disk_full`` acts as a disk without room does;
    ``kill_container`` kills the serving process while it has the request; '' only delays."""
    status: int = 500
    code: str = "InternalFailure"
    message: str = "A fault that was asked for"
    delay: float = 0.0
    """Seconds to wait first."""
    times: int = 1
    """How many calls it happens to."""

    def __post_init__(self) -> None:
        if self.effect not in ("", *EFFECTS):
            raise ValueError(f"effect is {self.effect!r}; choose one of {', '.join(EFFECTS)} or ''")
        if self.operation != "*" and self.operation not in known_operations():
            raise ValueError(f"there is no operation {self.operation!r}; give one as AWS names it, or *")
        if self.times < 1 or self.delay < 0:
            raise ValueError("times must be at least 1 and delay at least 0")
        if self.effect == "kill_container" and self.operation != "InvokeEndpoint":
            raise ValueError("kill_container happens to InvokeEndpoint only: other operations have no container")

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
    """The faults that wait for their call."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let the fault happen to the next calls of its operation."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """Return the fault for this call of ``operation``, if there is one, and count it as happened."""
        with self._lock:
            for fault in self._waiting:
                if fault.operation in (operation, "*"):
                    fault.times -= 1
                    if not fault.times:
                        self._waiting.remove(fault)
                    return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the faults that still wait."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting]
