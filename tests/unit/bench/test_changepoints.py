"""Changes in a benchmark's history are found where they are, and seldom where there are none."""

from itertools import pairwise

import numpy as np
import pytest

from harness.bench.analysis.changepoints import LEAST_STRETCH, _gamma, stretches
from tests.support.samples import noisy


def changes(medians, commits=None):
    """Return the numbers of the runs at which something changed."""
    found = stretches(medians, range(len(medians)) if commits is None else commits)
    assert found[0].start == 0
    assert found[-1].end == len(medians)
    assert all(one.end == two.start for one, two in pairwise(found))
    return [one.start for one in found[1:]]


def test_a_slowdown_of_ten_percent_is_found_at_its_commit():
    medians = noisy(100)
    medians[60:] *= 1.1
    assert changes(medians) == [60]


def test_two_changes_are_both_found_with_their_medians():
    medians = noisy(90)
    medians[30:] *= 1.5
    medians[60:] /= 3
    found = stretches(medians, range(90))
    assert [one.start for one in found] == pytest.approx([0, 30, 60], abs=1)
    assert [one.median for one in found] == pytest.approx([0.1, 0.15, 0.05], rel=0.02)


def test_a_single_disturbed_run_is_not_a_change():
    medians = noisy(60)
    medians[[20, 21, 40]] *= 5
    assert changes(medians) == []


def test_a_change_too_small_to_matter_is_not_reported():
    medians = noisy(2000, noise=0.001)
    medians[1000:] *= 1.01
    assert changes(medians) == []


def test_noise_alone_is_reported_as_a_change_in_at_most_one_of_a_hundred_histories():
    false = sum(bool(changes(noisy(60, noise=0.05, seed=seed))) for seed in range(500))
    assert false <= 5


@pytest.mark.parametrize("runs", [1, 2, LEAST_STRETCH, 2 * LEAST_STRETCH - 1])
def test_a_history_too_short_for_a_change_has_none(runs):
    assert changes([0.1] * (runs // 2) + [0.9] * (runs - runs // 2)) == []


def test_constant_times_are_not_a_change():
    assert changes([0.25] * 50) == []


def test_a_change_lies_between_commits():
    commits = np.repeat(range(20), 3)
    medians = noisy(60)
    medians[31:] *= 1.3  # from the second run of commit 10
    assert changes(medians, commits.tolist()) == [30]


def test_runs_of_one_commit_are_one_stretch():
    medians = noisy(40)
    medians[20:] *= 2
    assert changes(medians, [0] * 40) == []


@pytest.mark.parametrize(("times", "gamma"), [([0, 2, 4], 1 / 4), ([0, 1, 5, 5], 1 / 16), ([3, 3, 3, 3, 9], 1.0)])
def test_the_kernel_is_as_wide_as_the_median_of_squared_differences(times, gamma):
    assert _gamma(np.array(times, float)) == pytest.approx(gamma)
