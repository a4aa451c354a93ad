"""Charts of the report as plain data, the source of both the page and the pictures.

This module reads no file and draws nothing. All text is plain; the drawing code escapes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from harness.bench.analysis.changepoints import Stretch, stretches
from harness.bench.analysis.instances import Comparison, comparisons
from harness.bench.analysis.recommendation import Goal, recommend
from harness.bench.analysis.statistics import LEAST_RUNS, Estimate
from harness.bench.results.extra_info import COMPARED
from harness.bench.results.series import Run, Series, Spread
from harness.console import JOINED, digits, duration, percent, plural, unit_of

MOST_POSITIONS = 400
"""Most positions of a drawn history; with more commits, some share a position."""
_LOG_FROM = 20.0
"""Least ratio of the longest to the shortest value for a logarithmic axis."""
_NOT_FIGURES = {*COMPARED, "commit", "endpoint", "price", "latency", "MB/s", "rows/s"}


class Table(NamedTuple):
    """Values of a chart as text; the first cell of a row names it."""

    caption: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Chart:
    """A chart: title, summary, data, and the same values as a table."""

    kind: str
    """Name of the drawing function: ``ranges``, ``bars``, ``history`` or ``front``."""
    title: str
    summary: str
    """Summary in one or two sentences."""
    table: Table
    data: dict[str, Any] = field(default_factory=dict)
    """Input of the drawing function: numbers in the unit of the axis, labels, titles of the axes."""


def _is_wide(low: float, high: float) -> bool:
    return low > 0 and high / low >= _LOG_FROM


# --- latency and throughput -------------------------------------------------------------------------------------------


def groups(series: Iterable[Series]) -> dict[str, list[Series]]:
    """Return the series by group, in their original order."""
    found: dict[str, list[Series]] = {}
    for one in series:
        found.setdefault(one.group, []).append(one)
    return found


def latency(series: Iterable[Series]) -> list[Chart]:
    """Return a chart of seconds a round for each group of benchmarks."""
    return [_latency(group, members) for group, members in groups(series).items()]


def _latency(group: str, members: Sequence[Series]) -> Chart:
    spreads = [one.spread for one in members]
    unit, name = unit_of(min(spread.median for spread in spreads))
    rows = [
        {
            "name": row_name,
            "text": duration(spread.median),
            "low": spread.low / unit,
            "q1": spread.quarter / unit,
            "mid": spread.median / unit,
            "q3": spread.three_quarters / unit,
            "high": spread.high / unit,
        }
        for row_name, spread in zip(_row_names(members), spreads, strict=True)
    ]
    wide = _is_wide(min(spread.low for spread in spreads), max(spread.high for spread in spreads))
    header = ["Benchmark", "Median", "Middle half", "All", "Of", "Commit", "Also recorded"]
    table = Table(f"Time a round: {group}", header, [_latency_row(one) for one in members])
    data = {"rows": rows, "axis": f"time a round, {name}" + " (log scale)" * wide, "log": wide}
    return Chart("ranges", group, _extremes(members), table, data)


def _row_names(members: Sequence[Series]) -> list[str]:
    """Return the labels of the members, without the name of the test if all have the same one."""
    labels = [one.label for one in members]
    found = [re.fullmatch(r"([^\[]*)\[(.*)\]( \(.*\))?", label) for label in labels]
    tests = {match and match[1] for match in found}
    if len(labels) == 1 or len(tests) > 1 or None in tests:
        return labels
    return [match[2] + (match[3] or "") for match in found if match]


def _latency_row(one: Series) -> list[str]:
    spread = one.spread
    half, whole = ((spread.quarter, spread.three_quarters), (spread.low, spread.high))
    between = [
        f"{duration(low)} to {duration(high)}" if spread.is_known else "not saved" for low, high in (half, whole)
    ]
    commit = one.newest[-1].commit if one.newest[-1].result.commit_id else "unknown"
    return [one.label, duration(spread.median), *between, _sample(spread), commit, _also_noted(one)]


def _sample(spread: Spread) -> str:
    """Return the unit of a spread: rounds of one run, or runs by their medians."""
    if spread.rounds:
        return f"{plural(spread.rounds, 'round')} of 1 run"
    return plural(spread.runs, "run") if spread.is_known else "1 run, rounds not saved"


def _also_noted(one: Series) -> str:
    """Return the metrics that the benchmark recorded itself."""
    noted = {name: value for name, value in one.noted.items() if name not in _NOT_FIGURES}
    return "; ".join(
        f"{name}: {digits(value) if isinstance(value, float) else value}"
        for name, value in noted.items()
        if isinstance(value, (int, float, str))
    )


def _extremes(members: Sequence[Series]) -> str:
    """Return a sentence on the shortest and the longest median of a group."""
    ordered = sorted(zip(members, _row_names(members), strict=True), key=lambda member: member[0].spread.median)
    (least, lowest), (most, highest) = ordered[0], ordered[-1]
    shortest, longest = least.spread.median, most.spread.median
    if len(ordered) == 1:
        return f"{lowest} takes {duration(shortest)} a round, the median of {_sample(least.spread)}."
    why = _why_unsure(members)
    return (
        f"{lowest} is {'lowest' if why else 'fastest'}: {duration(shortest)} a round{why}. The highest is {highest}: "
        f"{duration(longest)}, {digits(longest / shortest)} times that."
    )


def _why_unsure(members: Sequence[Series], amount: str = "") -> str:
    """Return why the shortest median may not be the fastest benchmark; '' if it certainly is.

    :param amount: recorded amount whose rate is compared (``rows``); by default the time of a round.
    """
    fewest = min(one.spread.runs for one in members)
    if fewest < LEAST_RUNS:
        return f"; with {plural(fewest, 'run')} nothing is certain"
    work = [(one.work(amount) or 1.0, one.spread) for one in members]
    fastest, *others = sorted((spread.median / part, spread.low / part, spread.high / part) for part, spread in work)
    overlapping = any(low <= fastest[-1] for _, low, _ in others)
    return "; ranges overlap, so it is not certain to be the fastest" if overlapping else ""


_RATES = (("rows", 1.0, "rows/s"), ("bytes", 1e6, "MB/s"))


def throughput(series: Iterable[Series]) -> list[Chart]:
    """Return a chart of rows a second, or of megabytes, for each group whose benchmarks record the work of a round."""
    return [chart for group, members in groups(series).items() for chart in _throughput(group, members)]


def _throughput(group: str, members: Sequence[Series]) -> Iterator[Chart]:
    for amount, per, unit in _RATES:
        able = [one for one in members if one.work(amount)]
        if not able:
            continue
        rows: list[dict[str, Any]] = []
        for name, one in zip(_row_names(able), able, strict=True):
            work, spread = (one.work(amount) or math.nan) / per, one.spread
            value, low, high = work / spread.median, work / spread.three_quarters, work / spread.quarter
            rows.append({"name": name, "text": f"{digits(value)} {unit}", "value": value, "low": low, "high": high})
        best = max(rows, key=lambda row: row["value"])
        why = _why_unsure(able, amount)
        value_text = (
            f"{best['text']}, the median of {_sample(able[0].spread)}" if len(able) == 1 else f"{best['text']}{why}"
        )
        summary = f"{best['name']} {'is highest' if why and len(able) > 1 else 'does most'}: {value_text}."
        table = _throughput_table(group, able)
        yield Chart("bars", group, summary, table, {"rows": rows, "axis": f"{unit} by the median, more is better"})
        return


def _throughput_table(group: str, members: Sequence[Series]) -> Table:
    rows = []
    for one in members:
        cells = [one.label]
        for amount, per, _ in _RATES:
            work = one.work(amount)
            cells += [digits(work / per / one.spread.median) if work else "–"]
        rows.append([*cells, digits(one.work("rows") or math.nan), digits((one.work("bytes") or math.nan) / 1e6)])
    header = ["Benchmark", "rows/s", "MB/s", "Rows a round", "MB a round"]
    return Table(f"Throughput by the median: {group}", header, rows)


# --- load on an endpoint ----------------------------------------------------------------------------------------------


def load(content: Mapping[str, Any]) -> Chart:
    """Return a chart of the latency percentiles of ``harness bench endpoint``.

    :param content: content of ``load.json``.
    :raises KeyError, TypeError, ValueError: the content is not a ``load.json``.
    """
    plan, found = content["plan"], content["percentiles"]
    unit, name = unit_of(min(float(each["value"]) for each in found))
    rows = []
    for each in found:
        value, low, high = each["value"], each["low"], each["high"] or each["value"]
        ends = {"low": low / unit, "q1": low / unit, "mid": value / unit, "q3": high / unit, "high": high / unit}
        rows.append({"name": f"p{each['percent']:g}", "text": duration(value), **ends})
    title = f"{plan['scenario']} scenario, {plural(plan['batch'], 'row')} a request"
    wide = _is_wide(min(row["low"] for row in rows), max(row["high"] for row in rows))
    axis = f"latency, {name}" + " (log scale)" * wide
    return Chart(
        "ranges", title, _load_summary(content), _load_table(title, content), {"rows": rows, "axis": axis, "log": wide}
    )


def _load_summary(content: Mapping[str, Any]) -> str:
    verdict = "VALID" if content["valid"] else f"INVALID: {'; '.join(content['objections'])}"
    requests, most = content["requests"], content["ceilings"]["generator"]["requests_per_second"]
    rate, rows = content["requests_per_second"], content["rows_per_second"]
    return (
        f"{digits(rate)} requests and {digits(rows)} rows a second were answered: {requests['answered']:,} of "
        f"{requests['sent']:,} requests succeeded. The harness itself can send {digits(most)} a second. {verdict}."
    )


def _load_table(title: str, content: Mapping[str, Any]) -> Table:
    confidence = f"{content['confidence']:.0%}".replace("%", f"{JOINED}%")
    rows = []
    for each in content["percentiles"]:
        bounds = (
            f"{duration(each['low'])} to {duration(each['high'])}" if each["high"] else f"from {duration(each['low'])}"
        )
        rows.append([f"p{each['percent']:g}", duration(each["value"]), bounds])
    return Table(f"Latency under load: {title}", ["Percentile", "Latency", f"At {confidence} confidence"], rows)


# --- history ----------------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """A commit that made a benchmark faster or slower."""

    benchmark: str
    commit: str
    date: str
    before: float
    """Median seconds before the commit."""
    after: float

    @property
    def ratio(self) -> float:
        """Time after the commit divided by the time before."""
        return self.after / self.before

    @property
    def word(self) -> str:
        """``slower`` or ``faster``."""
        return "slower" if self.after > self.before else "faster"


class History(NamedTuple):
    """A benchmark's runs over commits."""

    chart: Chart
    changes: list[Change]
    runs: list[list[Any]]
    """Rows of the table of all runs: commit, its date, date of the run, rounds, median."""


