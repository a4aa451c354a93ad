"""Log of the latest calls and of refused hosts."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass, replace
from typing import Any

_KEPT = 10_000
_NAMES = 1_000
"""Most operations that are counted, and most refused hosts that are kept. Clients choose these names."""
_LONGEST_MESSAGE = 1024
"""Characters of an error's message."""
_LONGEST = 4096
"""Characters of a text in a record. S3's keys have at most 1,024 bytes, or 3,072 characters in a path."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request that the local AWS answered."""

    time: float
    """Arrival, in seconds since the epoch."""
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
    """Code of the error, or ''. DeleteObjects reports an error for each key: this is the first."""
    model_seconds: float = 0.0
    """Time until the container had answered an invocation, with the way to it (CloudWatch's ModelLatency). 0 if no
    container answered."""
    message: str = ""
    """Message of the error, or '' if the call succeeded or its protocol is CBOR."""


class CallLog:
    """The latest 10,000 calls, and the number of calls of each operation. Its size is bounded whatever clients ask."""

    def __init__(self) -> None:
        self._calls: deque[CallRecord] = deque(maxlen=_KEPT)
        self._refused: deque[str] = deque(maxlen=_NAMES)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, call: CallRecord) -> None:
        """Record a call."""
        call = _compact(call)
        with self._lock:
            self._calls.append(call)
            if call.operation in self._counts or len(self._counts) < _NAMES:
                self._counts[call.operation] += 1

    def refuse(self, host: str) -> None:
        """Record a requested host that is not emulated."""
        with self._lock:
            self._refused.append(host[:_LONGEST])

    def clear(self) -> None:
        """Forget the calls. Keep the refused hosts, which concern the whole run."""
        with self._lock:
            self._calls.clear()
            self._counts.clear()

    def forget_refused(self) -> None:
        """Forget the refused hosts too, which are of a run that has ended."""
        with self._lock:
            self._refused.clear()

    def as_json(self) -> dict[str, Any]:
        """Return the calls, the counts by operation and the hosts refused."""
        with self._lock:
            return {
                "calls": [asdict(call) for call in self._calls],
                "counts": dict(self._counts),
                "refused": list(self._refused),
            }


def _compact(call: CallRecord) -> CallRecord:
    """Return a record with texts of bounded length. Texts that many calls share are held once."""
    return replace(
        call,
        operation=sys.intern(call.operation[:_LONGEST]),
        host=sys.intern(call.host[:_LONGEST]),
        path=call.path[:_LONGEST],
        user_agent=sys.intern(call.user_agent[:_LONGEST]),
        message=sys.intern(call.message[:_LONGEST_MESSAGE]),
    )
