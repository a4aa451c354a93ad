"""Change points in a benchmark's history of times.

Candidates come from the PELT algorithm (Killick et al., 2012) of ruptures, with a kernel
that single outliers hardly affect. A candidate is kept only if a rank test separates the runs before it from those
after it. Hunter (Fleming et al., 2023) works in this order too: it starts from many weak candidates, and drops the
weakest until all that remain are significant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import ruptures
from scipy.stats import mannwhitneyu

LEAST_STRETCH = 4
"""Least number of runs on either side of a change."""
LEAST_CHANGE = 0.02
"""Least change of the median, as a share. Smaller changes are noise of compilers and caches."""
SIGNIFICANCE = 0.001
"""Significance level of the rank test; small, because each candidate was selected for resembling a change."""

_PENALTY = 3.5  # 3 finds changes in 1 of 85 histories of pure noise, this in 1 of 150; 5 misses half of the late ones
_GAMMA_SAMPLE = 500

Array = npt.NDArray[Any]


class Stretch(NamedTuple):
    """Runs between two changes."""

    start: int
    """Number of the first run, from 0."""
    end: int
    """Number after that of the last run."""
    median: float


def stretches(seconds: Sequence[float], commits: Sequence[int]) -> list[Stretch]:
    """Return the stretches of a history: one more than the number of changes.

    :param seconds: times of the runs, from the oldest commit to the newest, all positive.
    :param commits: commit number of each run, ascending; the runs of one commit stay in one stretch.
    """
    times = np.log(np.asarray(seconds, dtype=float))
    bounds = sorted({_snapped(found, commits) for found in _candidates(times)} - {0, len(times)})
    bounds = _significant(times, bounds)
    return [
        Stretch(start, end, float(np.exp(np.median(times[start:end]))))
        for start, end in zip([0, *bounds], [*bounds, len(times)], strict=True)
    ]


def _candidates(times: Array) -> list[int]:
    """Return candidates for changes, as the numbers of the first runs after them."""
    if len(times) < 2 * LEAST_STRETCH or np.ptp(times) == 0:
        return []
    search = ruptures.KernelCPD(kernel="rbf", min_size=LEAST_STRETCH, params={"gamma": _gamma(times)})
    found: list[int] = search.fit(times.reshape(-1, 1)).predict(pen=_PENALTY)
    return found[:-1]


def _gamma(times: Array) -> float:
    """Return the kernel width by the median heuristic on a sample. On all runs, as in ruptures, memory is quadratic."""
    sample = times[:: math.ceil(len(times) / _GAMMA_SAMPLE)]
    apart = np.subtract.outer(sample, sample)[np.triu_indices(len(sample), 1)]
    typical = float(np.median(apart**2))
    return 1 / typical if typical > 0 else 1.0


def _snapped(run: int, commits: Sequence[int]) -> int:
    """Return the number of the first run of a commit that is closest to ``run``."""
    start = end = run
    while start > 0 and commits[start - 1] == commits[run]:
        start -= 1
    while end < len(commits) and commits[end] == commits[run]:
        end += 1
    return start if run - start <= end - run else end


def _significant(times: Array, bounds: list[int]) -> list[int]:
    """Return the significant bounds; the weakest is dropped first, then the rest are tested again."""
    while bounds:
        parts = np.split(times, bounds)
        chances = [_chance(before, after) for before, after in pairwise(parts)]
        weakest = int(np.argmax(chances))
        if chances[weakest] < SIGNIFICANCE:
            break
        bounds = bounds[:weakest] + bounds[weakest + 1 :]
    return bounds


def _chance(before: Array, after: Array) -> float:
    """Return the p value of a difference between runs; 1 if the change is too small to matter."""
    change = abs(float(np.median(after) - np.median(before)))
    return 1.0 if change < math.log1p(LEAST_CHANGE) else float(mannwhitneyu(before, after).pvalue)
