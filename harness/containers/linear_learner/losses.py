"""Losses that linear models are trained with, and their gradients with respect to the scores.

Every function takes the scores of all models at once: shape (n, models), and (n, models, classes) for softmax. It
returns the loss of each row in each model, shape (n, models), and the gradient in the shape of the scores.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html, and for ``quantile`` the description
of ``LinearLearnerParams.quantile`` in the SageMaker Spark SDK: a label is below the prediction with probability q.
The guide says the opposite, which no quantile loss does. The squared loss is not halved: AWS's logs print the same
value for ``mse_objective`` and ``mse``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.containers.amazon.model import sigmoid
from harness.recordio import Array

Values = tuple[Array, Array]
"""Losses and gradients."""


@dataclass(frozen=True)
class Loss:
    """A loss function.

    :ivar name: value of the hyperparameter ``loss``.
    :ivar objective: name in AWS's log. Only the first three were seen there; the others follow their pattern.
    :ivar of: returns losses and gradients of scores, given labels of shape (n,).
    """

    name: str
    objective: str
    of: Callable[[Array, Array], Values]


def named(name: str, parameters: Mapping[str, Any]) -> Loss:
    """Return a loss with the parameters that it depends on: margin, insensitivity, quantile or delta."""
    functions: dict[str, tuple[str, Callable[[Array, Array], Values]]] = {
        "logistic": ("binary_classification_cross_entropy", _logistic),
        "softmax_loss": ("multiclass_cross_entropy", _softmax),
        "squared_loss": ("mse", lambda scores, labels: _insensitive_squared(scores, labels, 0.0)),
        "absolute_loss": ("absolute_loss", lambda scores, labels: _insensitive_absolute(scores, labels, 0.0)),
        "hinge_loss": ("hinge_loss", lambda scores, labels: _hinge(scores, labels, parameters["margin"])),
        "eps_insensitive_squared_loss": (
            "eps_insensitive_squared_loss",
            lambda scores, labels: _insensitive_squared(scores, labels, parameters["loss_insensitivity"]),
        ),
        "eps_insensitive_absolute_loss": (
            "eps_insensitive_absolute_loss",
            lambda scores, labels: _insensitive_absolute(scores, labels, parameters["loss_insensitivity"]),
        ),
        "quantile_loss": ("quantile_loss", lambda scores, labels: _quantile(scores, labels, parameters["quantile"])),
        "huber_loss": ("huber_loss", lambda scores, labels: _huber(scores, labels, parameters["huber_delta"])),
    }
    objective, of = functions[name]
    return Loss(name, f"{objective}_objective", of)


def _logistic(scores: Array, labels: Array) -> Values:
    signed = np.where(labels[:, None] > 0, -scores, scores)
    return np.logaddexp(np.float32(0), signed), sigmoid(scores) - labels[:, None]


def _hinge(scores: Array, labels: Array, margin: float) -> Values:
    signs = (2 * labels - 1)[:, None]
    losses = np.maximum(margin - signs * scores, 0)
    return losses, np.where(losses > 0, -signs, 0)


def _softmax(scores: Array, labels: Array) -> Values:
    shifted = scores - scores.max(axis=2, keepdims=True)
    powers = np.exp(shifted)
    sums = powers.sum(axis=2, keepdims=True)
    rows, classes = np.arange(len(labels)), labels.astype(np.intp)
    losses = np.log(sums[:, :, 0]) - shifted[rows, :, classes]
    powers /= sums
    powers[rows, :, classes] -= 1
    return losses, powers


def _insensitive_squared(scores: Array, labels: Array, insensitivity: float) -> Values:
    errors = scores - labels[:, None]
    beyond = np.sign(errors) * np.maximum(np.abs(errors) - insensitivity, 0)
    return beyond**2, 2 * beyond


def _insensitive_absolute(scores: Array, labels: Array, insensitivity: float) -> Values:
    errors = scores - labels[:, None]
    losses = np.maximum(np.abs(errors) - insensitivity, 0)
    return losses, np.sign(errors) * (losses > 0)


def _quantile(scores: Array, labels: Array, quantile: float) -> Values:
    errors = labels[:, None] - scores
    losses = np.maximum(quantile * errors, (quantile - 1) * errors)
    return losses, np.where(errors > 0, -quantile, np.where(errors < 0, 1 - quantile, 0))


def _huber(scores: Array, labels: Array, delta: float) -> Values:
    errors = scores - labels[:, None]
    sizes = np.abs(errors)
    losses = np.where(sizes < delta, errors**2 / 2, delta * (sizes - delta / 2))
    return losses, np.clip(errors, -delta, delta)
