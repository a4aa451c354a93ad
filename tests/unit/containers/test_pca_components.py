"""Principal components compared with scikit-learn's and with a known plane."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA

from harness.containers.pca import components

WIDTH, COUNT = 30, 5


def alone(array):
    """Return the sum over the only host."""
    return array


def drawn(rows=2000, seed=1):
    random = np.random.default_rng(seed)
    spread = np.linspace(6, 0.5, WIDTH)
    return ((random.normal(0, 1, (rows, WIDTH)) * spread) @ random.normal(0, 1, (WIDTH, WIDTH)) + 3).astype(np.float32)


def batches(rows, size=300):
    return lambda: (rows[start : start + size] for start in range(0, rows.shape[0], size))


def learn(mode, rows, count=COUNT, *, centred=True, seed=0):
    if mode == "regular":
        return components.regular(batches(rows)(), rows.shape[1], count, centred=centred, sum_over=alone)
    random = np.random.default_rng(seed)
    return components.randomized(
        batches(rows), rows.shape[1], count, 10, centred=centred, sum_over=alone, generator=random
    )


def projected(rows, model):
    return (rows if model.mean is None else rows - model.mean) @ model.vectors


def same_up_to_sign(found, expected):
    signs = np.sign((found * expected).sum(axis=0))
    return np.abs(found * signs - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("mode", ["regular", "randomized"])
@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix])
def test_projections_are_those_of_scikit_learn_with_the_largest_last(mode, as_matrix):
    rows = drawn()
    model = learn(mode, as_matrix(rows))
    reference = PCA(COUNT, svd_solver="full").fit(rows.astype(np.float64))
    assert same_up_to_sign(projected(rows, model), reference.transform(rows)[:, ::-1])
    assert np.allclose(model.values, reference.singular_values_[::-1], rtol=1e-5)
    assert np.allclose(model.mean, rows.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_without_the_mean_components_are_the_singular_vectors_of_the_rows(mode):
    rows = drawn()
    model = learn(mode, rows, centred=False)
    _, values, vectors = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    assert model.mean is None
    assert np.allclose(model.values, values[:COUNT][::-1], rtol=1e-5)
    assert same_up_to_sign(rows @ model.vectors, rows @ vectors[:COUNT][::-1].T)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_a_plane_is_found_exactly(mode):
    random = np.random.default_rng(3)
    plane = np.linalg.qr(random.normal(0, 1, (WIDTH, 2)))[0]
    rows = (random.normal(0, (9, 2), (500, 2)) @ plane.T).astype(np.float32)
    model = learn(mode, rows, 2)
    assert np.allclose(np.abs(model.vectors.T @ plane), [[0, 1], [1, 0]], atol=0.05)
    assert np.allclose(projected(rows, model) @ model.vectors.T + model.mean, rows, atol=1e-3)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_signs_do_not_depend_on_chance(mode):
    first, second = (learn(mode, drawn(), seed=seed) for seed in (0, 1))
    assert np.allclose(first.vectors, second.vectors, atol=1e-4)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_all_components_can_be_asked_for(mode):
    rows = drawn(rows=100)
    model = learn(mode, rows, WIDTH)
    assert np.allclose(model.vectors.T @ model.vectors, np.eye(WIDTH), atol=1e-5)


def test_rows_far_from_zero_keep_their_directions():
    rows = (drawn() + 5000).astype(np.float32)
    reference = PCA(COUNT, svd_solver="full").fit(rows.astype(np.float64))
    found = (rows.astype(np.float64) - reference.mean_) @ learn("regular", rows).vectors
    assert same_up_to_sign(found, reference.transform(rows)[:, ::-1])
