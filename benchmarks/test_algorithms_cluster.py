"""Training of KMeans and PCA in the containers compared with scikit-learn, on all of MNIST.

A row of the harness is a whole training job in this process: it reads the channel, trains and writes the model.
"""

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA

from harness import mnist
from harness.bench.results.extra_info import ExtraInfo
from harness.bench.results.provenance import mnist_hash
from harness.containers.kmeans.__main__ import KMeans as KMeansContainer
from harness.containers.pca.__main__ import PCA as PCA_CONTAINER
from tests.support import algorithm_jobs as jobs

CLUSTERS, COMPONENTS = 10, 10
KMEANS = {"k": str(CLUSTERS), "feature_dim": str(mnist.FEATURES)}
PCA_MODES = {"feature_dim": str(mnist.FEATURES), "num_components": str(COMPONENTS), "mini_batch_size": "1000"}


@pytest.fixture(scope="module")
def digits():
    return mnist.load("train").images.reshape(-1, mnist.FEATURES).astype(np.float32)


def measure(benchmark, train, rows):
    benchmark.pedantic(train, rounds=3, warmup_rounds=1)
    benchmark.extra_info.update(ExtraInfo(rows=len(rows), bytes=rows.nbytes, dataset=mnist_hash()).as_json())
    if benchmark.stats:
        benchmark.extra_info["rows/s"] = round(len(rows) / benchmark.stats.stats.median)


@pytest.mark.benchmark(group="train KMeans on MNIST, 10 clusters")
def test_kmeans_of_the_container(benchmark, tmp_path, digits):
    base = jobs.prepare(tmp_path, KMEANS, train=digits)
    measure(benchmark, lambda: jobs.train(KMeansContainer, base), digits)


@pytest.mark.benchmark(group="train KMeans on MNIST, 10 clusters")
def test_kmeans_of_scikit_learn(benchmark, digits):
    measure(benchmark, lambda: MiniBatchKMeans(CLUSTERS, random_state=0).fit(digits), digits)


@pytest.mark.benchmark(group="train PCA on MNIST, 10 components")
@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_pca_of_the_container(benchmark, tmp_path, digits, mode):
    base = jobs.prepare(tmp_path, {**PCA_MODES, "algorithm_mode": mode}, train=digits)
    measure(benchmark, lambda: jobs.train(PCA_CONTAINER, base), digits)


@pytest.mark.benchmark(group="train PCA on MNIST, 10 components")
def test_pca_of_scikit_learn(benchmark, digits):
    measure(benchmark, lambda: PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(digits), digits)
