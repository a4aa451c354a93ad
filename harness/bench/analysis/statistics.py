"""Statistics of benchmark times: effect sizes, intervals, a test, and the correction for many comparisons.

This module is independent of files, pytest and AWS. It works on logarithms of times, so that an effect is a ratio: a
difference of 0.0953 is 10 % slower. Causes of false alarms on a shared machine, and the measures against each:

* *Rounds of one process resemble each other*, and processes differ (memory layout, hash seeds, other load). The unit is
  therefore the run, never the round: T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM
  2013; A. Georges, D. Buytaert and L. Eeckhout, "Statistically rigorous Java performance evaluation", OOPSLA 2007. Runs
  are resampled whole, as clusters, which preserves the dependence inside them.
* *The machine drifts.* Runs of both sides alternate, in a random order for each pair, and are compared pair by pair:
  drift that is slow compared with a pair cancels. (C. Laaber, J. Scheuner and P. Leitner, "Software microbenchmarking
  in the cloud. How bad is it really?", Empirical Software Engineering 24, 2019, interleave for the same reason.)
* *Times have bursts*, so means include the middle 60 % (trimmed by 20 % at either end), with the standard error of
  K. Yuen, Biometrika 61, 1974. The interval is a studentised bootstrap (symmetric: P. Hall, JRSS B 50, 1988), as
  recommended for few values with heavy tails by R. Wilcox, "Introduction to robust estimation and hypothesis testing".
* *Few pairs* make any bootstrap optimistic. The verdicts faster and slower also require a randomisation test,
  F. Wilcoxon's: signed ranks, or rank sums if runs did not alternate. Without a difference, the labels in each pair are
  exchangeable, so the statistic is compared with its values under randomly exchanged labels. If the order of the runs
  was random, the test is exact for any noise, even if it depends on neighbouring pairs.
* *Many benchmarks* are many chances of a false alarm. The test uses the greatest statistic of all comparisons, and
  exchanges the labels of a pair in all benchmarks at once (P. Westfall and S. Young, "Resampling-based multiple
  testing", 1993). The probability of any false alarm is at most 1 %. If benchmarks resemble each other, this is less
  strict than Bonferroni's correction. The intervals, which show the size of an effect, are not corrected.
* *Differences too small to matter* are ignored: faster and slower require the whole interval beyond 2 %, same requires
  it within.
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
"""Confidence of each interval; 1 - CONFIDENCE bounds the chance of a false alarm in all benchmarks together."""

MINIMUM_EFFECT = 0.02
"""Largest share that counts as no difference: ``same`` is within it, ``faster`` and ``slower`` are beyond it."""

LEAST_RUNS = 8
"""Least number of runs of each side for a verdict: with 7 pairs, 2 of the 2⁷ exchanges are more than 1 % of them."""

TRIMMED = 0.2
"""Share trimmed at either end of the sorted values."""

_RESAMPLES = 9_999
_SEED = 20_130_620

Array = npt.NDArray[np.float64]


class Verdict(str, Enum):
    """Verdict on a benchmark; ``REFUSED`` if its two results must not be compared."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"


@dataclass(frozen=True)
class Effect:
    """Change relative to the base: 0.1 is 10 % more time, -0.5 is half the time."""

    change: float
    low: float
    """Lower end of the interval; -1 if unknown."""
    high: float
    """Upper end of the interval; infinite if unknown."""
    p: float
    """p value of the randomisation test, corrected for all comparisons."""
    runs: int
    """Number of pairs, or of runs of the smaller side."""

    @property
    def verdict(self) -> Verdict:
        """Verdict of the interval, if the test agrees."""
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
        """Return whether it is slower by more than ``share`` (0.05: 5 %) with confidence."""
        return self.runs >= LEAST_RUNS and self.low > share and self.p <= 1 - CONFIDENCE


