"""``harness instances``: compares instance types by cost and latency, and recommends one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli.options import Command, add_form, seconds
from harness.errors import ResultsError, SettingsError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from harness.bench.analysis.instances import Comparison, Offer
    from harness.bench.analysis.recommendation import Goal, Recommendation
    from harness.bench.analysis.statistics import Estimate
    from harness.bench.results.series import Run

_MOST_NAMES = 4
_STYLES = {"yes": "bold green", "yes?": "green", "no?": "dim", "no": "dim"}
"""By standing to the Pareto front."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help="files or directories of results")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--p99-under", metavar="TIME", help="recommend the cheapest type with p99 under this bound, such as 100ms"
    )
    goal.add_argument(
        "--budget", type=float, metavar="USD", help="recommend the fastest type that costs at most this per hour"
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="JSON file of prices, which win over other prices")
    parser.add_argument("--benchmark", metavar="NAME", help="recommend by the benchmark whose name contains this")
    add_form(parser)


def _run(options: argparse.Namespace) -> int:
    bound = None if options.p99_under is None else seconds("--p99-under", options.p99_under)
    if options.budget is not None and not 0 < options.budget < float("inf"):
        raise SettingsError(f"--budget is {options.budget:g}.", fix="give USD per hour above 0, such as 1.50")
    from harness.bench.analysis.recommendation import Goal

    return run_instances(options.results, options.form, Goal(bound, options.budget), options.prices, options.benchmark)


class InstanceReport(NamedTuple):
    """A comparison of instance types, as it is printed."""

    shown: list[Comparison]
    """Benchmarks that were run on several types or numbers of instances."""
    of: Comparison
    """The benchmark that the recommendation rests on."""
    recommendation: Recommendation | None
    """None if no price is known."""
    notes: list[str]
    goal: Goal


def run_instances(
    paths: Sequence[Path],
    form: str = "terminal",
    goal: Goal | None = None,
    prices: Path | None = None,
    benchmark: str | None = None,
) -> int:
    """Compare instance types, print the comparison with a recommendation, and return the command's exit code.

    Unreadable files are reported on standard error, and the rest is compared.

    :param paths: files of results, or directories of them.
    :param form: ``terminal``, ``markdown`` or ``json``.
    :param prices: file of prices, which win over those in the results.
    :param benchmark: part of the name of the benchmark to recommend by. By default it is the one with a known p99, on
        most instances, with most rows per round.
    :return: 4 if results of the local AWS were refused; else 0.
    :raises SettingsError: the prices are invalid, or no benchmark has such a name.
    :raises ResultsError: nothing can be read, fewer than two instance types were measured, or none can be recommended.
    """
    from harness.aws.pricing import PriceFile
    from harness.bench.analysis.instances import comparisons
    from harness.bench.analysis.recommendation import Goal, recommend
    from harness.bench.results.reader import read_all
    from harness.bench.results.recorded_instances import predicts
    from harness.bench.results.series import arrange
    from harness.console import print_text

    goal = goal or Goal()
    known = None if prices is None else PriceFile(prices)
    reading = read_all(paths)
    runs = [run for series in arrange(reading.results) for run in series.runs]
    predicting = [run for run in runs if predicts(run)]
    local = [run for run in predicting if not run.benchmark.info.in_aws]
    found = comparisons(predicting, known)
    several = _several(found, predicting, local)
    of = _choose(several, benchmark)
    try:
        recommendation, refusal = recommend(of, goal), None
    except ResultsError as error:
        recommendation, refusal = None, error
    _FORMS[form](InstanceReport(several, of, recommendation, [*_notes(predicting, local), *_alone(found)], goal))
    sys.stdout.flush()
    for problem in reading.problems:
        print_text(f"harness: skipped: {problem}", sys.stderr)
    if refusal is not None:
        raise refusal
    return ResultsError.exit_code if local else 0


def _several(found: Sequence[Comparison], predicting: Sequence[Run], local: Sequence[Run]) -> list[Comparison]:
    """Return the comparisons of two or more instance options.

    :raises ResultsError: there is none. The error has the reason.
    """
    several = [comparison for comparison in found if len(comparison.offers) > 1]
    if several:
        return several
    measured = sorted({offer.name for comparison in found for offer in comparison.offers})
    fix = "measure other types too, interleaved: harness bench --mode real --endpoint-instance-type TYPE,TYPE"
    if not predicting:
        raise ResultsError(
            "None of these benchmarks predicts with an endpoint.",
            checked="benchmarks that record 'rows', of the groups transform and endpoint or with a price",
            fix="call record_work(rows=…) in a benchmark of an endpoint, and measure it with harness bench --mode real",
        )
    if not measured:
        said = " ".join(_notes(predicting, local))
        raise ResultsError(
            f"None of these results was measured on AWS instances. {said}",
            checked="'mode' and 'endpoint_instance_type' in the results",
            fix="measure in AWS, interleaved: harness bench --mode real --endpoint-instance-type TYPE,TYPE",
        )
    if len(measured) == 1:
        raise ResultsError(f"All results in AWS are of {measured[0]}, so there is nothing to compare it with.", fix=fix)
    raise ResultsError(
        f"No benchmark was run in the same way on two of {', '.join(measured)}: {_apart(found)}.",
        checked="name, region, Spark master, dataset and rows",
        fix=fix,
    )


