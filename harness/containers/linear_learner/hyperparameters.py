"""Hyperparameters of LinearLearner.

Names, ranges and defaults: https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html. Which ends of a
range belong to it, the loss ``softmax_loss``, and the criteria ``f1`` and ``cross_entropy_loss`` are those of the
SageMaker Spark SDK (``LinearLearnerSageMakerEstimator``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.containers.amazon.hyperparameters import REQUIRED, Entry, boolean, choice, integer, number
from harness.containers.amazon.hyperparameters import read as read_schema
from harness.containers.linear_learner.model import BINARY, LOSSES, MULTICLASS, REGRESSOR
from harness.containers.runtime import UserError


def _positive(default: Any, *, auto: bool = False) -> Entry:
    return number(0, default=default, ends="()", auto=auto)


SCHEMA: dict[str, Entry] = {
    "predictor_type": choice(BINARY, MULTICLASS, REGRESSOR, default=REQUIRED),
    "num_classes": integer(1, 1_000_000, default=None),
    "feature_dim": integer(default="auto", auto=True),
    "accuracy_top_k": integer(default=3),
    "balance_multiclass_weights": boolean(default=False),
    "beta_1": number(0, 1, default="auto", ends="[)", auto=True),
    "beta_2": number(0, 1, default="auto", ends="[)", auto=True),
    "bias_lr_mult": _positive("auto", auto=True),
    "bias_wd_mult": number(0, default="auto", auto=True),
    "binary_classifier_model_selection_criteria": choice(
        "accuracy",
        "f_beta",
        "precision_at_target_recall",
        "recall_at_target_precision",
        "loss_function",
        "f1",
        "cross_entropy_loss",
        default="accuracy",
    ),
    "early_stopping_patience": integer(default=3),
    "early_stopping_tolerance": _positive(0.001),
    "epochs": integer(default=15),
    "f_beta": _positive(1.0),
    "huber_delta": _positive(1.0),
    "init_bias": number(default=0.0),
    "init_method": choice("uniform", "normal", default="uniform"),
    "init_scale": _positive(0.07),
    "init_sigma": _positive(0.01),
    "l1": number(0, default="auto", auto=True),
    "learning_rate": _positive("auto", auto=True),
    "loss": choice("auto", *(name for names in LOSSES.values() for name in names), default="auto"),
    "loss_insensitivity": _positive(0.01),
    "lr_scheduler_factor": number(0, 1, default="auto", ends="()", auto=True),
    "lr_scheduler_minimum_lr": _positive("auto", auto=True),
    "lr_scheduler_step": integer(default="auto", auto=True),
    "margin": _positive(1.0),
    "mini_batch_size": integer(default=1000),
    "momentum": number(0, 1, default="auto", ends="[)", auto=True),
    "normalize_data": boolean(default=True, auto=True),
    "normalize_label": boolean(default="auto", auto=True),
    "num_calibration_samples": integer(default="auto", auto=True),
    "num_models": integer(default="auto", auto=True),
    "num_point_for_scaler": integer(default=10_000),
    "optimizer": choice("auto", "adam", "sgd", "rmsprop", default="auto"),
    "positive_example_weight_mult": number(0, default=1.0, ends="()", words=("balanced", "auto")),
    "quantile": number(0, 1, default=0.5, ends="()"),
    "target_precision": number(0, 1, default=0.8, ends="()"),
    "target_recall": number(0, 1, default=0.8, ends="()"),
    "unbias_data": boolean(default="auto", auto=True),
    "unbias_label": boolean(default="auto", auto=True),
    "use_bias": boolean(default=True),
    "use_lr_scheduler": boolean(default=True),
    "wd": number(0, default="auto", auto=True),
}


_MULTICLASS = SCHEMA | {"num_classes": integer(3, 1_000_000)}
"""Other predictor types ignore the number of classes."""


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the hyperparameters as typed values, with defaults.

    :raises UserError: one is unknown, missing or not valid, or the loss is not one of the predictor type.
    """
    values = read_schema(given, _MULTICLASS if given.get("predictor_type") == MULTICLASS else SCHEMA)
    kind, loss = values["predictor_type"], values["loss"]
    if loss not in ("auto", *LOSSES[kind]):
        raise UserError(
            f"Hyperparameter loss: {loss} is not a loss of predictor_type {kind}.",
            fix=f"use {' or '.join(['auto', *LOSSES[kind]])}",
        )
    return values
