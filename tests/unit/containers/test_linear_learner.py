"""LinearLearner's training on small data with a known answer."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor

from harness.containers.linear_learner import hyperparameters
from harness.containers.linear_learner.candidates import choose
from harness.containers.linear_learner.evaluation import evaluate
from harness.containers.linear_learner.learner import Learner
from harness.containers.linear_learner.model import LinearModel
from harness.containers.linear_learner.selection import calibrate
from harness.containers.runtime import UserError
from harness.recordio import Records

PATIENT = {"epochs": 100, "early_stopping_patience": 100}
BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"


def parameters(kind, **given):
    texts = {"predictor_type": kind, **({"num_classes": "3"} if kind == MULTICLASS else {})}
    return hyperparameters.read(texts | {name: str(value) for name, value in given.items()})


def trained(rows, kind, validation=None, **given):
    """Return the best model and the number of epochs."""
    learner = Learner(parameters(kind, **given), rows)
    epochs = list(learner.epochs(validation, lambda: False))
    return learner.best(validation)[0], len(epochs)


def numbers(rows=3000, seed=0, noise=0.5):
    """Return rows of a linear relation whose features differ in mean and scale."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 4)) * [1, 10, 0.1, 3] + [5, -200, 0, 40]
    labels = features @ [2, -0.3, 8, 0] + 7 + noise * random.normal(size=rows)
    return Records(features.astype(np.float32), labels.astype(np.float32))


def classes(rows=3000, seed=0, number=3, spread=1.2, shares=None):
    """Return rows of overlapping clouds, one for each class."""
    random = np.random.default_rng(seed)
    labels = random.choice(number, rows, p=shares)
    centres = np.array([[0, 0, 5], [2, 1, 5], [0, 3, 5]])[:number]
    features = centres[labels] + spread * random.normal(size=(rows, 3))
    return Records(features.astype(np.float32), labels.astype(np.float32))


def rmse(model, rows):
    return float(np.sqrt(np.mean((model.predict(rows.features)["score"] - rows.labels) ** 2)))


def accuracy(model, rows):
    return float(np.mean(model.predict(rows.features)["predicted_label"] == rows.labels))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_a_regressor_reaches_the_least_squares(optimizer):
    train, test = numbers(), numbers(seed=1)
    reference = LinearRegression().fit(train.features, train.labels).predict(test.features)
    model, _ = trained(train, REGRESSOR, test, optimizer=optimizer, mini_batch_size=100, **PATIENT)
    assert rmse(model, test) <= 1.01 * np.sqrt(np.mean((reference - test.labels) ** 2))


def test_a_binary_classifier_is_as_accurate_as_logistic_regression():
    train, test = classes(number=2), classes(number=2, seed=1)
    reference = LogisticRegression().fit(train.features, train.labels).score(test.features, test.labels)
    assert accuracy(trained(train, BINARY, test, mini_batch_size=100)[0], test) >= reference - 0.005


def test_a_multiclass_classifier_is_as_accurate_as_logistic_regression():
    train, test = classes(), classes(seed=1)
    reference = LogisticRegression().fit(train.features, train.labels).score(test.features, test.labels)
    assert accuracy(trained(train, MULTICLASS, test, mini_batch_size=100)[0], test) >= reference - 0.005


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS, REGRESSOR])
def test_sparse_rows_give_the_model_of_the_same_dense_rows(kind):
    dense = {BINARY: classes(500, number=2), MULTICLASS: classes(500), REGRESSOR: numbers(500)}[kind]
    rows = Records(sparse.csr_matrix(dense.features), dense.labels)
    given = {"num_models": 2, "epochs": 3, "mini_batch_size": 50}
    one, other = trained(dense, kind, **given)[0], trained(rows, kind, **given)[0]
    assert other.weights == pytest.approx(one.weights, rel=1e-3, abs=1e-4)
    assert other.predict(rows.features)["score"] == pytest.approx(one.predict(dense.features)["score"], abs=1e-3)


@pytest.mark.slow
def test_quantile_loss_leaves_its_share_of_labels_below_the_prediction():
    train, test = numbers(), numbers(seed=1)
    model, _ = trained(train, REGRESSOR, test, loss="quantile_loss", quantile=0.9, mini_batch_size=100, epochs=40)
    reference = QuantileRegressor(quantile=0.9, alpha=0).fit(train.features, train.labels).predict(test.features)
    below = np.mean(test.labels < model.predict(test.features)["score"])
    assert below == pytest.approx(np.mean(test.labels < reference), abs=0.03)


