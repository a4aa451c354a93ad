"""``harness bench``: runs a matrix of benchmarks and prints each benchmark's time in each cell."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from harness.cli.options import SETTINGS, Command, add_settings, settings_from
from harness.cli.results.instances import run_instances
from harness.errors import ResultsError, SettingsError
from harness.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from harness.bench.matrix.plan import Plan
    from harness.bench.results.reader import Benchmark

Runs: TypeAlias = "Mapping[str, Sequence[Mapping[str, Benchmark]]]"
"""By cell, the benchmarks of each of its rounds."""

_NOT_OPTIONS = ("endpoint_instance_type", "spark_master", "training_instance_count", "endpoint", "fresh")
"""Settings that this command takes as lists, or sets itself."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint-instance-type", metavar="TYPE,…", help="comma-separated instance types "
        f"of endpoints; more than one needs --mode real (default: {Settings.endpoint_instance_type})")  # fmt: skip
    parser.add_argument("--spark-master", metavar="MASTER;…", help="Spark masters, separated by semicolons, "
        f"since masters contain commas: 'local[1];local[2,4]' (default: {Settings.spark_master})")  # fmt: skip
    parser.add_argument("--model", metavar="NAME", help="model in SageMaker to host on each instance type, with "
        "--mode real (default: one of MNIST, trained on --train-rows)")  # fmt: skip
    for name, what in (("batch", "rows per request to the endpoint"), ("partitions", "partitions of the DataFrame")):
        parser.add_argument(f"--{name}", metavar="N,…", help=f"{what}; passed to pytest")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="runs of each cell (default: 8, "
        "enough for a verdict on one benchmark; 2 to 30 benchmarks need 9 to 13)")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("bench-results"), metavar="DIR", help="directory for the "
        "results, <cell>/<round>.json (default: bench-results)")  # fmt: skip
    add_settings(parser, [name for name in SETTINGS if name not in _NOT_OPTIONS])
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, metavar="ARG", help="arguments of pytest, last: "
        "benchmarks to run, then options (default: benchmarks)")  # fmt: skip


def _run(options: argparse.Namespace) -> int:
    from harness.bench.matrix.plan import PYTEST, Plan, axis, counts

    if options.pytest is None and not Path("benchmarks").is_dir():
        raise SettingsError(
            "The directory 'benchmarks' does not exist here.",
            checked=str(Path("benchmarks").absolute()),
            fix="change to the directory that has it, or name other benchmarks last: --pytest my_benchmarks/",
        )
    types, masters = options.endpoint_instance_type, options.spark_master
    types = [None] if types is None else axis("--endpoint-instance-type", types)
    masters = [None] if masters is None else axis("--spark-master", masters, ";")
    cells = [
        settings_from(argparse.Namespace(**{**vars(options), "endpoint_instance_type": each, "spark_master": master}))
        for each in types
        for master in masters
    ]
    from harness.bench.results.provenance import measured_code

    plan = Plan(
        base=cells[0],
        endpoint_instance_types=list(dict.fromkeys(cell.endpoint_instance_type for cell in cells)),
        spark_masters=list(dict.fromkeys(cell.spark_master for cell in cells)),
        rounds=options.rounds,
        batches=[] if options.batch is None else counts("--batch", options.batch),
        partitions=[] if options.partitions is None else counts("--partitions", options.partitions),
        pytest=list(PYTEST) if options.pytest is None else options.pytest,
        commit=measured_code(),
        model=options.model,
    )
    run_bench(plan, options.output)
    return 0


def run_bench(plan: Plan, output: Path) -> None:
    """Run the sessions of a plan that have no results yet; print a table and a comparison of instance types.

    :param output: directory for the results and the plan.
    :raises HarnessError: nothing could be started, a result is missing, or a resource is left over. Results are kept.
    """
    from harness.aws.cleanup.leftovers import refuse_leftovers
    from harness.bench.matrix.runner import refuse_gaps, run_matrix
    from harness.console import PlainConsole
    from harness.processes import ended_in_order

    with ended_in_order():
        outcome = run_matrix(plan, output)
        try:
            print_results(PlainConsole(), output, [cell.name for cell in plan.cells])
            if len(plan.endpoint_instance_types) > 1:
                _compare_instances(plan, output)
        finally:  # also if the reader of our output has gone
            refuse_leftovers(outcome.leftovers, after="the clean-up")
        refuse_gaps(outcome.store)


def _compare_instances(plan: Plan, output: Path) -> None:
    """Print throughput and cost by instance type, for the results that exist."""
    from harness.console import PlainConsole

    try:
        run_instances([output], prices=Path(plan.base.prices) if plan.base.prices else None)
    except ResultsError as error:
        PlainConsole(stderr=True).print(str(error), soft_wrap=True)


def print_results(console: Console, output: Path, cells: Sequence[str]) -> None:
    """Print the results of a matrix, their directory and the commands to continue with; nothing without results."""
    from rich.text import Text

    from harness.console import print_figures, widened

    found = {cell: runs for cell in cells if (runs := _runs(output / cell))}
    if not found:
        return
    widened(console)
    for name in dict.fromkeys(chain.from_iterable(run for runs in found.values() for run in runs)):
        console.print(Text(name, style="bold", overflow="fold"))
        console.print(table(found, name))
    print_figures(console, [("results", str(output)), ("next", "\n".join(_commands(output, list(found))))])


def _runs(directory: Path) -> list[Mapping[str, Benchmark]]:
    from harness.bench.results.reader import read_all

    try:
        return [result.benchmarks for result in read_all([directory]).results]
    except ResultsError:  # no readable result: reported as missing
        return []


def table(found: Runs, name: str) -> Table:
    """Return the times of a benchmark in each cell, over the medians of its runs; a round has one run."""
    from harness.console import Column, terminal_table

    columns = [Column("", folds=True)]
    columns += [Column(name, right=True) for name in ("median", "middle half of runs", "rows/s", "runs")]
    measured = {cell: [run[name] for run in runs if name in run] for cell, runs in found.items()}
    rows = [(f"  {cell}", *_figures(rounds), str(len(rounds))) for cell, rounds in measured.items() if rounds]
    return terminal_table(columns, rows)


def _figures(rounds: Sequence[Benchmark]) -> tuple[str, str, str]:
    import numpy as np

    from harness.console import digits, duration

    low, median, high = np.percentile([each.median for each in rounds], [25, 50, 75]).tolist()
    rows = rounds[-1].info.rows
    rate = digits(rows / median) if rows else ""
    return duration(median), f"{duration(low)} – {duration(high)}", rate


def _commands(output: Path, cells: Sequence[str]) -> list[str]:
    directories = [shlex.quote(str(output / cell)) for cell in cells]
    compare = [f"harness compare {' '.join(directories)}"] if len(cells) > 1 else []
    return [*compare, f"harness report {shlex.quote(str(output))}"]


COMMAND = Command(
    "bench",
    "run benchmarks over a matrix of instance types and Spark masters",
    "Run benchmarks over a matrix of endpoint instance types and Spark masters. Each round runs each cell once, in "
    "random order, in its own pytest process. The plan, its duration and its cost are printed first. The same command "
    "resumes an interrupted run, and adds rounds if --rounds is higher. 'harness bench endpoint' puts load on an "
    "endpoint instead.",
    _add_arguments,
    _run,
)
