"""Whether instances keep p99 under a bound: by every request of every run, none of them trimmed away.

The figure that stands for an offer's p99 is that of its middle runs, so a fifth of its runs may break any bound unseen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.benchmarking.instances import LEAST_REQUESTS, Offer
from harness.benchmarking.noted import latencies, p99, requests
from harness.benchmarking.statistics import LEAST_RUNS
from harness.benchmarking.validity import keeps, keeps_in_each, least_to_break

_QUANTILE = 0.99


class Held(NamedTuple):
    """A bound held against an offer's requests."""

    kept: bool
    """Whether p99 is under it with confidence."""
    broken: bool
    """Whether p99 is over it with confidence."""
    told: str
    """How its requests stand to it."""


def hold(offer: Offer, bound: float) -> Held:
    """Return how an offer's p99 stands to a bound in seconds: by its requests, and by its interval over runs.

    Requests over the bound are counted in all runs together, and judged as ``harness bench endpoint`` judges them.
    Where a run did not save its rounds, or they are not single requests, the p99 of each run must be under the bound.
    """
    held = _by_requests(offer, bound)
    broken = held.broken or offer.seconds.low > bound
    enough = offer.requests >= LEAST_REQUESTS and offer.seconds.high <= bound
    return held._replace(kept=held.kept and enough, broken=broken)


def what_is_missing(offer: Offer, bound: float) -> str:
    """Return why a bound is not kept where the interval does not say it; '' where it does."""
    if not offer.seconds.is_known:
        return f"an interval needs {LEAST_RUNS} runs, and it has {len(offer.runs)}"
    if offer.requests < LEAST_REQUESTS:
        return f"a p99 takes {LEAST_REQUESTS} requests to be claimed, and it is of {offer.requests:,}"
    held = _by_requests(offer, bound)
    return "" if held.kept else held.told


def _by_requests(offer: Offer, bound: float) -> Held:
    counted = [found for run in offer.runs if (found := latencies(run))]
    return _in_all(counted, bound) if len(counted) == len(offer.runs) else _in_each(offer, bound)


def _in_all(runs: Sequence[Sequence[float]], bound: float) -> Held:
    total = sum(map(len, runs))
    over = sum(seconds > bound for run in runs for seconds in run)
    broken = total > 0 and over >= least_to_break(total, _QUANTILE)
    return Held(keeps(total, over, _QUANTILE), broken, f"{over:,} of its {total:,} requests took longer")


def _in_each(offer: Offer, bound: float) -> Held:
    runs = len(offer.runs)
    over = sum((p99(run) or math.inf) > bound for run in offer.runs)
    if over:
        return Held(False, False, f"that of {over:,} of its {runs:,} runs was over it")
    if not keeps_in_each([requests(run) for run in offer.runs], _QUANTILE):
        return Held(False, False, f"that of each of its {runs:,} runs was under it, which may be chance")
    return Held(True, False, f"so was that of each of its {runs:,} runs")
