"""Hyperparameters of LinearLearner: each has its effect, or is refused in the service's words."""

import numpy as np
import pytest

from harness.containers.linear_learner import evaluation, hyperparameters
from harness.containers.linear_learner.learner import Learner
from harness.containers.runtime import UserError
from harness.recordio import Records

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
ONE = {"num_models": "1", "epochs": "4", "mini_batch_size": "20", "learning_rate": "0.05"}
EFFECTS = [  # kind, the hyperparameter with a value that is not its default, and others that it needs
    (MULTICLASS, "accuracy_top_k", "2", {}),
    (MULTICLASS, "balance_multiclass_weights", "True", {}),
    (REGRESSOR, "beta_1", "0.5", {}),
    (REGRESSOR, "beta_2", "0.5", {}),
    (REGRESSOR, "bias_lr_mult", "1.0", {}),
    (REGRESSOR, "bias_wd_mult", "1.0", {"wd": "0.5", "init_bias": "3"}),
    (BINARY, "binary_classifier_model_selection_criteria", "f1", {}),
    (BINARY, "binary_classifier_model_selection_criteria", "f_beta", {}),
    (BINARY, "binary_classifier_model_selection_criteria", "loss_function", {}),
    (BINARY, "binary_classifier_model_selection_criteria", "cross_entropy_loss", {}),
    (BINARY, "binary_classifier_model_selection_criteria", "precision_at_target_recall", {}),
    (BINARY, "binary_classifier_model_selection_criteria", "recall_at_target_precision", {}),
    (REGRESSOR, "early_stopping_patience", "1", {"early_stopping_tolerance": "0.9"}),
    (REGRESSOR, "early_stopping_tolerance", "0.9999", {"early_stopping_patience": "1"}),
    (REGRESSOR, "epochs", "5", {}),
    (BINARY, "f_beta", "2.0", {}),
    (REGRESSOR, "huber_delta", "0.1", {"loss": "huber_loss"}),
    (REGRESSOR, "init_bias", "3.0", {}),
    (REGRESSOR, "init_method", "normal", {}),
    (REGRESSOR, "init_scale", "0.5", {}),
    (REGRESSOR, "init_sigma", "0.5", {"init_method": "normal"}),
    (REGRESSOR, "l1", "0.5", {}),
    (REGRESSOR, "learning_rate", "0.01", {}),
    (REGRESSOR, "loss", "absolute_loss", {}),
    (BINARY, "loss", "hinge_loss", {}),
    (REGRESSOR, "loss_insensitivity", "0.5", {"loss": "eps_insensitive_absolute_loss"}),
    (REGRESSOR, "lr_scheduler_factor", "0.2", {"lr_scheduler_step": "2"}),
    (REGRESSOR, "lr_scheduler_minimum_lr", "0.04", {"lr_scheduler_step": "2", "lr_scheduler_factor": "0.5"}),
    (REGRESSOR, "lr_scheduler_step", "2", {}),
    (BINARY, "margin", "0.3", {"loss": "hinge_loss"}),
    (REGRESSOR, "mini_batch_size", "30", {}),
    (REGRESSOR, "momentum", "0.9", {"optimizer": "sgd"}),
    (REGRESSOR, "normalize_data", "False", {}),
    (REGRESSOR, "normalize_label", "False", {}),
    (BINARY, "num_calibration_samples", "10", {}),
    (REGRESSOR, "num_models", "9", {}),
    (REGRESSOR, "num_point_for_scaler", "10", {}),
    (REGRESSOR, "optimizer", "sgd", {}),
    (REGRESSOR, "optimizer", "rmsprop", {}),
    (BINARY, "positive_example_weight_mult", "5.0", {}),
    (BINARY, "positive_example_weight_mult", "balanced", {}),
    (REGRESSOR, "quantile", "0.9", {"loss": "quantile_loss"}),
    (BINARY, "target_precision", "0.5", {"binary_classifier_model_selection_criteria": "recall_at_target_precision"}),
    (BINARY, "target_recall", "0.3", {"binary_classifier_model_selection_criteria": "precision_at_target_recall"}),
    (REGRESSOR, "unbias_data", "False", {}),
    (REGRESSOR, "unbias_label", "False", {}),
    (REGRESSOR, "use_bias", "False", {}),
    (REGRESSOR, "use_lr_scheduler", "False", {}),
    (REGRESSOR, "wd", "0.5", {}),
]
READ_ELSEWHERE = {"predictor_type", "num_classes", "feature_dim"}


