"""What the report's charts show, as plain data: the page and the pictures are drawn from the same.

Pure: no file is read and nothing is drawn here. All text is plain text; whoever draws it escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from harness.benchmarking.environment import COMPARED
from harness.benchmarking.history import Stretch, stretches
from harness.benchmarking.series import Run, Series

MOST_POSITIONS = 400
"""Positions along a history that are drawn; more commits than that share some."""
JOINED = "\u00a0"
"""Between a number and its unit, which no line's end may part."""
_LOG_FROM = 20.0
"""Ratio of the longest to the shortest from which an axis is logarithmic."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_NOT_FIGURES = {*COMPARED, "commit", "price", "latency", "MB/s", "rows/s"}


class Table(NamedTuple):
    """A chart's figures in words; the first cell of a row names it."""

    caption: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Chart:
    """A chart: what it is called, says and shows, and the same as a table."""

    kind: str
    """Which function draws it: ``ranges``, ``bars``, ``history`` or ``front``."""
    title: str
    summary: str
    """What it shows, in a sentence or two."""
    table: Table
    data: dict[str, Any] = field(default_factory=dict)
    """What its function needs: numbers in the axis' unit, labels, the axes' titles."""


# --- numbers for people -----------------------------------------------------------------------------------------------


def unit_of(seconds: float) -> tuple[float, str]:
    """Return the unit in which a time is best told, as seconds and by name."""
    return next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])


def digits(number: float) -> str:
    """Return a number to three digits, with thousands apart: ``1,240``, ``12.4``, ``0.0124``."""
    if not number or not math.isfinite(number):
        return "0" if number == 0 else "–"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    rounded = round(number, 2 - math.floor(math.log10(abs(number))))
    return f"{rounded:,.{decimals}f}"


def duration(seconds: float) -> str:
    """Return a time in the unit it is best told in: ``12.4 ms``."""
    unit, name = unit_of(seconds)
    return f"{digits(seconds / unit)}{JOINED}{name}"


def percent(ratio: float) -> str:
    """Return how much more or less a ratio is than 1: ``+12 %``; twice and more as ``2.4 times``."""
    return f"{digits(ratio)} times" if ratio >= 2 else f"{(ratio - 1) * 100:+.3g}{JOINED}%".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _is_wide(low: float, high: float) -> bool:
    return low > 0 and high / low >= _LOG_FROM


# --- latency and throughput -------------------------------------------------------------------------------------------


def groups(series: Iterable[Series]) -> dict[str, list[Series]]:
    """Return the series by group, in the order in which they come."""
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
    header = ["Benchmark", "Median", "Middle half of rounds", "All rounds", "Rounds", "Commit", "Also noted"]
    table = Table(f"Time a round: {group}", header, [_latency_row(one) for one in members])
    data = {"rows": rows, "axis": f"time a round, {name}" + " (log scale)" * wide, "log": wide}
    return Chart("ranges", group, _extremes(members), table, data)


def _row_names(members: Sequence[Series]) -> list[str]:
    """Return the members' labels, of parameters only where all are one test's."""
    labels = [one.label for one in members]
    tests = {label.partition("[")[0] for label in labels}
    if len(tests) > 1 or len(labels) == 1 or not all(label.endswith("]") for label in labels):
        return labels
    return [label.partition("[")[2].removesuffix("]") for label in labels]


def _latency_row(one: Series) -> list[str]:
    spread = one.spread
    half, whole = ((spread.quarter, spread.three_quarters), (spread.low, spread.high))
    between = [f"{duration(low)} to {duration(high)}" if spread.saved else "not saved" for low, high in (half, whole)]
    rounds = f"{spread.count:,}" if spread.saved else f"medians of {plural(spread.count, 'run')}"
    return [one.label, duration(spread.median), *between, rounds, one.newest[-1].commit, _also_noted(one)]


def _also_noted(one: Series) -> str:
    """Return the figures that a benchmark noted for itself."""
    noted = {name: value for name, value in one.noted.items() if name not in _NOT_FIGURES}
    return "; ".join(
        f"{name}: {digits(value) if isinstance(value, float) else value}"
        for name, value in noted.items()
        if isinstance(value, (int, float, str))
    )


