"""From times to verdicts: effect sizes, their intervals, a test, and the correction for many comparisons.

Nothing here knows of files, pytest or AWS. Times go in as logarithms, so that an effect is a ratio: a difference of
0.0953 is 10 % slower. What raises false alarms on a shared machine, and what is done about each:

* *Rounds of one process resemble each other*, and processes differ (memory layout, hash seeds, who else runs). The unit
  is therefore the run, never the round: T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM
  2013; A. Georges, D. Buytaert and L. Eeckhout, "Statistically rigorous Java performance evaluation", OOPSLA 2007. Runs
  are resampled whole, as clusters, which keeps whatever dependence is inside them.
* *The machine drifts.* Runs of both sides alternate, in an order drawn for each pair, and are compared pair by pair:
  what is slower than a pair cancels. (C. Laaber, J. Scheuner and P. Leitner, "Software microbenchmarking in the cloud.
  How bad is it really?", Empirical Software Engineering 24, 2019, interleave for the same reason.)
* *Times have bursts*, so means are of the middle 60 % (trimmed by 20 % at either end), with the standard error of
  K. Yuen, Biometrika 61, 1974. Their interval is from the studentised bootstrap (symmetric: P. Hall, JRSS B 50, 1988),
  which R. Wilcox, "Introduction to robust estimation and hypothesis testing", advises for few values with heavy tails.
* *Few pairs* make any bootstrap optimistic. Faster and slower need a randomisation test to agree, F. Wilcoxon's (signed
  ranks; rank sums where runs did not alternate): were there no difference, the labels in each pair could as well be
  exchanged, so the statistic is compared with itself under labels exchanged at random. If the order of the runs was
  drawn at random that is exact whatever the noise is, dependent from pair to pair or not.
* *Many benchmarks* are many chances. The test takes the greatest statistic of all comparisons, with the labels of a
  pair exchanged in all benchmarks at once (P. Westfall and S. Young, "Resampling-based multiple testing", 1993): the
  chance of one false alarm anywhere is at most 1 %, and benchmarks that resemble each other do not cost what
  Bonferroni's correction asks. The intervals, which say how large an effect is, are each benchmark's own.
* *Differences too small to matter* are none: faster and slower need the whole interval beyond 2 %, same needs it
  within.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

CONFIDENCE = 0.99
"""Of each interval; what is left is the chance of one false alarm in all benchmarks that are compared together."""

MINIMUM_EFFECT = 0.02
"""Differences up to this share are no difference: ``same`` is within it, ``faster`` and ``slower`` are beyond it."""

LEAST_RUNS = 8
"""Runs of each side that a verdict needs: with 7 pairs, 2 of the 2⁷ exchanges are more than 1 % of them."""

TRIMMED = 0.2
"""The share left out at either end of the sorted values."""

_RESAMPLES = 9_999
_SEED = 20_130_620

Array = npt.NDArray[np.float64]


class Verdict(str, Enum):
    """What can be said of a benchmark; ``REFUSED`` where its two results must not be compared."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"


@dataclass(frozen=True)
class Effect:
    """A change relative to the base: 0.1 is 10 % more time, -0.5 half of it."""

    change: float
    low: float
    """The interval's lower end; -1 where nothing can be said."""
    high: float
    """The interval's upper end; infinite where nothing can be said."""
    p: float
    """The randomisation test's, corrected for all comparisons made together."""
    runs: int
    """Pairs; or runs of the side that has fewer."""

    @property
    def verdict(self) -> Verdict:
        """What the interval says, and the test agrees with."""
        if self.runs < LEAST_RUNS:
            return Verdict.INCONCLUSIVE
        if self.low >= -MINIMUM_EFFECT and self.high <= MINIMUM_EFFECT:
            return Verdict.SAME
        if self.slower_than(MINIMUM_EFFECT):
            return Verdict.SLOWER
        if self.high < -MINIMUM_EFFECT and self.p <= 1 - CONFIDENCE:
            return Verdict.FASTER
        return Verdict.INCONCLUSIVE

    def slower_than(self, share: float) -> bool:
        """Return whether it is slower by more than a share (0.05: 5 %) with confidence."""
        return self.runs >= LEAST_RUNS and self.low > share and self.p <= 1 - CONFIDENCE


@dataclass(frozen=True)
class Estimate:
    """A positive value with its interval, in the unit of the sample: seconds, rows a second, USD a million rows."""

    value: float
    low: float
    """The interval's lower end; 0 where nothing can be said."""
    high: float
    """The interval's upper end; infinite where nothing can be said."""

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return self.high < math.inf

    def under(self, dividend: float) -> Estimate:
        """Return ``dividend / self``: the ends change places."""
        with np.errstate(divide="ignore"):
            low, value, high = (float(np.divide(dividend, end)) for end in (self.high, self.value, self.low))
        return Estimate(value, low, high)

    def shown(self, number: Callable[[float], str]) -> str:
        """Return the figure with its interval, if it has one: ``12.4 (11.9 to 13.0)``.

        :param number: returns a figure as it is to be shown.
        """
        return number(self.value) + (f" ({number(self.low)} to {number(self.high)})" if self.is_known else "")

    def is_surely_below(self, other: Estimate) -> bool:
        """Return whether the whole interval lies below the other's."""
        return self.high < other.low