@pytest.mark.parametrize("loss", ["absolute_loss", "huber_loss", "eps_insensitive_absolute_loss"])
def test_robust_losses_are_not_moved_by_outliers(loss):
    rows = numbers()
    spoiled = Records(rows.features, np.where(np.arange(len(rows)) % 20 == 0, 500, rows.labels).astype(np.float32))
    given = {"mini_batch_size": 100, "huber_delta": 0.05, "epochs": 40}
    assert rmse(trained(spoiled, REGRESSOR, loss=loss, **given)[0], numbers(seed=1)) < 1.5
    assert rmse(trained(spoiled, REGRESSOR, **given)[0], numbers(seed=1)) > 20


def test_l1_makes_weights_of_useless_features_exactly_0():
    random = np.random.default_rng(0)
    features = random.normal(size=(3000, 10)).astype(np.float32)
    rows = Records(features, features[:, 0] * 3 + random.normal(size=3000).astype(np.float32))
    given = {"num_models": 1, "mini_batch_size": 300, "epochs": 30, "learning_rate": 0.01}
    weights = trained(rows, REGRESSOR, l1=0.3, **given)[0].weights[0]
    assert (weights[1:] == 0).sum() >= 7
    assert weights[0] > 2
    assert not (trained(rows, REGRESSOR, l1=0, **given)[0].weights == 0).any()


def test_rare_classes_are_found_when_they_are_weighted():
    rows = classes(number=2, shares=[0.97, 0.03], spread=1.5)
    given = {"mini_batch_size": 100, "binary_classifier_model_selection_criteria": "loss_function"}
    plain = trained(rows, BINARY, **given)[0].predict(rows.features)["predicted_label"].mean()
    weighted = trained(rows, BINARY, positive_example_weight_mult="balanced", num_models=1, learning_rate=0.1, **given)
    assert plain < 0.03
    assert weighted[0].predict(rows.features)["predicted_label"].mean() > 0.1
    rows = classes(shares=[0.95, 0.04, 0.01])
    given["balance_multiclass_weights"] = "true"
    balanced = trained(rows, MULTICLASS, **given)[0].predict(rows.features)["predicted_label"]
    assert (balanced == 2).mean() > 0.03


def test_weights_of_positive_rows_are_tried_with_auto():
    given = {"wd": 0.1, "learning_rate": 0.1, "lr_scheduler_step": 10, "lr_scheduler_minimum_lr": 0.1}
    chosen = choose(parameters(BINARY, positive_example_weight_mult="auto", **given), balance=9.0)
    assert chosen.positive_weight.tolist() == [1, 3, 9]
    assert len(choose(parameters(BINARY, positive_example_weight_mult="auto", num_models=2), balance=9.0)) == 2
    assert len(choose(parameters(REGRESSOR, positive_example_weight_mult="auto"), balance=9.0)) == 32


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_class_have_nothing_to_balance(label):
    rows = Records(classes(100).features, np.full(100, label, np.float32))
    learner = Learner(parameters(BINARY, positive_example_weight_mult="balanced", mini_batch_size=50), rows)
    assert set(learner.candidates.positive_weight) == {1.0}


def test_labels_are_unbiased_without_a_bias_if_asked_for():
    rows = numbers(500)
    given = {"use_bias": False, "mini_batch_size": 50, "num_models": 1, "unbias_data": False, "epochs": 1}
    assert trained(rows, REGRESSOR, **given)[0].bias == 0
    asked = trained(rows, REGRESSOR, unbias_label=True, **given)[0]
    assert asked.bias == pytest.approx(rows.labels.mean(), rel=1e-4)


def test_metrics_of_many_classes_need_no_table_of_all_pairs():
    number = 5000
    rows = Records(np.eye(3, dtype=np.float32), np.array([0, 1, number - 1], np.float32))
    model = LinearModel(np.zeros((number, 3), np.float32), np.zeros(number, np.float32), MULTICLASS, "softmax_loss")
    tracemalloc.start()
    measured = evaluate(model, rows, np.ones(3), parameters(MULTICLASS))
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert {each.name: each.value for each in measured}["multiclass_accuracy"] == pytest.approx(1 / 3)


