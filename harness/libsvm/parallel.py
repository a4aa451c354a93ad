"""Work on parts, side by side and in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
    """Yield what a function makes of each part, made by as many threads as there are cores.

    No more parts are taken than these have to do next. A single part is worked on without a thread, which for a small
    text would take longer to start than the work.
    """
    parts = iter(parts)
    few = list(islice(parts, 2))
    if len(few) < 2:
        yield from map(function, few)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(CORES) as pool:
        try:
            for part in chain(few, parts):
                waiting.append(pool.submit(function, part))
                if len(waiting) > CORES:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