class Comparable(Protocol):
    """The times of one benchmark on two sides."""

    @property
    def runs(self) -> int:
        """Independent units, on the side that has fewer."""

    @property
    def draws(self) -> int:
        """Random numbers that a resample takes."""

    @property
    def _summary(self) -> tuple[Array, Array]:
        """The estimate and its standard error."""

    @property
    def estimate(self) -> float:
        """The difference of the logarithms, by trimmed means."""
        return float(self._summary[0])

    @property
    def error(self) -> float:
        """The estimate's standard error."""
        return float(self._summary[1])

    @property
    def drift(self) -> float:
        """How far the interval must be widened at either end for what the design cannot see."""

    def resampled(self, uniform: Array) -> Array:
        """Return the studentised statistic around the estimate in bootstrap resamples, shape (resamples,).

        :param uniform: numbers from 0 to 1, shape (resamples, draws).
        """

    @property
    def rank_statistic(self) -> float:
        """The test's statistic, with a mean of 0 and a variance of 1 if there is no difference."""

    def relabelled(self, uniform: Array) -> Array:
        """Return the test's statistic with the sides' labels exchanged at random, shape (resamples,)."""


@dataclass(frozen=True)
class Pairs(Comparable):
    """Runs that alternated: ``differences`` has the logarithm of the ratio in each pair, shape (pairs,)."""

    differences: Array

    @classmethod
    def of(cls, base: npt.ArrayLike, other: npt.ArrayLike) -> Pairs:
        """Return the pairs of some times in seconds, each at the same place on both sides."""
        return cls(np.log(other) - np.log(base))

    @property
    def runs(self) -> int:
        """How many pairs."""
        return len(self.differences)

    @property
    def draws(self) -> int:
        """One for each pair."""
        return self.runs

    @cached_property
    def _summary(self) -> tuple[Array, Array]:
        return trimmed_mean(self.differences)

    @property
    def drift(self) -> float:
        """None: it cancels in each pair."""
        return 0.0

    def resampled(self, uniform: Array) -> Array:
        """Resample pairs."""
        mean, error = trimmed_mean(_drawn(self.differences, uniform))
        return studentised(mean - self.estimate, error)

    @cached_property
    def _signed_ranks(self) -> Array:
        """The ranks of the absolute differences with the differences' signs, over their own scale."""
        ranks = rankdata(np.abs(self.differences)) * np.sign(self.differences)
        return np.asarray(ranks / max(float(np.sqrt((ranks**2).sum())), 1.0))

    @property
    def rank_statistic(self) -> float:
        """Wilcoxon's signed-rank statistic."""
        return float(self._signed_ranks.sum())

    def relabelled(self, uniform: Array) -> Array:
        """Exchange the labels in pairs, which changes the signs of their differences."""
        return np.asarray(np.where(uniform < 0.5, -1.0, 1.0) @ self._signed_ranks)


@dataclass(frozen=True)
class Runs(Comparable):
    """Runs that did not alternate: the logarithms of each side's times in the order they were run."""

    base: Array
    other: Array

    @classmethod
    def of(cls, base: npt.ArrayLike, other: npt.ArrayLike) -> Runs:
        """Return the runs with some times in seconds."""
        return cls(np.log(base), np.log(other))

    @property
    def runs(self) -> int:
        """Runs of the side that has fewer."""
        return min(len(self.base), len(self.other))

    @property
    def draws(self) -> int:
        """One for each run."""
        return len(self.base) + len(self.other)

    @cached_property
    def _summary(self) -> tuple[Array, Array]:
        return _difference(self.base, self.other)

    @property
    def drift(self) -> float:
        """How far the quarters of a side are apart, for the side where that is more.

        As much may lie between the sides, where no resampling can see it. Quarters, as halves were not enough: of sides
        recorded one after the other on a busy machine, 8 of 299 were called different, and 1 with quarters.
        """
        return max(_quarters_apart(self.base), _quarters_apart(self.other))

    def resampled(self, uniform: Array) -> Array:
        """Resample runs within their sides."""
        split = len(self.base)
        mean, error = _difference(_drawn(self.base, uniform[:, :split]), _drawn(self.other, uniform[:, split:]))
        return studentised(mean - self.estimate, error)

    @cached_property
    def _ranks(self) -> Array:
        """The ranks of all runs, the base's first, around 0 and over the scale of the sum of one side's."""
        ranks = rankdata(np.concatenate([self.base, self.other]))
        ranks -= ranks.mean()
        sides = len(self.base) * len(self.other) / len(ranks) / (len(ranks) - 1)
        return np.asarray(ranks / max(float(np.sqrt(sides * (ranks**2).sum())), 1e-12))

    @property
    def rank_statistic(self) -> float:
        """Wilcoxon's rank-sum statistic."""
        return float(self._ranks[len(self.base) :].sum())

    def relabelled(self, uniform: Array) -> Array:
        """Deal all runs out to the two sides anew."""
        dealt = self._ranks[np.argsort(uniform, axis=1)]
        return np.asarray(dealt[:, len(self.base) :].sum(axis=1))


