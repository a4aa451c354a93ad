"""Verdicts: right about known effects, silent about noise, the same at every call."""

import math

import numpy as np
import pytest
from scipy.stats import ranksums, trim_mean, wilcoxon
from scipy.stats.mstats import trimmed_stde

from harness.bench.analysis.statistics import (
    CONFIDENCE,
    LEAST_RUNS,
    MINIMUM_EFFECT,
    Effect,
    Estimate,
    Pairs,
    Runs,
    Verdict,
    estimate,
    judge,
    pairs_needed,
    studentised,
    trimmed_mean,
)

TEN_PERCENT = math.log(1.1)


@pytest.fixture
def random():
    return np.random.default_rng(5)


def bursts(random, count):
    """Noise as a shared machine has it: narrow, with one value in seven far out."""
    return np.where(random.random(count) < 0.15, random.normal(0, 0.25, count), random.normal(0, 0.03, count))


def verdict(sample):
    return judge([sample])[0].verdict


def test_the_trimmed_mean_and_its_error_are_those_of_scipy(random):
    values = random.normal(size=23)
    mean, error = trimmed_mean(values)
    assert mean == pytest.approx(trim_mean(values, 0.2))
    assert error == pytest.approx(float(trimmed_stde(values, (0.2, 0.2), (True, True))))


@pytest.mark.parametrize(("effect", "expected"), [(TEN_PERCENT, Verdict.SLOWER), (-TEN_PERCENT, Verdict.FASTER)])
@pytest.mark.parametrize("count", [20, 40])
def test_ten_percent_is_found_in_pairs(random, effect, expected, count):
    assert verdict(Pairs(random.normal(effect, 0.03, count))) is expected


def test_little_noise_around_nothing_is_same(random):
    assert verdict(Pairs(random.normal(0, 0.01, 20))) is Verdict.SAME


def test_much_noise_is_inconclusive(random):
    assert verdict(Pairs(random.normal(0, 0.3, 10))) is Verdict.INCONCLUSIVE


def test_a_difference_that_does_not_matter_is_not_called_slower(random):
    effect = judge([Pairs(random.normal(0.01, 0.001, 20))])[0]
    assert effect.low > 0
    assert effect.verdict is Verdict.SAME


@pytest.mark.parametrize("count", [1, 2, LEAST_RUNS - 1])
def test_few_runs_are_inconclusive_however_clear(count):
    effect = judge([Pairs(np.full(count, 1.0))])[0]
    assert effect.verdict is Verdict.INCONCLUSIVE
    assert effect.change == pytest.approx(math.e - 1)
    assert (effect.low, effect.high) == (-1, math.inf)


def test_the_least_number_of_runs_suffices_for_a_clear_effect(random):
    assert verdict(Pairs(random.normal(TEN_PERCENT, 0.005, LEAST_RUNS))) is Verdict.SLOWER


def test_equal_times_are_same():
    assert verdict(Pairs(np.zeros(LEAST_RUNS))) is Verdict.SAME
    assert verdict(Runs(np.zeros(LEAST_RUNS), np.zeros(LEAST_RUNS))) is Verdict.SAME


def test_the_interval_is_of_the_ratio(random):
    effect = judge([Pairs(random.normal(math.log(2), 0.01, 30))])[0]
    assert effect.low < 1 < effect.high
    assert effect.change == pytest.approx(1, abs=0.02)


def test_the_same_times_give_the_same_effect(random):
    values = random.normal(0.1, 0.05, 15)
    assert judge([Pairs(values)]) == judge([Pairs(values)])


@pytest.mark.slow
def test_bursts_do_not_raise_false_alarms(random):
    found = [verdict(Pairs(bursts(random, 15))) for _ in range(100)]
    assert sum(one in (Verdict.FASTER, Verdict.SLOWER) for one in found) <= 1


def test_bursts_do_not_hide_ten_percent(random):
    found = [verdict(Pairs(TEN_PERCENT + bursts(random, 40))) for _ in range(20)]
    assert found.count(Verdict.SLOWER) >= 19


@pytest.mark.slow
def test_autocorrelated_noise_does_not_raise_false_alarms_if_the_order_is_random(random):
    alarms = 0
    for _ in range(60):
        drift = np.convolve(random.normal(0, 0.1, 30), np.ones(10) / 10, "same")
        order = random.choice([-1, 1], 30)
        alarms += verdict(Pairs(order * (0.02 + drift))) in (Verdict.FASTER, Verdict.SLOWER)
    assert alarms <= 1


