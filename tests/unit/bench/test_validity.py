"""Rules for a valid measurement of load."""

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.bench.analysis.quantile_tests import fixed_queries, keeps, keeps_in_each, least_to_break, queries_needed
from harness.bench.load.generator import Measurement
from harness.bench.load.validity import objections, percentile


def measured(latencies, *, failed=0, unanswered=0, bound=None, seconds=60.0, cpu=1.0, lag=0.0, drain=0.0):
    """Return the measurement of a run with these latencies, in seconds."""
    made = Measurement(bound=bound, sending_seconds=seconds, seconds=seconds + drain, cpu_seconds=cpu, failed=failed)
    for latency in latencies:
        made.latencies.add(latency)
        made.lags.add(lag)
        made.over += bound is not None and latency > bound
    made.answered = len(made.latencies)
    made.sent = made.planned = made.answered + failed + unanswered
    return made


GOOD = [0.010] * 1000


def test_the_required_number_of_queries_is_that_of_loadgen():
    assert [queries_needed(quantile) for quantile in (0.9, 0.99)] == [64, 662]


@pytest.mark.parametrize(("quantile", "queries"), [(0.9, 23_886), (0.95, 50_425), (0.97, 85_811), (0.99, 262_742)])
def test_without_early_stopping_the_required_number_is_that_of_mlperfs_table(quantile, queries):
    assert fixed_queries(quantile) == queries


@pytest.mark.parametrize(("queries", "over"), [(662, 1), (662, 2), (10_000, 75), (10_000, 80), (500, 0), (400, 0)])
def test_a_bound_is_kept_according_to_the_binomial_test(queries, over):
    p = binomtest(over, queries, 0.01, alternative="less").pvalue
    assert keeps(queries, over, 0.99) == (p <= 0.01)


@pytest.mark.parametrize(("measurements", "kept"), [(8, False), (9, True)])
def test_a_bound_kept_in_each_measurement_is_kept_if_chance_is_ruled_out(measurements, kept):
    within = binomtest(7, 700, 0.01, alternative="less").pvalue  # of 700, the p99 is the 693rd
    assert keeps_in_each([700] * measurements, 0.99) == kept == (within**measurements <= 0.01)


def test_no_queries_keep_no_bound():
    assert not keeps_in_each([], 0.99)
    assert not keeps_in_each([0, 0], 0.99)


@pytest.mark.parametrize("queries", [50, 662, 10_000])
def test_a_bound_is_broken_from_the_first_count_of_the_binomial_test(queries):
    over = least_to_break(queries, 0.99)
    assert binomtest(over, queries, 0.01, alternative="greater").pvalue <= 0.01
    assert binomtest(over - 1, queries, 0.01, alternative="greater").pvalue > 0.01


def test_a_percentile_is_that_of_all_latencies():
    told = percentile(measured(np.arange(1, 2001) / 1000), 99)
    assert told.value == pytest.approx(1.980, rel=0.001)
    assert told.low < told.value < told.high


def test_a_percentile_at_an_exact_rank_is_not_the_next_latency():
    assert percentile(measured(np.arange(1, 1001) / 1000), 99.9).value == pytest.approx(0.999, abs=0.0006)


def test_the_bounds_of_a_percentile_hold_at_their_confidence():
    random = np.random.default_rng(1)
    told = [percentile(measured(random.exponential(0.01, 800)), 99) for _ in range(80)]
    true = -0.01 * np.log(0.01)
    assert np.mean([true > each.high for each in told]) <= 0.05
    assert np.mean([true < each.low for each in told]) <= 0.05
    assert np.mean([each.high < 3 * true for each in told]) > 0.99


def test_too_few_queries_have_no_upper_bound():
    assert percentile(measured([0.01] * 661), 99).high is None
    assert percentile(measured([0.01] * 662), 99).high is not None


def test_queries_that_fail_count_as_the_latest():
    quick = [0.001] * 990
    assert percentile(measured(quick, failed=10), 99).value == pytest.approx(0.001)
    assert percentile(measured(quick, failed=11), 99) is None


