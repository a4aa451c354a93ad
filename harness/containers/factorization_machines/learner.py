"""Training of a factorization machine by stochastic gradient descent.

The guide names no optimizer. ``eps`` ("small value to avoid division by 0"), ``rescale_grad`` and ``clip_gradient`` are
parameters of Apache MXNet's optimizers, and its own example of factorization machines
(``example/sparse/factorization_machine/train.py``) trains with Adam. So does this one: plain descent has no division,
and does not move with the documented default rates. The update is MXNet's, with lazy rows: a feature that a batch lacks
is not touched. Rows are taken in their order, as shuffled data is up to the user.

scikit-learn has no factorization machine. A framework that derives gradients, such as PyTorch, would be a download of
hundreds of megabytes for the three gradients below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.containers import adam
from harness.containers.amazon import instances
from harness.containers.amazon.instances import ALONE, Hosts
from harness.containers.amazon.model import sigmoid
from harness.containers.factorization_machines.model import (
    BINARY,
    FactorizationMachine,
    interactions,
)
from harness.recordio import Array, Matrix, Records

SEED = 0


class Learner:
    """A model during training. The last column of its weights is that of the linear terms.

    :param parameters: typed hyperparameters, with defaults.
    :param train: rows of this host.
    """

    def __init__(self, parameters: Mapping[str, Any], train: Records, hosts: Hosts = ALONE) -> None:
        assert train.labels is not None
        self._parameters, self._hosts = parameters, hosts
        self._train, self._labels = train, train.labels
        self._kind: str = parameters["predictor_type"]
        width, factors = parameters["feature_dim"], parameters["num_factors"]
        random = np.random.default_rng(SEED)
        self._bias = _initial(random, (1, 1), "bias", parameters)
        linear = _initial(random, (width, 1), "linear", parameters)
        self._weights = np.hstack([_initial(random, (width, factors), "factors", parameters), linear])
        self._optimizer = _Adam(self._weights.shape, parameters, ["factors"] * factors + ["linear"])
        self._bias_optimizer = _Adam((1, 1), parameters, ["bias"])

    @property
    def model(self) -> FactorizationMachine:
        """The model trained so far."""
        weights = self._weights
        return FactorizationMachine(weights[:, :-1].copy(), weights[:, -1].copy(), float(self._bias), self._kind)

    def epochs(self) -> Iterator[tuple[int, Array]]:
        """Train, and yield the number of each epoch with the predictions for this host's rows during it."""
        share = self._hosts.share(self._parameters["mini_batch_size"])
        steps = instances.most(-(-len(self._train) // share))
        for epoch in range(self._parameters["epochs"]):
            predicted = [self._step(slice(step * share, (step + 1) * share)) for step in range(steps)]
            yield epoch, np.concatenate(predicted)

    def _step(self, rows: slice) -> Array:
        """Update the weights with this host's part of a batch, and return the predictions before the update."""
        labels = self._labels[rows]
        features, columns = self._present(self._train.features[rows])
        weights = self._weights[columns]
        factors, linear = weights[:, :-1], weights[:, -1]
        scores, sums, squares = interactions(features, factors, linear)
        scores = scores + self._bias[0, 0]
        predicted = sigmoid(scores) if self._kind == BINARY else scores
        errors = (predicted - labels) * np.float32(1 if self._kind == BINARY else 2)
        gradient = np.empty_like(weights)
        gradient[:, :-1] = features.T @ (errors[:, None] * sums)
        gradient[:, :-1] -= np.asarray(squares.T @ errors)[:, None] * factors
        gradient[:, -1] = features.T @ errors
        self._optimizer.step(self._weights, instances.sum_over(gradient), columns)
        bias = instances.sum_over(np.array([[errors.sum()]], np.float32))
        self._bias_optimizer.step(self._bias, bias, slice(None))
        return predicted

    def _present(self, rows: Matrix) -> tuple[Matrix, Any]:
        """Return the rows without the columns that the batch lacks on all hosts, and the columns that are left."""
        if instances.anywhere(isinstance(rows, np.ndarray) and len(rows) > 0):
            return rows, slice(None)
        from scipy import sparse  # noqa: PLC0415 - dense rows do not need it

        found = sparse.csr_matrix(rows)
        columns = np.unique(instances.rows_of_all(np.unique(found.indices)))
        places = np.searchsorted(columns, found.indices)
        return sparse.csr_matrix((found.data, places, found.indptr), (found.shape[0], len(columns))), columns


class _Adam:
    """Adam with a learning rate and a weight decay for each column.

    :param kinds: of each column: ``factors``, ``linear`` or ``bias``.
    """

    def __init__(self, shape: tuple[int, ...], parameters: Mapping[str, Any], kinds: list[str]) -> None:
        self._rates = np.array([parameters[f"{kind}_lr"] for kind in kinds], np.float32)
        self._decays = np.array([parameters[f"{kind}_wd"] for kind in kinds], np.float32)
        rescale = parameters["rescale_grad"]
        self._rescale = np.float32(1 / parameters["mini_batch_size"] if rescale is None else rescale)
        self._clip = parameters["clip_gradient"] or 0
        self._epsilon = adam.EPSILON if parameters["eps"] is None else parameters["eps"]
        self._mean, self._square = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._steps = 0

    def step(self, weights: Array, gradient: Array, rows: Any) -> None:
        """Update rows of the weights with their gradient, which is summed over a batch."""
        self._steps += 1
        gradient = gradient * self._rescale
        if self._clip > 0:
            gradient = np.clip(gradient, -self._clip, self._clip)
        gradient += self._decays * weights[rows]
        mean, square = self._mean[rows], self._square[rows]
        change = adam.direction(mean, square, gradient, self._steps, epsilon=self._epsilon)
        self._mean[rows], self._square[rows] = mean, square
        weights[rows] -= self._rates * change


def _initial(random: np.random.Generator, shape: tuple[int, int], kind: str, parameters: Mapping[str, Any]) -> Array:
    """Return first weights, the same on all hosts."""
    method = parameters[f"{kind}_init_method"]
    if method == "constant":
        return np.full(shape, parameters[f"{kind}_init_value"], np.float32)
    if method == "uniform":
        scale = np.float32(parameters[f"{kind}_init_scale"])
        return random.random(shape, np.float32) * 2 * scale - scale
    return random.standard_normal(shape, np.float32) * np.float32(parameters[f"{kind}_init_sigma"])