def _apart(found: Sequence[Comparison]) -> str:
    return "; ".join(f"{comparison.label} on {comparison.offers[0].name}" for comparison in found[:_MOST_NAMES])


def _notes(predicting: Sequence[Run], local: Sequence[Run]) -> Iterator[str]:
    """Yield a sentence on results of the local AWS, and one on results without an instance type."""
    from harness.bench.results.recorded_instances import is_of_aws

    if local:
        names = sorted({run.benchmark.info.endpoint_instance_type or "none" for run in local})
        yield (
            f"Refused: {_counted(local)} on the local AWS, in mock mode or a rehearsal. It runs on this machine and is "
            f"not an instance type, although its results name {', '.join(names)}."
        )
    unknown = [run for run in predicting if run not in local and not is_of_aws(run)]
    if unknown:
        yield f"Skipped: {_counted(unknown)} in AWS that did not record the instance type."


def _counted(runs: Sequence[Run]) -> str:
    """Return ``3 runs of 2 benchmarks``."""
    from harness.console import plural

    return f"{plural(len(runs), 'run')} of {plural(len({run.benchmark.name for run in runs}), 'benchmark')}"


def _alone(found: Sequence[Comparison]) -> Iterator[str]:
    """Yield a sentence on benchmarks that were run on one type of instances only."""
    alone = [f"{one.label} ({one.offers[0].name})" for one in found if len(one.offers) == 1]
    if alone:
        more = f" and {len(alone) - _MOST_NAMES} more" if len(alone) > _MOST_NAMES else ""
        yield f"Not shown, since run on one type of instances only: {', '.join(alone[:_MOST_NAMES])}{more}."


def _choose(several: Sequence[Comparison], part: str | None) -> Comparison:
    """Return the comparison to recommend by.

    :raises SettingsError: no benchmark has such a name.
    """
    from harness.bench.analysis.instances import P99

    able = [comparison for comparison in several if part is None or part in f"{comparison.name} {comparison.label}"]
    if not able:
        raise SettingsError(
            f"--benchmark is {part!r}, which is in the name of no benchmark that was run on several instance types.",
            fix=f"give part of one of these: {', '.join(comparison.label for comparison in several)}",
        )
    return max(able, key=lambda one: (one.measure == P99, len(one.priced), one.rows))


# --- terminal ---------------------------------------------------------------------------------------------------------


def _to_terminal(report: InstanceReport) -> None:
    from rich.text import Text

    from harness.bench.analysis.recommendation import HOW_TO_STATE_A_GOAL, Goal
    from harness.console import PlainConsole, widened

    console = widened(PlainConsole())
    for comparison in report.shown:
        console.print(Text(comparison.label, style="bold", overflow="fold"))
        console.print(_table(comparison))
        for warning in comparison.warnings:
            console.print(Text(f"! {warning}", style="yellow"))
        console.print()
    for note in report.notes:
        console.print(Text(f"! {note}", style="yellow"))
    if report.recommendation:
        console.print(Text(_plain(report.recommendation.sentence), style="bold"))
    if report.goal == Goal():
        console.print(Text(HOW_TO_STATE_A_GOAL))
    console.print(Text(_plain(_method()), style="dim"))


def _table(comparison: Comparison) -> Table:
    from rich.text import Text

    from harness.bench.analysis.instances import P99
    from harness.console import Column, digits, terminal_table, unit_of

    unit, unit_name = unit_of(min(offer.seconds.value for offer in comparison.offers))
    latency = f"{'p99' if comparison.measure == P99 else 'round'}, {unit_name}"
    columns = [
        Column("instances", folds=True),
        *map(Column, ("USD/million", latency, "rows/s")),
        Column("USD/hour", folds=True),
        Column("front"),
    ]
    rows = [
        (
            Text(offer.name),
            _cell(offer.usd_per_million),
            _cell(offer.seconds, unit),
            _cell(offer.rows_per_second),
            Text(digits(offer.usd_per_hour)).append(f"\n{_source(offer)}", style="dim"),
            Text(standing.value, style=_STYLES[standing.value])
            if (standing := comparison.standing(offer))
            else Text("–"),
        )
        for offer in comparison.offers
    ]
    return terminal_table(columns, rows)


def _cell(figure: Estimate, unit: float = 1.0) -> Text:
    """Return an estimate above its interval."""
    from rich.text import Text

    from harness.console import digits

    ends = f"\n{digits(figure.low / unit)}–{digits(figure.high / unit)}" if figure.is_known else ""
    return Text(digits(figure.value / unit)).append(ends, style="dim")


def _source(offer: Offer) -> str:
    return f"{offer.price.source}, {offer.price.date}" if offer.price else "not known"


