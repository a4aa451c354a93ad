"""``harness instances``: what instances cost and which to take, claiming no more than the intervals show.

All prices here are made up.
"""

import itertools
import json
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.aws.pricing import Price, PriceFile
from harness.bench.analysis.instances import (
    LEAST_REQUESTS,
    MEDIAN_ROUND,
    P99,
    Comparison,
    Offer,
    Standing,
    comparisons,
)
from harness.bench.analysis.quantile_tests import queries_needed
from harness.bench.analysis.recommendation import Goal, recommend
from harness.bench.analysis.statistics import LEAST_RUNS, Estimate, estimate
from harness.bench.results.series import arrange
from harness.cli.main import main
from harness.errors import ResultsError
from tests.support.samples import MACHINE, result, save

ENDPOINT = "benchmarks/test_endpoint.py::test_the_endpoint_alone[batch=815]"
TRANSFORM = "benchmarks/test_endpoint.py::test_transform[partitions=2]"
DATE = "2026-03-01"
MADE_UP = f"made up, {DATE}"
SMALL, LARGE, OLD = "ml.m5.large", "ml.c5.xlarge", "ml.m4.xlarge"


def measured(kind, medians, usd=None, p99=None, name=ENDPOINT, start=0, requests=700, **noted):
    """Return a run in AWS for each median seconds of a round of 1,000 rows; ``p99`` is that of a median of 1 s."""
    noted = {"mode": "real", "region": "us-east-1", "endpoint_instance_type": kind, "rows": 1000} | noted
    if usd is not None:
        noted["price"] = {"usd_per_hour": usd, "source": "made up", "date": DATE}
    runs = []
    for number, median in enumerate(medians):
        latency = {"latency": {"p99": p99 * median, "requests": requests}} if p99 else {}
        runs.append(result(start + 10 * number, {name: [median]}, commit=0, extra_info=noted | latency))
    return runs


def asked(kind, runs, usd, start=0):
    """Return a run in AWS for the seconds of each run's requests, each of which was a round of 10 rows."""
    found = []
    for number, seconds in enumerate(runs):
        p99 = float(np.sort(seconds)[math.ceil(0.99 * len(seconds)) - 1])
        [made] = measured(kind, [1.0], usd, p99, requests=len(seconds), rows=10)
        found.append(result(start + 10 * number, {ENDPOINT: seconds}, 0, made.benchmarks[ENDPOINT].extra_info))
    return found


def without_rounds(results):
    """Return the runs as ``--benchmark-autosave`` saves them: only statistics of the rounds."""
    return [
        replace(run, benchmarks={name: replace(each, times=()) for name, each in run.benchmarks.items()})
        for run in results
    ]


def compared(*results, prices=None):
    """Return the comparisons of some results."""
    return comparisons((run for series in arrange(results) for run in series.runs), prices)


def noisy(seconds, runs=10, noise=0.02, seed=0):
    return seconds * np.exp(noise * np.random.default_rng(seed).normal(size=runs))


def three(runs=10, noise=0.02, **noted):
    """Return runs on a cheap slow type, a dear fast one, and one that the first beats by far."""
    return [
        *measured(SMALL, noisy(0.4, runs, noise, 1), 0.36, 1.1, start=0, **noted),
        *measured(LARGE, noisy(0.1, runs, noise, 2), 3.6, 1.1, start=1, **noted),
        *measured(OLD, noisy(0.8, runs, noise, 3), 0.72, 1.1, start=2, **noted),
    ]


def offer(name, cost, seconds, spread=0.0, requests=LEAST_REQUESTS):
    """Return an instance option with a cost and a latency, each with an interval of a given share."""
    rate = Estimate(*(1e6 / 3600 / cost / share for share in (1, 1 + spread, 1 - spread)))
    latency = Estimate(*(seconds * share for share in (1, 1 - spread, 1 + spread)))
    return Offer(name, 1, rate, latency, Price(name, "hosting", 1.0, "made up", DATE), (), requests)


def standings(*offers):
    comparison = Comparison("x", {}, P99, offers)
    return [comparison.standing(each) for each in offers]


# --- values -----------------------------------------------------------------------------------------------------------


def test_the_cost_is_the_hours_price_by_the_rows_of_an_hour():
    [found] = compared(*measured(SMALL, [0.1], usd=0.36))
    [only] = found.offers
    assert only.rows_per_second.value == pytest.approx(10_000)  # 36 million an hour, for USD 0.36
    assert only.usd_per_million.value == pytest.approx(0.01)


