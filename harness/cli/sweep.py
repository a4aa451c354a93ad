"""``harness sweep``: lists resources that earlier runs left in AWS, and deletes them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.cli.options import Command, add_settings, settings_from
from harness.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.aws.cleanup.resources import Leftover
    from harness.aws.cleanup.sweep import Judged, Sweep

_FATES = {"delete": "deleted", "unproven": "kept: check first", "early": "kept for now"}
"""Column "with --yes", by fate."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, ["region", "prices"])
    parser.add_argument("--yes", action="store_true", help="delete the listed resources")
    parser.add_argument("--all-regions", action="store_true", help="search every region that has SageMaker")
    parser.add_argument(
        "--ttl",
        type=float,
        default=0.0,
        metavar="HOURS",
        help="keep resources that expired less than this long ago (default: 0)",
    )
    parser.add_argument(
        "--include-unproven",
        action="store_true",
        help="with --yes, also delete resources found only by name, by tag or by a job's description",
    )
    parser.add_argument("--logs", action="store_true", help="include log groups")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(mode="real")


def _run(options: argparse.Namespace) -> int:
    if not 0 <= options.ttl < 1e6:
        raise SettingsError(f"--ttl is {options.ttl:g}.", fix="give a number of hours from 0")
    from harness.aws.cleanup.sweep import Wishes, find
    from harness.console import PlainConsole, print_json, progress_bar

    wishes = Wishes(
        options.yes, options.all_regions, options.include_unproven, options.logs, timedelta(hours=options.ttl)
    )
    to_stderr = PlainConsole(stderr=True)
    sweep = find(settings_from(options), wishes, lambda regions: progress_bar(to_stderr, "searching", regions))
    if not options.json:
        _show(sweep.found, sweep.now)
    left = sweep.delete() if wishes.delete else []
    if options.json:
        found = [_as_json(judged) for judged in sweep.found]
        print_json({"found": found, "left": [_leftover_as_json(each) for each in left], "notes": sweep.notes})
    else:
        _conclude(PlainConsole(soft_wrap=True), sweep, left, deleted=wishes.delete)
    return 0 if sweep.is_clean(left) else 1


def _as_json(judged: Judged) -> dict[str, Any]:
    remain = judged.remain
    return {
        "kind": remain.resource.kind,
        "name": remain.resource.name,
        "region": remain.region,
        "run": remain.run,
        "found_by": remain.found_by,
        "over": remain.over.isoformat(timespec="seconds"),
        "state": remain.state,
        "hourly_cost": judged.hourly_cost,
        "fate": judged.fate,
    }


def _leftover_as_json(left: Leftover) -> dict[str, Any]:
    described = {"kind": left.resource.kind, "name": left.resource.name, "state": left.state}
    return described | {"hourly_cost": left.hourly_cost, "command": left.command}


def _show(found: Sequence[Judged], now: datetime) -> None:
    """Print a table of the resources found, if there are any."""
    from harness.console import Column, PlainConsole, terminal_table, widened

    if not found:
        return
    names = ("kind", "name", "region", "state", "found by", "run", "expired for", "USD an hour", "with --yes")
    columns = [Column(name, right=name == "USD an hour", folds=True) for name in names]
    widened(PlainConsole()).print(terminal_table(columns, [_row(judged, now) for judged in found]))


def _row(judged: Judged, now: datetime) -> tuple[str, ...]:
    from harness.console import printable

    remain = judged.remain
    resource = remain.resource
    return (
        *map(printable, (resource.kind, resource.name, remain.region, remain.state, remain.found_by, remain.run)),
        _age(now - remain.over),
        "unknown" if judged.hourly_cost is None else f"{judged.hourly_cost:.2f}",
        _FATES[judged.fate],
    )


def _age(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"in {-minutes} min" if minutes < 0 else f"{minutes // 60} h {minutes % 60:02} min"


def _conclude(console: Console, sweep: Sweep, left: Sequence[Leftover], *, deleted: bool) -> None:
    """Print the notes and the result of the deletion, or the way to delete."""
    from harness.console import printable

    for note in sweep.notes:
        console.print(f"note: {printable(note)}")
    fates = [judged.fate for judged in sweep.found]
    doomed = fates.count("delete")
    if unproven := fates.count("unproven"):
        console.print(f"{unproven} found only by name, by tag or by a job: check them, then add --include-unproven.")
    if "early" in fates:
        console.print(f"{fates.count('early')} kept: their runs may be alive, or --ttl has not passed.")
    if not deleted:
        which = "all of it" if doomed == len(fates) else f"{doomed} of {len(fates)}"
        console.print(f"To delete {which}: add --yes." if doomed else "Nothing to delete.")
        return
    for each in left:
        console.print(f"left: {printable(f'{each.resource} ({each.state})')}\n  {printable(each.command)}")
    if left:
        console.print(f"{len(left)} of {doomed} are, or may be, left; the commands above delete them.")
    else:
        console.print(f"Deleted {doomed}." if doomed else "Nothing to delete.")


COMMAND = Command(
    "sweep",
    "find and delete resources that earlier runs left in AWS",
    "List resources that earlier runs left in AWS, found by ledgers on this machine, tags and names. With --yes, "
    "delete them; the exit code is 1 if any is left. Resources of runs that may be alive are kept.",
    _add_arguments,
    _run,
)