def test_many_comparisons_raise_p_and_leave_the_interval(random):
    samples = [Pairs(random.normal(0.05, 0.03, 12)), *(Pairs(random.normal(0, 0.03, 12)) for _ in range(30))]
    alone, together = judge(samples[:1])[0], judge(samples)[0]
    assert together.p > 5 * alone.p
    assert (together.low, together.high) == (alone.low, alone.high)


@pytest.mark.slow
def test_many_comparisons_with_no_effect_hardly_ever_have_one_false_alarm(random):
    families = [judge([Pairs(random.normal(0, 0.1, 15)) for _ in range(10)]) for _ in range(20)]
    assert sum(any(effect.p <= 0.01 for effect in effects) for effects in families) <= 1


def test_comparisons_that_are_copies_cost_nothing(random):
    values = random.normal(0.05, 0.03, 12)
    assert judge([Pairs(values)])[0] == judge([Pairs(values)] * 20)[7]


@pytest.mark.parametrize(("comparisons", "pairs"), [(1, 8), (2, 9), (30, 13)])
def test_more_comparisons_need_more_pairs(comparisons, pairs):
    assert pairs_needed(comparisons) == pairs


def test_runs_that_did_not_alternate_are_found_apart(random):
    assert verdict(Runs(random.normal(0, 0.02, 12), random.normal(TEN_PERCENT, 0.02, 12))) is Verdict.SLOWER


def test_runs_that_did_not_alternate_have_wider_intervals_than_pairs(random):
    both = random.normal(0, 0.05, 20)
    base, other = both + random.normal(0, 0.01, 20), both + random.normal(0, 0.01, 20)
    heaps, pairs = judge([Runs(base, other)])[0], judge([Pairs(other - base)])[0]
    assert heaps.high - heaps.low > pairs.high - pairs.low


def test_a_side_that_drifts_widens_the_interval_by_its_drift(random):
    noise = random.normal(0, 0.005, 20)
    drifting = noise + np.linspace(0, 0.2, 20)
    assert Runs(drifting, noise).drift == pytest.approx(0.15, abs=0.02)
    assert verdict(Runs(drifting, noise + 0.2)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.03, 0.2, 0.001, Verdict.SLOWER),
        (0.03, 0.2, 0.02, Verdict.INCONCLUSIVE),
        (0.01, 0.2, 0.001, Verdict.INCONCLUSIVE),
        (-0.2, -0.03, 0.001, Verdict.FASTER),
        (-0.2, -0.03, 0.02, Verdict.INCONCLUSIVE),
        (-0.01, 0.02, 0.5, Verdict.SAME),
        (-0.03, 0.01, 0.5, Verdict.INCONCLUSIVE),
        (-0.02, 0.02, 0.5, Verdict.SAME),
        (-0.01, 0.021, 0.5, Verdict.INCONCLUSIVE),
        (-0.2, -0.02, 0.001, Verdict.INCONCLUSIVE),
        (0.02, 0.2, 0.001, Verdict.INCONCLUSIVE),
        (0.03, 0.2, 0.01, Verdict.SLOWER),
        (-0.2, -0.03, 0.01, Verdict.FASTER),
    ],
)
def test_a_verdict_follows_from_interval_and_test(low, high, p, expected):
    assert (CONFIDENCE, MINIMUM_EFFECT) == (0.99, 0.02)
    assert Effect(0.0, low, high, p, 20).verdict is expected


def test_slower_than_a_limit_requires_the_whole_interval():
    assert Effect(0.1, 0.06, 0.14, 0.001, 20).slower_than(0.05)
    assert not Effect(0.1, 0.04, 0.16, 0.001, 20).slower_than(0.05)
    assert not Effect(0.1, 0.05, 0.16, 0.001, 20).slower_than(0.05)
    assert not Effect(0.1, 0.06, 0.14, 0.02, 20).slower_than(0.05)
    assert Effect(0.1, 0.06, 0.14, 0.01, LEAST_RUNS).slower_than(0.05)
    assert not Effect(0.1, 0.06, 0.14, 0.001, LEAST_RUNS - 1).slower_than(0.05)


def test_the_interval_of_an_estimate_reflects_the_spread_of_its_runs():
    assert estimate([2.0] * LEAST_RUNS) == Estimate(pytest.approx(2), pytest.approx(2), pytest.approx(2))
    assert not estimate([2.0] * (LEAST_RUNS - 1)).is_known


