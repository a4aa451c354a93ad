"""``harness bench endpoint``: load on an endpoint, what came of it, and whether it may be believed."""

from __future__ import annotations

import itertools
import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from harness import pictures
from harness.aws import AWS, open_aws
from harness.aws.ledger import Ledger
from harness.aws.leftovers import leftovers_text, refuse_leftovers
from harness.aws.preflight import find_prices
from harness.aws.real import RealAWS
from harness.aws.reaper import open_ledger
from harness.aws.resources import Leftover
from harness.benchmarking.connections import Connections, Route
from harness.benchmarking.environment import environment, mnist_hash, work
from harness.benchmarking.hosted import bodies, explained, host_model, host_nothing, require_endpoint
from harness.benchmarking.load import Measurement, Times, Watch
from harness.benchmarking.null_server import null_server
from harness.benchmarking.scenarios import SCENARIOS, Load
from harness.benchmarking.search import Found, Tried, find_rate
from harness.benchmarking.signing import SignedRequests
from harness.benchmarking.validity import CONFIDENCE, objections, percentile, queries_needed
from harness.errors import SettingsError
from harness.processes import ended_in_order
from harness.settings import Settings

INVALID = 4
"""The exit code where the load was measured, and may not be believed."""
INTERRUPTED = 130
FORMAT = 1
"""The version of the JSON."""
PERCENTS = (50.0, 90.0, 99.0, 99.9)

_FILES = ("load.json", "latency.png")
_HIGHEST_RATE = 50_000
_LARGEST_BODY = 6 * 2**20
_BODIES = 8
_CEILING_SECONDS = 3.0
_CEILING_STREAMS = 16
_WARM_UP_SECONDS = 1.0
_WARM_UP_STREAMS = 4
_START_SECONDS = {"mock": 10.0, "real": 600.0}
_SEARCH_SECONDS = 180.0
_TOLD_EVERY_SECONDS = 1.0
_CURVE_POINTS = 400
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    scenario: str = "server"
    rate: float = 50.0
    """Requests a second, in the server scenario; where the search begins, if one is made."""
    seconds: float = 60.0
    batch: int = 1
    """Rows of a request."""
    streams: int = 8
    seed: int = 1
    endpoint: str | None = None
    """An endpoint that is there, and stays; a model of the harness's own is hosted otherwise."""
    p99_under: float | None = None
    """A bound on p99 in seconds."""
    find_rate: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("rate", self.rate, 0), ("duration", self.seconds, 0)):
            if not math.isfinite(value) or value <= least:
                raise SettingsError(f"--{name} is {value:g}.", fix="give a number above 0")
        for name, count in (("batch", self.batch), ("streams", self.streams)):
            if count < 1:
                raise SettingsError(f"--{name} is {count}.", fix="give a number from 1")
        if self.rate > _HIGHEST_RATE:
            raise SettingsError(f"--rate is {self.rate:g}.", fix=f"give a number up to {_HIGHEST_RATE:,}")
        if self.seed < 0:
            raise SettingsError(f"--seed is {self.seed}.", fix="give a number from 0")
        if self.p99_under is not None and not (math.isfinite(self.p99_under) and self.p99_under > 0):
            raise SettingsError(f"--p99-under is {self.p99_under:g} s.", fix="give a time above 0, as 100ms")
        if self.find_rate and (self.p99_under is None or self.scenario != "server"):
            raise SettingsError(
                "--find-rate looks for the highest rate of the server scenario that keeps a bound.",
                fix="give the bound, as --p99-under 100ms, and leave --scenario out",
            )
        if self.scenario == "server" and not self.find_rate and self.rate * self.seconds < 1:
            raise SettingsError(
                f"--rate {self.rate:g} for --duration {self.seconds:g} makes no request.", fix="raise one of them"
            )

    @property
    def load(self) -> Load:
        """The load to put on the endpoint."""
        return Load(SCENARIOS[self.scenario], self.seconds, self.rate, self.streams, self.seed)


