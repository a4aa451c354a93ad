"""Percentiles of the rounds of a benchmark whose rounds are one request each."""

import math

from harness.bench.analysis.quantile_tests import queries_needed

PERCENTS = (50, 90, 99)


def latency(seconds):
    """Return p50, p90 and p99 in seconds, each if there are requests enough to claim it, and the number of requests."""
    ordered = sorted(seconds)
    claimed = [percent for percent in PERCENTS if len(ordered) >= queries_needed(percent / 100)]
    return {f"p{percent}": ordered[math.ceil(percent * len(ordered) / 100) - 1] for percent in claimed} | {
        "requests": len(ordered)
    }
