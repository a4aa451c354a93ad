"""Text on the resources that a clean-up left in AWS: each with its state, its cost and the command that deletes it."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from harness.aws.cleanup.resources import Leftover
from harness.console import printable
from harness.errors import LeftoverError

_WIDTH = 80


def leftovers_text(left: Sequence[Leftover]) -> str:
    """Return a table of what is left, at most 80 columns wide, and below it the commands, each whole on its line."""
    table = Table("left over", "state", "USD an hour", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for column in table.columns[:2]:
        column.overflow = "fold"
    for leftover in left:
        cost = "unknown" if leftover.hourly_cost is None else f"{leftover.hourly_cost:.3f}"
        table.add_row(printable(str(leftover.resource)), printable(leftover.state), cost)
    text = io.StringIO()
    Console(file=text, width=_WIDTH, highlight=False, markup=False, emoji=False, no_color=True).print(table)
    commands = [f"  {printable(leftover.command)}" for leftover in left]
    return "\n".join([*(line.rstrip() for line in text.getvalue().splitlines()), "to delete it:", *commands])


def refuse_leftovers(left: Sequence[Leftover], *, after: str) -> None:
    """Raise :class:`LeftoverError` if something is left over.

    :param after: the clean-up that left it, for the message.
    """
    if left:
        named = printable(", ".join(f"{leftover.resource} ({leftover.state})" for leftover in left))
        raise LeftoverError(
            f"What this session created was still there after {after}: {named}.",
            checked="Describe of each; of objects in S3, a list",
            fix="run " + " ; ".join(printable(leftover.command) for leftover in left),
        )
