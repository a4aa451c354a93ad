"""Tests of a quantile of latency at 99 % confidence, by the binomial distribution, as in MLPerf's LoadGen.

LoadGen calls them "early stopping":
https://github.com/mlcommons/inference/blob/master/loadgen/early_stopping.cc. Each query exceeds the true
percentile with probability 1 - q. The number of queries over a given value therefore shows whether that value is an
upper bound of the percentile. A percentile is not reported if its upper bound would be the longest latency itself, so
the least number of queries is 64 for p90 and 662 for p99, as in LoadGen. Its fixed numbers without early stopping
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
    """Return the least number of queries for a bound on the quantile that ``over`` of them exceed.

    With ``over`` 1, this is LoadGen's least number for reporting a percentile.
    """
    low, high = over, 1
    while not keeps(high, over, quantile):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle, over, quantile) else (middle, high)
    return high


def fixed_queries(quantile: float) -> int:
    """Return MLPerf's number of queries without early stopping, before rounding up to a multiple of 8,192."""
    margin = (1 - quantile) / 20
    return round(float(norm.ppf((1 - CONFIDENCE) / 2)) ** 2 * quantile * (1 - quantile) / margin**2)


def keeps(queries: int, over: int, quantile: float) -> bool:
    """Return whether a bound that ``over`` of the queries exceed holds for the quantile, at 99 % confidence."""
    return bool(binom.cdf(over, queries, 1 - quantile) <= 1 - CONFIDENCE)


def keeps_in_each(queries: Iterable[int], quantile: float) -> bool:
    """Return whether a bound holds for the quantile at 99 % confidence, if it holds in each of several measurements.

    A quantile within the bound limits the number of queries of that measurement that exceed it.
    """
    over = 1 - quantile
    chances = [float(binom.cdf(count - math.ceil(round(quantile * count, 6)), count, over)) for count in queries]
    return math.prod(chances) <= 1 - CONFIDENCE


def least_to_break(queries: int, quantile: float) -> int:
    """Return the number of queries over a bound that shows the quantile to be over it, at 99 % confidence."""
    return int(binom.ppf(CONFIDENCE, queries, 1 - quantile)) + 1
