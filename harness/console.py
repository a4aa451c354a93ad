"""Output of commands: untrusted text, numbers and units, tables, progress, checks and unwritable paths.

All commands print through this module. A number, a table and an error therefore look the same everywhere.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.table import Table
from rich.text import Text

from harness.errors import Check, SettingsError

_NOT_LAYOUT = re.compile("[^\n\u00a0]+")
_MARKDOWN = re.compile(r"[\\`]|(?<=\])[(\[:]")  # start of code, and the character that turns bracketed text into a link
_WIDTH_OF_A_FILE = 240  # columns
JOINED = "\u00a0"
"""No-break space, between a number and its unit."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def printable(text: str) -> str:
    r"""Return untrusted text with every character escaped that a terminal would obey or not show.

    Characters are escaped as in a Python literal (``\x1b``, ``\u202e``). These are control characters of both sets,
    line breaks, bidirectional controls (Trojan Source, CVE-2021-42574), other invisible characters, and lone
    surrogates, which cannot be encoded.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_text(text: str) -> str:
    """Return :func:`printable` text that keeps its line breaks and no-break spaces."""
    return _NOT_LAYOUT.sub(lambda found: printable(found[0]), text)


def print_text(text: str, file: IO[str] | None = None) -> None:
    """Print untrusted text, such as an error that quotes names, to standard output or a file."""
    print(printable_text(text), file=file)


class PlainConsole(Console):
    """A console that prints all text literally: no markup, no emoji names, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as :class:`rich.console.Console` does, then escape the text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_text(segment.text))


