"""``harness bench endpoint``: hosts a model, puts load on its endpoint, and cleans up."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.aws import AWS, open_aws
from harness.aws.cleanup.leftovers import refuse_leftovers
from harness.aws.cleanup.reaper import open_ledger
from harness.aws.cleanup.resources import Leftover
from harness.aws.pricing import PriceSource, hourly_cost, require_prices
from harness.bench.endpoints import bodies, explained, host_model, host_nothing, require_endpoint
from harness.bench.load.connections import Connections, Route
from harness.bench.load.generator import Measurement, Watch
from harness.bench.load.null_server import null_server
from harness.bench.load.plan import LoadPlan
from harness.bench.load.rate_search import SearchResult, Tried, find_rate
from harness.bench.load.result import FILES, Ceilings, LoadOutcome, describe, print_outcome, write
from harness.bench.load.scenarios import SCENARIOS, Load
from harness.bench.load.signing import SignedRequests
from harness.bench.load.validity import LEAST_SECONDS, objections
from harness.console import ConsoleProgress, PlainConsole, require_writable, rough_time
from harness.errors import SettingsError
from harness.processes import ended_in_order
from harness.settings import Settings, refuse_without_effect

INVALID = 4
"""Exit code of a completed but invalid measurement."""
INTERRUPTED = 130

_LARGEST_BODY = 6 * 2**20
_BODIES = 8
_CEILING_SECONDS = 3.0
_CEILING_STREAMS = 16
_WARM_UP_SECONDS = 1.0
_WARM_UP_STREAMS = 4
_START_SECONDS = {"mock": 10.0, "real": 600.0}
_SEARCH_SECONDS = 180.0
_PROGRESS_SECONDS = 1.0


class LoadProgress(ConsoleProgress):
    """Progress on standard error; on a terminal the last line is overwritten."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._updated = 0.0

    def watch(self, seconds: float) -> Watch:
        """Return a watch that shows the progress of a load; it is cheap, because it delays requests."""
        terminal, file = self.console.is_terminal, self.console.file

        def show(measurement: Measurement) -> bool:
            now = time.monotonic()
            if terminal and now - self._updated >= _PROGRESS_SECONDS:
                self._updated = now
                file.write(
                    f"\r          {measurement.seconds:.0f} of {seconds:.0f} s: {measurement.answered:,} answered, "
                    f"{measurement.failed:,} failed, {measurement.unanswered:,} under way \033[K\r"
                )
                file.flush()
            return True

        return show


class _Stop:
    """Flag set by a signal to end the load."""

    def __init__(self) -> None:
        self.requested = False

    def watch(self, *others: Watch | None) -> Watch:
        """Return a watch that ends the load after a signal, or when another watch does."""
        return lambda measurement: not self.requested and all(other(measurement) for other in others if other)


@contextmanager
def stoppable() -> Iterator[_Stop]:
    """End the load on the first Ctrl-C or SIGTERM and keep the measurement; the second signal ends the command."""
    stop = _Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(*_: object) -> None:
        stop.requested = True
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
    """Yield connections to an endpoint that send the bodies in turn.

    :param rows: rows of a body.
    :param route: route to the endpoint; by default the route to AWS.
    """
    requests = SignedRequests(aws.client("sagemaker-runtime"), endpoint, sent, rows)
    with closing(Connections(requests, route or Route.to(aws))) as connections:
        yield connections


def warm_up(connections: Connections) -> None:
    """Open connections and fill caches at both ends."""
    Load(SCENARIOS["offline"], _WARM_UP_SECONDS, streams=_WARM_UP_STREAMS).put(connections)


def measure_ceilings(aws: AWS, null_endpoint: str | None, sent: list[bytes], rows: int) -> Ceilings:
    """Measure the load generator alone, and everything except the model."""
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


def search(connections: Connections, plan: LoadPlan, stop: _Stop, progress: LoadProgress) -> SearchResult:
    """Return the highest rate that keeps the plan's bound."""
    assert plan.p99_under is not None
    seeds = itertools.count(plan.seed)  # a repeated probe gets other arrival times

    def probe(rate: float, seconds: float, watch: Watch | None) -> Measurement:
        if stop.requested:
            raise KeyboardInterrupt
        load = Load(SCENARIOS["server"], seconds, rate, seed=next(seeds))
        measurement = load.put(connections, bound=plan.p99_under, watch=stop.watch(watch, progress.watch(seconds)))
        if not stop.requested:
            connections.settle()
        return measurement

    def show(tried: Tried) -> None:
        progress.say(
            f"{tried.rate:8.1f} requests a second for {tried.seconds:.1f} s: {tried.late:,} of {tried.queries:,} late, "
            f"which {tried.verdict.value}"
        )

    return find_rate(probe, 99.0, plan.rate, plan.seconds, show)


# --- the command ------------------------------------------------------------------------------------------------------


