"""Labels that an objective of XGBoost can train on."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pyspark.sql import Column


@dataclass(frozen=True)
class Labels:
    """The labels that rows may have: numbers from ``least`` to ``most``."""

    text: str
    """Completes the sentence "a label that is not …"."""
    fix: str
    least: float = -math.inf
    most: float = math.inf
    without_least: bool = False
    """True if ``least`` itself is no label."""
    whole: bool = False
    """True if labels are whole numbers."""

    def odd(self, label: Column) -> Column:
        """Return whether a row's label is none of these."""
        above = label > self.least if self.without_least else label >= self.least
        inside = above & (label <= self.most)
        return ~(inside & (label % 1 == 0) if self.whole else inside)


_ONE_CLASS_OR_THE_OTHER = "label one class with 0 and the other with 1, as pyspark.ml.feature.StringIndexer does"
_SIGN = "check the column that the label comes from, or choose an objective that takes such labels"
_PROBABILITY = Labels("a number from 0 to 1", _ONE_CLASS_OR_THE_OTHER, 0, 1)
_AMOUNT = Labels("0 or above", _SIGN, 0)
_BY_OBJECTIVE = {
    "binary:hinge": Labels("0 or 1", _ONE_CLASS_OR_THE_OTHER, 0, 1, whole=True),
    "binary:logistic": _PROBABILITY,
    "binary:logitraw": _PROBABILITY,
    "reg:logistic": _PROBABILITY,
    "count:poisson": _AMOUNT,
    "reg:tweedie": _AMOUNT,
    "reg:gamma": Labels("above 0", _SIGN, 0, without_least=True),
    "reg:squaredlogerror": Labels("above -1", _SIGN, -1, without_least=True),
}
"""XGBoost's own checks (``src/objective``). Hinge has none, and takes any other label for class 0 or 1."""


def whole(value: object) -> int | None:
    """Return the number of a hyperparameter, which may be its text; None if it is none, such as ``auto``."""
    return int(str(value)) if re.fullmatch(r"[0-9]{1,18}", str(value)) else None


def classes_from_zero(classes: int) -> Labels:
    """Return the labels that number classes from 0."""
    fix = "number the classes from 0, as pyspark.ml.feature.StringIndexer does"
    return Labels(f"a class from 0 to {classes - 1}", fix, 0, classes - 1, whole=True)


def labels_of(objective: str | None, classes: int | None) -> Labels | None:
    """Return the labels for an objective, or None if it takes any number.

    :param objective: name of the objective in XGBoost, such as ``binary:logistic``.
    :param classes: the hyperparameter ``num_class``.
    """
    if classes is not None and (objective is None or objective.startswith("multi:")):
        return classes_from_zero(classes)
    return _BY_OBJECTIVE.get(objective or "")


def labels_of_predictor(predictor_type: str | None, classes: int | None) -> Labels | None:
    """Return the labels for a ``predictor_type`` of LinearLearner and FactorizationMachines, or None for any number."""
    if predictor_type == "binary_classifier":
        return Labels("0 or 1", _ONE_CLASS_OR_THE_OTHER, 0, 1, whole=True)
    return classes_from_zero(classes) if predictor_type == "multiclass_classifier" and classes else None
