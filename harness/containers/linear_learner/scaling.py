"""Normalization of features and labels, and its inversion in the trained weights.

Means and deviations come from the first ``num_point_for_scaler`` rows, as the guide says:
https://docs.aws.amazon.com/sagemaker/latest/dg/ll_how-it-works.html. Sparse rows stay sparse: their mean is
subtracted from the scores instead of the features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.recordio import Array, Matrix

Sum = Callable[[Array], Array]
"""Adds an array over all hosts."""


@dataclass(frozen=True)
class Batch:
    """Normalized rows: ``matrix - shift``, where ``matrix`` may be sparse."""

    matrix: Matrix
    shift: Array | None

    def scores(self, weights: Array) -> Array:
        """Return the products of the rows with weights, whose last row is the bias; shape (n, columns)."""
        bias = weights[-1] if self.shift is None else weights[-1] - self.shift @ weights[:-1]
        products: Array = self.matrix @ weights[:-1]
        products += bias
        return products

    def gradient(self, of_scores: Array) -> Array:
        """Return the gradient of the weights, summed over the rows, given that of the scores."""
        sums = of_scores.sum(axis=0)
        result = np.empty((self.matrix.shape[1] + 1, of_scores.shape[1]), np.float32)
        result[:-1] = self.matrix.T @ of_scores
        if self.shift is not None:
            result[:-1] -= np.outer(self.shift, sums)
        result[-1] = sums
        return result


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of each feature, and of the label; 0 and 1 where nothing is changed."""

    mean: Array
    deviation: Array
    label_mean: float = 0.0
    label_deviation: float = 1.0

    def batch(self, rows: Matrix) -> Batch:
        """Return normalized rows."""
        if isinstance(rows, np.ndarray):
            return Batch((rows - self.mean) / self.deviation, None)
        from scipy import sparse  # noqa: PLC0415 - dense rows do not need it

        scaled = sparse.csr_matrix((rows.data / self.deviation[rows.indices], rows.indices, rows.indptr), rows.shape)
        return Batch(scaled, self.mean / self.deviation if self.mean.any() else None)

    def labels(self, labels: Array) -> Array:
        """Return normalized labels."""
        result: Array = (labels - np.float32(self.label_mean)) / np.float32(self.label_deviation)
        return result

    def original(self, scores: Array) -> Array:
        """Return scores on the scale of the labels."""
        result: Array = scores * np.float32(self.label_deviation) + np.float32(self.label_mean)
        return result

    def unscaled(self, weights: Array) -> Array:
        """Return weights for rows and labels as they are, as AWS's artifact has them; the last row is the bias."""
        slopes = weights[:-1].astype(np.float64) / self.deviation[:, None]
        bias = weights[-1].astype(np.float64) - self.mean.astype(np.float64) @ slopes
        result = np.vstack([slopes, bias]) * self.label_deviation
        result[-1] += self.label_mean
        return result.astype(np.float32)


def measure(features: Matrix, labels: Array, parameters: Mapping[str, Any], total: Sum) -> Scaling:
    """Return the scaling that the hyperparameters ask for, from this host's sample and those of the other hosts.

    ``auto`` means: features are normalized, and unbiased if the model has a bias. Labels are normalized and unbiased
    for regression; for classification they never are.
    """
    mean, deviation = _moments(features, total)
    width = len(mean)
    unbias = parameters["use_bias"] if parameters["unbias_data"] == "auto" else parameters["unbias_data"]
    scaling = Scaling(
        mean.astype(np.float32) if unbias else np.zeros(width, np.float32),
        deviation.astype(np.float32) if parameters["normalize_data"] in ("auto", True) else np.ones(width, np.float32),
    )
    if parameters["predictor_type"] != "regressor":
        return scaling
    label_mean, label_deviation = (float(values[0]) for values in _moments(labels[:, None], total))
    unbias = parameters["use_bias"] if parameters["unbias_label"] == "auto" else parameters["unbias_label"]
    normalize = parameters["normalize_label"] in ("auto", True)
    return Scaling(
        scaling.mean,
        scaling.deviation,
        label_mean if unbias else 0.0,
        label_deviation if normalize else 1.0,
    )


def _moments(rows: Matrix, total: Sum) -> tuple[Array, Array]:
    """Return mean and standard deviation of each column over all hosts; the deviation of a constant is 1."""
    sums = np.asarray(rows.sum(axis=0, dtype=np.float64)).ravel()
    count, sums = _split(total(np.append(sums, float(rows.shape[0]))))
    mean = sums / max(count, 1)
    if isinstance(rows, np.ndarray):
        squares = sum((((part - mean) ** 2).sum(axis=0) for part in _parts(rows)), np.zeros(len(mean)))
    else:  # the values that are absent are 0, and differ from the mean by the mean
        present = np.bincount(rows.indices, minlength=len(mean))
        differences = (rows.data.astype(np.float64) - mean[rows.indices]) ** 2
        squares = np.bincount(rows.indices, differences, minlength=len(mean))
        squares += (rows.shape[0] - present) * mean**2
    deviation = np.sqrt(total(squares) / max(count, 1))
    return mean, np.where(deviation > 0, deviation, 1)


def _split(sums: Array) -> tuple[float, Array]:
    return float(sums[-1]), sums[:-1]


def _parts(values: Array, rows: int = 4096) -> list[Array]:
    return [values[start : start + rows].astype(np.float64) for start in range(0, len(values), rows)]