@dataclass(frozen=True)
class Estimate:
    """A positive value with its interval, in the unit of the sample: seconds, rows a second, USD a million rows."""

    value: float
    low: float
    """Lower end of the interval; 0 if unknown."""
    high: float
    """Upper end of the interval; infinite if unknown."""

    @property
    def is_known(self) -> bool:
        """True if the interval is known."""
        return self.high < math.inf

    def under(self, dividend: float) -> Estimate:
        """Return ``dividend / self``; the ends of the interval swap."""
        with np.errstate(divide="ignore"):
            low, value, high = (float(np.divide(dividend, end)) for end in (self.high, self.value, self.low))
        return Estimate(value, low, high)

    def shown(self, number: Callable[[float], str]) -> str:
        """Return the value with its interval, if known: ``12.4 (11.9 to 13.0)``.

        :param number: formats a number.
        """
        return number(self.value) + (f" ({number(self.low)} to {number(self.high)})" if self.is_known else "")

    def is_surely_below(self, other: Estimate) -> bool:
        """Return whether the whole interval lies below the other's."""
        return self.high < other.low


class Comparable(Protocol):
    """Times of one benchmark on two sides."""

    @property
    def runs(self) -> int:
        """Number of independent units of the smaller side."""

    @property
    def draws(self) -> int:
        """Number of random numbers for one resample."""

    @property
    def _summary(self) -> tuple[Array, Array]:
        """Estimate and its standard error."""

    @property
    def estimate(self) -> float:
        """Difference of the logarithms, by trimmed means."""
        return float(self._summary[0])

    @property
    def error(self) -> float:
        """Standard error of the estimate."""
        return float(self._summary[1])

    @property
    def drift(self) -> float:
        """Extra width of the interval at either end, for effects that the design cannot detect."""

    def resampled(self, uniform: Array) -> Array:
        """Return the studentised statistic around the estimate in bootstrap resamples, shape (resamples,).

        :param uniform: numbers from 0 to 1, shape (resamples, draws).
        """

    @property
    def rank_statistic(self) -> float:
        """Test statistic, with a mean of 0 and a variance of 1 if there is no difference."""

    def relabelled(self, uniform: Array) -> Array:
        """Return the test statistic under randomly exchanged labels, shape (resamples,)."""


@dataclass(frozen=True)
class Pairs(Comparable):
    """Runs that alternated: ``differences`` has the logarithm of the ratio in each pair, shape (pairs,)."""

    differences: Array

    @classmethod
    def of(cls, base: npt.ArrayLike, other: npt.ArrayLike) -> Pairs:
        """Return the pairs of times in seconds; a pair has the same place on both sides."""
        return cls(np.log(other) - np.log(base))

    @property
    def runs(self) -> int:
        """Number of pairs."""
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
        """Zero, because drift cancels in each pair."""
        return 0.0

    def resampled(self, uniform: Array) -> Array:
        """Resample pairs."""
        mean, error = trimmed_mean(_drawn(self.differences, uniform))
        return studentised(mean - self.estimate, error)

    @cached_property
    def _signed_ranks(self) -> Array:
        """Signed ranks of the absolute differences, divided by their scale."""
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
    """Runs that did not alternate: logarithms of each side's times, in the order of the runs."""

    base: Array
    other: Array

    @classmethod
    def of(cls, base: npt.ArrayLike, other: npt.ArrayLike) -> Runs:
        """Return the runs for times in seconds."""
        return cls(np.log(base), np.log(other))

    @property
    def runs(self) -> int:
        """Number of runs of the smaller side."""
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
        """Range of the means of a side's quarters, for the side with the larger range.

        The sides may differ by as much through drift, which no resampling detects. Halves were not enough: on a busy
        machine, of 299 pairs of sides recorded in sequence, 8 were called different with halves, 1 with quarters.
        """
        return max(_quarters_apart(self.base), _quarters_apart(self.other))

    def resampled(self, uniform: Array) -> Array:
        """Resample runs within their sides."""
        split = len(self.base)
        mean, error = _difference(_drawn(self.base, uniform[:, :split]), _drawn(self.other, uniform[:, split:]))
        return studentised(mean - self.estimate, error)

    @cached_property
    def _ranks(self) -> Array:
        """Ranks of all runs, the base first, centred on 0 and divided by the scale of one side's sum."""
        ranks = rankdata(np.concatenate([self.base, self.other]))
        ranks -= ranks.mean()
        sides = len(self.base) * len(self.other) / len(ranks) / (len(ranks) - 1)
        return np.asarray(ranks / max(float(np.sqrt(sides * (ranks**2).sum())), 1e-12))

    @property
    def rank_statistic(self) -> float:
        """Wilcoxon's rank-sum statistic."""
        return float(self._ranks[len(self.base) :].sum())

    def relabelled(self, uniform: Array) -> Array:
        """Assign all runs to the two sides at random."""
        dealt = self._ranks[np.argsort(uniform, axis=1)]
        return np.asarray(dealt[:, len(self.base) :].sum(axis=1))


