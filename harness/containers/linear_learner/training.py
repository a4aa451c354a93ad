"""Training job: channels, the learner, the log and the artifact."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from harness.containers.amazon import channels, instances, metrics
from harness.containers.linear_learner import artifact, hyperparameters
from harness.containers.linear_learner.evaluation import evaluate
from harness.containers.linear_learner.learner import Epoch, Learner
from harness.containers.linear_learner.model import BINARY, MULTICLASS, LinearModel
from harness.containers.runtime import TrainingJob, UserError
from harness.recordio import Records

_CHANNELS = ("train", "validation", "test")


def train(job: TrainingJob) -> None:
    """Train on the hosts of a job. See :meth:`harness.containers.runtime.Algorithm.train`."""
    parameters = hyperparameters.read(job.hyperparameters)
    channels.check(job, "validation", "test")
    data = _read(job, parameters)
    with instances.connected(job):
        _check_size(data["train"], parameters["mini_batch_size"])
        _check_width(data["train"])
        hosts = instances.hosts(job)
        learner = Learner(parameters, data["train"], hosts)
        validation = _validation(data, job)
        _fit(learner, data["train"], validation, job)
        best = learner.best(validation) if validation is None or job.is_first_host else None
    if best is None or not job.is_first_host:
        return
    model, number = best
    judged = "train" if validation is None else "validation"
    _report(judged, learner, model, number, data)
    print(f"Best model found for hyperparameters: {json.dumps(learner.candidates.described(number))}", flush=True)
    if len(data.get("test", ())):
        _report("test", learner, model, number, data)
    else:
        print("Test data is not provided.", flush=True)
    artifact.save(model, job.model_dir)


def _read(job: TrainingJob, parameters: Mapping[str, Any]) -> dict[str, Records]:
    """Return the rows of all channels, with labels that the predictor type can train on."""
    width = None if parameters["feature_dim"] == "auto" else parameters["feature_dim"]
    kind = parameters["predictor_type"]
    data: dict[str, Records] = {}
    for name in _CHANNELS:
        rows = channels.read(job, name, width=width, labels="required")
        if rows is None:
            continue
        if kind == BINARY:
            channels.check_classes(rows, name, kind, 2)
        elif kind == MULTICLASS:
            channels.check_classes(rows, name, kind, parameters["num_classes"], of="num_classes")
        data[name] = rows
        width = width or rows.features.shape[1] or None
    return data


def _validation(data: Mapping[str, Records], job: TrainingJob) -> Records | None:
    """Return the validation rows; None on all hosts if the first host, whose rows count, has none."""
    rows = data.get("validation")
    found = instances.anywhere(rows is not None and len(rows) > 0 and job.is_first_host)
    return rows if found else None


def _check_size(rows: Records, batch: int) -> None:
    """Check that each host has as many rows as a mini-batch. A job with fewer fails, as LinearLearner in the SageMaker
    Python SDK says (``sagemaker/amazon/linear_learner.py``); the message names the rows per host.

    :raises UserError: a host has fewer.
    """
    fewest = -instances.most(-len(rows))
    if fewest < batch:
        raise UserError(
            channels.NO_ROWS,
            checked=f"a host has {fewest} rows for training, and mini_batch_size is {batch}",
            fix=f"set mini_batch_size to at most {max(fewest, 1)}",
        )


def _check_width(rows: Records) -> None:
    """Check that the rows of all hosts have one width, which each finds in its own rows with ``feature_dim=auto``.

    :raises UserError: they have not, in the words for a row of another width than the others.
    """
    width = rows.features.shape[1]
    widest, narrowest = instances.most(width), -instances.most(-width)
    if narrowest != widest:
        raise UserError(
            f"cannot copy sequence with size {narrowest} to array axis with dimension {widest}",
            checked=f"rows of the hosts have from {narrowest} to {widest} columns",
            fix="give each row as many columns",
        )


def _fit(learner: Learner, rows: Records, validation: Records | None, job: TrainingJob) -> None:
    started = time.monotonic()
    for epoch in learner.epochs(validation, job.stopping.is_set):
        if job.is_first_host:
            _log(epoch, learner)
            metrics.throughput(len(rows) * len(job.hosts), time.monotonic() - started)
        started = time.monotonic()


def _log(epoch: Epoch, learner: Learner) -> None:
    """Print an epoch as AWS does, whose losses are those of the first model."""
    name = learner.loss.objective
    metrics.quality("train", name, epoch.train_losses[0], loss=True, epoch=epoch.number)
    if epoch.validation_losses is not None:
        metrics.quality("validation", name, epoch.validation_losses[0], loss=True, epoch=epoch.number)
    print(
        f"#early_stopping_criteria_metric: host=algo-1, epoch={epoch.number}, criteria={epoch.criterion.name}, "
        f"value={epoch.criterion.shown(epoch.cost)}"
    )
    improved = "Loss improved. Updating best model"
    outcome = improved if epoch.stopping.improved else f"Loss has not improved for {epoch.stopping.idle} epochs."
    print(f"Epoch {epoch.number}: {outcome}")
    metrics.progress(100 * (epoch.number + 1) // learner.parameters["epochs"])
    if epoch.stopping.met:
        print("Early stop condition met. Stopping training.", flush=True)


def _report(channel: str, learner: Learner, model: LinearModel, number: int, data: Mapping[str, Records]) -> None:
    """Print the metrics of the best model on a channel."""
    rows = data[channel]
    if not len(rows) or rows.labels is None:
        return
    values = evaluate(model, rows, learner.weights_of(rows.labels, number), learner.parameters)
    for each in values:
        print(f"#{channel}_score (algo-1) : ('{each.name}', {each.value})")
    for each in values:
        metrics.quality(channel, each.name, each.value, loss=each.loss)
