"""Scenarios of load on an endpoint, as in MLPerf LoadGen.

See https://github.com/mlcommons/inference/blob/master/loadgen/README.md and "Scenarios" in
https://github.com/mlcommons/inference_policies/blob/master/inference_rules.adoc.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.bench.load.connections import Connections
from harness.bench.load.generator import Measurement, Watch, closed_loop, open_loop, poisson


@dataclass(frozen=True)
class Scenario:
    """A pattern of requests to an endpoint."""

    name: str
    about: str
    percent: float | None
    """Reported percentile of latency; None if only throughput is reported."""
    is_open: bool = False
    """True if requests have their own schedule, false if they follow answers."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("server", "requests arrive at random (Poisson), independent of the endpoint", 99.0, is_open=True),
        Scenario("single-stream", "one request at a time, the next after its answer", 90.0),
        Scenario("multi-stream", "several requests at once, the next ones after all answers", 99.0),
        Scenario("offline", "as many rows a second as possible: several requests are always under way", None),
    )
}


@dataclass(frozen=True)
class Load:
    """Amount and duration of a load."""

    scenario: Scenario
    seconds: float
    rate: float = 0.0
    """Requests a second (server scenario)."""
    streams: int = 1
    """Number of requests at once (multi-stream) or under way (offline)."""
    seed: int = 1

    def put(self, connections: Connections, *, bound: float | None = None, watch: Watch | None = None) -> Measurement:
        """Put the load on an endpoint, and return the measurement."""
        if self.scenario.is_open:
            return open_loop(connections, poisson(self.rate, self.seconds, self.seed), bound=bound, watch=watch)
        queries = self.streams if self.scenario.name == "offline" else 1
        requests = self.streams if self.scenario.name == "multi-stream" else 1
        return closed_loop(connections, self.seconds, queries=queries, requests=requests, bound=bound, watch=watch)
