"""Output of the result of a load: on the terminal, as JSON, and as a picture."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from harness.aws import AWS
from harness.bench.analysis.quantile_tests import CONFIDENCE, queries_needed
from harness.bench.load.generator import Measurement, Times
from harness.bench.load.plan import LoadPlan
from harness.bench.load.rate_search import SearchResult
from harness.bench.load.validity import percentile
from harness.bench.results.extra_info import ExtraInfo
from harness.bench.results.provenance import environment, mnist_hash
from harness.console import PlainConsole, print_figures
from harness.pipeline import plots
from harness.settings import Settings

FORMAT = 1
"""Version of the JSON format."""
FILES = ("load.json", "latency.png")
PERCENTS = (50.0, 90.0, 99.0, 99.9)

_CURVE_POINTS = 400
_SHOWN_CHARACTERS = 200


@dataclass
class Ceilings:
    """Upper limits of any measurement: without a model, and without an endpoint."""

    sender: Measurement
    """Limit of the load generator, against a server that answers constants at once."""
    null: Measurement | None
    """Limit without a model: the same requests to an endpoint that answers constants; None in real mode."""


@dataclass
class LoadOutcome:
    """Result of a run of the command."""

    plan: LoadPlan
    endpoint: str
    ceilings: Ceilings
    measurement: Measurement
    objections: list[str]
    found: SearchResult | None = None
    interrupted: bool = False

    @property
    def rate(self) -> float:
        """Planned requests a second in the server scenario."""
        return self.found.tried[-1].rate if self.found and self.found.tried else self.plan.rate


def describe(outcome: LoadOutcome, settings: Settings, aws: AWS, sent: list[bytes]) -> dict[str, Any]:
    """Return the content of ``load.json``; times are in seconds."""
    measurement, plan, found = outcome.measurement, outcome.plan, outcome.found
    percentiles = [percentile(measurement, percent) for percent in PERCENTS]
    return {
        "kind": "endpoint load",
        "format": FORMAT,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "valid": not outcome.objections,
        "objections": outcome.objections,
        "interrupted": outcome.interrupted,
        "plan": asdict(plan),
        "endpoint": outcome.endpoint,
        "account": aws.account,
        "requests": {
            name: getattr(measurement, name)
            for name in ("planned", "sent", "answered", "failed", "unanswered", "over", "waited", "connections")
        },
        "seconds": measurement.seconds,
        "requests_per_second": measurement.requests_per_second,
        "rows_per_second": measurement.rows_per_second,
        "confidence": CONFIDENCE,
        "percentiles": [each._asdict() for each in percentiles if each],
        "latencies_us_hdr": measurement.latencies.encoded(),
        "failures": [
            {"class": name, "requests": count, "first": measurement.messages[name]}
            for name, count in measurement.failures.most_common()
        ],
        "generator": {
            "cpu_share": measurement.cpu_share,
            "cpu_seconds_per_query": measurement.cpu_seconds / max(1, measurement.sent),
            "lateness_p50": measurement.lags.percentile(50),
            "lateness_p99": measurement.lags.percentile(99),
            "lateness_longest": measurement.lags.longest,
        },
        "ceilings": {
            "generator": _ceiling(outcome.ceilings.sender),
            "null_endpoint": _ceiling(outcome.ceilings.null) if outcome.ceilings.null else None,
        },
        "search": None if found is None else {
            "rate": found.rate,
            "limited_by_generator": found.limited_by_sender,
            "tried": [{**asdict(tried), "verdict": tried.verdict.value} for tried in found.tried],
        },
        "environment": environment(settings, aws).as_json() | _work(plan.batch, sent),
    }  # fmt: skip


def _work(rows: int, sent: list[bytes]) -> dict[str, Any]:
    return ExtraInfo(rows=rows, bytes=round(sum(map(len, sent)) / len(sent)), dataset=mnist_hash()).as_json()


def _ceiling(measurement: Measurement) -> dict[str, float]:
    return {
        "requests_per_second": measurement.requests_per_second,
        "rows_per_second": measurement.rows_per_second,
        "p99": measurement.latencies.percentile(99),
        "cpu_seconds_per_request": measurement.cpu_seconds / max(1, measurement.sent),
        "failed": measurement.failed,
    }


def write(output: Path, content: dict[str, Any], outcome: LoadOutcome) -> None:
    """Write the result of :func:`describe`, and a picture of the latencies, into a directory."""
    (output / "load.json").write_text(json.dumps(content, indent=2) + "\n")
    latencies, bound = outcome.measurement.latencies, outcome.plan.p99_under
    if len(latencies) > 1:
        percents, milliseconds = curve(latencies)
        verdict = "VALID" if content["valid"] else "INVALID"
        title = f"{_load_text(outcome)}: {len(latencies):,} latencies, {verdict}"
        shown = None if bound is None else bound * 1000
        plots.latency(output / "latency.png", percents, milliseconds, title, shown)


def curve(latencies: Times) -> tuple[Any, Any]:
    """Return percentiles, spaced evenly by number of nines up to the last latency, and their milliseconds."""
    nines = np.linspace(0, math.log10(len(latencies)), _CURVE_POINTS)
    percents = 100 * (1 - 10**-nines)
    return percents, np.array([latencies.percentile(percent) * 1000 for percent in percents])


def _load_text(outcome: LoadOutcome) -> str:
    plan = outcome.plan
    what = {
        "server": f"server, {outcome.rate:,.1f} requests a second",
        "single-stream": "single-stream",
        "multi-stream": f"multi-stream, {plan.streams} requests at once",
        "offline": f"offline, {plan.streams} requests under way",
    }[plan.scenario]
    return f"{what}, {plan.batch:,} row{'s' if plan.batch > 1 else ''} each"


def print_outcome(outcome: LoadOutcome, output: Path) -> None:
    """Print the outcome and the paths of its files."""
    files = [output / name for name in FILES if (output / name).exists()]
    console = PlainConsole(soft_wrap=True)
    print_figures(console, [*_lines(outcome), ("result", "\n".join(map(str, files)))])
    if not outcome.objections:
        console.print("VALID", style="bold green")
    else:
        console.print("INVALID", style="bold red")
        for objection in outcome.objections:
            console.print(f"  {objection}")
    sys.stdout.flush()


def _lines(outcome: LoadOutcome) -> Iterator[tuple[str, str]]:
    measurement, found = outcome.measurement, outcome.found
    if found:
        under = f"that keeps p99 under {1000 * (outcome.plan.p99_under or 0):g} ms"
        limit = "; the load generator, not the endpoint, was the limit" if found.limited_by_sender else ""
        rate = "none was confirmed" if found.rate is None else f"{found.rate:,.1f} requests a second"
        yield "highest rate", f"{rate} {under}{limit}"
    yield "load", _load_text(outcome)
    yield "endpoint", outcome.endpoint
    yield (
        "requests",
        (
            f"{measurement.sent:,} of {measurement.planned:,} sent, {measurement.answered:,} answered, "
            f"{measurement.failed:,} failed, {measurement.unanswered:,} unanswered, in {measurement.seconds:.1f} s"
        ),
    )
    yield from _failures(measurement)
    yield (
        "throughput",
        f"{measurement.requests_per_second:,.1f} requests and {measurement.rows_per_second:,.1f} rows a second",
    )
    yield "its ceiling", _ceilings_text(outcome.ceilings)
    for percent in PERCENTS:
        yield f"p{percent:g}", _percentile_text(measurement, percent)
    if len(measurement.latencies):
        yield "longest", f"{measurement.latencies.longest * 1000:,.1f} ms"
    yield (
        "generator",
        (
            f"{measurement.cpu_share:.0%} of a core; requests sent {_ms(measurement.lags.percentile(50))} late at p50, "
            f"{_ms(measurement.lags.percentile(99))} at p99, {_ms(measurement.lags.longest)} at most"
        ),
    )
    if measurement.waited:
        yield "waited", f"{measurement.waited:,} requests for one of {measurement.connections} connections"


def _failures(measurement: Measurement) -> Iterator[tuple[str, str]]:
    for name, count in measurement.failures.most_common():
        yield "failures", f"{count:,} × {name}: {measurement.messages[name][:_SHOWN_CHARACTERS]}"


def _ceilings_text(ceilings: Ceilings) -> str:
    alone, cost = ceilings.sender.requests_per_second, ceilings.sender.cpu_seconds / max(1, ceilings.sender.sent)
    sender = f"the load generator alone sent {alone:,.0f} a second, at {cost * 1e6:,.0f} µs of CPU each"
    if ceilings.null is None:
        return sender
    null = ceilings.null
    return (
        f"{null.requests_per_second:,.0f} requests and {null.rows_per_second:,.0f} rows a second for an endpoint that "
        f"answers constants; {sender}"
    )


def _percentile_text(measurement: Measurement, percent: float) -> str:
    found = percentile(measurement, percent)
    if found is None:
        return "unknown: too many queries failed or were not answered"
    if found.high is None:
        needed = queries_needed(percent / 100)
        return f"{_ms(found.value)}, not claimed: that needs at least {needed:,} queries"
    return f"{_ms(found.value)}, with {CONFIDENCE:.0%} confidence from {_ms(found.low)} to {_ms(found.high)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
