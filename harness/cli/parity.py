"""``harness parity``: compares an AWS with snapshots of its answers, or records new ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import OF_A_MODEL, Command, add_settings, settings_from
from harness.errors import SettingsError

if TYPE_CHECKING:
    from harness.parity.replay import Difference
    from harness.parity.snapshot import Snapshot

_LONGEST = 60
"""Characters of a value in the table."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("check", "record"), help="compare answers with snapshots, or write new ones")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="spark-sdk, s3a or sagemaker-sdk (default: all)")
    add_settings(parser, OF_A_MODEL)
    parser.add_argument(
        "--snapshots", type=Path, metavar="DIR", help="check against these (default: the harness's own)"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="directory for new snapshots, with record")
    parser.add_argument("--json", action="store_true", help="print the differences as JSON, with check")


def _run(options: argparse.Namespace) -> int:
    from harness.parity.snapshot import DIRECTORY, PROGRAMS, read

    if unknown := [name for name in options.programs if name not in PROGRAMS]:
        raise SettingsError(f"There is no program {unknown[0]!r}.", fix=f"name one of {', '.join(PROGRAMS)}")
    if (options.action == "record") != (options.output is not None):
        raise SettingsError(
            "--output belongs to 'harness parity record'.", fix="give it with record, and not with check"
        )
    snapshots = [read(options.snapshots or DIRECTORY, name) for name in options.programs or PROGRAMS]
    return _record(options, snapshots) if options.action == "record" else _check(options, snapshots)


def _check(options: argparse.Namespace, snapshots: list[Snapshot]) -> int:
    from harness.console import PlainConsole, plural, print_json
    from harness.parity.replay import differences

    _, replayed = _replayed(options, snapshots)
    found = [
        each
        for snapshot, answered in replayed
        for number, (call, answer) in enumerate(answered, 1)
        for each in differences(snapshot.program, number, call, answer)
    ]
    if options.json:
        print_json([each._asdict() for each in found])
        return 1 if found else 0
    if found:
        _show(found)
    calls = sum(len(answered) for _, answered in replayed)
    PlainConsole().print(f"{plural(calls, 'call')}, {plural(len(found), 'difference')}.")
    return 1 if found else 0


def _record(options: argparse.Namespace, snapshots: list[Snapshot]) -> int:
    from dataclasses import replace
    from datetime import datetime, timezone

    from harness.console import PlainConsole, require_writable
    from harness.parity.snapshot import DOCUMENTATION, write

    require_writable(options.output)
    is_local, replayed = _replayed(options, snapshots)
    stamp = DOCUMENTATION if is_local else f"observed {datetime.now(timezone.utc):%Y-%m-%d}"
    for snapshot, answered in replayed:
        answers = {id(call): answer for call, answer in answered}
        calls = [
            replace(call, answer=answers[id(call)], stamp=stamp) if id(call) in answers else call
            for call in snapshot.calls
        ]
        write(options.output, replace(snapshot, calls=calls))
    PlainConsole().print(f"The snapshots are in {options.output}; their answers are stamped: {stamp}.", soft_wrap=True)
    return 0


def _replayed(
    options: argparse.Namespace, snapshots: Iterable[Snapshot]
) -> tuple[bool, list[tuple[Snapshot, list[tuple[Any, dict[str, Any]]]]]]:
    """Make the calls of each snapshot, and delete what they create.

    :return: whether a local AWS answered, in real mode too (a rehearsal); and the calls with their answers.
    """
    from contextlib import ExitStack, closing

    from harness.aws import open_aws
    from harness.aws.cleanup.reaper import open_ledger
    from harness.bench.endpoints import explained
    from harness.console import ConsoleProgress, PlainConsole
    from harness.parity.replay import Replay
    from harness.processes import ended_in_order

    settings = settings_from(options)
    progress = ConsoleProgress(PlainConsole(stderr=True))
    with ExitStack() as stack:
        if settings.in_aws:
            stack.enter_context(ended_in_order())
        stack.enter_context(closing(progress))
        aws = stack.enter_context(closing(open_aws(settings)))
        ledger = stack.enter_context(open_ledger(aws, settings))
        stack.enter_context(explained())
        done = []
        for snapshot in snapshots:
            progress.begin("calls")
            done.append((snapshot, list(Replay(aws, ledger, settings).answers(snapshot, progress))))
        progress.begin("deleting")
    return aws.is_local, done


def _show(found: list[Difference]) -> None:
    from harness.console import Column, PlainConsole, terminal_table, widened

    columns = [Column("call"), Column("member", folds=True), Column("snapshot", folds=True), Column("AWS", folds=True)]
    rows = [
        (f"{each.program} {each.number} {each.operation}", each.path, _short(each.expected), _short(each.found))
        for each in found
    ]
    console = widened(PlainConsole())
    console.print(terminal_table(columns, rows))


def _short(value: Any) -> str:
    """Return a value as JSON, cut to a readable length; a dash if there is none."""
    text = "–" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


COMMAND = Command(
    "parity",
    "compare an AWS with recorded answers of AWS",
    "Make the calls of the reference programs, and compare each answer with a recorded answer of AWS. In mock mode it "
    "checks the local AWS; with --mode real, AWS itself, where it trains and hosts two small models and deletes them. "
    "The exit code is 1 if an answer differs. 'record' writes new snapshots.",
    _add_arguments,
    _run,
)
