"""Where in its history a benchmark's times changed.

Candidates come from the PELT algorithm (Killick et al., 2012) of ruptures, with a kernel that lone outliers cannot
pull; each is kept only if a rank test tells the runs before it from those after it. This is the order of Hunter
(Fleming et al., 2023): many weak candidates, of which tests drop the weakest until all that remain are significant.
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
"""Number of runs that must lie on either side of a change."""
LEAST_CHANGE = 0.02
"""Share by which the median must change; less is noise of compilers and caches rather than anybody's doing."""
SIGNIFICANCE = 0.001
"""Of the rank test: small, as each candidate was picked for looking like a change."""

_PENALTY = 3.5  # 3 finds changes in 1 of 85 histories of pure noise, this in 1 of 150; 5 misses half of the late ones
_GAMMA_SAMPLE = 500

Array = npt.NDArray[Any]


class Stretch(NamedTuple):
    """Runs between two changes."""

    start: int
    """The first run's number, from 0."""
    end: int
    """The number after the last run's."""
    median: float


def stretches(seconds: Sequence[float], commits: Sequence[int]) -> list[Stretch]:
    """Return the stretches of a history, of which there is one more than there are changes.

    :param seconds: the runs' times, from the oldest commit to the newest, all positive.
    :param commits: the number of each run's commit, ascending: runs of one commit are in one stretch.
    """
    times = np.log(np.asarray(seconds, dtype=float))
    bounds = sorted({_snapped(found, commits) for found in _candidates(times)} - {0, len(times)})
    bounds = _significant(times, bounds)
    return [
        Stretch(start, end, float(np.exp(np.median(times[start:end]))))
        for start, end in zip([0, *bounds], [*bounds, len(times)], strict=True)
    ]


def _candidates(times: Array) -> list[int]:
    """Return where changes may be: numbers of the first runs after them."""
    if len(times) < 2 * LEAST_STRETCH or np.ptp(times) == 0:
        return []
    search = ruptures.KernelCPD(kernel="rbf", min_size=LEAST_STRETCH, params={"gamma": _gamma(times)})
    found: list[int] = search.fit(times.reshape(-1, 1)).predict(pen=_PENALTY)
    return found[:-1]


def _gamma(times: Array) -> float:
    """Return the kernel's width by the median heuristic, on a sample: ruptures' own takes quadratic memory."""
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
    """Return the bounds without those that no test can tell, dropping the weakest first."""
    while bounds:
        parts = np.split(times, bounds)
        chances = [_chance(before, after) for before, after in pairwise(parts)]
        weakest = int(np.argmax(chances))
        if chances[weakest] < SIGNIFICANCE:
            break
        bounds = bounds[:weakest] + bounds[weakest + 1 :]
    return bounds


def _chance(before: Array, after: Array) -> float:
    """Return the chance that runs differ so much though nothing changed; 1 where the change is too small to matter."""
    change = abs(float(np.median(after) - np.median(before)))
    return 1.0 if change < math.log1p(LEAST_CHANGE) else float(mannwhitneyu(before, after).pvalue)
