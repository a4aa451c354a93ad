"""Criterion that compares models and epochs, the threshold that goes with it, and early stopping.

The guide (``early_stopping_patience``): the metric is the selection criterion of a binary classifier on the validation
data, else the loss; without validation data it is the loss on the training data. AWS's log calls the first
``sampled_accuracy``. There an accuracy that grew from 0.99 counts as improvement, so that the loss which
``early_stopping_tolerance`` refers to is 1 minus the accuracy here.

The SDKs also take the criterion ``f1``, which is ``f_beta`` with a beta of 1, and ``cross_entropy_loss``, which is
``loss_function``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.containers.linear_learner.losses import Loss
from harness.containers.linear_learner.model import BINARY, answers, default_threshold
from harness.recordio import Array

LOSS_CRITERIA = ("loss_function", "cross_entropy_loss")
"""Criteria that compare losses, and leave the threshold as it is."""


@dataclass(frozen=True)
class Criterion:
    """Cost of each model: the lower, the better."""

    name: str
    is_score: bool
    """True if the log shows 1 minus the cost."""

    def costs(self, scores: Array, labels: Array, losses: Array, loss: Loss, parameters: Mapping[str, Any]) -> Array:
        """Return the cost of each model, shape (models,); inf for a model that diverged.

        :param scores: linear scores of the calibration rows, shape (n, models).
        :param losses: mean loss of each model on all rows.
        """
        if not self.is_score:
            return finite_costs(losses)
        answered = answers(scores, loss.name)
        return np.array([self._cost(column, labels, loss, parameters) for column in answered.T])

    @staticmethod
    def _cost(answered: Array, labels: Array, loss: Loss, parameters: Mapping[str, Any]) -> float:
        if not np.isfinite(answered).all():
            return np.inf
        return 1 - calibrate(answered, labels, parameters, default_threshold(loss.name))[1]

    def shown(self, cost: float) -> float:
        """Return the value in the log."""
        return 1 - cost if self.is_score else cost


def finite_costs(losses: Array) -> Array:
    """Return losses as costs: infinite for a model that diverged."""
    return np.where(np.isfinite(losses), losses, np.inf)


def criterion(parameters: Mapping[str, Any], loss: Loss) -> Criterion:
    """Return the criterion that compares models."""
    name = parameters["binary_classifier_model_selection_criteria"]
    if parameters["predictor_type"] != BINARY or name in LOSS_CRITERIA:
        return Criterion(loss.objective, is_score=False)
    return Criterion(f"sampled_{name}", is_score=True)


def loss_criterion(loss: Loss) -> Criterion:
    """Return the criterion of early stopping without validation data."""
    return Criterion(loss.objective, is_score=False)


class EarlyStopping:
    """Counts epochs without improvement.

    :ivar improved: True if the last epoch had the lowest cost so far.
    """

    def __init__(self, patience: int, tolerance: float) -> None:
        self._patience = patience
        self._tolerance = tolerance
        self._best = np.inf
        self.improved = False
        self.idle = 0

    def add(self, cost: float) -> None:
        """Add the cost of an epoch."""
        enough = cost < self._best and (
            not np.isfinite(self._best) or self._best - cost >= self._tolerance * abs(self._best)
        )
        self.improved = cost < self._best
        self._best = min(self._best, cost)
        self.idle = 0 if enough else self.idle + 1

    @property
    def met(self) -> bool:
        """True if training should stop."""
        return self.idle >= self._patience


def calibrate(scores: Array, labels: Array, parameters: Mapping[str, Any], default: float) -> tuple[float, float]:
    """Return the threshold with the best value of the criterion, and that value.

    Of several such thresholds it is the nearest to the default. A threshold lies in the middle between two scores.

    :param scores: shape (n,), finite.
    :param labels: 0 or 1, shape (n,).
    """
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(labels[order], dtype=np.float64)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # of each run of equal scores
    predicted = np.append(0, ends + 1)
    true_positives = np.append(0, hits[ends])
    values = _values(true_positives, predicted, hits[-1], len(scores), parameters)
    thresholds = _thresholds(ordered, ends)
    best = np.flatnonzero(values == values.max())
    chosen = best[np.abs(thresholds[best] - default).argmin()]
    return float(thresholds[chosen]), float(values[chosen])


def _thresholds(ordered: Array, ends: Array) -> Array:
    """Return thresholds that label no row, the first run of rows, the first two runs …, all rows."""
    above = ordered[ends]
    below = np.append(ordered[ends[:-1] + 1], above[-1])
    middle = (above + below) / 2
    middle = np.where(middle > below, middle, above)
    return np.append(np.nextafter(ordered[0], np.float32(np.inf)), middle)


def _values(
    true_positives: Array, predicted: Array, positives: float, rows: int, parameters: Mapping[str, Any]
) -> Array:
    """Return the criterion's value at each threshold. Below its target, it is negative and grows toward the target."""
    precision = true_positives / np.maximum(predicted, 1)
    recall = true_positives / max(positives, 1)
    criterion = parameters["binary_classifier_model_selection_criteria"]
    if criterion == "precision_at_target_recall":
        return np.where(recall >= parameters["target_recall"], precision, recall - 1)
    if criterion == "recall_at_target_precision":
        return np.where(precision >= parameters["target_precision"], recall, precision - 1)
    values: Array = (true_positives + (rows - positives) - (predicted - true_positives)) / rows
    if criterion in ("f_beta", "f1"):
        weight = parameters["f_beta"] ** 2 if criterion == "f_beta" else 1.0
        values = (1 + weight) * true_positives / np.maximum(predicted + weight * positives, 1e-12)
    return values
