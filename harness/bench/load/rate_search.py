"""Search for the highest rate that keeps a percentile of latency under a bound: bracket, bisect, confirm.

Latency is noisy. A rate is therefore judged by the number of queries over the bound, with the binomial test of
:mod:`harness.bench.analysis.quantile_tests`, and not by the measured percentile. An undecided probe is repeated. The
result must hold for a whole run; if it does not, the rate is lowered until it does. The test assumes independent
queries, but queries in one queue depend on each other, so a short probe is less reliable than it appears.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from harness.bench.analysis.quantile_tests import keeps, least_to_break, queries_needed
from harness.bench.load.generator import Measurement, Watch
from harness.bench.load.plan import HIGHEST_RATE

RESOLUTION = 1.05
"""Ratio of the lowest rate that breaks the bound to the highest that keeps it at which the search ends."""
PROBE_SECONDS = 5.0
"""Shortest probe."""
LONGEST_PROBE_SECONDS = 60.0
_MOST_PROBES = 3
"""Most probes of one rate."""
_STEP_DOWN = 0.93
_MOST_CONFIRMATIONS = 8
_LOWEST_RATE = 0.1
_MOST_LAG_SHARE = 0.1


class RateVerdict(Enum):
    """RateVerdict on a rate."""

    KEEPS = "keeps the bound"
    BREAKS = "breaks the bound"
    UNSURE = "is too close to decide"
    SENDER = "is more than the load generator can send in time"


_TOO_HIGH = (RateVerdict.BREAKS, RateVerdict.SENDER)


class Probe(Protocol):
    """Function that puts load on the endpoint at a rate."""

    def __call__(self, rate: float, seconds: float, watch: Watch | None) -> Measurement:
        """Return the measurement of the load, including the number of latencies over the bound.

        :raises KeyboardInterrupt: the user ends the search.
        """


@dataclass(frozen=True)
class Tried:
    """A rate that was probed."""

    rate: float
    seconds: float
    queries: int
    late: int
    """Number of queries over the bound or without an answer."""
    percentile: float
    """Percentile of the answered queries, in seconds."""
    verdict: RateVerdict


@dataclass
class SearchResult:
    """Result of a search."""

    rate: float | None = None
    """Highest confirmed rate; None if no rate was confirmed."""
    measurement: Measurement | None = None
    """Measurement of the last confirmation, successful or not."""
    tried: list[Tried] = field(default_factory=list)
    interrupted: bool = False

    @property
    def limited_by_sender(self) -> bool:
        """True if the sender limited the rate, so that the endpoint may support more."""
        above = [tried for tried in self.tried if tried.rate > (self.rate or 0) and tried.verdict in _TOO_HIGH]
        return bool(above) and min(above, key=lambda tried: tried.rate).verdict is RateVerdict.SENDER


def find_rate(
    probe: Probe, percent: float, start: float, seconds: float, report: Callable[[Tried], None] = lambda _: None
) -> SearchResult:
    """Return the highest rate at which the percentile keeps the bound of the probe.

    :param start: first rate.
    :param seconds: length of the run that confirms the rate.
    :param report: called with each tried rate.
    """
    search = _Search(probe, percent / 100, seconds, report)
    try:
        search.run(start)
    except KeyboardInterrupt:
        search.found.interrupted = True
    return search.found


class _Search:
    def __init__(self, probe: Probe, quantile: float, seconds: float, report: Callable[[Tried], None]) -> None:
        self._probe = probe
        self._quantile = quantile
        self._seconds = seconds
        self._report = report
        self.found = SearchResult()

    def run(self, start: float) -> None:
        low, high = self._bracket(start)
        while low and high and high / low > RESOLUTION:
            middle = math.sqrt(low * high)
            if self._keeps(middle):
                low = middle
            else:
                high = middle
        if low:
            self._confirm(low)

    def _bracket(self, start: float) -> tuple[float, float]:
        """Return a rate that keeps the bound and one that breaks it; 0 for one that was not found."""
        if self._keeps(start):
            low, high = start, start * 2
            while high <= HIGHEST_RATE and self._keeps(high):
                low, high = high, high * 2
            return low, high
        low, high = start / 2, start
        while not self._keeps(low):
            low, high = low / 2, low
            if low < _LOWEST_RATE:
                return 0.0, high
        return low, high

    def _keeps(self, rate: float) -> bool:
        """Probe a rate until a verdict; without one, return the more likely result."""
        seconds = min(max(PROBE_SECONDS, 2 * queries_needed(self._quantile) / rate), LONGEST_PROBE_SECONDS)
        queries = late = 0
        for _ in range(_MOST_PROBES):
            tried = self._try(rate, seconds, self._until_broken(round(rate * seconds)))
            if tried.verdict is not RateVerdict.UNSURE:
                return tried.verdict is RateVerdict.KEEPS
            queries, late = queries + tried.queries, late + tried.late
            if (verdict := self._judge(queries, late)) is not RateVerdict.UNSURE:
                return verdict is RateVerdict.KEEPS
        return late <= (1 - self._quantile) * queries

    def _until_broken(self, planned: int) -> Watch:
        """Return a watch that ends a probe once the bound is certainly broken."""
        most = least_to_break(planned, self._quantile)
        return lambda so_far: so_far.over + so_far.failed < most

    def _confirm(self, rate: float) -> None:
        for _ in range(_MOST_CONFIRMATIONS):
            if self._try(rate, self._seconds, None).verdict is RateVerdict.KEEPS:
                self.found.rate = rate
                return
            rate *= _STEP_DOWN

    def _try(self, rate: float, seconds: float, watch: Watch | None) -> Tried:
        measurement = self.found.measurement = self._probe(rate, seconds, watch)
        verdict = self._judge(measurement.sent, measurement.late)
        if verdict is RateVerdict.BREAKS and measurement.lags.percentile(99) > _MOST_LAG_SHARE * (
            measurement.bound or 0
        ):
            verdict = RateVerdict.SENDER
        value = measurement.latencies.percentile(100 * self._quantile)
        tried = Tried(rate, measurement.seconds, measurement.sent, measurement.late, value, verdict)
        self.found.tried.append(tried)
        self._report(tried)
        return tried

    def _judge(self, queries: int, late: int) -> RateVerdict:
        if keeps(queries, late, self._quantile):
            return RateVerdict.KEEPS
        return RateVerdict.BREAKS if late >= least_to_break(queries, self._quantile) else RateVerdict.UNSURE