def test_an_estimate_of_runs_that_have_nothing_in_common_is_no_error():
    found = estimate([1, 1, 1, 1e-300, 1e300, 1, 5, 1e200])
    assert found.low < 1
    assert found.high > 1e100


def test_times_become_logarithms_of_ratios_in_pairs_and_of_seconds_otherwise():
    assert Pairs.of([1.0, 2.0], [2.0, 1.0]).differences == pytest.approx([math.log(2), -math.log(2)])
    runs = Runs.of([1.0, math.e, 1.0], [math.e**2, 1.0])
    assert runs.base == pytest.approx([0, 1, 0])
    assert runs.other == pytest.approx([2, 0])
    assert (runs.runs, runs.draws) == (2, 5)


def test_the_statistics_of_both_tests_are_wilcoxons(random):
    base, other = random.normal(0, 1, 12), random.normal(0.5, 1, 15)
    pairs = wilcoxon(other[:12] - base, method="approx", correction=False)
    assert Pairs(other[:12] - base).rank_statistic == pytest.approx(abs(pairs.zstatistic), rel=0.001)
    assert Runs(base, other).rank_statistic == pytest.approx(ranksums(other, base).statistic, rel=0.001)


@pytest.mark.parametrize("sides", [Pairs, lambda values: Runs(values[:9], values[9:])])
def test_labels_exchanged_at_random_give_statistics_around_nothing_with_a_variance_of_one(random, sides):
    sample = sides(random.normal(1, 1, 20))
    found = sample.relabelled(random.random((20_000, sample.draws)))
    assert found.mean() == pytest.approx(0, abs=0.03)
    assert found.var() == pytest.approx(1, abs=0.05)


def test_p_is_the_share_of_exchanges_that_are_as_clear():
    eight = judge([Pairs(np.linspace(0.1, 0.2, 8))])[0]
    assert eight.p == pytest.approx(2 / 2**8, abs=0.003)
    assert judge([Pairs(np.zeros(8))])[0].p == 1
    assert judge([Pairs(np.ones(7))])[0].p == 1


def test_the_error_of_two_sides_is_that_of_both(random):
    base, other = random.normal(0, 1, 12), random.normal(3, 2, 15)
    (base_mean, base_error), (other_mean, other_error) = trimmed_mean(base), trimmed_mean(other)
    assert Runs(base, other).estimate == pytest.approx(other_mean - base_mean)
    assert Runs(base, other).error == pytest.approx(math.hypot(base_error, other_error))


def test_a_drift_is_the_most_that_the_quarters_of_a_side_are_apart():
    steps = np.repeat([0.0, 0.1, 0.5, 0.4], 4)
    assert Runs(steps, np.zeros(16)).drift == Runs(np.zeros(16), steps).drift == 0.5
    assert Pairs(steps).drift == 0


def test_an_estimate_compared_with_others_of_another_time_is_wider_by_its_drift(random):
    figures = np.exp(np.repeat([0.0, 0.1, 0.3, 0.2], 4))
    alone, drifting = estimate(figures), estimate(figures, drifting=True)
    assert drifting.value == alone.value
    assert drifting.high / alone.high == pytest.approx(math.exp(0.3))
    assert alone.low / drifting.low == pytest.approx(math.exp(0.3))


def test_an_estimate_divides_with_its_ends_exchanged():
    assert Estimate(2, 1, 4).under(8) == Estimate(4, 2, 8)
    assert Estimate(2, 0, math.inf).under(8) == Estimate(4, 0, math.inf)


def test_an_estimate_is_shown_with_the_interval_that_it_has():
    assert Estimate(2, 1, 4).shown(str) == "2 (1 to 4)"
    assert Estimate(2, 0, math.inf).shown(str) == "2"


def test_an_estimate_is_surely_below_another_if_the_intervals_do_not_meet():
    assert Estimate(2, 1, 3).is_surely_below(Estimate(5, 4, 6))
    assert not Estimate(2, 1, 3).is_surely_below(Estimate(5, 3, 6))
    assert not Estimate(5, 4, 6).is_surely_below(Estimate(2, 1, 3))


def test_no_error_leaves_nothing_of_no_mean_and_infinity_of_any_other():
    assert studentised(np.array([0.0, 1.0, -1.0, 1.0]), np.array([0.0, 0.0, 0.0, 2.0])).tolist() == [
        0, math.inf, -math.inf, 0.5,
    ]  # fmt: skip