@dataclass
class Ceilings:
    """What can be measured at most: without a model, and without an endpoint."""

    sender: Measurement
    """Of the load generator beside a server that answers constants at once."""
    null: Measurement | None
    """Of all but the model: the same requests to an endpoint that answers constants; None in real mode."""


class Progress:
    """Lines on standard error; the one under way is written over where that is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._told = 0.0

    def say(self, text: str) -> None:
        """Say what is under way."""
        self._console.print(
            f"{time.monotonic() - self._began:6.1f} s  {text}", highlight=False, markup=False, soft_wrap=True
        )

    def watch(self, seconds: float) -> Watch:
        """Return what shows a load of so many seconds; cheap, since it delays the requests meanwhile."""
        terminal, file = self._console.is_terminal, self._console.file

        def show(measurement: Measurement) -> bool:
            now = time.monotonic()
            if terminal and now - self._told >= _TOLD_EVERY_SECONDS:
                self._told = now
                file.write(
                    f"\r          {measurement.seconds:.0f} of {seconds:.0f} s: {measurement.answered:,} answered, "
                    f"{measurement.failed:,} failed, {measurement.unanswered:,} under way \033[K\r"
                )
                file.flush()
            return True

        return show


class _Stop:
    """Whether a signal asked to end."""

    def __init__(self) -> None:
        self.asked = False

    def watch(self, *others: Watch | None) -> Watch:
        """Return a watch that ends the load when asked to, or when one of the others does."""
        return lambda measurement: not self.asked and all(other(measurement) for other in others if other)


@contextmanager
def stoppable() -> Iterator[_Stop]:
    """Let the first Ctrl-C or SIGTERM end the load under way, and keep what was measured; the second ends all."""
    stop = _Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: object) -> None:
        stop.asked = True
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- measuring --------------------------------------------------------------------------------------------------------


@contextmanager
def connected(
    aws: AWS, endpoint: str, sent: list[bytes], rows: int, route: Route | None = None
) -> Iterator[Connections]:
    """Yield connections to an endpoint, which send these bodies in turn.

    :param rows: rows of a body.
    :param route: the way to it, if it is not AWS's.
    """
    requests = SignedRequests(aws.client("sagemaker-runtime"), endpoint, sent, rows)
    with closing(Connections(requests, route or Route.to(aws))) as connections:
        yield connections


def warm_up(connections: Connections) -> None:
    """Open connections and fill caches, at both ends."""
    Load(SCENARIOS["offline"], _WARM_UP_SECONDS, streams=_WARM_UP_STREAMS).put(connections)


def measure_ceilings(aws: AWS, null_endpoint: str | None, sent: list[bytes], rows: int) -> Ceilings:
    """Measure the load generator alone, and all but the model."""
    most = Load(SCENARIOS["offline"], _CEILING_SECONDS, streams=_CEILING_STREAMS)
    runtime = aws.client("sagemaker-runtime")
    with (
        null_server(runtime.meta.endpoint_url, rows) as route,
        connected(aws, "null", sent, rows, route) as connections,
    ):
        warm_up(connections)
        sender = most.put(connections)
    if null_endpoint is None:
        return Ceilings(sender, None)
    with connected(aws, null_endpoint, sent, rows) as connections:
        warm_up(connections)
        return Ceilings(sender, most.put(connections))


def search(connections: Connections, plan: Plan, stop: _Stop, progress: Progress) -> Found:
    """Return the highest rate that keeps the plan's bound."""
    assert plan.p99_under is not None
    seeds = itertools.count(plan.seed)  # a rate that is probed again gets other arrivals

    def probe(rate: float, seconds: float, watch: Watch | None) -> Measurement:
        if stop.asked:
            raise KeyboardInterrupt
        load = Load(SCENARIOS["server"], seconds, rate, seed=next(seeds))
        measurement = load.put(connections, bound=plan.p99_under, watch=stop.watch(watch, progress.watch(seconds)))
        if not stop.asked:
            connections.settle()
        return measurement

    def tell(tried: Tried) -> None:
        progress.say(
            f"{tried.rate:8.1f} requests a second for {tried.seconds:.1f} s: {tried.late:,} of {tried.queries:,} late, "
            f"which {tried.verdict.value}"
        )

    return find_rate(probe, 99.0, plan.rate, plan.seconds, tell)


