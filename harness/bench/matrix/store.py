"""Results of a matrix of benchmarks on disk, so that an interrupted run resumes.

``OUTPUT/<cell>/<round>.json`` are the results; ``OUTPUT/matrix.json`` is the plan with the duration of each session.
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
    """Results of one plan in one directory."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        """Create the directory, or read the existing results.

        :raises SettingsError: the directory is not writable, is in use, or has results of another plan.
        """
        self.directory = directory
        self.plan = plan
        require_writable(directory)
        self._lock = _lock(directory)
        self._sessions: list[dict[str, Any]] = []
        try:
            if any(directory.glob("*/*.json")):
                self._read_existing(_read_plan(directory / MATRIX))
        except SettingsError:
            os.close(self._lock)
            raise

    def _read_existing(self, before: dict[str, Any]) -> None:
        differing = differences(before, self.plan.described())
        if differing:
            raise SettingsError(
                f"{self.directory} has results of another plan: {'; '.join(differing)}.",
                checked=f"{self.directory / MATRIX}",
                fix="use that plan (only --rounds may change), or give another --output",
            )
        self._sessions = before.get("sessions", [])

    def path(self, cell: Cell, number: int) -> Path:
        """Return the path of a session's results."""
        return self.directory / cell.name / f"{number:03}.json"

    def missing(self) -> list[tuple[int, Cell]]:
        """Return the sessions, as (round, cell), without complete results."""
        every = product(range(1, self.plan.rounds + 1), self.plan.cells)
        return [(number, cell) for number, cell in every if not _is_whole(self.path(cell, number))]

    def record(self, cell: Cell, number: int, seconds: float) -> None:
        """Record the duration of a session."""
        self._sessions.append({"cell": cell.name, "round": number, "seconds": round(seconds, 1)})
        self.write()

    def write(self) -> None:
        """Write the plan; done before the first result."""
        content = {**self.plan.described(), "sessions": self._sessions}
        partial = self.directory / f"{MATRIX}.partial"
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, self.directory / MATRIX)

    @property
    def seconds(self) -> list[float]:
        """Durations of the measured sessions."""
        return [session["seconds"] for session in self._sessions]

    def close(self) -> None:
        """Release the directory, and delete it if it is empty."""
        os.close(self._lock)
        if not any(self.directory.iterdir()):
            self.directory.rmdir()


def in_random_order(missing: Sequence[tuple[int, Cell]]) -> Iterator[tuple[int, Cell]]:
    """Yield sessions round by round, in random order within each round, as the comparison requires."""
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
        f"{path.parent} has results, but their plan {path.name} is missing or unreadable.",
        checked=str(path),
        fix="give another --output",
    )


def _lock(directory: Path) -> int:
    """Return a descriptor of the directory; it locks out other processes while it is open."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SettingsError(
            f"Another 'harness bench' is measuring into {directory}.",
            fix="wait until it ends, or give another --output",
        ) from None
    except OSError:
        pass  # a file system without locks
    return descriptor