def run_endpoint_load(settings: Settings, plan: LoadPlan, output: Path) -> int:
    """Measure an endpoint, print the result, and write ``load.json`` and ``latency.png`` into a directory.

    :return: exit code: 0 for a VALID run, 4 for an invalid one, 130 for an interrupted one.
    :raises HarnessError: the endpoint cannot be measured.
    """
    refuse_without_effect(settings, {"endpoint": plan.endpoint})
    sent = _bodies(plan)
    require_writable(output, FILES)
    try:
        outcome, left = _run(settings, plan, sent, output)
    finally:
        if not any(output.iterdir()):
            output.rmdir()  # the run wrote nothing
    refuse_leftovers(left, after="the clean-up")
    if outcome.interrupted:
        return INTERRUPTED
    return INVALID if outcome.objections else 0


def _run(settings: Settings, plan: LoadPlan, sent: list[bytes], output: Path) -> tuple[LoadOutcome, list[Leftover]]:
    progress = LoadProgress(PlainConsole(stderr=True))
    progress.say(_expectation(settings, plan))
    settings = replace(settings, training_instance_count=1)  # the number that training uses
    left: list[Leftover] = []
    with ended_in_order(), explained(), _hosted(settings, plan, progress, left) as (aws, endpoint, null_endpoint):
        progress.say("measuring the load generator, and an endpoint that answers constants")
        ceilings = measure_ceilings(aws, null_endpoint, sent, plan.batch)
        with connected(aws, endpoint, sent, plan.batch) as connections, stoppable() as stop:
            outcome = measure(connections, plan, endpoint, ceilings, stop, progress)
        write(output, describe(outcome, settings, aws, sent), outcome)
        print_outcome(outcome, output)
    return outcome, left


@contextmanager
def _hosted(
    settings: Settings, plan: LoadPlan, progress: LoadProgress, left: list[Leftover]
) -> Iterator[tuple[AWS, str, str | None]]:
    """Yield AWS, the endpoint to measure, and in mock mode one that answers constants.

    The plan's endpoint is kept; endpoints that the harness creates are deleted.

    :param left: list that receives resources that could not be deleted.
    """
    if plan.endpoint:
        with closing(open_aws(settings, creates=False)) as aws:
            progress.say(f"nothing is created: this run adds no cost to the endpoint {plan.endpoint}")
            require_endpoint(aws, plan.endpoint)
            yield aws, plan.endpoint, None
        return
    with closing(open_aws(settings)) as opened:
        if opened.prices is not None:
            progress.say(_cost(opened.prices, settings, plan))
        with open_ledger(opened, settings) as ledger:
            endpoint = host_model(opened, ledger, settings, progress.say)
            yield opened, endpoint, host_nothing(opened, ledger, settings)
            progress.say("cleaning up")
    left += ledger.leftovers or []


def _bodies(plan: LoadPlan) -> list[bytes]:
    made = bodies(plan.batch, _BODIES)
    if (largest := max(map(len, made))) > _LARGEST_BODY:
        raise SettingsError(
            f"--batch {plan.batch:,} makes requests of {largest:,} bytes, but SageMaker accepts {_LARGEST_BODY:,}.",
            fix=f"use at most about {plan.batch * _LARGEST_BODY // largest:,}",
        )
    return made


def _expectation(settings: Settings, plan: LoadPlan) -> str:
    """Return a description of the run with its expected duration."""
    start = 0.0 if plan.endpoint else _START_SECONDS[settings.mode]
    seconds = start + plan.seconds + 2 * (_CEILING_SECONDS + _WARM_UP_SECONDS)
    what = f"{plan.scenario}, {plan.batch:,} row{'s' if plan.batch > 1 else ''} a request, for {plan.seconds:g} s"
    if plan.find_rate:
        seconds += _SEARCH_SECONDS
        what += ", after a search of two to four minutes"
    short = f"; too short to be VALID, which needs {LEAST_SECONDS:g} s" if plan.seconds < LEAST_SECONDS else ""
    return f"{what}: about {rough_time(seconds)} in all{short}"


def _cost(source: PriceSource, settings: Settings, plan: LoadPlan) -> str:
    """Return the expected cost by the prices of the instances, with their sources and dates."""
    try:
        prices = require_prices(source, settings)
    except SettingsError as error:
        return f"the cost is unknown: {error.what}"
    hours = (_START_SECONDS["real"] + plan.seconds + (_SEARCH_SECONDS if plan.find_rate else 0)) / 3600
    return f"about USD {hours * hourly_cost(prices, settings):.2f} ({'; '.join(map(str, prices.values()))})"


def measure(
    connections: Connections, plan: LoadPlan, endpoint: str, ceilings: Ceilings, stop: _Stop, progress: LoadProgress
) -> LoadOutcome:
    """Put the plan's load on an endpoint, and return the result with its objections."""
    progress.say(f"warming up {endpoint}")
    warm_up(connections)
    found = None
    if plan.find_rate:
        progress.say("searching for the highest rate")
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
    return LoadOutcome(plan, endpoint, ceilings, measurement, against, found, stop.requested)
