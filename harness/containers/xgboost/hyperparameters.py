"""XGBoost's hyperparameters, as each version of the image accepts them, and the parameters of XGBoost they become.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-72.html for ``xgboost:1`` (documentation only),
``algorithm_mode/hyperparameter_validation.py`` of https://github.com/aws/sagemaker-xgboost-container for all others,
and, for bounds that neither gives, XGBoost's own documentation. Hyperparameters without effect are in :data:`_DROPPED`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from harness.containers.hyperparameters import (
    Hyperparameter,
    choice,
    choices,
    comma_separated,
    integer,
    number,
    validate,
)
from harness.containers.runtime import UserError
from harness.containers.xgboost.versions import Version

_FIRST_OBJECTIVES = (
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:gamma",
    "reg:linear",
    "reg:logistic",
    "reg:tweedie",
    "survival:cox",
)
"""Objectives of XGBoost 0.72."""
_OBJECTIVES_SINCE_90 = ("binary:hinge", "reg:squarederror", "reg:squaredlogerror")
_OBJECTIVES_SINCE_12 = ("reg:pseudohubererror", "survival:aft")
_LOST_UPDATERS = ("distcol", "grow_local_histmaker", "grow_skmaker")
_GROWING = ("grow_colmaker", "grow_histmaker")
_TREE_UPDATERS = (*_GROWING, *_LOST_UPDATERS, "sync", "refresh", "prune")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
_CONTAINER_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
"""Metrics that the container computes with scikit-learn (``custom_metrics.py``)."""

_OLD_METRICS = {
    "binary:logistic": "error",
    "binary:logitraw": "auc",
    "multi:softmax": "merror",
    "multi:softprob": "merror",
    "rank:map": "map",
    "rank:ndcg": "map",
    "rank:pairwise": "map",
    "reg:gamma": "gamma-nloglik",
}
"""Default metrics of XGBoost before 1.3, where they differ from those of XGBoost 3."""
_BASE_SCORE = 0.5
"""The documented default. XGBoost has estimated it since 2.0. See :func:`_with_defaults` about classes."""
_ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}

_DROPPED = {
    "deterministic_histogram",
    "dsplit",
    "lambda_bias",
    "predictor",
    "prob_buffer_row",
    "save_model_on_termination",
    "silent",
    "single_precision_histogram",
    "sketch_eps",
    "use_dask_gpu_training",
}
"""Hyperparameters that XGBoost does not get. :func:`_refuse` refuses the values that change a model on AWS;
docs/reference/xgboost.md has the reason for each of the others."""


class _MetricNames(Sequence[str]):
    """Names of metrics; some take an argument: ``error@0.7``, ``ndcg@5-``."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return re.sub(r"(@[\d.]+)?-?$", "", str(name)) in self._names

    def __getitem__(self, index: Any) -> Any:
        return self._names[index]

    def __len__(self) -> int:
        return len(self._names)

    def __str__(self) -> str:
        return str(list(self._names))


_FIRST_METRICS = (
    "auc",
    "aucpr",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "logloss",
    "mae",
    "map",
    "merror",
    "mlogloss",
    "ndcg",
    "poisson-nloglik",
    "rmse",
    "tweedie-nloglik",
)
_METRICS_OF_90 = tuple(sorted({*_FIRST_METRICS, "accuracy", "f1", "mse"} - {"aucpr", "cox-nloglik"}))
"""Observed in the container's message: https://github.com/aws/sagemaker-xgboost-container/issues/99"""
_METRICS_SINCE_10 = ("mape", "rmsle", *_CONTAINER_METRICS)
_METRICS_SINCE_12 = ("aft-nloglik", "interval-regression-accuracy", "mphe")
"""Metrics of XGBoost 1.1 and 1.2."""

_ZERO_OR_ONE = integer(0, 1)
_SHARE = number(0, 1)
_POSITIVE_SHARE = number(0, 1, low_open=True)
_POSITIVE = number(0, low_open=True)
_NOT_NEGATIVE = number(0)
_BOOLEAN = choice("true", "false")


def _signs(text: str) -> tuple[int, ...]:
    """Return ``monotone_constraints``."""
    found = ast.literal_eval(text)
    if not isinstance(found, tuple):
        raise ValueError(text)
    return found


