"""Adam, as Apache MXNet's ``adam_update`` computes it: LinearLearner and FactorizationMachines train with it.

Source: https://mxnet.apache.org/versions/1.9.1/api/python/docs/api/optimizer/index.html. Its bias correction is part of
the learning rate, so that ``epsilon`` is added to the uncorrected root.
"""

from __future__ import annotations

import numpy as np

from harness.recordio import Array

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""MXNet's defaults."""


def direction(
    mean: Array,
    square: Array,
    gradient: Array,
    steps: int,
    *,
    beta_1: float = BETA_1,
    beta_2: float = BETA_2,
    epsilon: float = EPSILON,
) -> Array:
    """Return the change of the weights for a learning rate of 1, to be subtracted.

    :param mean: running mean of the gradients, which is updated in place.
    :param square: running mean of their squares, which is updated in place.
    :param steps: number of steps so far, this one included.
    """
    decay(mean, gradient, beta_1)
    decay(square, gradient**2, beta_2)
    result = np.sqrt(square)
    result += np.float32(epsilon)
    np.divide(mean, result, out=result)
    result *= np.float32(np.sqrt(1 - beta_2**steps) / (1 - beta_1**steps))
    return result


def decay(mean: Array, value: Array, rate: float) -> None:
    """Move a running mean toward a value, in place."""
    mean *= np.float32(rate)
    value = value * np.float32(1 - rate)
    mean += value
