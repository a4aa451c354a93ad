"""``model.transform`` by Amazon's algorithms next to an endpoint that reads nothing, and training next to scikit-learn.

MNIST's test rows go out and answers come back as RecordIO-protobuf. The endpoint that reads nothing answers as many
numbers a row. Models are trained on few rows: the time of an answer does not depend on them.

A round of training KMeans or PCA, on all of MNIST, is a whole job in this process: it reads the channel, trains and
writes the model.
"""

import time
from statistics import median

import null_recordio
import numpy as np
import pytest
from in_spark import consume
from sagemaker_pyspark import SageMakerModel, algorithms
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA

from harness import mnist
from harness.bench.endpoints import host_image
from harness.bench.results.extra_info import ExtraInfo
from harness.bench.results.provenance import mnist_hash
from tests.support import algorithm_jobs as jobs

ROUNDS, FEW_ROWS, TOPICS = 5, 2000, 5
BATCH = {"feature_dim": mnist.FEATURES, "mini_batch_size": 200}
ESTIMATORS = {
    "kmeans": ("KMeansSageMakerEstimator", {"k": 10}, {"closest_cluster": 1, "distance_to_cluster": 1}),
    "pca": ("PCASageMakerEstimator", {"num_components": 10}, {"projection": 10}),
    "lda": ("LDASageMakerEstimator", {"num_topics": TOPICS}, {"topic_mixture": TOPICS}),
    "linear-learner": (
        "LinearLearnerMultiClassClassifier",
        {"num_classes": 10, "epochs": 2},
        {"score": 10, "predicted_label": 1},
    ),
    "factorization-machines": (
        "FactorizationMachinesRegressor",
        {"num_factors": 4, "epochs": 2, "factors_lr": 1e-9, "linear_lr": 1e-9},
        {"score": 1},
    ),
}
"""Estimators of the SDK by algorithm, with their hyperparameters, and the keys and lengths of their answers."""


@pytest.fixture(scope="module", params=ESTIMATORS)
def models(request, aws, ledger, harness_settings, estimator_options, sagemaker_fit, mnist_train):
    """A trained model, one behind an endpoint that reads nothing, and the most rows for them."""
    name, parameters, keys = ESTIMATORS[request.param]
    estimator = getattr(algorithms, name)(**estimator_options())
    for parameter, value in {**BATCH, **parameters}.items():
        estimator.set(estimator.getParam(parameter), value)
    endpoint = host_image(aws, ledger, harness_settings, f"null-{request.param}:1", null_recordio.command(keys))
    if endpoint is None:
        pytest.skip("the container with constant answers needs the local AWS")
    model = sagemaker_fit(estimator, mnist_train.limit(FEW_ROWS).cache())
    nothing = SageMakerModel.fromEndpoint(endpoint, model.requestRowSerializer, model.responseRowDeserializer)
    return model, nothing, harness_settings.test_rows


@pytest.mark.benchmark(group="transform by Amazon's algorithms")
def test_transform_by_an_algorithm_beside_an_endpoint_that_reads_nothing(
    benchmark, record_value, record_work, models, mnist_test
):
    model, nothing, count = models
    rows = mnist_test.limit(count).cache()
    null_seconds, counts = [], [consume(each.transform(rows)) for each in (model, nothing)]

    def null_first():
        began = time.perf_counter()
        counts.append(consume(nothing.transform(rows)))
        null_seconds.append(time.perf_counter() - began)

    benchmark.pedantic(lambda: counts.append(consume(model.transform(rows))), setup=null_first, rounds=ROUNDS)
    assert set(counts) == {count}
    record_work(rows=count, size=4 * mnist.FEATURES * count, dataset=mnist_hash())
    if benchmark.stats:
        pairs = zip(null_seconds, benchmark.stats.stats.data, strict=True)
        record_value("rows/s of the null endpoint", round(count / median(null_seconds)))
        record_value("share of the null endpoint's rows/s", round(median(null / seconds for null, seconds in pairs), 3))


# ---- training

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
    measure(benchmark, lambda: jobs.train("kmeans", base), digits)


@pytest.mark.benchmark(group="train KMeans on MNIST, 10 clusters")
def test_kmeans_of_scikit_learn(benchmark, digits):
    measure(benchmark, lambda: MiniBatchKMeans(CLUSTERS, random_state=0).fit(digits), digits)


@pytest.mark.benchmark(group="train PCA on MNIST, 10 components")
@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_pca_of_the_container(benchmark, tmp_path, digits, mode):
    base = jobs.prepare(tmp_path, {**PCA_MODES, "algorithm_mode": mode}, train=digits)
    measure(benchmark, lambda: jobs.train("pca", base), digits)


@pytest.mark.benchmark(group="train PCA on MNIST, 10 components")
def test_pca_of_scikit_learn(benchmark, digits):
    measure(benchmark, lambda: PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(digits), digits)