def test_a_good_run_is_valid():
    assert objections(measured(GOOD), 99, open_loop=True) == []


@pytest.mark.parametrize(
    ("run", "objection"),
    [
        (measured(GOOD, seconds=3.0), "lasted 3.0 s, but the minimum is 60 s"),
        (measured(GOOD[:600]), "p99 at 99% confidence needs 662 queries, but it had 600"),
        (measured(GOOD, failed=500), "33.3% of the queries failed, but p99 allows at most 1.0%"),
        (measured(GOOD, cpu=58.0), "it used 97% of a core"),
        (measured(GOOD, lag=0.004), "queries were sent late: p99 4.0 ms, over a quarter of the latency of 10.0 ms"),
        (measured(GOOD, drain=5.0), "its last answer came 5.0 s after the last request was due"),
        (measured(GOOD, bound=0.009), "p99 under 9 ms is not certain at 99% confidence: 1,000 of 1,000 queries"),
        (measured([]), "no query was sent"),
    ],
)
def test_an_invalid_run_has_a_reason(run, objection):
    found = objections(run, 99, open_loop=True)
    assert any(objection in each for each in found), found


@pytest.mark.parametrize(
    ("run", "percent"),
    [
        (measured(GOOD, seconds=57.0, cpu=0.0), 99),
        (measured(GOOD, failed=10), 99),
        (measured(GOOD, failed=10), None),
        (measured(GOOD, failed=100), 90),
        (measured(GOOD, cpu=54.0), 99),
        (measured(GOOD, lag=0.0024), 99),
        (measured([0.001] * 1000, lag=0.0009), 99),
        (measured(GOOD, drain=2.9), 99),
        (measured([0.01] * 1000, seconds=10.0, drain=0.9), None),
    ],
)
def test_a_run_within_the_limits_is_valid(run, percent):
    assert objections(run, percent, min(60.0, run.sending_seconds / 0.95), open_loop=True) == []


@pytest.mark.parametrize(
    ("run", "percent", "objection"),
    [
        (measured(GOOD, seconds=56.9), 99, "lasted 56.9 s"),
        (measured(GOOD, failed=11), None, "1.1% of the queries failed, but p99 allows at most 1.0%"),
        (measured(GOOD, failed=112), 90, "10.1% of the queries failed, but p90 allows at most 10.0%"),
        (measured(GOOD, cpu=54.1), 99, "it used 90% of a core"),
        (measured(GOOD, lag=0.0026), 99, "queries were sent late: p99 2.6 ms"),
        (measured([0.001] * 1000, lag=0.0011), 99, "queries were sent late"),
        (measured(GOOD, drain=3.1), 99, "3.1 s after the last request was due"),
        (measured(GOOD, seconds=10.0, drain=1.1), None, "1.1 s after the last request was due"),
    ],
)
def test_a_run_just_over_a_limit_is_invalid(run, percent, objection):
    found = objections(run, percent, 60.0, open_loop=True)
    assert any(objection in each for each in found), found


def test_the_least_and_most_of_one_query_are_its_latency():
    told = percentile(measured([0.010] * 64), 90)
    assert told.percent == 90
    assert told.low == pytest.approx(0.010, rel=0.001)
    assert percentile(measured([]), 90) is None


def test_a_run_with_less_than_one_percent_of_late_queries_is_valid():
    run = measured(GOOD)
    for _ in range(9):
        run.lags.add(1.0)
    assert objections(run, 99, open_loop=True) == []


def test_an_interrupted_run_is_invalid():
    run = measured(GOOD, unanswered=3)
    run.interrupted = True
    assert "interrupted after 60.0 s, 3 queries unanswered" in objections(run, 99)[0]


def test_a_sender_may_be_late_in_a_closed_loop():
    assert objections(measured(GOOD, lag=0.5), 90) == []


def test_throughput_alone_needs_no_number_of_queries():
    assert objections(measured(GOOD[:50]), None) == []