def _method() -> str:
    """Return the intervals that the comparison rests on, and the meaning of its columns."""
    from harness.bench.analysis.statistics import CONFIDENCE, LEAST_RUNS
    from harness.console import JOINED

    return (
        f"Intervals: {CONFIDENCE:.0%}, studentised bootstrap of the 20% trimmed mean of logarithms, over endpoints "
        f"where there are {LEAST_RUNS} of a type; else over {LEAST_RUNS} runs or more, of one endpoint of each type "
        "unless stated otherwise. Pareto front: no other is both cheaper and faster; a question mark means uncertain. "
        "Cost: of the instances while as busy as when measured, without storage, requests and data transfer."
    ).replace("%", f"{JOINED}%")


def _plain(text: str) -> str:
    from harness.console import JOINED

    return text.replace(JOINED, " ")


# --- Markdown and JSON ------------------------------------------------------------------------------------------------


def _to_markdown(report: InstanceReport) -> None:
    print(_plain("\n".join(_markdown(report))))


def _markdown(report: InstanceReport) -> Iterable[str]:
    from harness.bench.analysis.recommendation import HOW_TO_STATE_A_GOAL, Goal
    from harness.console import markdown_code, markdown_text

    if report.recommendation:
        yield f"**{markdown_text(report.recommendation.sentence)}**"
    if report.goal == Goal():
        yield f"\n{HOW_TO_STATE_A_GOAL}"
    for comparison in report.shown:
        yield f"\n{markdown_code(comparison.label)}\n"
        yield from _markdown_table(comparison)
        yield ""
        yield from (f"- {markdown_text(warning)}" for warning in comparison.warnings)
    yield ""
    yield from (f"- {markdown_text(note)}" for note in report.notes)
    yield f"\n<sub>{_method()}</sub>"


def _markdown_table(comparison: Comparison) -> Iterator[str]:
    from harness.console import Column, digits, duration, markdown_table, markdown_text

    columns = [
        Column("instances"),
        *(Column(name, right=True) for name in ("USD a million", comparison.measure, "rows/s")),
        *map(Column, ("USD an hour", "Pareto front")),
        Column("runs", right=True),
    ]
    rows = [
        (
            offer.name,
            offer.usd_per_million.shown(digits),
            offer.seconds.shown(duration),
            offer.rows_per_second.shown(digits),
            f"{digits(offer.usd_per_hour)} ({_source(offer)})",
            standing.value if (standing := comparison.standing(offer)) else "–",
            str(len(offer.runs)),
        )
        for offer in comparison.offers
    ]
    return markdown_table(columns, [[markdown_text(cell) for cell in row] for row in rows])


def _to_json(report: InstanceReport) -> None:
    from harness.bench.analysis.statistics import CONFIDENCE
    from harness.console import print_json

    said = report.recommendation
    content = {
        "confidence": CONFIDENCE,
        "method": _plain(_method()),
        "goal": asdict(report.goal),
        "recommendation": said and {
            "benchmark": report.of.name,
            "setting": report.of.setting,
            "sentence": _plain(said.sentence),
            "instances": said.chosen and said.chosen.name,
            "alike": [offer.name for offer in said.alike],
        },
        "notes": report.notes,
        "benchmarks": [_as_json(comparison) for comparison in report.shown],
    }  # fmt: skip
    print_json(content)


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "name": comparison.name,
        "setting": comparison.setting,
        "latency": comparison.measure,
        "offers": [_offer_as_json(comparison, offer) for offer in comparison.offers],
        "not_in_turns": [[one.name, other.name] for one, other in comparison.apart],
        "warnings": comparison.warnings,
    }


def _offer_as_json(comparison: Comparison, offer: Offer) -> dict[str, Any]:
    from harness.bench.analysis.instances import Standing

    standing = comparison.standing(offer)
    return {
        "instance_type": offer.kind,
        "instances": offer.count,
        "runs": len(offer.runs),
        "endpoints": offer.endpoints,
        "intervals_over": "endpoints" if offer.is_of_its_type else "runs",
        "requests": offer.requests or None,
        "rows_per_second": _figure_as_json(offer.rows_per_second),
        "latency_seconds": _figure_as_json(offer.seconds),
        "price": offer.price and {
            "usd_per_hour": offer.price.hourly,
            "source": offer.price.source,
            "date": offer.price.date,
        },
        "usd_per_hour": offer.usd_per_hour if offer.price else None,
        "usd_per_million": _figure_as_json(offer.usd_per_million) if offer.price else None,
        "on_front": standing.is_on if standing else None,
        "front_is_sure": standing in (Standing.ON, Standing.OFF) if standing else None,
    }  # fmt: skip


def _figure_as_json(figure: Estimate) -> dict[str, float | None]:
    known = figure.is_known
    return {"value": figure.value, "low": figure.low if known else None, "high": figure.high if known else None}


_FORMS = {"terminal": _to_terminal, "markdown": _to_markdown, "json": _to_json}

COMMAND = Command(
    "instances",
    "recommend an instance type to host a model on, with its cost",
    "Compare the instance types that benchmarks were run on in AWS: rows per second, latency, price, cost of a million "
    "predictions, and Pareto front. Recommend one for a goal. Intervals need 8 runs or more of each.",
    _add_arguments,
    _run,
)
