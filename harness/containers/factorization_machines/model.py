"""Factorization machine of degree 2, and its answers.

Equation: https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines-howitworks.html. The sum over pairs is
computed in linear time, as in the paper that it cites (Rendle, 2010, "Factorization Machines"), and over present
values only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.containers.amazon.model import sigmoid
from harness.recordio import Array, Matrix

BINARY, REGRESSOR = "binary_classifier", "regressor"
THRESHOLD = np.float32(0.5)
"""Smallest score that is labelled 1 (https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines.html)."""


@dataclass(frozen=True)
class FactorizationMachine:
    """Parameters of a model.

    :ivar factors: shape (features, num_factors).
    :ivar linear: shape (features,).
    """

    factors: Array
    linear: Array
    bias: float
    predictor_type: str

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.factors.shape[0])

    def scores(self, features: Matrix) -> Array:
        """Return the predicted value of each row, or the probability of label 1; shape (n,)."""
        scores = interactions(features, self.factors, self.linear)[0] + np.float32(self.bias)
        return sigmoid(scores) if self.predictor_type == BINARY else scores

    def predict(self, features: Matrix) -> dict[str, Array]:
        """Return the columns of an answer (https://docs.aws.amazon.com/sagemaker/latest/dg/fm-in-formats.html)."""
        scores = self.scores(features)
        if self.predictor_type == REGRESSOR:
            return {"score": scores}
        return {"score": scores, "predicted_label": (scores >= THRESHOLD).astype(np.int32)}


def interactions(features: Matrix, factors: Array, linear: Array) -> tuple[Array, Array, Matrix]:
    """Return the scores without bias, shape (n,); the rows' sums of factors, shape (n, k); the squared features."""
    sums = np.asarray(features @ factors)
    squares = squared(features)
    scores = (
        np.asarray(features @ linear) + (np.einsum("nk,nk->n", sums, sums) - squares @ (factors**2).sum(axis=1)) / 2
    )
    return scores, sums, squares


def squared(features: Matrix) -> Matrix:
    """Return the square of each value."""
    return features**2 if isinstance(features, np.ndarray) else features.power(2)
