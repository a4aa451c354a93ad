"""Optimizers that update the weights of all models in one step, each with its own learning rate and regularization.

The update rules are those of Apache MXNet, which AWS's image trains with: ``adam``, ``sgd`` with momentum and
``rmsprop`` of https://mxnet.apache.org/versions/1.9.1/api/python/docs/api/optimizer/index.html. There the weight
decay is part of the gradient. MXNet has no L1 penalty for them. The one here is that of orthant-wise descent (Andrew
and Gao, 2007, "Scalable training of L1-regularized log-linear models"): weights stop at 0 instead of crossing it, so
that they become exactly 0.

The hyperparameters that are ``auto`` have the defaults that the SageMaker Spark SDK documents for them
(``LinearLearnerSageMakerEstimator.scala``): beta_1 0.9, beta_2 0.999, momentum 0, bias_lr_mult 10, bias_wd_mult 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.containers import adam
from harness.containers.linear_learner.candidates import Candidates
from harness.recordio import Array

_EPSILON = 1e-8
_RMSPROP_DECAY = 0.9
_AUTO = {"beta_1": adam.BETA_1, "beta_2": adam.BETA_2, "momentum": 0.0, "bias_lr_mult": 10.0, "bias_wd_mult": 0.0}


class Optimizer:
    """State of the optimizer of all models.

    :param shape: of the weights: features and a last row for the bias, models times outputs.
    :param outputs: columns of each model.
    """

    def __init__(
        self, candidates: Candidates, parameters: Mapping[str, Any], shape: tuple[int, ...], outputs: int
    ) -> None:
        given = {name: auto if parameters[name] == "auto" else parameters[name] for name, auto in _AUTO.items()}
        self._candidates = candidates
        self._outputs = outputs
        self._schedules = parameters["use_lr_scheduler"]
        self._given = given
        self._bias_rate = given["bias_lr_mult"] if parameters["use_bias"] else 0.0
        self._wd = self._columns(candidates.wd)
        self._l1 = self._columns(candidates.l1) if candidates.l1.any() else None
        self._first = np.zeros(shape, np.float32)
        self._second = np.zeros(shape, np.float32) if candidates.optimizer != "sgd" else None
        self._steps = 0

    def step(self, weights: Array, gradient: Array) -> None:
        """Update the weights in place with the mean gradient of a batch, which is overwritten."""
        gradient[:-1] += self._wd * weights[:-1]
        gradient[-1] += self._given["bias_wd_mult"] * self._wd * weights[-1]
        if self._l1 is not None:
            _add_l1(gradient[:-1], weights[:-1], self._l1)
        change = self._direction(gradient)
        change *= self._columns(self.rates())
        change[-1] *= self._bias_rate
        if self._l1 is None:
            weights -= change
        else:
            _without_crossing(weights, change, gradient, self._l1)
        self._steps += 1

    def rates(self) -> Array:
        """Return the present learning rate of each model.

        A learning rate decreases by its factor each ``lr_scheduler_step`` batches, down to its minimum.
        """
        chosen = self._candidates
        if not self._schedules:
            return chosen.learning_rate
        decays = chosen.lr_scheduler_factor ** (self._steps // chosen.lr_scheduler_step)
        lowest = np.minimum(chosen.lr_scheduler_minimum_lr, chosen.learning_rate)
        result: Array = np.maximum(chosen.learning_rate * decays, lowest)
        return result

    def _direction(self, gradient: Array) -> Array:
        if self._candidates.optimizer == "sgd":
            self._first *= np.float32(self._given["momentum"])
            self._first += gradient
            return self._first.copy()
        assert self._second is not None
        if self._candidates.optimizer == "rmsprop":
            adam.decay(self._second, gradient**2, _RMSPROP_DECAY)
            result: Array = gradient / np.sqrt(self._second + np.float32(_EPSILON))
            return result
        betas = {name: self._given[name] for name in ("beta_1", "beta_2")}
        return adam.direction(self._first, self._second, gradient, self._steps + 1, **betas)

    def _columns(self, of_models: Array) -> Array:
        return np.repeat(of_models, self._outputs).astype(np.float32)


def _add_l1(gradient: Array, weights: Array, l1: Array) -> None:
    """Add the slope of the L1 penalty. At 0 it is the one that opposes the gradient, at most as large as it."""
    slope = np.where(weights != 0, np.sign(weights) * l1, -np.clip(gradient, -l1, l1))
    gradient += slope


def _without_crossing(weights: Array, change: Array, gradient: Array, l1: Array) -> None:
    """Subtract the change; a weight that has a penalty and would cross 0 stops there, and leaves it down the slope."""
    sides = np.where(weights[:-1] != 0, np.sign(weights[:-1]), -np.sign(gradient[:-1]))
    weights -= change
    weights[:-1][(np.sign(weights[:-1]) != sides) & (l1 > 0)] = 0