def rows(kind):
    random = np.random.default_rng(3)
    features = (random.normal(size=(150, 3)) * [1, 5, 2] + [3, 0, 1]).astype(np.float32)
    values = features @ [1, 0.4, -1] + random.normal(size=150)
    labels = {BINARY: values > 5, MULTICLASS: np.digitize(values, [0, 4]), REGRESSOR: values + 10}[kind]
    return Records(features, labels.astype(np.float32))


def outcome(kind, given):
    """Return everything that a user sees of a job: the model and its metrics."""
    texts = {"predictor_type": kind, **({"num_classes": "3"} if kind == MULTICLASS else {}), **given}
    learner = Learner(hyperparameters.read(texts), rows(kind))
    list(learner.epochs(None, lambda: False))
    model, number = learner.best(None)
    weights = learner.weights_of(rows(kind).labels, number)
    measured = evaluation.evaluate(model, rows(kind), weights, learner.parameters)
    return model.weights.tolist(), model.bias.tolist(), model.threshold, [(each.name, each.value) for each in measured]


@pytest.mark.parametrize(("kind", "name", "value", "others"), EFFECTS, ids=[f"{e[1]}={e[2]}" for e in EFFECTS])
def test_a_hyperparameter_has_an_effect(kind, name, value, others):
    assert outcome(kind, {**ONE, **others, name: value}) != outcome(kind, {**ONE, **others})


def test_no_hyperparameter_is_left_without_an_effect():
    assert {effect[1] for effect in EFFECTS} | READ_ELSEWHERE == set(hyperparameters.SCHEMA)


@pytest.mark.parametrize("kind", [BINARY, REGRESSOR])
def test_a_number_of_classes_is_ignored_unless_there_are_several(kind):
    assert hyperparameters.read({"predictor_type": kind, "num_classes": "1"})["num_classes"] == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mini_batch_siz": "9"}, "Additional properties are not allowed (u'mini_batch_siz' was unexpected)"),
        ({"epochs": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"learning_rate": "abc"}, "u'abc' is not valid under any of the given schemas"),
        ({"target_recall": "1.0"}, "u'1.0' is not valid under any of the given schemas"),
        ({"momentum": "1"}, "u'1' is not valid under any of the given schemas"),
        ({"wd": "-0.1"}, "u'-0.1' is not valid under any of the given schemas"),
        ({"positive_example_weight_mult": "none"}, "u'none' is not valid under any of the given schemas"),
        ({"num_classes": "0"}, "u'0' is not valid under any of the given schemas"),
        (
            {"predictor_type": "multiclass_classifier", "num_classes": "2"},
            "u'2' is not valid under any of the given schemas",
        ),
        ({"use_bias": "yes"}, "u'yes' is not one of [u'true', u'false', u'True', u'False']"),
        ({"loss": "huber"}, "u'huber' is not one of"),
        ({"loss": "logistic"}, "loss: logistic is not a loss of predictor_type regressor"),
        ({"predictor_type": "multiclass_classifier"}, "No value(s) were specified for 'num_classes'"),
        ({"predictor_type": "multiclass_classifier", "num_classes": "3", "loss": "hinge_loss"}, "loss: hinge_loss"),
    ],
)
def test_a_wrong_value_is_refused_in_the_services_words(given, message):
    with pytest.raises(UserError) as error:
        hyperparameters.read({"predictor_type": REGRESSOR, **given})
    assert message in error.value.what


def test_the_predictor_type_is_required():
    with pytest.raises(UserError, match=r"No value\(s\) were specified for 'predictor_type'"):
        hyperparameters.read({})


def test_values_are_read_as_the_sdk_sends_them():
    read = hyperparameters.read({"predictor_type": BINARY, "wd": "1.0E-4", "use_bias": "False", "f_beta": "2.0"})
    assert (read["wd"], read["use_bias"], read["f_beta"], read["l1"]) == (1e-4, False, 2.0, "auto")
