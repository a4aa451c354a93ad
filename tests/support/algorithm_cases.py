"""Small data with a known answer for each of the SDK's algorithms, their hyperparameters, and what must come out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyspark.ml.linalg import Vectors

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
TOPICS = np.array([[4, 3, 3, 0, 0, 0], [0, 0, 0, 3, 3, 4]]) / 10
RANDOM = 7


@dataclass(frozen=True)
class Case:
    """An estimator of the SDK, and rows for it."""

    estimator: str
    """Name of its class in ``sagemaker_pyspark.algorithms``."""
    rows: Callable[[], tuple[np.ndarray, np.ndarray]]
    """Returns labels (n,) and features (n, d)."""
    answers: tuple[str, ...]
    """Columns that ``transform`` adds."""
    is_good: Callable[[np.ndarray, dict[str, np.ndarray]], bool]
    """Takes the labels and the columns."""
    parameters: dict[str, Any] = field(default_factory=dict)
    metric: str = "train:progress"
    """A metric of a job without other channels than ``train``."""


def frame(spark, case):
    """Return a case's rows in two partitions, ``label`` and ``features``."""
    labels, features = case.rows()
    table = [(float(label), Vectors.dense(row.tolist())) for label, row in zip(labels, features, strict=True)]
    return spark.createDataFrame(table, ["label", "features"]).repartition(2).cache()


def columns(rows, names):
    """Return columns of collected rows as arrays, vectors as rows of one."""
    return {name: np.array([getattr(row[name], "toArray", lambda value=row[name]: value)() for row in rows])
            for name in names}  # fmt: skip


# --- rows -------------------------------------------------------------------------------------------------------------


def blobs():
    labels = np.repeat([0.0, 1.0, 2.0], 40)
    return labels, CENTRES[labels.astype(int)] + np.random.default_rng(RANDOM).normal(0, 0.5, (120, 2))


def line():
    random = np.random.default_rng(RANDOM)
    return np.zeros(120), np.outer(random.normal(0, 10, 120), [1, 2, -1, 0.5]) + random.normal(0, 0.1, (120, 4)) + 3


def documents():
    labels = np.repeat([0.0, 1.0], 60)
    random = np.random.default_rng(RANDOM)
    return labels, np.array([random.multinomial(50, TOPICS[int(label)]) for label in labels]).astype(float)


def plane():
    features = np.random.default_rng(RANDOM).normal(0, 1, (400, 3))
    return 3 * features[:, 0] - 2 * features[:, 1] + 1, features


def halves():
    values, features = plane()
    return (values > 1).astype(float), features


def products():
    features = np.random.default_rng(RANDOM).normal(0, 1, (1000, 3))
    return features[:, 0] + 2 * features[:, 0] * features[:, 1], features


def signs():
    values, features = products()
    return (values > 0).astype(float), features


# --- checks -----------------------------------------------------------------------------------------------------------


def clusters_are_the_blobs(labels, found):
    pairs = set(zip(labels, found["closest_cluster"], strict=True))
    return len(pairs) == len(set(found["closest_cluster"])) == 3 and bool((found["distance_to_cluster"] < 3).all())


def one_component_has_the_variance(_labels, found):
    variances = found["projection"].var(axis=0)
    return len(variances) == 2 and variances.max() / variances.sum() > 0.99


def topics_are_those_of_the_documents(labels, found):
    mixtures = found["topic_mixture"]
    firsts = mixtures.argmax(axis=1)
    return np.allclose(mixtures.sum(axis=1), 1, atol=1e-3) and abs((firsts == labels).mean() - 0.5) > 0.45


def most_labels_are_right(labels, found):
    return (found["predicted_label"] == labels).mean() > 0.85 and found["score"].min() >= 0 <= found["score"].max() <= 1


def scores_are_near_the_values(labels, found):
    return np.sqrt(np.mean((found["score"] - labels) ** 2)) < 0.4 * labels.std()


FACTORIZED = {"num_factors": 4, "epochs": 60, "mini_batch_size": 50, "factors_lr": 0.02, "linear_lr": 0.02,
              "factors_wd": 1e-5, "linear_wd": 1e-5, "factors_init_sigma": 0.1}  # fmt: skip
CASES = {
    "kmeans": Case(
        "KMeansSageMakerEstimator",
        blobs,
        ("distance_to_cluster", "closest_cluster"),
        clusters_are_the_blobs,
        {"k": 3, "feature_dim": 2},
        "train:msd",
    ),
    "pca": Case(
        "PCASageMakerEstimator",
        line,
        ("projection",),
        one_component_has_the_variance,
        {"num_components": 2, "feature_dim": 4, "mini_batch_size": 50},
    ),
    "lda": Case(
        "LDASageMakerEstimator",
        documents,
        ("topic_mixture",),
        topics_are_those_of_the_documents,
        {"num_topics": 2, "feature_dim": 6, "mini_batch_size": 120},
    ),
    "linear-binary": Case(
        "LinearLearnerBinaryClassifier",
        halves,
        ("score", "predicted_label"),
        most_labels_are_right,
        {"feature_dim": 3, "mini_batch_size": 20},
        "train:objective_loss:final",
    ),
    "linear-multiclass": Case(
        "LinearLearnerMultiClassClassifier",
        blobs,
        ("score", "predicted_label"),
        most_labels_are_right,
        {"feature_dim": 2, "num_classes": 3, "mini_batch_size": 10},
        "train:objective_loss",
    ),
    "linear-regressor": Case(
        "LinearLearnerRegressor",
        plane,
        ("score",),
        scores_are_near_the_values,
        {"feature_dim": 3, "mini_batch_size": 20},
        "train:throughput",
    ),
    "factorization-binary": Case(
        "FactorizationMachinesBinaryClassifier",
        signs,
        ("score", "predicted_label"),
        most_labels_are_right,
        FACTORIZED | {"feature_dim": 3},
        "train:binary_f_beta:epoch",
    ),
    "factorization-regressor": Case(
        "FactorizationMachinesRegressor",
        products,
        ("score",),
        scores_are_near_the_values,
        FACTORIZED | {"feature_dim": 3},
        "train:rmse:epoch",
    ),
}
