"""Training job: channels, the learner, the log and the artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.containers.amazon import channels, instances, metrics
from harness.containers.factorization_machines import artifact, hyperparameters
from harness.containers.factorization_machines.learner import Learner
from harness.containers.factorization_machines.model import BINARY, THRESHOLD, FactorizationMachine
from harness.containers.runtime import TrainingJob, UserError
from harness.recordio import Array, Records


def train(job: TrainingJob) -> None:
    """Train on the hosts of a job. See :meth:`harness.containers.runtime.Algorithm.train`."""
    parameters = hyperparameters.read(job.hyperparameters)
    channels.check(job, "test")
    data = {name: rows for name in ("train", "test") if (rows := _read(job, name, parameters)) is not None}
    with instances.connected(job):
        channels.check_rows(data["train"])
        learner = Learner(parameters, data["train"], instances.hosts(job))
        started = time.monotonic()
        for epoch, predicted in learner.epochs():
            if job.is_first_host:
                _report("train", predicted, data["train"].labels, parameters, epoch)
                metrics.progress(100 * (epoch + 1) // parameters["epochs"])
                metrics.throughput(len(predicted) * len(job.hosts), time.monotonic() - started)
            started = time.monotonic()
            if instances.anywhere(job.stopping.is_set()):
                break
    if job.is_first_host:
        _save(learner.model, data.get("test"), parameters, job)


def _read(job: TrainingJob, name: str, parameters: Mapping[str, Any]) -> Records | None:
    """Return the rows of a channel, with labels that the predictor type can train on. CSV is refused, as by AWS.

    :raises UserError: a label of a binary classifier is neither 0 nor 1.
    """
    rows = channels.read(job, name, width=parameters["feature_dim"], labels="required", csv=False)
    if rows is None:
        return None
    if parameters["predictor_type"] == BINARY:
        channels.check_classes(rows, name, BINARY, 2)
    return rows if rows.labels is not None else Records(rows.features, np.empty(0, np.float32))


def _save(model: FactorizationMachine, test: Records | None, parameters: Mapping[str, Any], job: TrainingJob) -> None:
    if not all(np.isfinite(each).all() for each in (model.factors, model.linear, model.bias)):
        raise UserError("Training diverged: weights are not finite.", fix="lower bias_lr, linear_lr and factors_lr")
    if test is not None and len(test):
        _report("test", model.scores(test.features), test.labels, parameters)
    artifact.save(model, job.model_dir)


def _report(
    channel: str, scores: Array, labels: Array | None, parameters: Mapping[str, Any], epoch: int | None = None
) -> None:
    """Print the metrics of predictions (https://docs.aws.amazon.com/sagemaker/latest/dg/fm-tuning.html)."""
    if labels is None or not len(labels):
        return
    measure = _binary if parameters["predictor_type"] == BINARY else _regression
    for name, value, loss in measure(scores.astype(np.float64), labels):
        metrics.quality(channel, name, value, loss=loss, epoch=epoch)


def _regression(scores: Array, labels: Array) -> list[tuple[str, float, bool]]:
    errors = scores - labels
    mse = float(np.mean(errors**2))
    return [("rmse", mse**0.5, True), ("mse", mse, True), ("absolute_loss", float(np.mean(np.abs(errors))), True)]


def _binary(scores: Array, labels: Array) -> list[tuple[str, float, bool]]:
    predicted = scores >= THRESHOLD
    right = np.clip(np.where(labels > 0, scores, 1 - scores), 1e-12, 1)
    both = float((predicted & (labels > 0)).sum())
    found = 2 * both / max(float(predicted.sum() + labels.sum()), 1)
    return [
        ("binary_classification_accuracy", float(np.mean(predicted == (labels > 0))), False),
        ("binary_classification_cross_entropy", float(-np.mean(np.log(right))), True),
        ("binary_f_1.000", found, False),
    ]
