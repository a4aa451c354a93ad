"""Threads for work that would hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Threads:
    """A pool of named threads."""

    def __init__(self, name: str, most: int) -> None:
        """Run at most ``most`` functions at once."""
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the function in a thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