def markdown_code(text: str) -> str:
    """Return text as Markdown code; no character in the text can end the code."""
    shown = printable(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def markdown_text(text: str) -> str:
    """Return text escaped so that Markdown finds no HTML, link, picture or code in it."""
    return _MARKDOWN.sub(r"\\\g<0>", printable_text(text).replace("&", "&amp;").replace("<", "&lt;"))


def widened(console: Console) -> Console:
    """Return the console for a table. In a file or pipe it is made wide, so that names are not wrapped."""
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def print_figures(console: Console, figures: Iterable[tuple[str, str]]) -> None:
    """Print one line for each (name, value). Long values are folded on a terminal, and not in a file or pipe."""
    shown = list(figures)
    if console.is_terminal:
        console.print(_table(shown))
        return
    width = max(len(name) for name, _ in shown) + 2
    for name, value in shown:
        console.print(Text(name.ljust(width) + value.replace("\n", "\n" + " " * width)), soft_wrap=True)


def _table(figures: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in figures:
        table.add_row(name, Text(value))
    return table


class Column(NamedTuple):
    """A column of a table."""

    name: str
    right: bool = False
    """True to align its cells to the right."""
    folds: bool = False
    """True if a narrow terminal may fold its cells."""


def terminal_table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Return a table without ruled lines for a terminal. Its cells are literal text."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.folds,
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return table


def markdown_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table. Cells are Markdown; a ``|`` in a cell is escaped."""
    yield f"| {' | '.join(column.name for column in columns)} |"
    yield f"| {' | '.join('---:' if column.right else '---' for column in columns)} |"
    for row in rows:
        escaped = (cell.replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(escaped)} |"


def print_json(content: Any) -> None:
    """Print a value as JSON. It is ASCII, so that no character controls a terminal."""
    print(json.dumps(content, indent=2))


class Progress:
    """Progress of a job in stages. This base class shows nothing."""

    def say(self, text: str) -> None:
        """Print a line."""

    def begin(self, stage: str) -> None:
        """Show that a stage has begun."""

    def update(self, state: str) -> None:
        """Show the state of the current stage."""

    def end(self, stage: str, seconds: float) -> None:
        """Show that a stage has ended."""

    def close(self) -> None:
        """Leave the terminal as it was."""

    @contextmanager
    def timed(self, stage: str, stages: dict[str, float]) -> Iterator[None]:
        """Show the block as a stage, and add its seconds to the stages if it succeeds."""
        began = time.perf_counter()
        self.begin(stage)
        yield
        stages[stage] = time.perf_counter() - began
        self.end(stage, stages[stage])


class ConsoleProgress(Progress):
    """Progress on a console: the current stage on a terminal, and a line for each stage that ended."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._status: Status | None = None
        self._stage = ""

    def say(self, text: str) -> None:
        """Print a line with the seconds since the job began."""
        self.console.print(f"{time.monotonic() - self._began:6.1f} s  {text}", soft_wrap=True)

    def begin(self, stage: str) -> None:
        """Show that a stage has begun."""
        self.close()
        self._stage = stage
        self._status = self.console.status(Text(stage))
        self._status.start()

    def update(self, state: str) -> None:
        """Show the state of the current stage."""
        if self._status:
            self._status.update(Text(f"{self._stage}: {state}"))

    def end(self, stage: str, seconds: float) -> None:
        """Print a line for a stage that has ended."""
        self.close()
        self.console.print(f"  {stage:<12}{seconds:8.1f} s")

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._status:
            self._status.stop()
            self._status = None


@contextmanager
def progress_bar(console: Console, label: str, total: int | None, done: int = 0) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal during the block; yield a function that advances it by one, from any thread.

    It is drawn once a second, because the machine may be running a benchmark.
    """
    from rich import progress  # noqa: PLC0415 - few commands have a bar

    columns = (progress.TextColumn("{task.description}", markup=False), progress.BarColumn(20))
    with progress.Progress(
        *columns,
        progress.TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=1,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(label, completed=done, total=total)
        yield lambda: bar.advance(task)


def unit_of(seconds: float) -> tuple[float, str]:
    """Return the unit to show a time in: its seconds and its name."""
    return next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])


def digits(number: float, significant: int = 3) -> str:
    """Return a number to three significant digits with thousands separators: ``1,240``, ``12.4``, ``0.0124``."""
    if not number or not math.isfinite(number):
        return "0" if number == 0 else "–"
    decimals = significant - 1 - math.floor(math.log10(abs(number)))
    return f"{round(number, decimals):,.{max(0, decimals)}f}"


def duration(seconds: float) -> str:
    """Return a time in a readable unit: ``12.4 ms``."""
    unit, name = unit_of(seconds)
    return f"{digits(seconds / unit)}{JOINED}{name}"


def rough_time(seconds: float) -> str:
    """Return an estimated time: ``90 s``, ``12 minutes``, ``2.5 hours``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def percent(ratio: float) -> str:
    """Return the difference between a ratio and 1: ``+12 %``, or ``2.4 times`` from 2 on."""
    return f"{digits(ratio)} times" if ratio >= 2 else f"{(ratio - 1) * 100:+.3g}{JOINED}%".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def require_writable(directory: Path, replaced: Iterable[str] = ()) -> None:
    """Create a directory unless it exists, and check that it can be written to.

    :param replaced: names of files that an earlier run may have left; they are deleted.
    :raises SettingsError: the directory cannot be written to, or a file cannot be deleted.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()  # its name is unique
        for name in replaced:
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_be_written("--output", directory, error) from error


def cannot_be_written(option: str, path: Path, error: OSError, kind: str = "directory") -> SettingsError:
    """Return the error for an option whose path cannot be written to.

    :param kind: ``directory`` or ``file``, for the fix.
    """
    return SettingsError(
        f"{option} is {path}, which cannot be written: {error.strerror}.",
        fix=f"name a {kind} that you may write to, or one that does not exist yet",
    )


_COLOURS = {"ok": "green", "warning": "yellow", "unknown": "yellow", "missing": "red"}


def print_check(console: Console, check: Check) -> None:
    """Print the status, name and finding of a check, and its fix on a line below."""
    console.print(Text.assemble((f"{check.status:<7}", _COLOURS[check.status]), f" {check.name:<10} "), end="")
    console.print(check.found.replace("\n", f"\n{'':19}"), soft_wrap=True)
    if check.fix:
        console.print(f"{'':19}to fix: {check.fix}", soft_wrap=True)