def _is_group(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(column, int) and column >= 1 for column in found)


def _groups(text: str) -> list[list[int]]:
    """Return ``interaction_constraints``, lists of columns from 1 on."""
    found = ast.literal_eval(text)
    if not isinstance(found, list) or not all(map(_is_group, found)):
        raise ValueError(text)
    return found


_FIRST: dict[str, Hyperparameter] = {
    "num_round": integer(1, required=True),
    "alpha": _NOT_NEGATIVE,
    "base_score": number(float("-inf")),
    "booster": choice("gbtree", "gblinear", "dart"),
    "colsample_bylevel": _POSITIVE_SHARE,
    "colsample_bytree": _POSITIVE_SHARE,
    "csv_weights": _ZERO_OR_ONE,
    "dsplit": choice("row", "col"),
    "early_stopping_rounds": integer(1),
    "eta": _SHARE,
    "eval_metric": choices(),
    "gamma": _NOT_NEGATIVE,
    "grow_policy": choice("depthwise", "lossguide"),
    "lambda": _NOT_NEGATIVE,
    "lambda_bias": _SHARE,
    "max_bin": integer(2),
    "max_delta_step": _NOT_NEGATIVE,
    "max_depth": integer(0),
    "max_leaves": integer(0),
    "min_child_weight": _NOT_NEGATIVE,
    "normalize_type": choice("tree", "forest"),
    "nthread": integer(1),
    "num_class": integer(2),
    "objective": choice(),
    "one_drop": _ZERO_OR_ONE,
    "process_type": choice("default", "update"),
    "rate_drop": _SHARE,
    "refresh_leaf": _ZERO_OR_ONE,
    "sample_type": choice("uniform", "weighted"),
    "scale_pos_weight": _POSITIVE,
    "seed": integer(1 - 2**31, 2**31 - 2),  # the container's interval is open at both ends
    "silent": _ZERO_OR_ONE,
    "sketch_eps": number(0, 1, low_open=True, high_open=True),
    "skip_drop": _SHARE,
    "subsample": _POSITIVE_SHARE,
    "tree_method": choice("auto", "exact", "approx", "hist"),
    "tweedie_variance_power": number(1, 2, low_open=True, high_open=True),
    "updater": choices(*_TREE_UPDATERS, *_LINEAR_UPDATERS),
}
"""The hyperparameters of ``xgboost:1``."""
_SINCE_90 = {
    "base_score": _NOT_NEGATIVE,
    "colsample_bynode": _POSITIVE_SHARE,
    "predictor": choice("cpu_predictor"),
    "verbosity": integer(0, 3),
}
_SINCE_10 = {
    "interaction_constraints": Hyperparameter(_groups),
    "monotone_constraints": Hyperparameter(_signs, [-1, 0, 1]),
}
"""Pull request 106 of the container's repository."""
_SINCE_12 = {
    "aft_loss_distribution": choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _NOT_NEGATIVE,
    "deterministic_histogram": _BOOLEAN,
    "num_parallel_tree": integer(1),
    "predictor": choice("auto", "cpu_predictor", "gpu_predictor"),
    "prob_buffer_row": number(1, low_open=True),
    "sampling_method": choice("uniform", "gradient_based"),
    "save_model_on_termination": _BOOLEAN,
    "single_precision_histogram": _BOOLEAN,
    "tree_method": choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "use_dask_gpu_training": _BOOLEAN,
}


@cache
def table(version: Version) -> dict[str, Hyperparameter]:
    """Return the hyperparameters of a version of the image, by name."""
    if version.is_first:
        return {
            **_FIRST,
            "objective": choice(*_FIRST_OBJECTIVES),
            "eval_metric": Hyperparameter(comma_separated, _MetricNames(*_FIRST_METRICS)),
        }
    objectives, found = [*_FIRST_OBJECTIVES, *_OBJECTIVES_SINCE_90], {**_FIRST, **_SINCE_90}
    metrics: tuple[str, ...] = _METRICS_OF_90
    if version.xgboost >= (1, 0):
        metrics = (*_FIRST_METRICS, *_METRICS_SINCE_10)
        found |= _SINCE_10
    if version.xgboost >= (1, 2):
        objectives += _OBJECTIVES_SINCE_12
        metrics += _METRICS_SINCE_12
        found |= _SINCE_12
        del found["silent"]
    found["objective"] = choice(*sorted(objectives))
    found["eval_metric"] = Hyperparameter(comma_separated, _MetricNames(*metrics))
    return found


