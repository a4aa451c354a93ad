"""``harness bench``: runs a matrix of benchmarks and prints each benchmark's time in each cell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.aws.cleanup.leftovers import refuse_leftovers
from harness.bench.matrix.plan import Plan
from harness.bench.matrix.runner import refuse_gaps, run_matrix
from harness.bench.results.reader import Benchmark, read_all
from harness.cli.instances import run_instances
from harness.console import PlainConsole, digits, duration, print_figures, widened
from harness.errors import ResultsError
from harness.processes import ended_in_order

Runs = Mapping[str, Sequence[Mapping[str, Benchmark]]]
"""By cell, the benchmarks of each of its rounds."""


def run_bench(plan: Plan, output: Path) -> None:
    """Run the sessions of a plan that have no results yet, and print a table and a comparison of instance types.

    :param output: gets the results and the plan.
    :raises HarnessError: nothing could be started, or something is missing or left over in the end; what was measured
        stays.
    """
    with ended_in_order():
        outcome = run_matrix(plan, output)
        try:
            tell(PlainConsole(), output, [cell.name for cell in plan.cells])
            if len(plan.endpoint_instance_types) > 1:
                _compare_instances(plan, output)
        finally:  # the reader of our output may have gone
            refuse_leftovers(outcome.leftovers, after="the clean-up")
        refuse_gaps(outcome.store)


def _compare_instances(plan: Plan, output: Path) -> None:
    """Print throughput and cost by instance type, as far as there are results."""
    try:
        run_instances([output], prices=Path(plan.base.prices) if plan.base.prices else None)
    except ResultsError as error:
        PlainConsole(stderr=True).print(str(error), soft_wrap=True)


def tell(console: Console, output: Path, cells: Sequence[str]) -> None:
    """Print a matrix's results, where they are and what to do with them; nothing where nothing was measured."""
    found = {cell: runs for cell in cells if (runs := _runs(output / cell))}
    if not found:
        return
    widened(console)
    for name in dict.fromkeys(chain.from_iterable(run for runs in found.values() for run in runs)):
        console.print(Text(name, style="bold", overflow="fold"))
        console.print(table(found, name))
    print_figures(console, [("results", str(output)), ("to go on", "\n".join(_commands(output, list(found))))])


def _runs(directory: Path) -> list[Mapping[str, Benchmark]]:
    try:
        return [result.benchmarks for result in read_all([directory]).results]
    except ResultsError:  # nothing is there, or nothing that can be read: it is told as missing
        return []


def table(found: Runs, name: str) -> Table:
    """Return a benchmark's times in each cell: over its runs, one a round, each of which counts by its median."""
    made = Table("", "median", "middle half of runs", "rows/s", "runs", box=None, pad_edge=False, header_style="dim")
    made.columns[0].overflow = "fold"
    for column in made.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for cell, runs in found.items():
        of_it = [run[name] for run in runs if name in run]
        if of_it:
            made.add_row(f"  {cell}", *_figures(of_it), str(len(of_it)))
    return made


def _figures(rounds: Sequence[Benchmark]) -> tuple[str, str, str]:
    low, median, high = np.percentile([each.median for each in rounds], [25, 50, 75]).tolist()
    rows = rounds[-1].info.rows
    rate = digits(rows / median) if rows else ""
    return duration(median), f"{duration(low)} – {duration(high)}", rate


def _commands(output: Path, cells: Sequence[str]) -> list[str]:
    directories = [shlex.quote(str(output / cell)) for cell in cells]
    compare = [f"harness compare {' '.join(directories)}"] if len(cells) > 1 else []
    return [*compare, f"harness report {shlex.quote(str(output))}"]
