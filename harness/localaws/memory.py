"""Return of free memory to the machine.

Dozens of threads answer requests. glibc keeps the memory that they free, in several heaps, for later use. After five
minutes of mixed S3 calls 72 of 100 MB were free, and the process still grew. Each thread also caches freed pieces,
0.3 MB more with every 9,000 calls. They count as used and prevent the return of the pages around them.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Mapping

EVERY_SECONDS = 5
"""Time between two returns, each of which takes milliseconds."""
_ARENA_MAX = -8  # M_ARENA_MAX in malloc.h
_ARENAS = 2
_TUNABLES = "GLIBC_TUNABLES"
_NO_CACHES = "glibc.malloc.tcache_count=0"


def frugal_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process whose threads cache no freed memory.

    Only glibc reads the variable, when the process starts: see "Memory Allocation Tunables" in its manual.
    """
    given = environment.get(_TUNABLES)
    return {**environment, _TUNABLES: f"{given}:{_NO_CACHES}" if given else _NO_CACHES}


def return_free_memory() -> None:
    """Return free memory to the machine every :data:`EVERY_SECONDS`, as long as this process runs.

    Only glibc needs this. If called before other threads start, it also limits the number of heaps. glibc makes
    eight of them for each core.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.mallopt(_ARENA_MAX, _ARENAS)
        threading.Thread(target=_keep_trimming, args=(library,), name="memory", daemon=True).start()


def _keep_trimming(library: ctypes.CDLL) -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        library.malloc_trim(0)