# --- the command ------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a run of the command found."""

    plan: Plan
    endpoint: str
    ceilings: Ceilings
    measurement: Measurement
    objections: list[str]
    found: Found | None = None
    interrupted: bool = False

    @property
    def rate(self) -> float:
        """Requests a second that were to be sent, in the server scenario."""
        return self.found.tried[-1].rate if self.found and self.found.tried else self.plan.rate


def run_endpoint_load(settings: Settings, plan: Plan, output: Path) -> int:
    """Measure an endpoint, tell of it on standard output, and write ``load.json`` and ``latency.png`` into a directory.

    :return: the exit code: 0 if the run is VALID, 4 if it is not, 130 if it was interrupted.
    :raises HarnessError: there is nothing to measure, or nothing came of it.
    """
    if plan.endpoint and settings.mode == "mock":
        raise SettingsError(
            f"--endpoint is {plan.endpoint!r}, and the local AWS that this command starts has no endpoints yet.",
            fix="leave it out, or choose --mode real",
        )
    sent = _bodies(plan)
    _prepare(output)
    try:
        outcome, left = _run(settings, plan, sent, output)
    finally:
        if not any(output.iterdir()):
            output.rmdir()  # nothing came of the run
    if outcome.interrupted:
        return INTERRUPTED
    refuse_leftovers(left, after="the clean-up")
    return INVALID if outcome.objections else 0


def _run(settings: Settings, plan: Plan, sent: list[bytes], output: Path) -> tuple[Outcome, list[Leftover]]:
    progress = Progress(Console(stderr=True))
    progress.say(_expectation(settings, plan))
    with ExitStack() as stack:
        stack.enter_context(ended_in_order())
        aws = stack.enter_context(closing(open_aws(settings)))
        if settings.mode == "real":
            progress.say(_cost(cast("RealAWS", aws), settings, plan))
        with _ledger(aws, settings) as ledger, explained():
            outcome = _measure(aws, ledger, settings, plan, sent, progress)
            _write(output, describe(outcome, settings, aws, sent), outcome)
            _tell(outcome, output)
            progress.say("cleaning up")
        return outcome, ledger.leftovers or []


@contextmanager
def _ledger(aws: AWS, settings: Settings) -> Iterator[Ledger]:
    """Yield the run's ledger; print what is left over, in any case."""
    opened: list[Ledger] = []
    try:
        with open_ledger(aws, settings) as ledger:
            opened.append(ledger)
            yield ledger
    finally:
        if opened and opened[0].leftovers:
            print(leftovers_text(opened[0].leftovers), file=sys.stderr)


def _bodies(plan: Plan) -> list[bytes]:
    made = bodies(plan.batch, _BODIES)
    if (largest := max(map(len, made))) > _LARGEST_BODY:
        raise SettingsError(
            f"--batch {plan.batch:,} makes requests of {largest:,} bytes, and SageMaker takes {_LARGEST_BODY:,}.",
            fix=f"give at most about {plan.batch * _LARGEST_BODY // largest:,}",
        )
    return made


