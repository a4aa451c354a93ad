"""The three steps of k-means, on data whose clusters are known."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans

from harness.containers.kmeans import clustering

CORNERS = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], dtype=np.float64)


def blobs(rows=800, seed=1):
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(CORNERS), rows)
    return (CORNERS[labels] + random.normal(0, 0.5, (rows, 3))).astype(np.float32), labels


def generator(seed=0):
    return np.random.default_rng(seed)


def passed(rows, centres, half_life=0, batch=100):
    moving = clustering.Centres(centres.astype(float), half_life)
    for start in range(0, rows.shape[0], batch):
        part = rows[start : start + batch]
        moving.move(clustering.sums(part, clustering.closest(part, moving.centres), len(centres)))
    return moving


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix])
def test_each_row_gets_its_closest_centre_and_its_squared_distance(as_matrix):
    rows = blobs()[0]
    selected = clustering.closest(as_matrix(rows), CORNERS)
    distances = ((rows[:, None, :] - CORNERS) ** 2).sum(axis=2)
    assert np.array_equal(selected, distances.argmin(axis=1))
    found = clustering.squared_distances(as_matrix(rows), CORNERS, selected)
    assert np.allclose(found, distances.min(axis=1), rtol=1e-5, atol=1e-5)


def test_the_distance_to_a_centre_far_from_zero_keeps_its_digits():
    rows = np.array([[10_000.25, 10_000]], dtype=np.float32)
    found = clustering.squared_distances(rows, np.array([[10_000.0, 10_000.0]]), np.array([0]))
    assert found.tolist() == [0.0625]


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix])
def test_centres_that_are_close_to_each_other_and_far_from_zero_are_told_apart(as_matrix):
    pairs = np.array([[10_000, 10_000], [10_001, 10_000], [-30_000, 0], [-30_000, 0.5]], dtype=np.float32)
    selected = clustering.closest(as_matrix(pairs), pairs)
    assert selected.tolist() == [0, 1, 2, 3]
    assert clustering.squared_distances(as_matrix(pairs), pairs, selected).tolist() == [0, 0, 0, 0]


def test_distances_near_a_centre_are_the_same_for_dense_and_sparse_rows():
    random = np.random.default_rng(3)
    centres = random.uniform(100, 255, (5, 300)).astype(np.float32)
    rows = (centres + random.normal(0, 0.01, centres.shape)).astype(np.float32)
    dense, sparse = (clustering.squared_distances(each, centres, np.arange(5)) for each in (rows, csr_matrix(rows)))
    assert np.allclose(dense, sparse, rtol=1e-5)


def test_sparse_rows_take_memory_for_their_values_only(monkeypatch):
    monkeypatch.setattr(clustering, "_BLOCK", 3)
    values = (np.full(5, 2, np.float32), (np.full(5, 7), np.arange(5)))
    rows = csr_matrix(values, shape=(3000, 50_000))  # as float64 and dense, they have 1.2 GB
    tracemalloc.start()
    found = clustering.squared_distances(rows, np.ones((2, 50_000)), np.zeros(3000, int))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found[7], found[8]) == (50_000, 50_000)
    assert peak < 10e6


def test_k_means_plus_plus_measures_distances_far_from_zero():
    rows = np.float32(1e4) + blobs()[0]
    for seed in range(5):
        centres = clustering.initial_centres(rows, 4, "kmeans++", generator(seed))
        assert sorted(clustering.closest(centres - 1e4, CORNERS)) == [0, 1, 2, 3]


def test_random_centres_are_different_rows():
    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    centres = clustering.initial_centres(rows, 10, "random", generator())
    assert sorted(centres[:, 0]) == rows[:, 0].tolist()


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix])
def test_k_means_plus_plus_finds_every_distant_group(as_matrix):
    rows, _ = blobs()
    for seed in range(5):
        centres = clustering.initial_centres(as_matrix(rows), 4, "kmeans++", generator(seed))
        assert sorted(clustering.closest(centres.astype(np.float32), CORNERS)) == [0, 1, 2, 3]


def test_k_means_plus_plus_selects_rows_once_even_if_all_are_equal():
    rows = np.ones((5, 2), dtype=np.float32)
    assert clustering.initial_centres(rows, 5, "kmeans++", generator()).tolist() == rows.tolist()


def test_a_centre_moves_by_the_share_of_new_rows_as_in_the_guide():
    moving = clustering.Centres(np.array([[0.0], [100.0]]), half_life=0)
    moving.move(np.array([[0.0, 100], [0.0, 0]]))
    moving.move(np.array([[25 * 10.0, 25], [0.0, 0]]))
    assert moving.centres[:, 0].tolist() == [25 / (100 + 25) * 10, 100.0]


def test_rows_count_half_after_the_half_life():
    moving = clustering.Centres(np.array([[0.0]]), half_life=50)
    moving.move(np.array([[0.0, 50]]))
    moving.move(np.array([[50 * 3.0, 50]]))
    assert moving.seen.tolist() == [75]
    assert moving.centres.tolist() == [[2.0]]


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix])
def test_a_pass_ends_at_the_means_of_separate_groups(as_matrix):
    rows, labels = blobs()
    moving = passed(as_matrix(rows), CORNERS)
    means = [rows[labels == corner].mean(axis=0) for corner in range(4)]
    assert np.allclose(moving.centres, means, atol=1e-4)
    assert moving.seen.tolist() == np.bincount(labels).tolist()


def test_the_reduction_weighs_centres_by_their_rows():
    moving = clustering.Centres(np.array([[0.0], [1.0], [10.0]]), half_life=0)
    moving.seen = np.array([300.0, 100.0, 50.0])
    reduction = clustering.Reduction("kmeans++", most_iterations=300, tolerance=1e-4, trials=10)
    centres, losses = reduction.run(moving, 2, generator())
    assert sorted(centres[:, 0]) == [0.25, 10.0]
    assert min(losses) == pytest.approx((300 * 0.25**2 + 100 * 0.75**2) / 450)


def test_the_reduction_ends_with_k_centres_in_every_group():
    moving = passed(blobs()[0], clustering.initial_centres(blobs()[0], 40, "random", generator()))
    reduction = clustering.Reduction("random", most_iterations=300, tolerance=1e-4, trials=10)
    centres, losses = reduction.run(moving, 4, generator())
    assert sorted(clustering.closest(centres.astype(np.float32), CORNERS)) == [0, 1, 2, 3]
    assert len(losses) == 10


@pytest.mark.parametrize("seed", range(3))
def test_extra_centres_come_within_two_percent_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    means = random.normal(0, 1, (8, 20))
    rows = (means[random.integers(0, 8, 3000)] + random.normal(0, 0.6, (3000, 20))).astype(np.float32)
    moving = passed(rows, clustering.initial_centres(rows[:500], 80, "random", generator()), batch=500)
    centres, _ = clustering.Reduction("kmeans++", 300, 1e-4, 10).run(moving, 8, generator())
    selected = clustering.closest(rows, centres)
    best = KMeans(8, n_init=10, random_state=0).fit(rows).inertia_
    assert clustering.squared_distances(rows, centres, selected).sum() <= 1.02 * best