def judge(samples: Sequence[Comparable]) -> list[Effect]:
    """Return the effect in each of some comparisons, corrected for their number.

    The same call gives the same result: the random numbers start from a fixed seed.
    """
    greatest = np.zeros(_RESAMPLES)
    for sample in samples:
        if sample.runs >= LEAST_RUNS:
            np.maximum(greatest, np.abs(sample.relabelled(_uniform(sample.draws))), out=greatest)
    greatest.sort()
    return [_effect(sample, greatest) for sample in samples]


@lru_cache(maxsize=2)
def _uniform(draws: int) -> Array:
    """Return random numbers from 0 to 1, the same ones for all samples that have as many runs."""
    return np.random.default_rng(_SEED).random((_RESAMPLES, draws))


def _effect(sample: Comparable, greatest: Array) -> Effect:
    """Return the effect; ``greatest`` are the test's greatest statistics without an effect, sorted."""
    change = _share(sample.estimate)
    if sample.runs < LEAST_RUNS:
        return Effect(change, -1.0, np.inf, 1.0, sample.runs)
    reach = _reach(sample)
    as_great = len(greatest) - int(np.searchsorted(greatest, abs(sample.rank_statistic) - 1e-9))
    low, high = _share(sample.estimate - reach), _share(sample.estimate + reach)
    return Effect(change, low, high, (1 + as_great) / (1 + len(greatest)), sample.runs)


def _reach(sample: Comparable) -> float:
    """Return how far the interval reaches to either side of the estimate."""
    around = np.abs(sample.resampled(_uniform(sample.draws)))
    return float(np.quantile(around, CONFIDENCE, method="higher")) * sample.error + sample.drift


def estimate(figures: npt.ArrayLike, *, drifting: bool = False) -> Estimate:
    """Return a figure from what each run found of it: the 20 % trimmed mean of the logarithms, with its interval.

    :param figures: one or more positive numbers, one a run, in the order they were run.
    :param drifting: whether others, not measured in turns with these, are compared with it: the interval then is wider
        by what :attr:`Runs.drift` has for each side.
    """
    sample = Pairs(np.log(figures))  # each run beside the unit of the figure
    value = math.exp(sample.estimate)
    if sample.runs < LEAST_RUNS:
        return Estimate(value, 0.0, math.inf)
    reach = _reach(sample) + (_quarters_apart(sample.differences) if drifting else 0.0)
    factor = float(np.exp(min(reach, 700.0)))  # beyond which there is no such number
    return Estimate(value, value / factor, value * factor)


def pairs_needed(comparisons: int) -> int:
    """Return how many pairs let one of some independent benchmarks be told from chance: each pair halves the chance."""
    return max(LEAST_RUNS, math.ceil(math.log2(2 * max(comparisons, 1) / (1 - CONFIDENCE))))


def trimmed_mean(values: Array) -> tuple[Array, Array]:
    """Return the 20 % trimmed mean along the last axis, and its standard error after Yuen."""
    count = values.shape[-1]
    cut = int(TRIMMED * count)
    ordered = np.sort(values, axis=-1)
    kept = ordered[..., cut : count - cut]
    winsorised = np.clip(ordered, kept[..., :1], kept[..., -1:])
    deviation = winsorised.std(axis=-1, ddof=1) if count > 1 else np.full(values.shape[:-1], np.nan)
    return kept.mean(axis=-1), deviation / ((1 - 2 * TRIMMED) * np.sqrt(count))


def studentised(mean: Array, error: Array) -> Array:
    """Return ``mean / error``; where there is no error at all, 0 for no mean and infinity for any other."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.abs(mean) <= 1e-12, 0.0, mean / error))


def _difference(base: Array, other: Array) -> tuple[Array, Array]:
    """Return the difference of the trimmed means along the last axis, and its standard error."""
    (base_mean, base_error), (other_mean, other_error) = trimmed_mean(base), trimmed_mean(other)
    return other_mean - base_mean, np.hypot(base_error, other_error)


def _drawn(values: Array, uniform: Array) -> Array:
    """Return resamples of some values with replacement, shape (resamples, values)."""
    count = len(values)
    return np.asarray(values[(uniform[:, :count] * count).astype(np.intp)])


def _quarters_apart(values: Array) -> float:
    means = [float(trimmed_mean(quarter)[0]) for quarter in np.array_split(values, 4)]
    return max(means) - min(means)


def _share(logarithm: float) -> float:
    return float(np.expm1(logarithm))
