"""Linear model on the original scale of the data: its answers, and nothing of how it is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.containers.amazon.model import sigmoid
from harness.recordio import Array, Matrix

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
LOSSES = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss",),
    REGRESSOR: (
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
"""Losses of each predictor type, as the guide lists them; the first is that of ``auto``."""


@dataclass(frozen=True)
class LinearModel:
    """Weights, and how scores become answers.

    :ivar weights: shape (outputs, features): one output for each class of a multiclass classifier, else one.
    :ivar bias: shape (outputs,).
    :ivar threshold: smallest score that a binary classifier labels 1.
    """

    weights: Array
    bias: Array
    predictor_type: str
    loss: str
    threshold: float = 0.5

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.weights.shape[1])

    def scores(self, features: Matrix) -> Array:
        """Return the score of each row, shape (n,), or those of each class, shape (n, classes)."""
        return answers(self.linear(features), self.loss)

    def linear(self, features: Matrix) -> Array:
        """Return the products of rows and weights, in the shape of the scores."""
        products: Array = np.asarray(features @ self.weights.T) + self.bias
        if self.predictor_type == MULTICLASS:
            return products
        column: Array = products[:, 0]
        return column

    def labels(self, scores: Array) -> Array:
        """Return the label that a classifier predicts for scores, shape (n,)."""
        if self.predictor_type == MULTICLASS:
            best: Array = scores.argmax(axis=1).astype(np.int32)
            return best
        reached: Array = np.greater_equal(scores, np.float32(self.threshold)).astype(np.int32)
        return reached

    def predict(self, features: Matrix) -> dict[str, Array]:
        """Return the columns of an answer (https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html)."""
        scores = self.scores(features)
        if self.predictor_type == REGRESSOR:
            return {"score": scores}
        return {"score": scores, "predicted_label": self.labels(scores)}


def answers(scores: Array, loss: str) -> Array:
    """Return what an endpoint answers as score: probabilities for logistic and softmax losses, else the scores.

    The guide says so for classifiers, and that the score of ``hinge_loss`` is no probability:
    https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html
    """
    if loss == "logistic":
        return sigmoid(scores)
    return softmax(scores) if loss == "softmax_loss" else scores


def default_threshold(loss: str) -> float:
    """Return the score between the labels 0 and 1 that the loss was made for."""
    return 0.5 if loss == "logistic" else 0.0


def softmax(scores: Array) -> Array:
    """Return probabilities of the classes, which are the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result
