"""Validity of a measurement of load: MLPerf LoadGen's rules, and rules for failures of the sender.

Percentiles have 99 % confidence: see :mod:`harness.bench.analysis.quantile_tests`.
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
"""Share of the latency. Latency counts from the scheduled time, so delays make it too long, never too short."""
_LEAST_LAG_SECONDS = 0.001
_MOST_BACKLOG_SHARE = 0.05
_LEAST_BACKLOG_SECONDS = 1.0


class Percentile(NamedTuple):
    """A percentile of latency, in seconds, with the bounds that hold at 99 % confidence each."""

    percent: float
    value: float
    low: float
    high: float | None
    """None if there are too few queries."""


def percentile(measurement: Measurement, percent: float) -> Percentile | None:
    """Return a percentile over all queries, with unanswered ones as the latest; None if the percentile is unanswered.

    The bounds are latencies of single queries, with ranks from the binomial distribution.
    """
    queries, quantile = measurement.sent, percent / 100
    answered = len(measurement.latencies)
    rank = max(1, math.ceil(round(quantile * queries, 6)))  # 0.999 × 1,000 is a little more than 999
    if rank > answered:
        return None
    low = max(1, int(binom.ppf(1 - CONFIDENCE, queries, quantile)))
    high = int(binom.ppf(CONFIDENCE, queries, quantile)) + 1
    is_known = high < queries and high <= answered
    at = measurement.latencies.at_rank
    return Percentile(percent, at(rank), at(low), at(high) if is_known else None)


def objections(
    measurement: Measurement, percent: float | None, least_seconds: float = LEAST_SECONDS, *, open_loop: bool = False
) -> list[str]:
    """Return the objections to a measurement as sentences; without any, it is VALID.

    :param percent: reported percentile of latency, if any.
    :param open_loop: true if the queries had their own schedule.
    """
    found = [*_unfinished(measurement, least_seconds), *_failures(measurement, percent)]
    if percent is not None:
        found += [*_samples(measurement, percent), *_bound(measurement, percent)]
    return [*found, *_sender(measurement, open_loop), *(_backlog(measurement) if open_loop else ())]


def _unfinished(measurement: Measurement, least_seconds: float) -> Iterator[str]:
    if measurement.interrupted:
        yield f"it was interrupted after {measurement.seconds:.1f} s, {measurement.unanswered:,} queries unanswered"
    if measurement.sending_seconds < least_seconds * 0.95:  # Poisson arrivals end a little earlier or later
        yield f"it lasted {measurement.sending_seconds:.1f} s, but the minimum is {least_seconds:g} s"


def _failures(measurement: Measurement, percent: float | None) -> Iterator[str]:
    if not measurement.sent:
        yield "no query was sent"
        return
    allowed = 1 - (99.0 if percent is None else percent) / 100
    share = measurement.failed / measurement.sent
    if share > allowed:
        yield f"{share:.1%} of the queries failed, but p{100 * (1 - allowed):g} allows at most {allowed:.1%}"


def _samples(measurement: Measurement, percent: float) -> Iterator[str]:
    needed = queries_needed(percent / 100)
    if measurement.sent < needed:
        yield f"p{percent:g} at {CONFIDENCE:.0%} confidence needs {needed:,} queries, but it had {measurement.sent:,}"


def _bound(measurement: Measurement, percent: float) -> Iterator[str]:
    bound, late, sent = measurement.bound, measurement.late, measurement.sent
    if bound is not None and not keeps(sent, late, percent / 100):
        yield (
            f"p{percent:g} under {bound * 1000:g} ms is not certain at {CONFIDENCE:.0%} confidence: "
            f"{late:,} of {sent:,} queries were later"
        )


def _sender(measurement: Measurement, open_loop: bool) -> Iterator[str]:
    """Object if the sender was the bottleneck: its CPU was busy, or its delays were significant."""
    if measurement.cpu_share > _MOST_CPU_SHARE:
        yield f"the load generator was the bottleneck: it used {measurement.cpu_share:.0%} of a core"
    if open_loop:
        lag, latency = measurement.lags.percentile(99), measurement.latencies.percentile(99)
        if lag > max(_LEAST_LAG_SECONDS, _MOST_LAG_SHARE * latency):
            yield (
                f"queries were sent late: p99 {lag * 1000:.1f} ms, over a quarter of the latency of "
                f"{latency * 1000:.1f} ms; this machine is too busy, or the rate too high for it"
            )


def _backlog(measurement: Measurement) -> Iterator[str]:
    """Object if the endpoint could not keep up, because latencies then depend on the duration of the load."""
    behind = measurement.seconds - measurement.sending_seconds
    if behind > max(_LEAST_BACKLOG_SECONDS, _MOST_BACKLOG_SHARE * measurement.sending_seconds):
        yield f"the endpoint fell behind: its last answer came {behind:.1f} s after the last request was due"
