"""Tests of a quantile of latency at 99 % confidence, by the binomial distribution, as MLPerf's LoadGen makes them.

LoadGen calls them "early stopping":
https://github.com/mlcommons/inference/blob/master/loadgen/early_stopping.cc. Each query is over a percentile's true
value with probability 1 - q, so the number of queries over a given value shows whether that value is the
percentile's upper bound. A percentile whose upper bound would be the longest latency itself is not claimed, so that the
least number of queries is 64 for p90 and 662 for p99, as in LoadGen. Its fixed numbers without early stopping
(24,576 for p90, 270,336 for p99; table "Query counts" of
https://github.com/mlcommons/inference_policies/blob/master/inference_rules.adoc) come from a margin of a twentieth of
1 - q, see :func:`fixed_queries`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from scipy.stats import binom, norm

CONFIDENCE = 0.99


def queries_needed(quantile: float, over: int = 1) -> int:
    """Return the least number of queries of which ``over`` may exceed a bound that is to hold for the quantile.

    With one, this is LoadGen's least number for a percentile to be reported.
    """
    low, high = over, 1
    while not keeps(high, over, quantile):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle, over, quantile) else (middle, high)
    return high


def fixed_queries(quantile: float) -> int:
    """Return how many queries MLPerf asks for without early stopping, before it rounds up to a multiple of 8,192."""
    margin = (1 - quantile) / 20
    return round(float(norm.ppf((1 - CONFIDENCE) / 2)) ** 2 * quantile * (1 - quantile) / margin**2)


def keeps(queries: int, over: int, quantile: float) -> bool:
    """Return whether the bound that ``over`` of the queries exceed holds for the quantile, at 99 % confidence."""
    return bool(binom.cdf(over, queries, 1 - quantile) <= 1 - CONFIDENCE)


def keeps_in_each(queries: Iterable[int], quantile: float) -> bool:
    """Return whether a bound holds for the quantile, at 99 % confidence, that each of some measurements was within.

    Each measurement only says that its own quantile is within the bound: that limits how many of its queries exceed it.
    """
    over = 1 - quantile
    chances = [float(binom.cdf(count - math.ceil(round(quantile * count, 6)), count, over)) for count in queries]
    return math.prod(chances) <= 1 - CONFIDENCE


def least_to_break(queries: int, quantile: float) -> int:
    """Return how many of the queries must exceed a bound to show that the quantile does, at 99 % confidence."""
    return int(binom.ppf(CONFIDENCE, queries, 1 - quantile)) + 1
