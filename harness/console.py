"""Output of commands: numbers and units, tables, literal text from outside, and a check of the output directory."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.errors import SettingsError

_NOT_LAYOUT = re.compile("[^\n\u00a0]+")
_MARKDOWN = re.compile(r"[\\`]|(?<=\])[(\[:]")  # what begins code, and what makes a link of text in brackets
_WIDTH_OF_A_FILE = 240  # columns
JOINED = "\u00a0"
"""Between a number and its unit, so that no line break separates them."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def printable(text: str) -> str:
    r"""Return a text from outside with everything escaped that a terminal would obey or not show.

    Escaped as in a Python literal (``\x1b``, ``\u202e``): control characters of both sets, line breaks, bidirectional
    controls (Trojan Source, CVE-2021-42574), other invisible characters, and lone surrogates, which cannot be encoded.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_text(text: str) -> str:
    """Return :func:`printable` text in which lines and spaces that no line's end may part stay."""
    return _NOT_LAYOUT.sub(lambda found: printable(found[0]), text)


def print_text(text: str, file: IO[str] | None = None) -> None:
    """Print text from outside, such as an error that quotes names, to standard output or a file."""
    print(printable_text(text), file=file)


class PlainConsole(Console):
    """A console on which all text is printed literally: no markup, no emoji names, and no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as :class:`rich.console.Console` does, and escape what the text has."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_text(segment.text))


def markdown_code(text: str) -> str:
    """Return text as code in Markdown, which it cannot end."""
    shown = printable(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def markdown_text(text: str) -> str:
    """Return text in which Markdown finds neither HTML nor links, pictures or code."""
    return _MARKDOWN.sub(r"\\\g<0>", printable_text(text).replace("&", "&amp;").replace("<", "&lt;"))


def widened(console: Console) -> Console:
    """Return a console for tables, which is wide where it is no terminal: in a file or pipe no name is to be parted."""
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def print_figures(console: Console, figures: Iterable[tuple[str, str]]) -> None:
    """Print a line a figure, its name in front; a terminal's lines are folded below their values, a log's are not."""
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


def unit_of(seconds: float) -> tuple[float, str]:
    """Return the unit that suits a time, as seconds and by name."""
    return next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])


def digits(number: float) -> str:
    """Return a number to three digits, with thousands apart: ``1,240``, ``12.4``, ``0.0124``."""
    if not number or not math.isfinite(number):
        return "0" if number == 0 else "–"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    rounded = round(number, 2 - math.floor(math.log10(abs(number))))
    return f"{rounded:,.{decimals}f}"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: ``12.4 ms``."""
    unit, name = unit_of(seconds)
    return f"{digits(seconds / unit)}{JOINED}{name}"


def rough_time(seconds: float) -> str:
    """Return a time as it is said of what is to come: ``90 s``, ``12 minutes``, ``2.5 hours``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def percent(ratio: float) -> str:
    """Return how much more or less a ratio is than 1: ``+12 %``; twice and more as ``2.4 times``."""
    return f"{digits(ratio)} times" if ratio >= 2 else f"{(ratio - 1) * 100:+.3g}{JOINED}%".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def require_writable(directory: Path, replaced: Iterable[str] = ()) -> None:
    """Make a directory if need be, and see that it can be written to.

    :param replaced: names of files that an earlier run may have left, and are not to be taken for this one's.
    :raises SettingsError: it cannot be written to, or a file not be replaced.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()  # whose name is nobody else's
        for name in replaced:
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            f"--output is {directory}, where results cannot be written: {error.strerror}.",
            fix="name a directory that you may write to, or one to be made",
        ) from error