def _prepare(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            (output / name).touch()
            (output / name).unlink()  # so that no earlier run's is taken for this one's
    except OSError as error:
        raise SettingsError(
            f"--output is {output}, where the result cannot be written: {error.strerror}.",
            fix="name a directory that you may write to, or one to be made",
        ) from error


def _expectation(settings: Settings, plan: Plan) -> str:
    """Return how long it will take, and what is to come."""
    start = 0.0 if plan.endpoint else _START_SECONDS[settings.mode]
    seconds = start + plan.seconds + 2 * (_CEILING_SECONDS + _WARM_UP_SECONDS)
    what = f"{plan.scenario}, {plan.batch:,} row{'s' if plan.batch > 1 else ''} a request, for {plan.seconds:g} s"
    if plan.find_rate:
        seconds += _SEARCH_SECONDS
        return f"{what}, after a search of two to four minutes: about {_minutes(seconds)} in all"
    return f"{what}: about {_minutes(seconds)} in all"


def _cost(aws: RealAWS, settings: Settings, plan: Plan) -> str:
    """Return what the run will cost, by the prices of its instances; each with its source and date."""
    if plan.endpoint:
        return f"nothing is created: the endpoint {plan.endpoint} costs what it costs without this run"
    try:
        prices = find_prices(aws, settings)
    except (ClientError, BotoCoreError) as error:
        return f"what it costs is not known: {error}"
    if (training := prices["training"]) is None or (hosting := prices["hosting"]) is None:
        return "what it costs is not known: AWS's price list does not say, and --prices was not given"
    hours = (_START_SECONDS["real"] + plan.seconds + (_SEARCH_SECONDS if plan.find_rate else 0)) / 3600
    usd = hours * (training.hourly + hosting.hourly * settings.endpoint_instance_count)
    return f"about USD {usd:.2f} ({training}; {hosting})"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _measure(
    aws: AWS, ledger: Ledger, settings: Settings, plan: Plan, sent: list[bytes], progress: Progress
) -> Outcome:
    if plan.endpoint:
        require_endpoint(aws, plan.endpoint)
        endpoint = plan.endpoint
    else:
        endpoint = host_model(aws, ledger, settings, progress.say)
    progress.say("measuring the load generator, and an endpoint that answers constants")
    ceilings = measure_ceilings(aws, host_nothing(aws, ledger, settings), sent, plan.batch)
    with connected(aws, endpoint, sent, plan.batch) as connections, stoppable() as stop:
        return measure(connections, plan, endpoint, ceilings, stop, progress)


def measure(
    connections: Connections, plan: Plan, endpoint: str, ceilings: Ceilings, stop: _Stop, progress: Progress
) -> Outcome:
    """Put the plan's load on an endpoint, and judge what came of it.

    :raises HarnessError: no rate keeps the bound that one was looked for, or nothing was measured.
    """
    progress.say(f"warming up {endpoint}")
    warm_up(connections)
    found = None
    if plan.find_rate:
        progress.say("looking for the highest rate")
        found = search(connections, plan, stop, progress)
        measurement = found.measurement or Measurement()
    else:
        progress.say(f"measuring for {plan.seconds:g} s")
        watch = stop.watch(progress.watch(plan.seconds))
        measurement = plan.load.put(connections, bound=plan.p99_under, watch=watch)
    scenario = SCENARIOS[plan.scenario]
    against = objections(measurement, scenario.percent, open_loop=scenario.is_open)
    if found and found.rate is None:
        against.insert(0, "no rate was confirmed to keep the bound")
    return Outcome(plan, endpoint, ceilings, measurement, against, found, stop.asked)


# --- what is told -----------------------------------------------------------------------------------------------------


def describe(outcome: Outcome, settings: Settings, aws: AWS, sent: list[bytes]) -> dict[str, Any]:
    """Return the outcome as ``load.json`` holds it; times are in seconds."""
    measurement, plan, found = outcome.measurement, outcome.plan, outcome.found
    told = [percentile(measurement, percent) for percent in PERCENTS]
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
        "percentiles": [each._asdict() for each in told if each],
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
        "environment": environment(settings)
        | work(rows=plan.batch, size=round(sum(map(len, sent)) / len(sent)), dataset=mnist_hash()),
    }  # fmt: skip


