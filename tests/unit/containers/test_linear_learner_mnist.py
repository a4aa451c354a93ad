"""LinearLearner and FactorizationMachines on all of MNIST, compared with references in the same run."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from harness import mnist
from harness.containers.factorization_machines import hyperparameters as fm_hyperparameters
from harness.containers.factorization_machines.learner import Learner as FactorizationLearner
from harness.containers.linear_learner import hyperparameters
from harness.containers.linear_learner.learner import Learner
from harness.recordio import Records

pytestmark = pytest.mark.nightly
BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"


def digits(split, kind):
    """Return all rows of a split; 0 against the rest for a binary classifier."""
    images, labels = mnist.load(split)
    return Records(images.astype(np.float32), (labels == 0 if kind == BINARY else labels).astype(np.float32))


def trained(kind, **given):
    """Return the best model with the documented defaults, chosen on the last 10,000 rows for training."""
    rows = digits("train", kind)
    train = Records(rows.features[:50_000], rows.labels[:50_000])
    validation = Records(rows.features[50_000:], rows.labels[50_000:])
    texts = {"predictor_type": kind, **({"num_classes": "10"} if kind == MULTICLASS else {}), **given}
    learner = Learner(hyperparameters.read(texts), train)
    list(learner.epochs(validation, lambda: False))
    return learner.best(validation)[0]


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS])
def test_accuracy_is_within_half_a_point_of_logistic_regression(kind):
    train, test = digits("train", kind), digits("test", kind)
    reference = LogisticRegression(max_iter=100).fit(train.features / 255, train.labels)
    found = np.mean(trained(kind).predict(test.features)["predicted_label"] == test.labels)
    assert found >= reference.score(test.features / 255, test.labels) - 0.005


def test_a_patient_regressor_is_within_1_percent_of_least_squares():
    train, test = digits("train", REGRESSOR), digits("test", REGRESSOR)
    columns, others = (np.c_[rows.features, np.ones(len(rows))].astype(np.float64) for rows in (train, test))
    weights = np.linalg.lstsq(columns.T @ columns, columns.T @ train.labels, rcond=1e-9)[0]
    model = trained(REGRESSOR, epochs="60", early_stopping_patience="60")
    rmse = np.sqrt(np.mean((model.predict(test.features)["score"] - test.labels) ** 2))
    assert rmse <= 1.01 * np.sqrt(np.mean((others @ weights - test.labels) ** 2))


def test_factorization_machines_find_zeros():
    train, test = digits("train", BINARY), digits("test", BINARY)
    texts = {"feature_dim": "784", "num_factors": "10", "predictor_type": BINARY, "epochs": "3"}
    learner = FactorizationLearner(fm_hyperparameters.read(texts), train)
    list(learner.epochs())
    assert np.mean(learner.model.predict(test.features)["predicted_label"] == test.labels) >= 0.985