def read(given: Mapping[str, str], version: Version, hosts: int = 1) -> dict[str, Any]:
    """Return the parameters for ``xgboost.train``, and ``num_round``, ``early_stopping_rounds``, ``csv_weights``.

    :raises UserError: a parameter is unknown, missing, unreadable or out of range, two contradict each other, or one
        asks for what is not emulated.
    """
    _refuse_by_name(given, version)
    if not version.is_first:
        given = {_ALIASES.get(name, name): text for name, text in given.items() if not name.startswith("sagemaker_")}
    parameters = validate(given, table(version))
    is_multi = str(parameters.get("objective", "")).startswith("multi:")
    if is_multi and "num_class" not in parameters:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if "num_class" in parameters and not is_multi:
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    _check_dependencies(parameters, version)
    _refuse(parameters, hosts)
    return _with_defaults(parameters, version)


def keeps_stopped_model(given: Mapping[str, str], version: Version) -> bool:
    """Return whether a job that is stopped leaves the model trained so far."""
    return not version.uses_callbacks or given.get("save_model_on_termination") == "true"


# ---- what is not emulated


_SCRIPT_MODE = ("sagemaker_program", "sagemaker_submit_directory")
_NOT_EMULATED = {
    "_kfold": "cross validation",
    "_num_cv_round": "cross validation",
    "_tuning_objective_metric": "hyperparameter tuning",
}


def _refuse_by_name(given: Mapping[str, str], version: Version) -> None:
    for name in given:
        if name in _SCRIPT_MODE and not version.is_first:
            raise UserError(
                f"Hyperparameter {name}: script mode is not emulated here.",
                fix="register the command that runs your script for the image (aws.register_container)",
            )
        if name in _NOT_EMULATED and not version.is_first:
            raise UserError(f"Hyperparameter {name}: {_NOT_EMULATED[name]} is not emulated here.", fix="remove it")
    if version.is_first and given.get("objective") == "reg:squarederror":
        raise UserError(
            "Hyperparameter objective: xgboost:1 has no objective reg:squarederror. XGBoost 0.72 calls it reg:linear.",
            fix="use reg:linear, or a newer image (sagemaker-xgboost)",
        )


def _refuse(parameters: Mapping[str, Any], hosts: int) -> None:
    """Raise UserError for a value that changes the model on AWS and cannot be given to XGBoost here."""
    linear = parameters.get("booster") == "gblinear"
    updaters = parameters.get("updater", [])
    lost = [name for name in updaters if name in _LOST_UPDATERS]
    metrics = [name for name in parameters.get("eval_metric", []) if name in _CONTAINER_METRICS]
    reasons = {
        "process_type": parameters.get("process_type") == "update"
        and "'update' changes an existing model, and a job has none",
        "lambda_bias": linear and parameters.get("lambda_bias", 0) > 0 and "XGBoost dropped it; use lambda or alpha",
        "dsplit": hosts > 1 and parameters.get("dsplit") == "col" and "columns cannot be divided among hosts here",
        "updater": lost and f"XGBoost dropped {lost[0]}; use grow_histmaker",
        "tree_method": parameters.get("tree_method") == "gpu_hist" and "there is no GPU here; use hist",
        "predictor": parameters.get("predictor") == "gpu_predictor" and "there is no GPU here; use cpu_predictor",
        "use_dask_gpu_training": parameters.get("use_dask_gpu_training") == "true" and "there is no GPU here",
        "sampling_method": parameters.get("sampling_method") == "gradient_based" and "it needs a GPU; use uniform",
        "eval_metric": metrics and f"{metrics[0]} is computed by AWS's container, not by XGBoost",
    }
    for name, reason in reasons.items():
        if reason:
            value = parameters[name]
            shown = ",".join(value) if isinstance(value, list) else value
            raise UserError(f"Hyperparameter {name}: {shown} is not emulated here: {reason}.", fix=f"change {name}")


# ---- what AWS refuses


