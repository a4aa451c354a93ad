"""XGBoost's hyperparameters, as SageMaker accepts them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html and, for the bounds, XGBoost's own
documentation. Parameters that XGBoost has dropped since (:data:`_DROPPED`) are accepted and have no effect.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from harness.containers.hyperparameters import Hyperparameter, choice, choices, integer, number, validate
from harness.containers.runtime import UserError

_OBJECTIVES = (
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:linear",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)
_UPDATERS = ("grow_colmaker", "grow_histmaker", "grow_quantile_histmaker", "sync", "refresh", "prune")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
# Defaults of xgboost:1; XGBoost 1.3 changed them.
_OLD_METRICS = {"binary:logistic": "error", "multi:softmax": "merror", "multi:softprob": "merror"}
_DROPPED = {"csv_weights", "dsplit", "lambda_bias", "predictor", "save_model_on_termination", "silent", "sketch_eps"}


class _MetricNames(tuple[str, ...]):
    """Names of metrics; some take an argument: ``error@0.7``, ``ndcg@5-``."""

    def __contains__(self, name: object) -> bool:
        return tuple.__contains__(self, re.sub(r"(@[\d.]+)?-?$", "", str(name)))


_METRICS = _MetricNames(
    [
        "aft-nloglik",
        "auc",
        "aucpr",
        "cox-nloglik",
        "error",
        "gamma-deviance",
        "gamma-nloglik",
        "interval-regression-accuracy",
        "logloss",
        "mae",
        "map",
        "mape",
        "merror",
        "mlogloss",
        "mphe",
        "ndcg",
        "poisson-nloglik",
        "pre",
        "rmse",
        "rmsle",
        "tweedie-nloglik",
    ]
)

_ZERO_OR_ONE = integer(0, 1)
_SHARE = number(0, 1)
_POSITIVE_SHARE = number(0, 1, low_open=True)
_POSITIVE = number(0, low_open=True)
_NOT_NEGATIVE = number(0)
_BOOLEAN = choice("true", "false")
_LITERAL = Hyperparameter(ast.literal_eval)

TABLE: dict[str, Hyperparameter] = {
    "num_round": integer(1, required=True),
    "alpha": _NOT_NEGATIVE,
    "aft_loss_distribution": choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _POSITIVE,
    "base_score": number(float("-inf")),
    "booster": choice("gbtree", "gblinear", "dart"),
    "colsample_bylevel": _POSITIVE_SHARE,
    "colsample_bynode": _POSITIVE_SHARE,
    "colsample_bytree": _POSITIVE_SHARE,
    "csv_weights": _ZERO_OR_ONE,
    "dsplit": choice("row", "col"),
    "early_stopping_rounds": integer(1),
    "eta": _SHARE,
    "eval_metric": Hyperparameter(lambda text: [name.strip() for name in text.split(",")], _METRICS),
    "gamma": _NOT_NEGATIVE,
    "grow_policy": choice("depthwise", "lossguide"),
    "huber_slope": _POSITIVE,
    "interaction_constraints": _LITERAL,
    "lambda": _NOT_NEGATIVE,
    "lambda_bias": _SHARE,
    "max_bin": integer(2),
    "max_delta_step": _NOT_NEGATIVE,
    "max_depth": integer(0),
    "max_leaves": integer(0),
    "min_child_weight": _NOT_NEGATIVE,
    "monotone_constraints": _LITERAL,
    "normalize_type": choice("tree", "forest"),
    "nthread": integer(1),
    "num_class": integer(2),
    "num_parallel_tree": integer(1),
    "objective": choice(*_OBJECTIVES),
    "one_drop": _ZERO_OR_ONE,
    "predictor": choice("auto", "cpu_predictor"),
    "process_type": choice("default", "update"),
    "rate_drop": _SHARE,
    "refresh_leaf": _ZERO_OR_ONE,
    "sample_type": choice("uniform", "weighted"),
    "save_model_on_termination": _BOOLEAN,
    "scale_pos_weight": _POSITIVE,
    "seed": integer(-(2**31), 2**31 - 1),
    "silent": _ZERO_OR_ONE,
    "sketch_eps": number(0, 1, low_open=True, high_open=True),
    "skip_drop": _SHARE,
    "subsample": _POSITIVE_SHARE,
    "tree_method": choice("auto", "exact", "approx", "hist"),
    "tweedie_variance_power": number(1, 2, low_open=True, high_open=True),
    "updater": choices(*_UPDATERS, *_LINEAR_UPDATERS),
    "verbosity": integer(0, 3),
}


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters for ``xgboost.train``, including ``num_round`` and ``early_stopping_rounds``.

    :raises UserError: a parameter is unknown, missing, unreadable or out of range, or two contradict each other.
    """
    parameters = validate(given, TABLE)
    if parameters.get("csv_weights"):
        raise UserError(
            "csv_weights: weights in the second column of CSV are not emulated here.",
            fix="remove csv_weights or set it to 0, and remove weights from the data",
        )
    is_multi = str(parameters.get("objective", "")).startswith("multi:")
    if is_multi and "num_class" not in parameters:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if "num_class" in parameters and not is_multi:
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    if parameters.get("objective") == "reg:linear":
        parameters["objective"] = "reg:squarederror"  # its name since XGBoost 0.83
    if parameters.get("objective") in _OLD_METRICS:
        parameters.setdefault("eval_metric", _OLD_METRICS[parameters["objective"]])
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    return {name: value for name, value in parameters.items() if name not in _DROPPED}
