"""The models that are trained in parallel: one for each combination of values that the user leaves to the algorithm.

AWS documents that ``num_models=auto`` lets the algorithm decide, and that models differ in close parameters
(https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html). It documents no value. Logs from AWS's image
that users published show 32 models, numbered 0 to 31, whose losses form this grid: four weight decays, in each of
these a low and a high learning rate, in each of these four learning-rate schedules. The best models there had a
learning rate of 0.1, weight decays of 1e-4 and 1e-2, an l1 of 0, steps of 10 and 100, a factor of 0.99, and minima of
1e-5 and 1e-4. The low learning rate and the weight decays of 1 and 100 are inferred from the losses. A given value
replaces its dimension of the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice, product
from typing import Any

import numpy as np

from harness.containers.linear_learner.model import BINARY
from harness.recordio import Array

LEARNING_RATES = {"adam": (0.005, 0.1), "rmsprop": (0.005, 0.1), "sgd": (0.005, 0.05)}
"""Learning rates of each optimizer. AWS's logs show those of adam; the others are chosen here."""

_GRID: dict[str, tuple[float, ...]] = {
    "l1": (0.0,),
    "wd": (1e-4, 1e-2, 1.0, 100.0),
    "learning_rate": (),
    "lr_scheduler_factor": (0.99,),
    "lr_scheduler_minimum_lr": (1e-5, 1e-4),
    "lr_scheduler_step": (10, 100),
}


@dataclass(frozen=True)
class Candidates:
    """Parameters of all models, each an array of shape (models,)."""

    l1: Array
    wd: Array
    learning_rate: Array
    lr_scheduler_factor: Array
    lr_scheduler_minimum_lr: Array
    lr_scheduler_step: Array
    positive_weight: Array
    """Weight of rows with label 1. Rows with label 0 have weight 1."""
    optimizer: str

    def __len__(self) -> int:
        return len(self.wd)

    def described(self, model: int) -> dict[str, Any]:
        """Return the parameters of a model, with the names and in the order that AWS logs them."""
        return {
            "optimizer": self.optimizer,
            "learning_rate": float(self.learning_rate[model]),
            "l1": float(self.l1[model]),
            "wd": float(self.wd[model]),
            "lr_scheduler_step": int(self.lr_scheduler_step[model]),
            "lr_scheduler_factor": float(self.lr_scheduler_factor[model]),
            "lr_scheduler_minimum_lr": float(self.lr_scheduler_minimum_lr[model]),
        }


def choose(parameters: Mapping[str, Any], balance: float) -> Candidates:
    """Return the models to train.

    :param balance: rows with label 0 for each row with label 1, the weight that balances the classes.
    """
    optimizer = "adam" if parameters["optimizer"] == "auto" else parameters["optimizer"]
    axes = [_values(name, automatic, parameters, optimizer) for name, automatic in _GRID.items()]
    grid = list(product(*axes, _positive_weights(parameters, balance)))
    number = len(grid) if parameters["num_models"] == "auto" else parameters["num_models"]
    columns = np.array(list(islice(cycle(grid), number)), dtype=np.float64).T
    named = dict(zip([*_GRID, "positive_weight"], columns, strict=True))
    return Candidates(optimizer=optimizer, **named)


def _values(
    name: str, automatic: tuple[float, ...], parameters: Mapping[str, Any], optimizer: str
) -> tuple[float, ...]:
    if parameters[name] != "auto":
        return (parameters[name],)
    return LEARNING_RATES[optimizer] if name == "learning_rate" else automatic


def _positive_weights(parameters: Mapping[str, Any], balance: float) -> tuple[float, ...]:
    """Return the weights of positive rows to try. With ``auto``, they are a dimension of the grid.

    AWS documents that ``auto`` chooses the weight that optimizes performance, but not from which ones. Classifiers of
    several classes and regressors have no positive rows.
    """
    given = parameters["positive_example_weight_mult"] if parameters["predictor_type"] == BINARY else 1.0
    if given == "auto":
        return (1.0, balance**0.5, balance)
    return (balance if given == "balanced" else float(given),)
