"""Bounds of what may be asked of a measurement of load, and the load that results."""

import math

import pytest

from harness.bench.load.plan import LoadPlan
from harness.bench.load.scenarios import SCENARIOS, Load
from harness.errors import SettingsError


def test_a_plan_is_a_minute_of_the_server_scenario_unless_asked_otherwise():
    assert LoadPlan().load == Load(SCENARIOS["server"], seconds=60.0, rate=50.0, streams=8, seed=1)
    assert (LoadPlan().batch, LoadPlan().endpoint, LoadPlan().p99_under, LoadPlan().find_rate) == (1, None, None, False)


@pytest.mark.parametrize(
    ("option", "name", "allowed", "refused"),
    [
        ("rate", "rate", [0.1, 1, 50_000], [0, -1, math.inf, math.nan, 50_001]),
        ("duration", "seconds", [0.5, 1], [0, -1, math.inf]),
        ("batch", "batch", [1], [0]),
        ("streams", "streams", [1], [0]),
        ("seed", "seed", [0], [-1]),
        ("p99-under", "p99_under", [0.001, 1], [0, -0.1, math.inf]),
    ],
)
def test_an_option_may_be_as_small_and_as_large_as_its_bounds(option, name, allowed, refused):
    for value in allowed:
        assert getattr(LoadPlan(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(SettingsError, match=f"--{option} is "):
            LoadPlan(**{name: value})


def test_the_server_scenario_makes_one_request_at_least():
    assert LoadPlan(rate=0.5, seconds=2).load.rate == 0.5
    with pytest.raises(SettingsError, match=r"--rate 0\.5 for --duration 1 sends no request"):
        LoadPlan(rate=0.5, seconds=1)
    assert LoadPlan("offline", rate=0.5, seconds=1).load.scenario.name == "offline"
    assert LoadPlan(rate=0.5, seconds=1, p99_under=0.1, find_rate=True).find_rate


@pytest.mark.parametrize("others", [{}, {"scenario": "offline", "p99_under": 0.1}])
def test_a_rate_is_searched_for_in_the_server_scenario_and_under_a_bound(others):
    assert LoadPlan(find_rate=True, p99_under=0.1).p99_under == 0.1
    with pytest.raises(SettingsError, match="--find-rate"):
        LoadPlan(find_rate=True, **others)
