"""Validity of a measurement of load: MLPerf LoadGen's rules, and those for what can go wrong with a sender.

Percentiles are claimed at 99 % confidence: see :mod:`harness.bench.analysis.quantile_tests`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from scipy.stats import binom

from harness.bench.analysis.quantile_tests import CONFIDENCE, keeps, queries_needed
from harness.bench.load.generator import Measurement

LEAST_SECONDS = 60.0
"""LoadGen's minimum duration up to MLPerf Inference 0.7; for published results it is 600 s since 1.0."""

_MOST_CPU_SHARE = 0.9
_MOST_LAG_SHARE = 0.25
"""Of the latency, which counts from when a query was due: lateness makes it too long, never too short."""
_LEAST_LAG_SECONDS = 0.001
_MOST_BACKLOG_SHARE = 0.05
_LEAST_BACKLOG_SECONDS = 1.0


class Percentile(NamedTuple):
    """A percentile of latency, in seconds, with the bounds that hold at 99 % confidence each."""

    percent: float
    value: float
    low: float
    high: float | None
    """None where there are too few queries to tell."""


def percentile(measurement: Measurement, percent: float) -> Percentile | None:
    """Return a percentile over all queries, those without an answer counted as the latest; None if it is one of them.

    The bounds are latencies of single queries: their ranks come from the binomial distribution.
    """
    queries, quantile = measurement.sent, percent / 100
    answered = len(measurement.latencies)
    rank = max(1, math.ceil(round(quantile * queries, 6)))  # 0.999 × 1,000 is a little more than 999
    if rank > answered:
        return None
    low = max(1, int(binom.ppf(1 - CONFIDENCE, queries, quantile)))
    high = int(binom.ppf(CONFIDENCE, queries, quantile)) + 1
    told = high < queries and high <= answered
    at = measurement.latencies.at_rank
    return Percentile(percent, at(rank), at(low), at(high) if told else None)


def objections(
    measurement: Measurement, percent: float | None, least_seconds: float = LEAST_SECONDS, *, open_loop: bool = False
) -> list[str]:
    """Return why the measurement may not be believed, as sentences; none if it may: then it is VALID.

    :param percent: the percentile of latency that is claimed, if one is.
    :param open_loop: whether the queries had times of their own.
    """
    found = [*_unfinished(measurement, least_seconds), *_failures(measurement, percent)]
    if percent is not None:
        found += [*_samples(measurement, percent), *_bound(measurement, percent)]
    return [*found, *_sender(measurement, open_loop), *(_backlog(measurement) if open_loop else ())]


def _unfinished(measurement: Measurement, least_seconds: float) -> Iterator[str]:
    if measurement.interrupted:
        yield f"it was interrupted after {measurement.seconds:.1f} s, {measurement.unanswered:,} queries unanswered"
    if measurement.sending_seconds < least_seconds * 0.95:  # Poisson arrivals end a little earlier or later
        yield f"it lasted {measurement.sending_seconds:.1f} s, and the least is {least_seconds:g} s"


def _failures(measurement: Measurement, percent: float | None) -> Iterator[str]:
    if not measurement.sent:
        yield "no query was sent"
        return
    allowed = 1 - (99.0 if percent is None else percent) / 100
    share = measurement.failed / measurement.sent
    if share > allowed:
        yield f"{share:.1%} of the queries failed, and more than {allowed:.1%} leave no p{100 * (1 - allowed):g}"


def _samples(measurement: Measurement, percent: float) -> Iterator[str]:
    needed = queries_needed(percent / 100)
    if measurement.sent < needed:
        yield f"p{percent:g} at {CONFIDENCE:.0%} confidence needs {needed:,} queries, and it had {measurement.sent:,}"


def _bound(measurement: Measurement, percent: float) -> Iterator[str]:
    bound, late, sent = measurement.bound, measurement.late, measurement.sent
    if bound is not None and not keeps(sent, late, percent / 100):
        yield (
            f"p{percent:g} under {bound * 1000:g} ms cannot be claimed at {CONFIDENCE:.0%} confidence: "
            f"{late:,} of {sent:,} queries were later"
        )


def _sender(measurement: Measurement, open_loop: bool) -> Iterator[str]:
    """Object where the sender was the bottleneck: without CPU left, or too late to be left out of account."""
    if measurement.cpu_share > _MOST_CPU_SHARE:
        yield f"the load generator was the bottleneck: it took {measurement.cpu_share:.0%} of a core"
    if open_loop:
        lag, latency = measurement.lags.percentile(99), measurement.latencies.percentile(99)
        if lag > max(_LEAST_LAG_SECONDS, _MOST_LAG_SHARE * latency):
            yield (
                f"queries went out late, p99 {lag * 1000:.1f} ms, over a quarter of the latency's "
                f"{latency * 1000:.1f} ms: this machine is too busy, or the rate too high for it"
            )


def _backlog(measurement: Measurement) -> Iterator[str]:
    """Object where the endpoint could not keep up, since latencies then only tell how long the load went on."""
    behind = measurement.seconds - measurement.sending_seconds
    if behind > max(_LEAST_BACKLOG_SECONDS, _MOST_BACKLOG_SHARE * measurement.sending_seconds):
        yield f"the endpoint fell behind: its last answer came {behind:.1f} s after the last request was due"
