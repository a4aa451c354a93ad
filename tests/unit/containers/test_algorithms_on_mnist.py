"""KMeans and PCA on all of MNIST, and LDA on a large vocabulary, compared with references. Minutes: nightly."""

import json

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix, vstack
from sklearn import cluster, decomposition

from harness import mnist, recordio
from harness.containers.kmeans import clustering
from tests.support import algorithm_jobs as jobs

pytestmark = pytest.mark.nightly
GIVEN = {"feature_dim": "784", "mini_batch_size": "5000"}


@pytest.fixture(scope="module")
def digits():
    return mnist.load("train").images.reshape(-1, mnist.FEATURES).astype(np.float32)


def inertia(rows, centres):
    return clustering.squared_distances(rows, centres, clustering.closest(rows, centres)).sum()


@pytest.fixture(scope="module")
def best_inertia(digits):
    return cluster.KMeans(10, n_init=10, random_state=0).fit(digits).inertia_


@pytest.mark.parametrize("method", ["random", "kmeans++"])
def test_inertia_is_within_two_percent_of_scikit_learns_best_of_ten(tmp_path, digits, best_inertia, method):
    given = {**GIVEN, "k": "10", "init_method": method}
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, given, train=digits))
    ratio = inertia(digits, centres) / best_inertia
    print(f"{method}: {ratio:.4f} of scikit-learn's inertia {best_inertia:.6g}")
    assert ratio <= 1.02


def test_inertia_does_not_depend_on_the_number_of_hosts(tmp_path, digits, best_inertia):
    given = {**GIVEN, "k": "10"}
    (centres,), _ = jobs.run_on_hosts("kmeans", tmp_path, given, [digits[:30_000], digits[30_000:]])
    ratio = inertia(digits, centres) / best_inertia
    print(f"two hosts: {ratio:.4f}")
    assert ratio <= 1.02


@pytest.fixture(scope="module")
def reference(digits):
    return decomposition.PCA(20, svd_solver="arpack", random_state=0).fit(digits.astype(np.float64))


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_projections_are_those_of_scikit_learn_up_to_sign(tmp_path, digits, reference, mode):
    given = {**GIVEN, "num_components": "20", "algorithm_mode": mode}
    jobs.train("pca", jobs.prepare(tmp_path, given, train=digits))
    rows = digits[:1000]
    answer = jobs.serve("pca", tmp_path).invoke(recordio.encode(rows), recordio.CONTENT_TYPE, "application/json")
    found = np.array([row["projection"] for row in json.loads(answer.body)["projections"]])
    expected = reference.transform(rows.astype(np.float64))[:, ::-1]
    signs = np.sign((found * expected).sum(axis=0))
    error = np.abs(found * signs - expected).max() / np.abs(expected).max()
    print(f"{mode}: {error:.1e}")
    assert error < 1e-4


def test_ten_topics_of_10_000_words_are_recovered(tmp_path):
    random = np.random.default_rng(0)
    topics = random.dirichlet(np.full(10_000, 0.02), 10)
    mixtures = random.dirichlet(np.full(10, 0.1), 4000)
    counts = vstack([csr_matrix(random.multinomial(300, mixture @ topics)) for mixture in mixtures], format="csr")
    given = {"num_topics": "10", "feature_dim": "10000", "mini_batch_size": "4000"}
    _, found = jobs.train("lda", jobs.prepare(tmp_path, given, train=counts.astype(np.float32)))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (topics, found)]
    cosines = unit[0] @ unit[1].T
    matched = cosines[linear_sum_assignment(-cosines)]
    print(f"cosines {np.sort(matched)}")
    assert matched.min() >= 0.95
