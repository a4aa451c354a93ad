"""Training of all models in parallel: one matrix product for each batch, whatever their number.

The steps are those of https://docs.aws.amazon.com/sagemaker/latest/dg/ll_how-it-works.html. As there, rows are taken in
their order: shuffled data is up to the user. A mini-batch is divided among the hosts, so that its size does not depend
on their number. A host that has run out of rows contributes nothing.

scikit-learn's ``SGDClassifier`` and ``SGDRegressor`` update one model after each row: they have no mini-batches, no
Adam, no softmax, and no sums over hosts. Its solvers of ``LogisticRegression`` need all rows in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.containers.amazon import instances
from harness.containers.amazon.instances import ALONE, Hosts
from harness.containers.linear_learner import candidates, losses, scaling
from harness.containers.linear_learner.model import (
    BINARY,
    LOSSES,
    MULTICLASS,
    REGRESSOR,
    LinearModel,
    default_threshold,
)
from harness.containers.linear_learner.optimizers import Optimizer
from harness.containers.linear_learner.selection import (
    LOSS_CRITERIA,
    Criterion,
    EarlyStopping,
    calibrate,
    criterion,
    finite_costs,
    loss_criterion,
)
from harness.containers.runtime import UserError
from harness.recordio import Array, Records

SEED = 0
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class Epoch:
    """Result of one pass over the data.

    :ivar train_losses: mean loss of each model while it was trained, on normalized labels as in AWS's log.
    :ivar validation_losses: mean loss of each model after the pass; None without validation data.
    """

    number: int
    train_losses: Array
    validation_losses: Array | None
    criterion: Criterion
    cost: float
    stopping: EarlyStopping


class Learner:
    """All models during training.

    :param parameters: typed hyperparameters, with defaults.
    :param train: rows of this host.
    """

    def __init__(self, parameters: Mapping[str, Any], train: Records, hosts: Hosts = ALONE) -> None:
        assert train.labels is not None
        self.parameters = parameters
        self.kind: str = parameters["predictor_type"]
        name = LOSSES[self.kind][0] if parameters["loss"] == "auto" else parameters["loss"]
        self.loss = losses.named(name, parameters)
        self._train, self._labels, self._hosts = train, train.labels, hosts
        self._outputs = parameters["num_classes"] if self.kind == MULTICLASS else 1
        counts = self._class_counts()
        # With rows of one class only, there is nothing to balance.
        self.candidates = candidates.choose(parameters, float(counts[0] / counts[-1]) if counts.all() else 1.0)
        self._class_weights = counts.sum() / np.maximum(counts, 1) / len(counts)
        self.scaling = self._measured()
        self._scaled_labels = self.scaling.labels(self._labels) if self.kind == REGRESSOR else self._labels
        self._weights = self._initial(train.features.shape[1])
        self._optimizer = Optimizer(self.candidates, parameters, self._weights.shape, self._outputs)
        self._best: tuple[Array, int] | None = None

    def epochs(self, validation: Records | None, stopping: Callable[[], bool]) -> Iterator[Epoch]:
        """Train, and yield after each epoch; end early if the models stop improving or a stop is requested."""
        early = EarlyStopping(self.parameters["early_stopping_patience"], self.parameters["early_stopping_tolerance"])
        for number in range(self.parameters["epochs"]):
            train_losses = self._pass()
            measured = self._judged(validation) if validation is not None else None
            validation_losses, costs = measured if measured else (None, finite_costs(train_losses))
            costs = np.where(self._finite(), costs, np.inf)  # the last step may have diverged after its loss
            early.add(float(costs.min()))
            if early.improved:
                self._best = (self._weights.copy(), int(costs.argmin()))
            used = criterion(self.parameters, self.loss) if validation is not None else loss_criterion(self.loss)
            yield Epoch(number, train_losses, validation_losses, used, float(costs.min()), early)
            if early.met or instances.anywhere(stopping()):
                break

    def best(self, validation: Records | None) -> tuple[LinearModel, int]:
        """Return the best model of the best epoch, calibrated on rows, and its number.

        :param validation: rows of this host that count alone. Without them the training rows of all hosts do, and each
            host must call this.
        :raises UserError: training diverged.
        """
        alone = validation is not None
        calibration = self._train if validation is None else validation
        if self._best is None:
            raise _diverged("the loss of every model is not finite")
        weights, chosen = self._best
        sample = self._sample(calibration, ALONE if alone else self._hosts)
        if sample.labels is not None and len(self.candidates) > 1:
            chosen = int(self._costs(sample, weights, alone=alone)[1].argmin())
        final = self.scaling.unscaled(weights[:, chosen * self._outputs : (chosen + 1) * self._outputs])
        if not np.isfinite(final).all():
            raise _diverged("weights are not finite")
        threshold = default_threshold(self.loss.name)
        model = LinearModel(final[:-1].T.copy(), final[-1].copy(), self.kind, self.loss.name, threshold)
        calibrated = self.parameters["binary_classifier_model_selection_criteria"] not in LOSS_CRITERIA
        if self.kind == BINARY and calibrated and sample.labels is not None and len(sample):
            scores, labels = model.scores(sample.features), sample.labels
            if not alone:
                scores, labels = instances.rows_of_all(scores), instances.rows_of_all(labels)
            model = replace(model, threshold=calibrate(scores, labels, self.parameters, threshold)[0])
        return model, chosen

    def _finite(self) -> Array:
        """Return whether all weights of each model are finite."""
        columns = np.isfinite(self._weights).all(axis=0)
        result: Array = columns.reshape(len(self.candidates), self._outputs).all(axis=1)
        return result

    def _class_counts(self) -> Array:
        """Return the number of rows of each class on all hosts; of one class for regression."""
        classes = {MULTICLASS: self._outputs, BINARY: 2, REGRESSOR: 1}[self.kind]
        labels = np.zeros(len(self._labels)) if self.kind == REGRESSOR else self._labels
        counts = np.bincount(labels.astype(np.intp), minlength=classes).astype(np.float64)
        return instances.sum_over(counts)

    def _measured(self) -> scaling.Scaling:
        points = -(-self.parameters["num_point_for_scaler"] // self._hosts.count)
        features, labels = self._train.features[:points], self._labels[:points]
        return scaling.measure(features, labels, self.parameters, instances.sum_over)

    def _initial(self, width: int) -> Array:
        """Return first weights, the same on all hosts."""
        random = np.random.default_rng(SEED)
        shape = (width, len(self.candidates) * self._outputs)
        if self.parameters["init_method"] == "uniform":
            scale = self.parameters["init_scale"]
            drawn = random.random(shape, np.float32) * np.float32(2 * scale) - np.float32(scale)
        else:
            drawn = random.standard_normal(shape, np.float32) * np.float32(self.parameters["init_sigma"])
        bias = self.parameters["init_bias"] if self.parameters["use_bias"] else 0.0
        return np.vstack([drawn, np.full((1, shape[1]), bias, np.float32)])

    @np.errstate(over="ignore", invalid="ignore")  # a model of the grid may diverge: its cost is infinite then
    def _pass(self) -> Array:
        """Train one epoch, and return the mean loss of each model during it."""
        share = self._hosts.share(self.parameters["mini_batch_size"])
        steps = instances.most(-(-len(self._train) // share))
        losses_sum, weights_sum = np.zeros((2, len(self.candidates)))
        for step in range(steps):
            gradient, measured = self._batch(slice(step * share, (step + 1) * share))
            total, weight, (rows, *_) = np.split(instances.sum_over(measured), 3)
            gradient = instances.sum_over(gradient)
            gradient /= np.float32(max(rows, 1))
            self._optimizer.step(self._weights, gradient)
            losses_sum += total
            weights_sum += weight
        result: Array = losses_sum / np.maximum(weights_sum, 1e-12)
        return result

    def _batch(self, rows: slice) -> tuple[Array, Array]:
        """Return the summed gradient of this host's part of a batch, and its measures.

        These are, for each model, the sums of losses, of the weights of rows, and the number of rows.
        """
        batch = self.scaling.batch(self._train.features[rows])
        labels = self._scaled_labels[rows]
        values, slopes = self.loss.of(self._shaped(batch.scores(self._weights)), labels)
        weights = self._row_weights(labels)
        weighted = slopes * (weights[:, :, None] if self.kind == MULTICLASS else weights) if self._weighs else slopes
        columns = weighted.reshape(len(labels), self._weights.shape[1]).astype(np.float32, copy=False)
        sums = [(values * weights).sum(axis=0), np.broadcast_to(weights, values.shape).sum(axis=0)]
        return batch.gradient(columns), np.concatenate([*sums, np.full(len(self.candidates), len(labels))])

    @property
    def _weighs(self) -> bool:
        """True if rows differ in weight."""
        if self.kind == BINARY:
            return bool((self.candidates.positive_weight != 1).any())
        return bool(self.kind == MULTICLASS and self.parameters["balance_multiclass_weights"])

    def _row_weights(self, labels: Array) -> Array:
        """Return the weight of each row in the loss of each model, which makes up for rare classes."""
        if self._weighs and self.kind == BINARY:
            return np.where(labels[:, None] > 0, self.candidates.positive_weight, 1.0)
        if self._weighs:
            balanced: Array = self._class_weights[labels.astype(np.intp)][:, None]
            return balanced
        return np.ones((len(labels), 1))

    def weights_of(self, labels: Array, model: int) -> Array:
        """Return the weight of each row in the loss of a model, shape (n,)."""
        weights = self._row_weights(labels)
        column: Array = weights[:, model if weights.shape[1] > 1 else 0]
        return column

    def _shaped(self, scores: Array) -> Array:
        """Return scores in the shape that losses take."""
        return scores.reshape(len(scores), len(self.candidates), self._outputs) if self.kind == MULTICLASS else scores

    def _sample(self, rows: Records, hosts: Hosts = ALONE) -> Records:
        """Return this host's part of the rows that models are calibrated on; ``auto`` is AWS's default."""
        number = self.parameters["num_calibration_samples"]
        number = hosts.share(10_000_000 if number == "auto" else number)
        assert rows.labels is not None
        return rows if number >= len(rows) else Records(rows.features[:number], rows.labels[:number])

    def _judged(self, rows: Records) -> tuple[Array, Array]:
        """Return losses on rows and costs of the models, those of the first host on every host."""
        measured = np.zeros((2, len(self.candidates)))
        if self._hosts.rank == 0:
            measured[:] = self._costs(rows, self._weights)
        return tuple(instances.sum_over(measured))

    @np.errstate(over="ignore", invalid="ignore")
    def _costs(self, rows: Records, weights: Array, *, alone: bool = True) -> tuple[Array, Array]:
        """Return the mean loss of each model on rows, of this host alone or of all, and its cost on a sample."""
        assert rows.labels is not None
        used = criterion(self.parameters, self.loss)
        sums, weights_sum, kept = np.zeros(len(self.candidates)), np.zeros(len(self.candidates)), []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            scores = self._shaped(self.scaling.batch(rows.features[part]).scores(weights))
            scores = self.scaling.original(scores) if self.kind == REGRESSOR else scores
            row_weights = self._row_weights(rows.labels[part])
            sums += (self.loss.of(scores, rows.labels[part])[0] * row_weights).sum(axis=0)
            weights_sum += row_weights.sum(axis=0)
            if used.is_score:
                kept.append(scores)
        labels = self._sample(rows).labels
        assert labels is not None
        scores = np.concatenate(kept)[: len(labels)] if kept else np.empty((0, len(self.candidates)), np.float32)
        if not alone:
            sums, weights_sum = instances.sum_over(np.stack([sums, weights_sum]))
            scores, labels = instances.rows_of_all(scores), instances.rows_of_all(labels)
        means = sums / np.maximum(weights_sum, 1e-12)
        return means, used.costs(scores, labels, means, self.loss, self.parameters)


def _diverged(what: str) -> UserError:
    return UserError(f"Training diverged: {what}.", fix="lower learning_rate")