def test_the_cost_includes_slow_rounds_that_the_median_hides():
    [run] = measured(SMALL, [0.1], usd=0.36)
    slow = replace(run.benchmarks[ENDPOINT], median=0.01, mean=0.046)  # 60 % of 10 ms, 40 % of 100 ms
    [found] = compared(replace(run, benchmarks={ENDPOINT: slow}))
    assert found.offers[0].usd_per_million.value == pytest.approx(0.36 / 3600 / (1000 / 0.046) * 1e6)


def test_the_cost_includes_all_instances_of_an_endpoint():
    [found] = compared(*measured(SMALL, [0.1], usd=0.36, endpoint_instance_count=2))
    [only] = found.offers
    assert (only.name, only.usd_per_hour) == (f"2 × {SMALL}", pytest.approx(0.72))
    assert only.usd_per_million.value == pytest.approx(0.02)


def test_the_ends_of_the_costs_interval_are_those_of_the_rate_swapped():
    [found] = compared(*measured(SMALL, noisy(0.1), usd=0.36))
    rate, cost = found.offers[0].rows_per_second, found.offers[0].usd_per_million
    assert rate.low < rate.value < rate.high
    assert (cost.low * rate.high, cost.high * rate.low) == (pytest.approx(100), pytest.approx(100))


def test_few_runs_have_no_interval_however_many_rounds():
    [found] = compared(*measured(SMALL, [0.1] * (LEAST_RUNS - 1), usd=0.36))
    assert not found.offers[0].usd_per_million.is_known
    assert f"an interval needs {LEAST_RUNS} runs, and each has {LEAST_RUNS - 1}" in found.warnings


def cost_of(results):
    """Return the cost of a million predictions on the only instances."""
    [found] = compared(*results)
    return found.offers[0].usd_per_million


@pytest.mark.slow
@pytest.mark.parametrize("runs", [LEAST_RUNS, 20])
def test_intervals_of_the_cost_cover_the_true_cost_at_their_confidence(runs):
    random = np.random.default_rng(16)
    covered = 0
    for _ in range(200):
        slow = random.random((runs, 100)) < 0.4  # of requests of 10 ms: they take 100 ms, so the mean is 46 ms
        seconds = np.where(slow, 0.1, 0.01) * np.exp(random.normal(0, 0.1, (runs, 1)))
        cost = cost_of(asked(SMALL, seconds, 0.36))
        covered += cost.low <= 0.36 / 3600 * 0.046 / 10 * 1e6 <= cost.high
    assert binom.ppf(0.001, 200, 0.99) <= covered


