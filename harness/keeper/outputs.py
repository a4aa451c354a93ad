"""Standard output and error of a kept JVM, passed on to the session that uses it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress

_PIECE = 65_536


class Outputs:
    """Two pipes for a JVM, whose content goes to the descriptors of a session, or nowhere if there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: list[int] = []
        self.writers: list[int] = []
        """Descriptors for the JVM's standard output and standard error."""
        for number in range(2):
            reader, writer = os.pipe()
            self.writers.append(writer)
            threading.Thread(target=self._pass_on, args=(number, reader), daemon=True).start()

    def send_to(self, descriptors: Sequence[int]) -> None:
        """Pass on to these descriptors from now on, and close the earlier ones; none for nowhere."""
        with self._lock:
            for descriptor in self._targets:
                os.close(descriptor)
            self._targets = list(descriptors)

    def close(self) -> None:
        """Close the pipes, once the JVM has ended. A second call does nothing."""
        self.send_to([])
        while self.writers:
            os.close(self.writers.pop())

    def _pass_on(self, number: int, reader: int) -> None:
        while piece := os.read(reader, _PIECE):
            with self._lock, suppress(OSError):  # the session has ended
                if self._targets:
                    os.write(self._targets[number], piece)
        os.close(reader)
