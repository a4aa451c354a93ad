"""Parts processed in parallel, results in order."""

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
    """Yield the results of a function for each part, computed by one thread for each core.

    Parts are taken only as threads become free. A single part is processed without a thread, because starting one takes
    longer than reading a small text.
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