def test_32_models_are_trained_unless_values_are_given():
    assert len(choose(parameters(REGRESSOR), 1.0)) == 32
    assert len(choose(parameters(REGRESSOR, wd=0.5), 1.0)) == 8
    chosen = choose(parameters(REGRESSOR, wd=0.5, l1=0.1, learning_rate=0.2, num_models=5), 1.0)
    assert len(chosen) == 5
    assert set(chosen.wd) == {0.5}
    assert set(chosen.l1) == {0.1}
    assert set(chosen.learning_rate) == {0.2}


def test_training_ends_after_epochs_without_improvement():
    rows = numbers(500)
    given = {"num_models": 1, "learning_rate": 0.05, "mini_batch_size": 50, "epochs": 50}
    assert trained(rows, REGRESSOR, early_stopping_patience=51, **given)[1] == 50
    stopped = trained(rows, REGRESSOR, early_stopping_patience=2, **given)[1]
    assert stopped < 50
    assert trained(rows, REGRESSOR, early_stopping_patience=2, early_stopping_tolerance=0.5, **given)[1] < stopped


def test_training_ends_when_a_stop_is_requested():
    learner = Learner(parameters(REGRESSOR), numbers(200))
    assert len(list(learner.epochs(None, lambda: True))) == 1


def test_the_best_model_is_that_of_the_validation_rows():
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 60)).astype(np.float32)
    train = Records(features[:30], features[:30, 0] + random.normal(size=30).astype(np.float32))
    validation = Records(features, features[:, 0])
    given = {"mini_batch_size": 30, "epochs": 200, "early_stopping_patience": 200}
    chosen = Learner(parameters(REGRESSOR, **given), train)
    list(chosen.epochs(validation, lambda: False))
    assert chosen.candidates.wd[chosen.best(validation)[1]] > chosen.candidates.wd[chosen.best(train)[1]]


@pytest.mark.parametrize(
    ("criterion", "threshold", "value"),
    [
        ("accuracy", 0.65, 5 / 6),
        ("f_beta", 0.35, 6 / 7),
        ("f1", 0.35, 6 / 7),
        ("precision_at_target_recall", 0.35, 3 / 4),
        ("recall_at_target_precision", 0.65, 2 / 3),
    ],
)
def test_the_threshold_is_the_best_of_its_criterion(criterion, threshold, value):
    scores, labels = np.array([0.9, 0.7, 0.6, 0.4, 0.3, 0.1]), np.array([1, 1, 0, 1, 0, 0])
    given = {"binary_classifier_model_selection_criteria": criterion, "target_recall": 0.9, "target_precision": 0.9}
    assert calibrate(scores, labels, parameters(BINARY, **given), 0.6) == pytest.approx((threshold, value))


def test_a_threshold_separates_equal_scores_from_no_row():
    assert calibrate(np.full(4, 0.3), np.array([0, 0, 0, 1]), parameters(BINARY), 0.5)[0] > 0.3
    assert calibrate(np.full(4, 0.3), np.array([1, 1, 0, 1]), parameters(BINARY), 0.5)[0] <= 0.3


def test_diverged_training_is_the_users_error():
    rows = numbers(500)
    with pytest.raises(UserError, match="diverged"), np.errstate(all="ignore"):
        trained(rows, REGRESSOR, optimizer="sgd", learning_rate=1e20, num_models=1, mini_batch_size=50)


@pytest.mark.parametrize(("rate", "batch"), [(1e30, 250), (1e38, 500)], ids=["infinite loss", "last step"])
def test_a_model_that_diverged_in_its_only_epoch_is_not_saved(rate, batch):
    given = {"optimizer": "sgd", "learning_rate": rate, "mini_batch_size": batch, "num_models": 1, "epochs": 1}
    with pytest.raises(UserError, match="diverged"), np.errstate(all="ignore"):
        trained(numbers(500), REGRESSOR, **given)


def test_a_job_repeats_exactly():
    rows = classes(500)
    one, other = (trained(rows, MULTICLASS, epochs=2, mini_batch_size=50)[0] for _ in range(2))
    assert (one.weights == other.weights).all()