def _extremes(members: Sequence[Series]) -> str:
    """Return a sentence on the fastest and the slowest of a group."""
    medians = [one.spread.median for one in members]
    ordered = sorted(zip(medians, _row_names(members), strict=True))
    (least, fastest), (most, slowest) = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return f"{fastest} takes {duration(least)} a round, in the median."
    return (
        f"{fastest} is fastest: {duration(least)} a round, in the median. {slowest} takes {digits(most / least)} times "
        f"as long: {duration(most)}."
    )


_RATES = (("rows", 1.0, "rows/s"), ("bytes", 1e6, "MB/s"))


def throughput(series: Iterable[Series]) -> list[Chart]:
    """Return a chart of rows a second, or of megabytes, for each group whose benchmarks note the work of a round."""
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
        summary = f"{best['name']} does most: {best['text']}, in the median round."
        table = _throughput_table(group, able)
        yield Chart("bars", group, summary, table, {"rows": rows, "axis": f"{unit}, more is better"})
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
    return Table(f"Throughput: {group}", header, rows)


# --- load on an endpoint ----------------------------------------------------------------------------------------------


def load(content: Mapping[str, Any]) -> Chart:
    """Return a chart of the percentiles of latency that ``harness bench endpoint`` measured.

    :param content: its ``load.json``.
    :raises KeyError, TypeError, ValueError: it is none.
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
        "ranges", title, _load_told(content), _load_table(title, content), {"rows": rows, "axis": axis, "log": wide}
    )


def _load_told(content: Mapping[str, Any]) -> str:
    verdict = "VALID" if content["valid"] else f"INVALID: {'; '.join(content['objections'])}"
    requests, most = content["requests"], content["ceilings"]["generator"]["requests_per_second"]
    rate, rows = content["requests_per_second"], content["rows_per_second"]
    return (
        f"{digits(rate)} requests and {digits(rows)} rows a second were answered: {requests['answered']:,} of "
        f"{requests['sent']:,} requests well. The harness itself can send {digits(most)} a second. {verdict}."
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
    """A commit with which a benchmark became faster or slower."""

    benchmark: str
    commit: str
    date: str
    before: float
    """Median seconds of the stretch of history before it."""
    after: float

    @property
    def ratio(self) -> float:
        """How many times the time before the time after is."""
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
    """Commit, its date, when it was run, rounds, and the median: what a table of all runs shows."""


def histories(series: Iterable[Series]) -> list[History]:
    """Return the histories of the benchmarks that were run on two commits or more: those that changed come first."""
    found = [_history(one) for one in series if len(one.commits) > 1]
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
    return History(Chart("history", one.label, _told(one, changes), _stretch_table(one, parts), data), changes, runs)


def _points(one: Series, places: Sequence[int], unit: float) -> list[list[Any]]:
    """Return for each position lowest, median and highest of its runs, and its first commit and that one's date."""
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


def _told(one: Series, changes: Sequence[Change]) -> str:
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


class Offer(NamedTuple):
    """What an instance type did, and for how much."""

    name: str
    seconds: float
    """Latency."""
    measure: str
    """Which latency that is, as ``p99 latency``; the same for all that are compared."""
    rows_per_second: float
    usd_per_hour: float
    """For all its instances together."""
    source: str
    """Where the price is from, and of which date."""

    @property
    def usd_per_million(self) -> float:
        """Dollars for a million rows, when it is kept busy."""
        return self.usd_per_hour / 3600 / self.rows_per_second * 1e6


def front(offers: Sequence[Offer]) -> list[Offer]:
    """Return the offers that no other one beats in both latency and cost, the fastest first."""
    found: list[Offer] = []
    for offer in sorted(offers, key=lambda offer: (offer.seconds, offer.usd_per_million)):
        if not found or offer.usd_per_million < found[-1].usd_per_million:
            found.append(offer)
    return found