def _ceiling(measurement: Measurement) -> dict[str, float]:
    return {
        "requests_per_second": measurement.requests_per_second,
        "rows_per_second": measurement.rows_per_second,
        "p99": measurement.latencies.percentile(99),
        "cpu_seconds_per_request": measurement.cpu_seconds / max(1, measurement.sent),
        "failed": measurement.failed,
    }


def _write(output: Path, content: dict[str, Any], outcome: Outcome) -> None:
    (output / "load.json").write_text(json.dumps(content, indent=2) + "\n")
    latencies, bound = outcome.measurement.latencies, outcome.plan.p99_under
    if len(latencies) > 1:
        percents, milliseconds = curve(latencies)
        verdict = "VALID" if content["valid"] else "INVALID"
        title = f"{_load_text(outcome)}: {len(latencies):,} latencies, {verdict}"
        shown = None if bound is None else bound * 1000
        pictures.latency(output / "latency.png", percents, milliseconds, title, shown)


def curve(latencies: Times) -> tuple[Any, Any]:
    """Return percentiles, evenly spread over their nines and as far as there are latencies, and their milliseconds."""
    nines = np.linspace(0, math.log10(len(latencies)), _CURVE_POINTS)
    percents = 100 * (1 - 10**-nines)
    return percents, np.array([latencies.percentile(percent) * 1000 for percent in percents])


def _load_text(outcome: Outcome) -> str:
    plan = outcome.plan
    what = {
        "server": f"server, {outcome.rate:,.1f} requests a second",
        "single-stream": "single-stream",
        "multi-stream": f"multi-stream, {plan.streams} requests at once",
        "offline": f"offline, {plan.streams} requests under way",
    }[plan.scenario]
    return f"{what}, {plan.batch:,} row{'s' if plan.batch > 1 else ''} each"


def _tell(outcome: Outcome, output: Path) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    files = [output / name for name in _FILES if (output / name).exists()]
    for name, value in (*_figures(outcome), ("result", "\n".join(map(str, files)))):
        table.add_row(name, value)
    console = Console(highlight=False, markup=False)
    console.print(table)
    if not outcome.objections:
        console.print("VALID", style="bold green")
    else:
        console.print("INVALID", style="bold red")
        for objection in outcome.objections:
            console.print(f"  {objection}")
    sys.stdout.flush()


def _figures(outcome: Outcome) -> Iterator[tuple[str, str]]:
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
            f"{measurement.cpu_share:.0%} of a core; requests left {_ms(measurement.lags.percentile(50))} late at p50, "
            f"{_ms(measurement.lags.percentile(99))} at p99, {_ms(measurement.lags.longest)} at most"
        ),
    )
    if measurement.waited:
        yield "waited", f"{measurement.waited:,} requests for one of {measurement.connections} connections"


def _failures(measurement: Measurement) -> Iterator[tuple[str, str]]:
    for name, count in measurement.failures.most_common():
        yield "failures", f"{count:,} × {name}: {measurement.messages[name][:_SHOWN_CHARACTERS]}"


def _ceilings_text(ceilings: Ceilings) -> str:
    sender = f"{ceilings.sender.requests_per_second:,.0f} requests a second can be sent"
    if ceilings.null is None:
        return sender
    null = ceilings.null
    return (
        f"{null.requests_per_second:,.0f} requests and {null.rows_per_second:,.0f} rows a second of an endpoint that "
        f"answers constants; {sender}"
    )


def _percentile_text(measurement: Measurement, percent: float) -> str:
    told = percentile(measurement, percent)
    if told is None:
        return "none: too many failed or were not answered"
    if told.high is None:
        needed = queries_needed(percent / 100)
        return f"{_ms(told.value)}, not claimed: that takes at least {needed:,} queries"
    return f"{_ms(told.value)}, {CONFIDENCE:.0%} sure to be from {_ms(told.low)} and up to {_ms(told.high)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
