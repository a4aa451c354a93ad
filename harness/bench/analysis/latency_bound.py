"""Check of p99 against a bound, by every request of every run.

An option's p99 is a trimmed mean of its runs, so a fifth of its runs could break any bound unnoticed. This check
includes all runs.
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


class BoundCheck(NamedTuple):
    """Result of checking a bound."""

    kept: bool
    """True if p99 is under the bound with confidence."""
    broken: bool
    """True if p99 is over the bound with confidence."""
    explanation: str
    """Number of requests or runs over the bound, in words."""


def check_bound(offer: Offer, bound: float) -> BoundCheck:
    """Return whether an option's p99 keeps a bound in seconds, by its requests and by its interval over runs.

    Requests over the bound are counted in all runs together, and tested as in ``harness bench endpoint``. If those over
    the bound are concentrated in few runs, the test counts fewer requests. If a run did not save its rounds, or they
    are not single requests, the p99 of each run must be under the bound.
    """
    held = _by_requests(offer, bound)
    broken = held.broken or offer.seconds.low > bound
    enough = offer.requests >= LEAST_REQUESTS and offer.seconds.high <= bound
    return held._replace(kept=held.kept and enough, broken=broken)


def missing_evidence(offer: Offer, bound: float) -> str:
    """Return the missing evidence for a bound that is not kept; '' if the interval itself is above it."""
    if not offer.seconds.is_known:
        return f"an interval needs {LEAST_RUNS} runs, and it has {len(offer.runs)}"
    if offer.requests < LEAST_REQUESTS:
        return f"a p99 needs {LEAST_REQUESTS} requests, and it has {offer.requests:,}"
    held = _by_requests(offer, bound)
    return "" if held.kept else held.explanation


def _by_requests(offer: Offer, bound: float) -> BoundCheck:
    counted = [found for run in offer.runs if (found := latencies(run))]
    return _in_all(counted, bound) if len(counted) == len(offer.runs) else _in_each(offer, bound)


def _in_all(runs: Sequence[Sequence[float]], bound: float) -> BoundCheck:
    total, counts = sum(map(len, runs)), [sum(seconds > bound for seconds in run) for run in runs]
    over, effect = sum(counts), _design_effect(counts, list(map(len, runs)))
    alone = int(total / effect)  # number of independent requests with the same information
    kept = keeps(alone, math.ceil(over / effect), _QUANTILE)
    broken = alone > 0 and int(over / effect) >= least_to_break(alone, _QUANTILE)
    text = f"{over:,} of its {total:,} requests took longer"
    clustered = not kept and keeps(total, over, _QUANTILE)
    return BoundCheck(kept, broken, f"{text}, most of them in few runs" if clustered else text)


def _design_effect(over: Sequence[int], of: Sequence[int]) -> float:
    """Return the design effect: the variance of the share over the bound relative to independent requests; at least 1.

    Slow requests occur in bursts, so some runs have many: J. Rao and A. Scott, "A simple method for the analysis of
    clustered binary data", Biometrics 48, 1992.

    :param over: number of requests over the bound, for each run.
    :param of: number of requests, for each run.
    """
    runs, total = len(of), sum(of)
    share = sum(over) / total if total else 0.0
    if runs < 2 or not 0 < share < 1:
        return 1.0
    varies = runs / (runs - 1) * sum((slow - share * count) ** 2 for slow, count in zip(over, of, strict=True))
    return max(1.0, varies / (total * share * (1 - share)))


def _in_each(offer: Offer, bound: float) -> BoundCheck:
    runs = len(offer.runs)
    over = sum((p99(run) or math.inf) > bound for run in offer.runs)
    if over:
        return BoundCheck(False, False, f"the p99 of {over:,} of its {runs:,} runs was over it")
    if not keeps_in_each([requests(run) for run in offer.runs], _QUANTILE):
        return BoundCheck(False, False, f"the p99 of each of its {runs:,} runs was under it, but that may be chance")
    return BoundCheck(True, False, f"so was the p99 of each of its {runs:,} runs")