def offers(members: Sequence[Series]) -> list[Offer]:
    """Return what a benchmark measured on instances of AWS, where it noted their price.

    It notes ``price`` as ``{"usd_per_hour": of one instance, "source": …, "date": …}`` and may note ``latency`` as
    ``{"p99": seconds}``; unless all do, the median of a round stands for it.
    """
    able = [one for one in members if _has_price(one)]
    percentiles = [_p99(one) for one in able]
    known = None not in percentiles
    found = []
    for one, p99 in zip(able, percentiles, strict=True):
        price, count = one.noted["price"], int(one.setting.get("endpoint_instance_count", 1))
        kind = one.setting["endpoint_instance_type"]
        found.append(
            Offer(
                name=kind if count == 1 else f"{count} × {kind}",
                seconds=p99 if known and p99 else one.spread.median,
                measure="p99 latency" if known else "time a round, median",
                rows_per_second=(one.work("rows") or math.nan) / one.spread.median,
                usd_per_hour=float(price["usd_per_hour"]) * count,
                source=f"{price['source']}, {price['date']}",
            )
        )
    return found


def _has_price(one: Series) -> bool:
    price = one.noted.get("price")
    return (
        "endpoint_instance_type" in one.setting  # never there for the local AWS
        and one.work("rows") is not None
        and isinstance(price, dict)
        and price.keys() >= {"usd_per_hour", "source", "date"}
    )


def _p99(one: Series) -> float | None:
    latency = one.noted.get("latency")
    found = latency.get("p99") if isinstance(latency, dict) else None
    return float(found) if isinstance(found, (int, float)) and found > 0 else None


def cost(series: Iterable[Series]) -> list[Chart]:
    """Return a chart of cost against latency for each benchmark that was run on instances with a price."""
    by_benchmark: dict[str, list[Series]] = {}
    for one in series:
        by_benchmark.setdefault(one.name, []).append(one)
    return [cost_of(name, found) for name, members in by_benchmark.items() if (found := offers(members))]


def cost_of(name: str, found: Sequence[Offer]) -> Chart:
    """Return a chart of cost against latency.

    :param found: one or more, all of the same measure.
    """
    best = front(found)
    unit, unit_name = unit_of(min(offer.seconds for offer in found))
    points = [
        {
            "name": offer.name,
            "x": offer.seconds / unit,
            "y": offer.usd_per_million,
            "text": f"${digits(offer.usd_per_million)}, {duration(offer.seconds)}",
            "front": offer in best,
        }
        for offer in sorted(found, key=lambda offer: offer.seconds)
    ]
    cheapest, fastest = best[-1], best[0]
    summary = (
        f"{cheapest.name} is cheapest: ${digits(cheapest.usd_per_million)} for a million predictions, with a latency "
        f"of {duration(cheapest.seconds)}. "
    )
    if fastest is not cheapest:
        per_million = digits(fastest.usd_per_million)
        summary += f"{fastest.name} is fastest: {duration(fastest.seconds)}, for ${per_million}. "
    summary += f"{len(best)} of {len(found)} lie on the Pareto front: no other is both cheaper and faster."
    data = {
        "points": points,
        "axis": f"{found[0].measure}, {unit_name}",
        "axis_y": "US dollars for a million predictions",
    }
    return Chart("front", name.rpartition("::")[2], summary, _cost_table(name, found, best), data)


def _cost_table(name: str, found: Sequence[Offer], best: Sequence[Offer]) -> Table:
    header = [
        "Instances",
        "USD a million",
        found[0].measure.capitalize(),
        "rows/s",
        "USD an hour",
        "Price from",
        "Pareto front",
    ]
    rows = [
        [
            offer.name,
            digits(offer.usd_per_million),
            duration(offer.seconds),
            digits(offer.rows_per_second),
            digits(offer.usd_per_hour),
            offer.source,
            "yes" if offer in best else "no",
        ]
        for offer in sorted(found, key=lambda offer: offer.usd_per_million)
    ]
    return Table(f"Cost against latency: {name.rpartition('::')[2]}", header, rows)


def why_no_cost(series: Sequence[Series]) -> str:
    """Return why nothing can be said about cost."""
    if all(one.noted.get("mode") != "real" for one in series):
        return (
            "These results were not measured on instances of AWS: the local AWS runs on this machine, is no instance "
            "type, and has no price by the hour."
        )
    return "The results measured in AWS note no price with its source and date, or no rows a round."
