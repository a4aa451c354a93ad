"""``harness coverage``: lists the operations and members of AWS that the local AWS emulates, records or refuses."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from harness.cli.options import Command
from harness.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="service as boto3 names it, such as sagemaker")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(options: argparse.Namespace) -> int:
    from harness.console import PlainConsole, print_json, widened
    from harness.localaws.register import coverage

    if options.service not in (None, *coverage.SERVICES):
        raise SettingsError(
            f"SERVICE is {options.service!r}, which the local AWS does not emulate.",
            fix=f"give one of {', '.join(coverage.SERVICES)}",
        )
    if options.json:
        services = [options.service] if options.service else coverage.SERVICES
        print_json({service: coverage.report(service) for service in services})
    elif options.service:
        _print_service(widened(PlainConsole()), options.service)
    else:
        _print_services(widened(PlainConsole()))
    return 0


def _print_services(console: Console) -> None:
    """Print the number of operations of each service, by class."""
    from harness.console import Column, terminal_table
    from harness.localaws.register.coverage import SERVICES, counts

    names = list(counts(SERVICES[0]))
    columns = [Column("service"), *(Column(name, right=True) for name in names)]
    rows = [
        [service, *("others" if number is None else str(number) for number in counts(service).values())]
        for service in SERVICES
    ]
    console.print(terminal_table(columns, rows))
    console.print("'harness coverage SERVICE' lists the operations and members of one service.")


def _print_service(console: Console, service: str) -> None:
    """Print the operations of a service by class, and the members that do not act for every value."""
    from harness.console import Column, terminal_table
    from harness.localaws.register.coverage import limits, operations

    folding = [Column("operations", folds=True), Column("", folds=True)]
    for kind, groups in operations(service).items():
        console.print(f"{kind}:")
        console.print(terminal_table(folding, [[title, " ".join(names)] for title, names in groups.items()]))
        console.print()
    for operation, found in limits(service).items():
        columns = [Column(f"members of {operation}", folds=True), Column("limit", folds=True)]
        console.print(terminal_table(columns, found))
        console.print()


COMMAND = Command(
    "coverage",
    "list the operations of AWS that the local AWS emulates",
    "List the operations of each service that the local AWS emulates, records without acting on them, or refuses. With "
    "SERVICE, also list the members of requests that are refused or have no effect.",
    _add_arguments,
    _run,
)
