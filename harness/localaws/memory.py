"""Return of free memory to the machine.

Requests are answered in dozens of threads. glibc keeps what they free, in several heaps, in case they need it again:
after five minutes of mixed S3 calls 72 of 100 MB were free, and the process still grew.
"""

from __future__ import annotations

import ctypes
import threading
import time

EVERY_SECONDS = 5
"""Time between two returns, each of which takes milliseconds."""
_ARENA_MAX = -8  # M_ARENA_MAX in malloc.h
_ARENAS = 2


def return_free_memory() -> None:
    """Return free memory to the machine from now on, as long as this process runs.

    Only glibc has to be asked. Called before other threads start, it also limits the heaps, of which glibc makes eight
    for each core.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.mallopt(_ARENA_MAX, _ARENAS)
        threading.Thread(target=_keep_trimming, args=(library,), name="memory", daemon=True).start()


def _keep_trimming(library: ctypes.CDLL) -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        library.malloc_trim(0)
