"""What a matrix of benchmarks has measured so far, on disk, so that it goes on where it was interrupted.

``OUTPUT/<cell>/<round>.json`` are the results; ``OUTPUT/matrix.json`` is the plan, with the seconds of each session.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from harness.bench.matrix.plan import Cell, Plan, differences
from harness.bench.results.reader import MATRIX, read_file
from harness.console import require_writable
from harness.errors import ResultsError, SettingsError


class Store:
    """The results of one plan in one directory."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        """Look at what is there; the directory is made.

        :raises SettingsError: it cannot be written to, is in use, or holds results of another plan.
        """
        self.directory = directory
        self.plan = plan
        require_writable(directory)
        self._lock = _lock(directory)
        self._sessions: list[dict[str, Any]] = []
        try:
            if any(directory.glob("*/*.json")):
                self._take_up(_read_plan(directory / MATRIX))
        except SettingsError:
            os.close(self._lock)
            raise

    def _take_up(self, before: dict[str, Any]) -> None:
        differing = differences(before, self.plan.described())
        if differing:
            raise SettingsError(
                f"{self.directory} has results of another plan: {'; '.join(differing)}.",
                checked=f"{self.directory / MATRIX}",
                fix="go on with that plan (only --rounds may change), or give another --output",
            )
        self._sessions = before.get("sessions", [])

    def path(self, cell: Cell, number: int) -> Path:
        """Return the file of a session's results."""
        return self.directory / cell.name / f"{number:03}.json"

    def missing(self) -> list[tuple[int, Cell]]:
        """Return the sessions, as (round, cell), whose results are not there whole."""
        every = product(range(1, self.plan.rounds + 1), self.plan.cells)
        return [(number, cell) for number, cell in every if not _is_whole(self.path(cell, number))]

    def note(self, cell: Cell, number: int, seconds: float) -> None:
        """Write down how long a session took."""
        self._sessions.append({"cell": cell.name, "round": number, "seconds": round(seconds, 1)})
        self.write()

    def write(self) -> None:
        """Write the plan, before the first result."""
        content = {**self.plan.described(), "sessions": self._sessions}
        partial = self.directory / f"{MATRIX}.partial"
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, self.directory / MATRIX)

    @property
    def seconds(self) -> list[float]:
        """How long the sessions took that were measured."""
        return [session["seconds"] for session in self._sessions]

    def close(self) -> None:
        """Let others use the directory, and delete it if nothing came to be in it."""
        os.close(self._lock)
        if not any(self.directory.iterdir()):
            self.directory.rmdir()


def by_lot(missing: Sequence[tuple[int, Cell]]) -> Iterator[tuple[int, Cell]]:
    """Yield sessions round by round, each round's in an order that is drawn: what compares them rests on that."""
    draw = random.SystemRandom()
    for number in sorted({number for number, _ in missing}):
        sessions = [session for session in missing if session[0] == number]
        yield from draw.sample(sessions, len(sessions))


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        return not read_file(path)[1]
    except ResultsError:
        return False


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    except (OSError, ValueError):
        pass
    raise SettingsError(
        f"{path.parent} has results, and {path.name}, which says of what plan they are, is not there or is unreadable.",
        checked=str(path),
        fix="give another --output",
    )


def _lock(directory: Path) -> int:
    """Return a descriptor of the directory that keeps others out while it is open."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"Another 'harness bench' is measuring into {directory}.",
            fix="wait for its end, or give another --output",
        ) from None
    except OSError:
        pass  # a file system without locks
    return descriptor
