"""Text on resources that a clean-up left in AWS: state, cost, and the command that deletes each."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from harness.aws.cleanup.resources import Leftover
from harness.console import printable
from harness.errors import LeftoverError

_WIDTH = 80
_SHOWN = 20
"""Lines of what a session did not delete."""


def leftovers_text(left: Sequence[Leftover]) -> str:
    """Return a table of leftovers, at most 80 columns wide, and the commands below it, each on one line."""
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


def remaining_text(remaining: Sequence[tuple[str, str]]) -> str:
    """Return what a session did not delete, at most :data:`_SHOWN` lines of it, and how it can be deleted in AWS.

    :param remaining: pairs of what there is and the tests during which it was created.
    """
    lines = [f"{text}, created during {tests}" if tests else text for text, tests in remaining]
    return "\n".join(
        [
            "The local AWS ended with these in it. In AWS they would remain, and endpoints cost money:",
            *_some(lines),
            "to fix:  delete them in the test, or create them so that the ledger records and deletes them: with",
            "         sagemaker_fit and estimator_options, sagemaker_client, seed_s3, or ledger.expect(Resource(...)).",
            "         'harness_unrecorded = warn' in the ini file only lists them.",
        ]
    )


def unrecorded_text(lines: Sequence[str]) -> str:
    """Return what was created since a session began and is in no ledger, at most :data:`_SHOWN` lines of it."""
    return "\n".join(
        [
            "SageMaker does not say who created a resource: this session, or another user. They are kept.",
            *_some(lines),
        ]
    )


def _some(lines: Sequence[str]) -> list[str]:
    shown = [f"  {printable(line)}" for line in lines[:_SHOWN]]
    return shown + ([f"  and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else [])


def refuse_leftovers(left: Sequence[Leftover], *, after: str) -> None:
    """Raise :class:`LeftoverError` if there are leftovers.

    :param after: name of the clean-up, for the message.
    """
    if left:
        named = printable(", ".join(f"{leftover.resource} ({leftover.state})" for leftover in left))
        raise LeftoverError(
            f"Resources of this session still existed after {after}: {named}.",
            checked="Describe for each resource, List for objects in S3",
            fix="run " + " ; ".join(printable(leftover.command) for leftover in left),
        )
