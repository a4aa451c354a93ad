"""Standard output and error of a kept JVM, passed on to the session that uses it."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

_PIECE = 65_536
_DRAIN_SECONDS = 1.0


class Outputs:
    """Two pipes for a JVM, whose content goes to the descriptors of a session, or nowhere if there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: list[int] = []
        self._readers: list[int] = []
        self.writers: list[int] = []
        """Descriptors for the JVM's standard output and standard error."""
        for number in range(2):
            reader, writer = os.pipe()
            self._readers.append(reader)
            self.writers.append(writer)
            threading.Thread(target=self._pass_on, args=(number, reader), daemon=True).start()

    def send_to(self, descriptors: Sequence[int]) -> None:
        """Pass on to these descriptors from now on, and close the earlier ones; none for nowhere."""
        self._drain()
        with self._lock:
            for descriptor in self._targets:
                os.close(descriptor)
            self._targets = list(descriptors)

    def _drain(self) -> None:
        """Wait for what was written so far to be passed on, unless the session does not read it."""
        end = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < end and any(_waiting(reader) for reader in self._readers):
            time.sleep(0.01)

    def close(self) -> None:
        """Close the pipes, once the JVM has ended. A second call does nothing."""
        self.send_to([])
        self._readers.clear()
        while self.writers:
            os.close(self.writers.pop())

    def _pass_on(self, number: int, reader: int) -> None:
        while piece := os.read(reader, _PIECE):
            with self._lock:
                target = os.dup(self._targets[number]) if self._targets else -1
            if target >= 0:
                with suppress(OSError):  # the session has ended
                    os.write(target, piece)
                os.close(target)
        os.close(reader)


def _waiting(reader: int) -> int:
    """Return the number of bytes that can be read from a pipe."""
    return struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4))[0]  # type: ignore[no-any-return]