def _check_dependencies(parameters: Mapping[str, Any], version: Version) -> None:
    """Raise UserError as the container's checks of two hyperparameters do. Their messages are copied."""
    _check_updaters(parameters)
    objective, metrics = str(parameters.get("objective")), parameters.get("eval_metric", [])
    ranked = ("binary:", "rank:", "reg:") if version.is_first else ("binary:", "rank:")
    if "auc" in metrics and not objective.startswith(ranked):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")
    if not version.is_first:
        for metric in metrics:
            _check_argument(metric)
    tree_method = parameters.get("tree_method")
    if "monotone_constraints" in parameters and tree_method not in ("exact", "hist"):
        raise UserError(
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'."
        )
    if "interaction_constraints" in parameters and tree_method not in ("exact", "hist", "approx"):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter is set to either 'exact', "
            "'hist' or 'approx'."
        )
    if "monotone_constraints" in parameters and version.xgboost == (1, 5):
        raise UserError(
            "Hyperparameter monotone_constraints: XGBoost 1.5 cannot read it as this image passes it "
            "(https://github.com/dmlc/xgboost/issues/7888).",
            fix="use another version of the image",
        )
    if "interaction_constraints" in parameters and version.xgboost >= (1, 5):
        raise UserError(
            f"Hyperparameter interaction_constraints: {parameters['interaction_constraints']} fails every job: XGBoost "
            "takes the numbers for names of columns since 1.5, and the container's columns have none.",
            fix="use image 1.3-1 or older",
        )


def _check_argument(metric: str) -> None:
    name, at, threshold = metric.partition("@")
    if at and name not in ("error", "ndcg", "map"):
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized threshold should be one of "
            "these options: 'error', 'ndcg', 'map'."
        )
    if at and threshold.endswith("-"):
        raise UserError(f"Threshold value 't' in '{name}@t' expects float input.")


def _check_updaters(parameters: Mapping[str, Any]) -> None:
    updaters = parameters.get("updater")
    if updaters is None:
        return
    if parameters.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            options = ", ".join(f"'{name}'" for name in _LINEAR_UPDATERS)
            raise UserError(f"Linear updater should be one of these options: {options}.")
    elif not set(updaters) <= set(_TREE_UPDATERS):
        options = ", ".join(f"'{name}'" for name in _TREE_UPDATERS)
        raise UserError(f"Tree updater should be selected from these options: {options}.")
    elif sum(name in _GROWING for name in updaters) > 1:
        raise UserError("Only one tree grow plugin can be selected.")
    elif parameters.get("process_type") != "update" and not set(updaters) & {*_GROWING, *_LOST_UPDATERS, "sync"}:
        raise UserError(
            f"Hyperparameter updater: {','.join(updaters)} changes trees, and a job starts without any.",
            fix="add grow_colmaker or grow_histmaker",
        )


# ---- defaults


def _with_defaults(parameters: dict[str, Any], version: Version) -> dict[str, Any]:
    """Return the parameters with the defaults of the version, in XGBoost 3's names.

    ``base_score`` of classes stays with XGBoost, which estimates it for each class. With the documented 0.5, 151 of
    MNIST's 10,000 predictions differ, and the accuracy is 0.9356 and not 0.9335 (measured).
    """
    objective = str(parameters.setdefault("objective", "reg:linear"))
    if not version.estimates_base_score and not objective.startswith("multi:"):
        parameters.setdefault("base_score", _BASE_SCORE)
    if not version.uses_callbacks and objective in _OLD_METRICS:
        parameters.setdefault("eval_metric", [_OLD_METRICS[objective]])
    if objective == "reg:linear":
        parameters["objective"] = "reg:squarederror"  # its name since XGBoost 0.83
    if "interaction_constraints" in parameters:  # the installed XGBoost takes numbers in a list for names of columns
        parameters["interaction_constraints"] = str(parameters["interaction_constraints"])
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    if version.xgboost < (1, 6) and parameters.get("tree_method") == "approx" and "sketch_eps" in parameters:
        parameters["max_bin"] = max(2, math.ceil(1 / parameters["sketch_eps"]))  # which replaced it in XGBoost 1.6
    return {name: value for name, value in parameters.items() if name not in _DROPPED}
