"""Worst-case cost of a session: it is summed over its fits, and held to the bound before anything is created."""

import json

import pytest

from harness.aws.account.spending import Spending, Use
from harness.aws.pricing import Instances, NoPrices, PriceFile
from harness.errors import SettingsError
from harness.settings import Settings

TRAINING, HOSTING = (Instances(usage, "ml.m4.xlarge", 1) for usage in ("training", "hosting"))
FIT = [Use(TRAINING, 7200.0), Use(HOSTING)]
"""At USD 0.25 and 0.5 an hour, a session of 2 hours."""


@pytest.fixture
def clock(monkeypatch):
    """The time, which the test moves."""
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def spending(tmp_path, clock):
    """Return what a session with a bound has spent."""
    path = tmp_path / "prices.json"
    prices = {"ml.m4.xlarge": {"training": 0.25, "hosting": 0.5}}
    path.write_text(json.dumps({"source": "a list", "date": "2026-11-01", "prices": prices}))
    return lambda bound: Spending.of(PriceFile(path), Settings(max_cost=bound))


def test_a_fit_within_the_bound_is_let_through_and_the_second_is_refused_with_all_amounts(spending):
    session = spending(2.4)
    with session.fit(FIT):
        assert session.total == pytest.approx(1.5)
        with pytest.raises(
            SettingsError, match=r"^Fit 2 could bring .* USD 3\.00, above --harness-max-cost 2\.4"
        ) as refused:
            session.commit("fit 2", FIT)
    assert "fit 1: 1 × ml.m4.xlarge for training for 2.00 h, USD 0.50; 1 × ml.m4.xlarge" in refused.value.checked
    assert "it adds: 1 × ml.m4.xlarge for training" in refused.value.checked
    assert "give --harness-max-cost 3.00 or more" in refused.value.fix


def test_a_bound_of_exactly_the_worst_case_is_enough(spending):
    spending(1.5).commit("fit 1", FIT)
    with pytest.raises(SettingsError, match=r"USD 1\.50, above"):
        spending(1.499).commit("fit 1", FIT)


def test_a_training_that_has_ended_counts_with_the_duration_of_its_fit_and_its_endpoint_in_full(spending, clock):
    session = spending(9.0)
    with session.fit(FIT):
        clock[0] += 360
    assert session.total == pytest.approx(0.25 * 0.1 + 0.5 * 2)


def test_a_fit_that_failed_counts_in_full_since_its_job_may_continue(spending):
    session = spending(9.0)
    with pytest.raises(ZeroDivisionError), session.fit(FIT):
        1 / 0  # noqa: B018
    assert session.total == pytest.approx(1.5)


def test_an_endpoint_counts_until_the_sessions_end_and_a_job_until_its_longest_runtime(spending, clock):
    session = spending(9.0)
    clock[0] += 3600
    session.commit("endpoint mine", [Use(HOSTING)])
    session.commit("training job short", [Use(TRAINING, 900.0)])
    session.commit("training job long", [Use(TRAINING, 999_999.0)])
    assert session.total == pytest.approx(0.5 + 0.25 / 4 + 0.25 * 2)


def test_all_instances_of_a_use_count(spending):
    with pytest.raises(SettingsError, match=r"USD 3\.00, above"):
        spending(2.9).check("endpoint mine", [Use(Instances("hosting", "ml.m4.xlarge", 3))])


def test_an_instance_type_without_a_price_is_refused_by_name(spending):
    with pytest.raises(SettingsError, match=r"ml\.p3\.16xlarge for hosting; .* cannot be held to --harness-max-cost 9"):
        spending(9.0).check("this fit", [Use(Instances("hosting", "ml.p3.16xlarge", 2))])


def test_something_created_again_counts_again_and_what_was_refused_does_not(spending):
    session = spending(2.5)
    for _ in range(2):
        session.commit("endpoint mine", [Use(HOSTING)])
    assert session.total == pytest.approx(2.0)
    with pytest.raises(SettingsError, match="could bring this session's cost to USD 3"):
        session.commit("endpoint mine", [Use(HOSTING)])
    session.strike("endpoint mine")
    session.strike("endpoint other")
    assert session.total == pytest.approx(1.0)


def test_without_a_bound_or_where_nothing_costs_money_nothing_is_counted():
    assert Spending.of(NoPrices(), Settings()) is None
    assert Spending.of(None, Settings(max_cost=1.0)) is None
