"""The highest rate that keeps a percentile of latency under a bound: bracket, bisect, confirm.

Latency is noisy, so a rate is judged by how many queries were over the bound, with the binomial test of
:mod:`harness.bench.analysis.quantile_tests`, and not by the percentile that came out. What one probe does
not decide is probed again, and what was found must hold for a whole run; a step down is taken until one does. The test
takes queries for independent, and those that wait in one queue are not: a short probe tells less than it seems to, a
whole run has room.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from harness.bench.analysis.quantile_tests import keeps, least_to_break, queries_needed
from harness.bench.load.generator import Measurement, Watch

RESOLUTION = 1.05
"""The ratio of the lowest rate that breaks the bound to the highest that keeps it, at which the search ends."""
PROBE_SECONDS = 5.0
"""The least length of a probe."""
LONGEST_PROBE_SECONDS = 60.0
_MOST_PROBES = 3
"""Probes of one rate."""
_STEP_DOWN = 0.93
_MOST_CONFIRMATIONS = 8
_LOWEST_RATE = 0.1
_HIGHEST_RATE = 50_000.0
_MOST_LAG_SHARE = 0.1


class RateVerdict(Enum):
    """Whether a rate keeps the bound."""

    KEEPS = "keeps the bound"
    BREAKS = "breaks the bound"
    UNSURE = "is too close to tell"
    SENDER = "is more than the load generator can send in time"


_TOO_HIGH = (RateVerdict.BREAKS, RateVerdict.SENDER)


class Probe(Protocol):
    """Puts load on the endpoint at a rate."""

    def __call__(self, rate: float, seconds: float, watch: Watch | None) -> Measurement:
        """Return what became of the load; latencies over the bound are counted in it.

        :raises KeyboardInterrupt: the search is to end.
        """


@dataclass(frozen=True)
class Tried:
    """A rate that was probed."""

    rate: float
    seconds: float
    queries: int
    late: int
    """Queries over the bound, or without an answer."""
    percentile: float
    """Seconds, of the queries that were answered."""
    verdict: RateVerdict


@dataclass
class SearchResult:
    """What a search came to."""

    rate: float | None = None
    """The highest rate that was confirmed; None if there is none."""
    measurement: Measurement | None = None
    """Of the last confirmation, whether it held or not."""
    tried: list[Tried] = field(default_factory=list)
    interrupted: bool = False

    @property
    def limited_by_sender(self) -> bool:
        """Whether it was the sender that kept the rate from being higher: the endpoint might take more."""
        above = [tried for tried in self.tried if tried.rate > (self.rate or 0) and tried.verdict in _TOO_HIGH]
        return bool(above) and min(above, key=lambda tried: tried.rate).verdict is RateVerdict.SENDER


def find_rate(
    probe: Probe, percent: float, start: float, seconds: float, tell: Callable[[Tried], None] = lambda _: None
) -> SearchResult:
    """Return the highest rate at which the percentile keeps the bound that the probe counts by.

    :param start: the rate to begin at.
    :param seconds: length of the run that confirms the rate.
    :param tell: is told of each rate tried.
    """
    search = _Search(probe, percent / 100, seconds, tell)
    try:
        search.run(start)
    except KeyboardInterrupt:
        search.found.interrupted = True
    return search.found


class _Search:
    def __init__(self, probe: Probe, quantile: float, seconds: float, tell: Callable[[Tried], None]) -> None:
        self._probe = probe
        self._quantile = quantile
        self._seconds = seconds
        self._tell = tell
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
        """Return a rate that keeps the bound and one that does not; 0 for the one that there is not."""
        if self._keeps(start):
            low, high = start, start * 2
            while high <= _HIGHEST_RATE and self._keeps(high):
                low, high = high, high * 2
            return low, high
        low, high = start / 2, start
        while not self._keeps(low):
            low, high = low / 2, low
            if low < _LOWEST_RATE:
                return 0.0, high
        return low, high

    def _keeps(self, rate: float) -> bool:
        """Probe a rate until it is told whether it keeps the bound; if it is not, say what is more likely."""
        seconds = min(max(PROBE_SECONDS, 2 * queries_needed(self._quantile) / rate), LONGEST_PROBE_SECONDS)
        queries = late = 0
        for _ in range(_MOST_PROBES):
            tried = self._try(rate, seconds, self._told(round(rate * seconds)))
            if tried.verdict is not RateVerdict.UNSURE:
                return tried.verdict is RateVerdict.KEEPS
            queries, late = queries + tried.queries, late + tried.late
            if (verdict := self._judge(queries, late)) is not RateVerdict.UNSURE:
                return verdict is RateVerdict.KEEPS
        return late <= (1 - self._quantile) * queries

    def _told(self, planned: int) -> Watch:
        """Return what ends a probe once nothing that comes can save the bound."""
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
        self._tell(tried)
        return tried

    def _judge(self, queries: int, late: int) -> RateVerdict:
        if keeps(queries, late, self._quantile):
            return RateVerdict.KEEPS
        return RateVerdict.BREAKS if late >= least_to_break(queries, self._quantile) else RateVerdict.UNSURE