@pytest.mark.slow
def test_intervals_over_endpoints_cover_the_cost_of_their_type_and_those_of_one_endpoint_do_not():
    true = 0.36 / 3600 / (1000 / 0.1) * 1e6
    covered = {1: 0, LEAST_RUNS: 0}
    for endpoints, seed in itertools.product(covered, range(200)):
        cost = cost_of(on_endpoints(SMALL, endpoints, 16 // endpoints, seed=seed))
        covered[endpoints] += cost.low <= true <= cost.high
    assert covered[LEAST_RUNS] >= binom.ppf(0.001, 200, 0.99) > 10 * covered[1]


def test_more_runs_make_narrower_intervals():
    few, many = (estimate(noisy(0.1, runs, 0.05)) for runs in (LEAST_RUNS, 40))
    assert few.high / few.low > many.high / many.low > 1


def test_p99_is_the_latency_only_if_all_runs_recorded_it():
    noted = measured(SMALL, [0.1], p99=1.5) + measured(LARGE, [0.2], start=1)
    assert (compared(*noted[:1])[0].measure, compared(*noted)[0].measure) == (P99, MEDIAN_ROUND)
    assert f"{LARGE} recorded no p99 latency" in " ".join(compared(*noted)[0].warnings)


# --- endpoints --------------------------------------------------------------------------------------------------------


def on_endpoints(kind, endpoints, runs, usd=0.36, start=0, spread=0.1, seed=3):
    """Return ``runs`` on each of some endpoints, which differ from each other far more than their runs do."""
    names = [f"{kind}-{number}" for number in range(endpoints) for _ in range(runs)]
    medians = noisy(0.1, len(names), 0.001, seed) * np.repeat(noisy(1.0, endpoints, spread, seed), runs)
    made = [measured(kind, [each], usd, 1.1, start=start + 10 * n)[0] for n, each in enumerate(medians)]
    for run, name in zip(made, names, strict=True):
        run.benchmarks[ENDPOINT].extra_info["endpoint"] = name
    return made


def test_intervals_of_one_endpoint_are_reported():
    [found] = compared(*on_endpoints(SMALL, 1, 10), *on_endpoints(LARGE, 1, 10, start=1))
    warning = "the runs are of one endpoint of each type: the intervals do not include differences between endpoints"
    assert f"{warning} of a type" in found.warnings
    assert not any(each.is_of_its_type for each in found.offers)


def test_too_few_endpoints_for_the_unit_are_reported_with_their_number():
    unnamed = measured(OLD, noisy(0.1, 8), 9.0, 1.1, start=2)
    [found] = compared(*on_endpoints(SMALL, 1, 8), *on_endpoints(LARGE, 2, 4, 3.6, start=1), *unnamed)
    text = f"too few endpoints, {LEAST_RUNS} of a type are required: {SMALL} (1), {LARGE} (2) and {OLD} (not recorded)"
    assert any(warning.startswith(text) for warning in found.warnings)


def test_the_unit_is_the_endpoint_if_there_are_enough():
    [of_runs], [of_endpoints] = (compared(*on_endpoints(SMALL, count, 40 // count)) for count in (1, LEAST_RUNS))
    narrow, wide = (found.offers[0].usd_per_million for found in (of_runs, of_endpoints))
    assert of_endpoints.offers[0].is_of_its_type
    assert not any("endpoint" in warning for warning in of_endpoints.warnings)
    assert narrow.high / narrow.low < 1.01
    assert wide.high / wide.low > 1.2


def test_an_endpoint_counts_once_however_many_runs_it_has():
    once, again = on_endpoints(SMALL, LEAST_RUNS, 2), on_endpoints(SMALL, LEAST_RUNS, 2, start=1000)[:2]  # of the first
    [without], [more] = compared(*once), compared(*once, *again)
    assert more.offers[0].endpoints == without.offers[0].endpoints == LEAST_RUNS
    assert more.offers[0].seconds == without.offers[0].seconds


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def prices(tmp_path):
    content = {"source": "our contract", "date": DATE, "prices": {SMALL: {"hosting": 0.18, "training": 9.0}}}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(content))
    return path


def test_a_file_of_prices_overrides_recorded_prices(prices):
    [found] = compared(*three(), prices=PriceFile(prices))
    by_name = {each.name: each.price for each in found.offers}
    assert (by_name[SMALL].hourly, by_name[SMALL].source) == (0.18, f"our contract, in {prices}")
    assert (by_name[LARGE].hourly, by_name[LARGE].source) == (3.6, "made up")


def test_the_newest_of_several_prices_is_used_and_reported():
    [found] = compared(*measured(SMALL, [0.1], 0.3), *measured(SMALL, [0.1], 0.4, start=9))
    assert found.offers[0].price.hourly == 0.4
    assert f"the price of {SMALL} changed between its runs: the newest is used" in found.warnings


# --- the front --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=8))
@settings(max_examples=200)
def test_the_front_equals_that_of_a_sweep_from_the_fastest_option(figures):
    offers = [offer(f"ml.x{number}", cost, seconds) for number, (cost, seconds) in enumerate(figures)]
    expected, least = set(), math.inf
    for seconds in sorted({seconds for _, seconds in figures}):
        cost = min(cost for cost, other in figures if other == seconds)
        if cost < least:
            least = cost
            expected.add((cost, seconds))
    found = Comparison("x", {}, P99, offers).front
    assert [figures[int(each.name[4:])] in expected for each in offers] == [each in found for each in offers]


def test_disjoint_intervals_make_the_front_certain():
    found = standings(offer("a", 1, 4, 0.1), offer("b", 4, 1, 0.1), offer("c", 5, 5, 0.1))
    assert found == [Standing.ON, Standing.ON, Standing.OFF]


def test_overlapping_intervals_make_the_front_uncertain():
    found = standings(offer("a", 1, 1, 0.1), offer("b", 1.1, 1.1, 0.1), offer("c", 2, 0.95, 0.1))
    assert found == [Standing.MAYBE_ON, Standing.MAYBE_OFF, Standing.MAYBE_ON]


def test_an_option_certainly_dearer_and_perhaps_slower_may_be_on_the_front():
    assert standings(offer("a", 1, 1, 0.1), offer("b", 9, 1.1, 0.1))[1] is Standing.MAYBE_OFF


def test_without_intervals_there_is_no_front():
    [found] = compared(*three(runs=LEAST_RUNS - 1))
    assert {found.standing(each) for each in found.offers} == {None}
    assert found.front == []


def test_an_option_with_too_few_runs_is_not_on_the_front_and_makes_it_uncertain():
    few = replace(offer("c", 1, 1, 0.1), seconds=Estimate(1, 0, math.inf))
    found = standings(offer("a", 2, 5, 0.1), offer("b", 5, 2, 0.1), few)
    assert found == [Standing.MAYBE_ON, Standing.MAYBE_ON, None]


# --- recommendations --------------------------------------------------------------------------------------------------


def said(goal, results=None):
    [found] = compared(*(results or three()))
    recommendation = recommend(found, goal)
    chosen = recommendation.chosen and recommendation.chosen.name
    return chosen, recommendation.sentence.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("goal", "chosen", "told"),
    [
        (Goal(p99_under=1.0), SMALL, "is cheapest with p99 under 1.00 s"),
        (Goal(p99_under=0.2), LARGE, "is cheapest with p99 under 200 ms"),
        (Goal(p99_under=0.05), None, f"none certainly keeps p99 under 50.0 ms; {LARGE} is closest"),
        (Goal(budget=4.0), LARGE, "is fastest for at most USD 4.00 an hour"),
        (Goal(budget=0.5), SMALL, "is fastest for at most USD 0.500 an hour"),
        (Goal(budget=0.1), None, f"none costs at most USD 0.100 an hour; {SMALL} is closest, at USD 0.360"),
        (Goal(), None, f"{SMALL} is cheapest: USD 0.0"),
    ],
)
def test_each_goal_has_its_answer_with_prices_source_and_date(goal, chosen, told):
    found, sentence = said(goal)
    assert found == chosen
    assert told in sentence
    assert "By test_the_endpoint_alone[batch=815], " in sentence
    if "USD" in sentence.replace("at most USD", ""):
        assert MADE_UP in sentence


def test_a_budget_is_for_all_instances_of_an_endpoint():
    pair = measured(LARGE, noisy(0.1), 0.4, start=1, endpoint_instance_count=2)
    results = measured(SMALL, noisy(0.4), 0.36) + pair
    assert [said(Goal(budget=budget), results)[0] for budget in (0.5, 0.8)] == [SMALL, f"2 × {LARGE}"]


def test_without_a_goal_the_cheapest_and_the_fastest_are_reported():
    assert f"; {LARGE} is fastest: " in said(Goal())[1]


def test_a_single_option_with_a_price_is_reported_as_such():
    chosen, sentence = said(Goal(), [*measured(SMALL, noisy(0.2), 0.36), *measured(LARGE, noisy(0.1), start=5)])
    assert chosen is None
    assert f"{SMALL} is the only one with a price: " in sentence


def test_an_option_both_cheapest_and_fastest_is_reported_once():
    chosen, sentence = said(Goal(), measured(SMALL, noisy(0.1), 0.1) + measured(OLD, noisy(0.2), 0.3, start=1))
    assert chosen == SMALL
    assert f"{SMALL} is cheapest and fastest: " in sentence


def test_a_bound_below_the_upper_end_of_the_interval_is_not_kept():
    results = measured(SMALL, noisy(0.1, 8, 0.2), 0.36, 1.0) + measured(LARGE, noisy(0.05), 3.6, 1.0, start=1)
    [found] = compared(*results)
    p99 = next(each.seconds for each in found.offers if each.name == SMALL)
    bound = (p99.value + p99.high) / 2
    chosen, sentence = said(Goal(p99_under=bound), results)
    assert chosen == LARGE
    assert f"{SMALL} would be cheaper, and may keep it or not" in sentence


def test_a_bound_is_not_kept_by_a_p99_of_few_requests():
    chosen, sentence = said(Goal(p99_under=10.0), three(requests=50))
    assert chosen is None
    assert f"a p99 needs {LEAST_REQUESTS} requests, and it has 500" in sentence


def answered(*slow):
    """Return the seconds of 700 requests of each run: ``slow`` of them took 1 s, the others about 50 ms."""
    requests = np.where(np.arange(700) < np.array(slow)[:, None], 1.0, 0.05)
    return requests * noisy(1.0, len(slow))[:, None]


FOUR_OF_TWENTY = [*[0] * 8, *[70] * 4, *[0] * 8]


@pytest.mark.parametrize("saved", [True, False])
def test_runs_that_broke_a_bound_count_though_most_runs_kept_it(saved):
    results = [*asked(SMALL, answered(*FOUR_OF_TWENTY), 0.36), *asked(LARGE, answered(*[0] * 20), 9, 1)]
    chosen, sentence = said(Goal(p99_under=0.1), results if saved else without_rounds(results))
    assert chosen == LARGE
    assert ("0 of its 14,000 requests took longer" if saved else "so was the p99 of each of its 20 runs") in sentence
    assert f"{SMALL} would be cheaper, and may keep it or not" in sentence


def test_an_option_that_certainly_broke_a_bound_is_not_listed_as_possible():
    results = [*asked(SMALL, answered(*[0, 70] * 10), 0.36), *asked(LARGE, answered(*[0] * 20), 9, 1)]
    chosen, sentence = said(Goal(p99_under=0.1), results)  # 5 % of the requests were over it
    assert (chosen, "would be cheaper" in sentence) == (LARGE, False)


def test_slow_requests_in_few_runs_are_weaker_evidence_than_in_all_runs():
    spread, clustered = ([4, 3] * 10, [35, *[0] * 9] * 2)
    assert sum(spread) == sum(clustered) == 70  # of 14,000, 140 being 1 %
    assert said(Goal(p99_under=0.1), asked(SMALL, answered(*spread), 0.36))[0] == SMALL
    chosen, sentence = said(Goal(p99_under=0.1), asked(SMALL, answered(*clustered), 0.36))
    assert chosen is None
    assert sentence.endswith("; 70 of its 14,000 requests took longer, most of them in few runs.")


@pytest.mark.parametrize(
    ("saved", "told"),
    [(True, "280 of its 14,000 requests took longer"), (False, "the p99 of 4 of its 20 runs was over it")],
)
def test_if_no_option_keeps_a_bound_the_reason_is_reported(saved, told):
    results = asked(SMALL, answered(*FOUR_OF_TWENTY), 0.36)
    chosen, sentence = said(Goal(p99_under=0.1), results if saved else without_rounds(results))
    assert chosen is None
    assert f"{SMALL} is closest, with p99 latency " in sentence
    assert sentence.endswith(f"; {told}.")


def test_one_slow_run_with_few_requests_does_not_break_a_bound():
    few = asked(SMALL, answered(*[0] * 19, 8), 0.36)
    assert said(Goal(p99_under=0.1), few)[0] == SMALL
    assert said(Goal(p99_under=0.1), without_rounds(few))[0] is None


def test_a_bound_that_few_runs_kept_is_not_claimed():
    chosen, sentence = said(Goal(p99_under=1.0), three(runs=8))
    assert chosen is None
    assert "the p99 of each of its 8 runs was under it, but that may be chance" in sentence


def test_a_p99_needs_as_many_requests_as_in_a_load_test():
    assert queries_needed(0.99) == LEAST_REQUESTS


def test_a_bound_is_not_kept_without_intervals():
    chosen, sentence = said(Goal(p99_under=10.0), three(runs=3))
    assert chosen is None
    assert "an interval needs 8 runs, and each has 3" in sentence


def test_indistinguishable_options_are_named():
    results = measured(SMALL, noisy(0.1, noise=0.1), 0.36, 1.0) + measured(
        OLD, noisy(0.1, noise=0.1), 0.37, 1.0, start=1
    )
    chosen, sentence = said(Goal(p99_under=1.0), results)
    assert chosen == SMALL
    assert f"by cost it is not distinguishable from {OLD}" in sentence


def test_distinguishable_options_are_not_named():
    assert "distinguishable" not in said(Goal(p99_under=1.0))[1]


@pytest.mark.parametrize("goal", [Goal(), Goal(budget=9.0), Goal(p99_under=10.0)])
def test_of_few_runs_no_order_is_claimed(goal):
    chosen, sentence = said(goal, three(runs=LEAST_RUNS - 1))
    assert chosen is None
    assert sentence.endswith(": an interval needs 8 runs, and each has 7.")
    assert not re.search("cheapest|fastest|closest", sentence)


def test_the_only_option_within_the_budget_needs_no_order():
    assert said(Goal(budget=0.5), three(runs=2))[0] == SMALL


def test_a_bound_requires_p99():
    with pytest.raises(ResultsError, match="did not record p99 latency on all instances"):
        said(Goal(p99_under=1.0), measured(SMALL, [0.1], 0.36))


# --- what is compared with what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["region", "spark_master", "dataset", "rows"])
def test_results_with_other_settings_are_in_another_table(key):
    there, here = (
        measured(SMALL, [0.1], 0.3, **{key: value}) + measured(LARGE, [0.1], 0.3, start=1 + value, **{key: value})
        for value in (1000, 2000)
    )
    found = compared(*there, *here)
    assert [len(each.offers) for each in found] == [2, 2]
    assert {each.label for each in found} == {
        f"test_the_endpoint_alone[batch=815] ({key.replace('_', ' ')} {value})" for value in (1000, 2000)
    }


def test_other_differences_are_reported_as_in_a_comparison():
    there = measured(SMALL, [0.1], 0.2, spark="3.3.0")
    runs = measured(LARGE, [0.1], 0.3, start=1, spark="3.3.4")
    here = [replace(run, machine=MACHINE | {"node": "there"}) for run in runs]
    told = " ".join(compared(*there, *here)[0].warnings)
    assert f"spark differs between {SMALL} and {LARGE}: 3.3.0 → 3.3.4" in told
    assert f"machine differs between {SMALL} and {LARGE}: here → there" in told


def test_runs_of_several_commits_are_reported():
    noted = [{"mode": "real", "endpoint_instance_type": kind, "rows": 1000} for kind in (SMALL, LARGE)]
    runs = [result(n, {ENDPOINT: [0.1]}, commit=n, extra_info=each) for n, each in enumerate(noted)]
    assert "the runs are of several commits: 000000000 and 000000001" in compared(*runs)[0].warnings


def not_alternated(*results):
    """Return the pairs of instances that a warning names as not measured alternately."""
    [found] = compared(*results)
    start = "not measured alternately: "
    told = [warning.removeprefix(start) for warning in found.warnings if warning.startswith(start)]
    return told[0].partition("; their intervals are wider, because drift between them is invisible")[0] if told else ""


def test_instances_that_were_not_measured_alternately_are_reported():
    heaps = measured(SMALL, noisy(0.1), 0.3) + measured(LARGE, noisy(0.2), 0.3, start=1000)
    assert (not_alternated(*heaps), not_alternated(*three())) == (f"{SMALL} with {LARGE}", "")
    chosen, sentence = said(Goal(budget=1.0), heaps)
    assert chosen == SMALL
    assert sentence.endswith(f"; it was not measured alternately with {LARGE}, so the order is uncertain.")


def test_without_alternation_the_front_is_uncertain_even_with_disjoint_intervals():
    standings = []
    for start in (1, 1000):
        heaps = measured(SMALL, noisy(0.1), 0.3) + measured(LARGE, noisy(9.0), 0.3, start=start)
        [found] = compared(*heaps)
        standings.append([found.standing(each) for each in found.offers])
    assert standings == [[Standing.ON, Standing.OFF], [Standing.MAYBE_ON, Standing.MAYBE_OFF]]


def test_alternation_with_a_third_type_on_different_days_does_not_count():
    monday = measured(SMALL, noisy(0.1), 0.3) + measured(LARGE, noisy(0.2), 0.3, start=1)
    tuesday = measured(LARGE, noisy(0.2), 0.3, start=2000) + measured(OLD, noisy(0.4), 0.3, start=2001)
    assert not_alternated(*monday, *tuesday) == f"{SMALL} with {LARGE}, {SMALL} with {OLD} and {LARGE} with {OLD}"


def test_all_pairs_must_alternate_and_not_only_neighbours_by_cost():
    by_cost = {SMALL: (0.1, 0), LARGE: (0.2, 1), OLD: (0.3, 1000), "ml.m5.xlarge": (0.4, 1001)}
    results = [run for kind, (s, start) in by_cost.items() for run in measured(kind, noisy(s), 0.3, start=start)]
    assert not_alternated(*results) == f"{SMALL} with {OLD}, {SMALL} with ml.m5.xlarge, {LARGE} with {OLD} and 1 more"


def test_instances_with_many_unpaired_runs_do_not_alternate():
    results = measured(SMALL, noisy(0.1, 8), 0.3) + measured(LARGE, noisy(0.2, 20), 0.3, start=1)
    assert not_alternated(*results) == f"{SMALL} with {LARGE}"


def test_without_alternation_intervals_are_wider_by_their_drift():
    slower = 0.1 * np.exp(np.linspace(0, 0.2, 12)) * noisy(1.0, 12, 0.001)
    turns, heaps = (measured(SMALL, slower, 0.3) + measured(LARGE, slower * 1.3, 0.3, start=at) for at in (1, 1000))
    [[there], [here]] = (compared(*results) for results in (turns, heaps))
    for before, after in zip(there.offers, here.offers, strict=True):
        wider = math.log(after.seconds.high / before.seconds.high)
        assert wider == pytest.approx(0.2 * 9 / 11, rel=0.05)  # of 12 runs, the first three and the last are 9 apart
    assert "not distinguishable" not in said(Goal(budget=1.0), turns)[1]
    assert f"by latency it is not distinguishable from {LARGE}" in said(Goal(budget=1.0), heaps)[1]


def test_benchmarks_without_predictions_are_not_compared():
    [run] = measured(SMALL, [0.1])
    reading = {name: replace(each, group="read MNIST") for name, each in run.benchmarks.items()}
    assert compared(replace(run, benchmarks=reading)) == []


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def instances(tmp_path, capsys, monkeypatch):
    """Save results, run the command on them, and return its exit code, output and error output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def instances(results, *arguments):
        save(tmp_path / "results", results)
        code = main(["instances", "results", *arguments])
        return code, *capsys.readouterr()

    return instances


def test_the_table_fits_80_columns_and_no_price_is_without_source_and_date(instances, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes it a terminal
    results = measured("ml.c5d.18xlarge", noisy(0.4), 4.356, 1.1, start=5, endpoint_instance_count=12)
    code, out, err = instances(three() + results, "--p99-under", "1s")
    out = re.sub(r"\x1b\[[\d;]*m", "", out)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.count(DATE) == 5  # four offers and the sentence
    assert {"12 ×", "ml.c5d.18xlarge"} <= {line[:18].strip() for line in out.splitlines()}
    assert f"{SMALL} is cheapest with p99 under 1.00 s" in " ".join(out.split())


def test_types_are_not_wrapped_in_a_file(instances):
    results = measured("ml.c5d.18xlarge", noisy(0.4), 4.356, 1.1, start=5, endpoint_instance_count=12)
    assert "\n12 × ml.c5d.18xlarge " in instances(three() + results)[1]


def test_without_a_goal_the_output_explains_how_to_state_one(instances):
    assert "State a goal: --p99-under 100ms" in " ".join(instances(three())[1].split())
    assert "State a goal" not in instances(three(), "--budget", "4")[1]


def test_json_has_all_values(instances):
    found = json.loads(instances(three(), "--json", "--budget", "0.5")[1])
    assert found["goal"] == {"p99_under": None, "budget": 0.5}
    assert found["recommendation"]["instances"] == SMALL
    [benchmark] = found["benchmarks"]
    assert [each["instance_type"] for each in benchmark["offers"]] == [SMALL, LARGE, OLD]
    assert [(each["on_front"], each["front_is_sure"]) for each in benchmark["offers"]] == [
        (True, True),
        (True, True),
        (False, True),
    ]
    cost = benchmark["offers"][0]["usd_per_million"]
    assert cost["low"] < cost["value"] < cost["high"]
    assert cost["value"] == pytest.approx(0.04, rel=0.05)
    assert benchmark["offers"][0]["price"] == {"usd_per_hour": 0.36, "source": "made up", "date": DATE}


def test_json_has_no_interval_if_there_is_none(instances):
    out = instances(three(runs=2), "--json")[1]
    found = json.loads(out, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert found["benchmarks"][0]["offers"][0]["usd_per_million"]["low"] is None


def test_markdown_has_a_row_for_each_instance_option(instances):
    out = instances(three(), "--markdown")[1]
    assert out.startswith("**By test_the_endpoint_alone[batch=815], ")
    assert out.count(f" ({MADE_UP}) | ") == 3


def test_the_recommendation_is_by_the_endpoint_alone_unless_another_is_named(instances):
    transform = [measured(kind, [0.2], 0.3, name=TRANSFORM, start=5 + n)[0] for n, kind in enumerate((SMALL, LARGE))]
    results = three() + transform
    assert "By test_the_endpoint_alone" in instances(results)[1]
    assert "By test_transform[partitions=2], " in instances(results, "--benchmark", "transform")[1]


def test_an_unknown_benchmark_is_reported_with_the_existing_ones(instances):
    code, _, err = instances(three(), "--benchmark", "nothing")
    assert code == 2
    assert "give part of one of these: test_the_endpoint_alone[batch=815]" in err


@pytest.mark.parametrize("mode", ["mock", "rehearsal"])
def test_the_local_aws_is_not_an_instance_type(instances, mode):
    code, out, err = instances(three(mode=mode))
    assert (code, out) == (4, "")
    assert (
        "None of these results was measured on AWS instances. Refused: 30 runs of 1 benchmark on the local AWS, in"
        in err
    )
    assert "is not an instance type, although its results name" in err


def test_results_of_the_local_aws_among_others_are_refused_and_the_others_compared(instances):
    code, out, _ = instances(three() + measured("ml.p3.2xlarge", [0.1], start=5, mode="mock"))
    assert code == 4
    assert "Refused: 1 run of 1 benchmark on the local AWS, in mock mode" in " ".join(out.split())
    assert SMALL in out
    assert f"{LARGE} is fastest" in " ".join(out.split())


def test_a_single_instance_type_cannot_be_compared(instances):
    code, _, err = instances(measured(SMALL, noisy(0.1), 0.36))
    assert code == 4
    assert f"All results in AWS are of {SMALL}, so there is nothing to compare it with." in err
    assert "--endpoint-instance-type TYPE,TYPE" in err


def test_types_with_other_settings_are_not_compared(instances):
    code, _, err = instances(
        measured(SMALL, [0.1], 0.3, region="us-east-1") + measured(LARGE, [0.1], 0.3, start=1, region="eu-west-1")
    )
    assert code == 4
    assert "(region us-east-1) on ml.m5.large; " in err


def test_a_type_without_a_price_is_named_and_the_others_are_compared(instances):
    code, out, _ = instances(three() + measured("ml.x9.unknown", noisy(0.1), start=5, p99=1.1), "--budget", "4")
    told = " ".join(out.split())
    assert code == 0
    assert "! no known price for ml.x9.unknown: give one with --prices FILE" in told
    assert f"{LARGE} is fastest for at most USD 4.00 an hour" in told


def test_without_any_price_the_times_are_shown_and_the_cost_is_refused(instances):
    code, out, err = instances(measured(SMALL, [0.1]) + measured(LARGE, [0.2], start=1))
    assert code == 4
    assert "10,000" in out
    assert "to fix:  give prices in a file with --prices FILE" in err


def test_a_truncated_file_is_reported_and_hides_nothing(instances, tmp_path):
    save(tmp_path / "results", three())
    (tmp_path / "results" / "cut.json").write_text((tmp_path / "results" / "0.json").read_text()[:99])
    code, out, err = instances([])
    assert code == 0
    assert "cut.json is cut off after 99 characters" in err
    assert f"{LARGE} is fastest" in " ".join(out.split())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "are not as expected: JSONDecodeError"),
        ('{"source": "", "date": "2026-03-01", "prices": {}}', "source and date must not be empty"),
        ('{"source": "x", "date": "2026-03-01", "prices": {"ml.m5.large": {"hosting": -1}}}', "-1 is no price"),
        ('{"source": "x", "prices": {}}', "KeyError: 'date'"),
    ],
)
def test_a_file_of_prices_that_cannot_be_used_is_refused(instances, tmp_path, content, told):
    (tmp_path / "prices.json").write_text(content)
    code, out, err = instances(three(), "--prices", "prices.json")
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--budget", "-1"], "--budget is -1."),
        (["--budget", "nan"], "--budget is nan"),
        (["--p99-under", "soon"], "soon"),
    ],
)
def test_invalid_goals_are_refused(instances, arguments, told):
    code, _, err = instances(three(), *arguments)
    assert code == 2
    assert told in err


def test_only_one_goal_is_allowed(instances):
    with pytest.raises(SystemExit) as caught:
        instances(three(), "--budget", "1", "--p99-under", "1s")
    assert caught.value.code == 2


def test_results_without_predictions_cannot_be_compared(instances):
    code, _, err = instances([result(0, {"a": [1.0]}, extra_info={"mode": "real"})])
    assert code == 4
    assert "None of these benchmarks predicts with an endpoint" in err


# --- few runs, and offers that are alike ------------------------------------------------------------------------------


@pytest.mark.parametrize(("runs", "apart"), [(LEAST_RUNS - 1, 0), (LEAST_RUNS, 1)])
def test_offers_are_apart_only_with_runs_enough_for_an_order(runs, apart):
    [found] = compared(*measured(SMALL, [0.4] * runs, 0.36), *measured(LARGE, [0.1] * runs, 3.6, start=1000))
    assert len(found.apart) == apart


def test_an_offer_beats_another_that_is_nowhere_better_and_somewhere_worse():
    one = offer("a", 1.0, 0.1)
    assert one.beats(offer("b", 1.0, 0.2))
    assert one.beats(offer("b", 2.0, 0.1))
    assert not one.beats(offer("b", 1.0, 0.1))
    assert not one.beats(offer("b", 0.5, 0.2))


def test_an_offer_without_a_price_costs_it_is_not_known_what():
    unknown = replace(offer("a", 1.0, 0.1), price=None, count=2)
    assert (unknown.usd_per_hour, unknown.usd_per_million) == (math.inf, Estimate(math.inf, 0.0, math.inf))
    assert unknown.name == "2 × a"
    assert replace(offer("a", 1.0, 0.1), count=2).usd_per_hour == 2.0


@pytest.mark.parametrize("median", [0.0, -1.0, math.nan, math.inf])
def test_a_median_that_is_no_positive_number_is_skipped(median):
    benchmark = SimpleNamespace(name="test_it", median=median)
    assert arrange([SimpleNamespace(benchmarks={"test_it": benchmark})]) == []


def test_the_rows_of_a_comparison_are_those_of_its_setting():
    assert Comparison.rows.fget(SimpleNamespace(setting={"rows": "815"})) == 815.0
