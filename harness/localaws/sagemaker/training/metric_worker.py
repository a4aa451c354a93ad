"""Finds metrics in lines of a log, in a separate process: ``python -I -S metric_worker.py``.

Python's regular expressions take exponential time for some expressions and lines, and hold the interpreter's lock
meanwhile. In this process they delay no other work. Each has a budget of CPU time, and the process one of memory.

It reads lines of JSON: the list of expressions, then lines of the log. It answers each line of the log with a list. For
each expression this has a number, null, or, once, the reason why the expression is given up. The module imports nothing
from the package, so that it starts in 20 ms.
"""

from __future__ import annotations

import json
import math
import re
import resource
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

BUDGET_SECONDS = 1.0
"""CPU time of an expression over all lines. Lines that take less than :data:`_FREE_SECONDS` do not count."""
_FREE_SECONDS = 0.01
_MEMORY = 1 << 30


class _OutOfTime(Exception):
    pass


class _Expression:
    """One metric's expression, with the rest of its budget."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pattern: re.Pattern[str] | None = None
        self._left = BUDGET_SECONDS

    def find(self, line: str) -> float | str | None:
        """Return the number found, None, or the reason why the expression is given up; None after that."""
        if self._left <= 0:
            return None
        try:
            return self._timed(line)
        except _OutOfTime:
            reason = f"it takes more than {BUDGET_SECONDS:g} s"
        except re.error as error:
            reason = f"it is not a regular expression: {error}"
        except (MemoryError, RecursionError, OverflowError):
            reason = "it takes too much memory"
        self._left = 0
        return reason

    def _timed(self, line: str) -> float | str | None:
        start = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, self._left)
        try:
            return self._search(line)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            taken = time.process_time() - start
            if taken > _FREE_SECONDS and self._left - taken <= 0:
                raise _OutOfTime
            if taken > _FREE_SECONDS:
                self._left -= taken

    def _search(self, line: str) -> float | None:
        if self._pattern is None:
            self._pattern = re.compile(self._text)
            if not self._pattern.groups:
                raise re.error("it has no group, in parentheses, for the value")
        match = self._pattern.search(line)
        try:
            value = float(match.group(1)) if match else math.nan
        except (TypeError, ValueError):  # the group did not match, or is not a number
            return None
        return value if math.isfinite(value) else None


def main() -> None:
    """Answer lines until standard input ends."""
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGVTALRM, _out_of_time)
    searches = [_Expression(text) for text in json.loads(sys.stdin.buffer.readline())]
    for line in sys.stdin.buffer:
        text = json.loads(line)
        print(json.dumps([search.find(text) for search in searches]), flush=True)


def _out_of_time(_number: int, _frame: FrameType | None) -> None:
    raise _OutOfTime


if __name__ == "__main__":
    main()
