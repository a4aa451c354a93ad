"""Whether instances keep p99 under a bound: by every request of every run, none of them trimmed away.

The figure that stands for an offer's p99 is that of its middle runs, so a fifth of its runs may break any bound unseen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.bench.analysis.instances import LEAST_REQUESTS, Offer
from harness.bench.analysis.quantile_tests import keeps, keeps_in_each, least_to_break
from harness.bench.analysis.statistics import LEAST_RUNS
from harness.bench.results.recorded_instances import latencies, p99, requests

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

    Requests over the bound are counted in all runs together, and judged as ``harness bench endpoint`` judges them, as
    fewer requests if those over it are in few of the runs. Where a run did not save its rounds, or they are not single
    requests, the p99 of each run must be under the bound.
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
    total, counts = sum(map(len, runs)), [sum(seconds > bound for seconds in run) for run in runs]
    over, effect = sum(counts), _design_effect(counts, list(map(len, runs)))
    alone = int(total / effect)  # as many that are independent would tell as much
    kept = keeps(alone, math.ceil(over / effect), _QUANTILE)
    broken = alone > 0 and int(over / effect) >= least_to_break(alone, _QUANTILE)
    told = f"{over:,} of its {total:,} requests took longer"
    clustered = not kept and keeps(total, over, _QUANTILE)
    return Held(kept, broken, f"{told}, most of them in few runs" if clustered else told)


def _design_effect(over: Sequence[int], of: Sequence[int]) -> float:
    """Return by how much the share over the bound varies more than if its requests were independent; 1 at least.

    Slow requests come in bursts, so some runs have many: J. Rao and A. Scott, "A simple method for the analysis of
    clustered binary data", Biometrics 48, 1992.

    :param over: how many of a run's requests were over the bound, for each run.
    :param of: how many requests a run had, for each run.
    """
    runs, total = len(of), sum(of)
    share = sum(over) / total if total else 0.0
    if runs < 2 or not 0 < share < 1:
        return 1.0
    varies = runs / (runs - 1) * sum((slow - share * count) ** 2 for slow, count in zip(over, of, strict=True))
    return max(1.0, varies / (total * share * (1 - share)))


def _in_each(offer: Offer, bound: float) -> Held:
    runs = len(offer.runs)
    over = sum((p99(run) or math.inf) > bound for run in offer.runs)
    if over:
        return Held(False, False, f"that of {over:,} of its {runs:,} runs was over it")
    if not keeps_in_each([requests(run) for run in offer.runs], _QUANTILE):
        return Held(False, False, f"that of each of its {runs:,} runs was under it, which may be chance")
    return Held(True, False, f"so was that of each of its {runs:,} runs")