def histories(series: Iterable[Series]) -> list[History]:
    """Return the histories of benchmarks with two or more known commits; those with changes come first."""
    found = [_history(one) for each in series if len((one := each.of_known_commits).commits) > 1]
    return sorted(found, key=lambda history: not history.changes)


def _history(one: Series) -> History:
    medians = [run.benchmark.median for run in one.runs]
    number = {commit: place for place, commit in enumerate(one.commits)}
    commits = [number[run.commit] for run in one.runs]
    parts = stretches(medians, commits)
    changes = [
        Change(one.label, run.commit, f"{run.commit_date:%Y-%m-%d}", before.median, after.median)
        for before, after in pairwise(parts)
        for run in [one.runs[after.start]]
    ]
    unit, name = unit_of(min(medians))
    shared = math.ceil(len(one.commits) / MOST_POSITIONS)
    data = {
        "axis": f"time a round, {name}",
        "shared": shared,
        "points": _points(one, [commit // shared for commit in commits], unit),
        "levels": [_level(part, commits, shared, unit) for part in parts],
        "changes": [
            {"x": commits[part.start] / shared - 0.5, "text": percent(change.ratio), "word": change.word}
            for part, change in zip(parts[1:], changes, strict=True)
        ],
    }
    runs = [
        [
            run.commit,
            f"{run.commit_date:%Y-%m-%d}",
            f"{run.result.date:%Y-%m-%d %H:%M}",
            len(run.benchmark.times) or "not saved",
            duration(run.benchmark.median),
        ]
        for run in one.runs
    ]
    return History(
        Chart("history", one.label, _history_summary(one, changes), _stretch_table(one, parts), data), changes, runs
    )


def _points(one: Series, places: Sequence[int], unit: float) -> list[list[Any]]:
    """Return for each position the lowest, median and highest run, the first commit and its date."""
    at: dict[int, list[Run]] = {}
    for place, run in zip(places, one.runs, strict=True):
        at.setdefault(place, []).append(run)
    found = []
    for _, runs in sorted(at.items()):
        medians = np.array([run.benchmark.median for run in runs]) / unit
        figures = [float(f"{value:.5g}") for value in (medians.min(), np.median(medians), medians.max())]
        found.append([*figures, runs[0].commit, f"{runs[0].commit_date:%Y-%m-%d}"])
    return found


def _level(part: Stretch, commits: Sequence[int], shared: int, unit: float) -> dict[str, float]:
    start, end = commits[part.start] / shared - 0.5, (commits[part.end - 1] + 1) / shared - 0.5
    return {"x1": start, "x2": end, "y": part.median / unit}


def _history_summary(one: Series, changes: Sequence[Change]) -> str:
    """Return a sentence on a history."""
    seen = f"{plural(len(one.runs), 'run')} of {len(one.commits):,} commits"
    if not changes:
        return f"No change found in {seen}."
    last = changes[-1]
    return (
        f"{plural(len(changes), 'change')} found in {seen}; the latest with {last.commit} of {last.date}: {last.word}, "
        f"from {duration(last.before)} to {duration(last.after)} ({percent(last.ratio)})."
    )


def _stretch_table(one: Series, parts: Sequence[Stretch]) -> Table:
    rows = []
    for number, part in enumerate(parts):
        first, last = one.runs[part.start], one.runs[part.end - 1]
        change = percent(part.median / parts[number - 1].median) if number else "–"
        when = f"{first.commit_date:%Y-%m-%d}"
        rows.append([first.commit, when, last.commit, f"{part.end - part.start:,}", duration(part.median), change])
    header = ["From commit", "Of", "To commit", "Runs", "Median", "Change"]
    return Table(f"Stretches of the same speed: {one.label}", header, rows)


# --- cost -------------------------------------------------------------------------------------------------------------


def cost(series: Iterable[Series]) -> list[Chart]:
    """Return a chart of cost against latency for each benchmark with priced instances."""
    found = comparisons(run for one in series for run in one.newest)
    return [cost_of(comparison) for comparison in found if comparison.priced]


def cost_of(comparison: Comparison) -> Chart:
    """Return a chart of cost against latency.

    :param comparison: a comparison with at least one price.
    """
    shown = comparison.priced
    unit, unit_name = unit_of(min(offer.seconds.value for offer in shown))
    points = [
        {
            "name": offer.name,
            "x": offer.seconds.value / unit,
            "y": offer.usd_per_million.value,
            "x_ends": _ends(offer.seconds, unit),
            "y_ends": _ends(offer.usd_per_million),
            "front": offer in comparison.front,
        }
        for offer in sorted(shown, key=lambda offer: offer.seconds.value)
    ]
    best = len(comparison.front)
    front = [f"{best} of {len(shown)} lie on the Pareto front: no other is both cheaper and faster."] if best else []
    sentences = [recommend(comparison, Goal()).sentence, *front, *(f"{text}." for text in comparison.warnings)]
    axes = {"axis": f"{comparison.measure}, {unit_name}", "axis_y": "US dollars for a million predictions"}
    return Chart("front", comparison.label, " ".join(sentences), _cost_table(comparison), {"points": points, **axes})


def _ends(figure: Estimate, unit: float = 1.0) -> list[float] | None:
    return [figure.low / unit, figure.high / unit] if figure.is_known else None


def _cost_table(comparison: Comparison) -> Table:
    header = [
        "Instances",
        "USD a million",
        comparison.measure.capitalize(),
        "rows/s of all rounds",
        "USD an hour",
        "Price from",
        "Pareto front",
        "Runs",
    ]
    rows = [
        [
            offer.name,
            offer.usd_per_million.shown(digits),
            offer.seconds.shown(duration),
            offer.rows_per_second.shown(digits),
            digits(offer.usd_per_hour),
            f"{offer.price.source}, {offer.price.date}" if offer.price else "unknown",
            standing.value if (standing := comparison.standing(offer)) else "–",
            f"{len(offer.runs):,}",
        ]
        for offer in comparison.offers
    ]
    return Table(f"Cost against latency: {comparison.label}", header, rows)


def why_no_cost(series: Sequence[Series]) -> str:
    """Return the reason for a missing cost chart."""
    if all(one.noted.get("mode") != "real" for one in series):
        return (
            "These results were not measured on AWS instances: the local AWS runs on this machine, which is not an "
            "instance type and has no hourly price."
        )
    return "The results measured in AWS have no price with source and date, or no rows a round."
