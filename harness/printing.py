"""Figures with their names, and tables, as commands print them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_OF_A_FILE = 240  # columns


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