def judge(samples: Sequence[Comparable]) -> list[Effect]:
    """Return the effect in each comparison, corrected for the number of comparisons.

    The same call gives the same result, because the random numbers have a fixed seed.
    """
    greatest = np.zeros(_RESAMPLES)
    for sample in samples:
        if sample.runs >= LEAST_RUNS:
            np.maximum(greatest, np.abs(sample.relabelled(_uniform(sample.draws))), out=greatest)
    greatest.sort()
    return [_effect(sample, greatest) for sample in samples]


@lru_cache(maxsize=2)
def _uniform(draws: int) -> Array:
    """Return random numbers from 0 to 1, the same for all samples with the same number of runs."""
    return np.random.default_rng(_SEED).random((_RESAMPLES, draws))


def _effect(sample: Comparable, greatest: Array) -> Effect:
    """Return the effect; ``greatest`` are the sorted greatest test statistics without an effect."""
    change = _share(sample.estimate)
    if sample.runs < LEAST_RUNS:
        return Effect(change, -1.0, np.inf, 1.0, sample.runs)
    reach = _reach(sample)
    as_great = len(greatest) - int(np.searchsorted(greatest, abs(sample.rank_statistic) - 1e-9))
    low, high = _share(sample.estimate - reach), _share(sample.estimate + reach)
    return Effect(change, low, high, (1 + as_great) / (1 + len(greatest)), sample.runs)


def _reach(sample: Comparable) -> float:
    """Return half the width of the interval."""
    around = np.abs(sample.resampled(_uniform(sample.draws)))
    return float(np.quantile(around, CONFIDENCE, method="higher")) * sample.error + sample.drift


def estimate(values: npt.ArrayLike, *, drifting: bool = False) -> Estimate:
    """Return the estimate of a value from its runs: the 20 % trimmed mean of the logarithms, with its interval.

    :param values: one or more positive numbers, one for each run, in the order of the runs.
    :param drifting: true if the value is compared with others that were not measured alternately. The interval is then
        wider, as with :attr:`Runs.drift`.
    """
    sample = Pairs(np.log(values))  # the base of each pair is 1
    value = math.exp(sample.estimate)
    if sample.runs < LEAST_RUNS:
        return Estimate(value, 0.0, math.inf)
    reach = _reach(sample) + (_quarters_apart(sample.differences) if drifting else 0.0)
    factor = float(np.exp(min(reach, 700.0)))  # the largest exponent that does not overflow
    return Estimate(value, value / factor, value * factor)


def pairs_needed(comparisons: int) -> int:
    """Return the number of pairs that rule out chance in independent benchmarks: each pair halves the chance."""
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
    """Return ``mean / error``; without error, 0 for a mean of 0 and infinity for any other."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.abs(mean) <= 1e-12, 0.0, mean / error))


def _difference(base: Array, other: Array) -> tuple[Array, Array]:
    """Return the difference of the trimmed means along the last axis, and its standard error."""
    (base_mean, base_error), (other_mean, other_error) = trimmed_mean(base), trimmed_mean(other)
    return other_mean - base_mean, np.hypot(base_error, other_error)


def _drawn(values: Array, uniform: Array) -> Array:
    """Return resamples of the values with replacement, shape (resamples, values)."""
    count = len(values)
    return np.asarray(values[(uniform[:, :count] * count).astype(np.intp)])


def _quarters_apart(values: Array) -> float:
    means = [float(trimmed_mean(quarter)[0]) for quarter in np.array_split(values, 4)]
    return max(means) - min(means)


def _share(logarithm: float) -> float:
    return float(np.expm1(logarithm))
