"""The ways to put load on an endpoint, as MLPerf LoadGen has them.

See https://github.com/mlcommons/inference/blob/master/loadgen/README.md and "Scenarios" in
https://github.com/mlcommons/inference_policies/blob/master/inference_rules.adoc.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.bench.load.connections import Connections
from harness.bench.load.generator import Measurement, Watch, closed_loop, open_loop, poisson


@dataclass(frozen=True)
class Scenario:
    """A way to put load on an endpoint."""

    name: str
    about: str
    percent: float | None
    """The percentile of latency that is claimed; None where only throughput is."""
    is_open: bool = False
    """Whether requests come at times of their own, rather than when others have been answered."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("server", "requests come at random (Poisson), whatever the endpoint does", 99.0, is_open=True),
        Scenario("single-stream", "one request, and the next when it is answered", 90.0),
        Scenario("multi-stream", "several requests at once, and the next ones when all are answered", 99.0),
        Scenario("offline", "as many rows a second as go: several requests are always under way", None),
    )
}


@dataclass(frozen=True)
class Load:
    """How much of it, and for how long."""

    scenario: Scenario
    seconds: float
    rate: float = 0.0
    """Requests a second (server)."""
    streams: int = 1
    """Requests at once (multi-stream), or under way (offline)."""
    seed: int = 1

    def put(self, connections: Connections, *, bound: float | None = None, watch: Watch | None = None) -> Measurement:
        """Put the load on an endpoint, and return what became of it."""
        if self.scenario.is_open:
            return open_loop(connections, poisson(self.rate, self.seconds, self.seed), bound=bound, watch=watch)
        queries = self.streams if self.scenario.name == "offline" else 1
        requests = self.streams if self.scenario.name == "multi-stream" else 1
        return closed_loop(connections, self.seconds, queries=queries, requests=requests, bound=bound, watch=watch)
