"""What was called: a record of the latest requests, and of the hosts that were refused."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 10_000


@dataclass(frozen=True)
class CallRecord:
    """One request that the local AWS answered."""

    time: float
    """When it came, in seconds since the epoch."""
    service: str
    operation: str
    host: str
    path: str
    status: int
    seconds: float
    received: int
    """Bytes of the request's body."""
    user_agent: str
    error: str = ""
    """The code of the error, if there was one; of DeleteObjects, which tells of each key, that of the first."""
    model_seconds: float = 0.0
    """Of an invocation: until the container had answered, with the way there on this machine (CloudWatch's
    ModelLatency); 0 where none answered."""


class CallLog:
    """The latest 10,000 calls, and how often each operation was called."""

    def __init__(self) -> None:
        self._calls: deque[CallRecord] = deque(maxlen=_KEPT)
        self._refused: list[str] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, call: CallRecord) -> None:
        """Record a call."""
        with self._lock:
            self._calls.append(call)
            self._counts[call.operation] += 1

    def refuse(self, host: str) -> None:
        """Record a host that was asked for and is not emulated."""
        with self._lock:
            self._refused.append(host)

    def clear(self) -> None:
        """Forget what was called; keep what was refused, since that speaks of the whole run."""
        with self._lock:
            self._calls.clear()
            self._counts.clear()

    def as_json(self) -> dict[str, Any]:
        """Return the calls, the counts by operation and the hosts refused."""
        with self._lock:
            return {
                "calls": [asdict(call) for call in self._calls],
                "counts": dict(self._counts),
                "refused": list(self._refused),
            }
