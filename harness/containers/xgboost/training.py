"""Training with XGBoost on one host or several, as the built-in algorithm does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import xgboost as xgb
from xgboost import collective

from harness.containers.amazon import instances
from harness.containers.runtime import Channel, TrainingJob, UserError
from harness.containers.xgboost import artifact, hyperparameters
from harness.containers.xgboost.data import check_first_lines, is_libsvm, plain_message, read_channel
from harness.containers.xgboost.versions import Version
from harness.libsvm import Array, LibSVM, Matrix
from harness.libsvm.parallel import CORES

_CHANNELS = ("train", "validation")

# XGBoost's messages for data that contradict the parameters. The real container reports them as the user's errors, the
# first ones in other words: algorithm_mode/train.py of its first version.
_LOGISTIC = "for logistic regression"
_OWN_WORDS = {
    _LOGISTIC: "Label must be in [0,1] for logistic regression task. "
    "If input is in csv format, ensure the first column is the label.",
    "range of [0, num_class)": "Label must be in [0, num_class) for multi classification task. "
    "If input is in csv format, ensure the first column is the label.",
    "base_score must be in (0,1)": "Base_score must be in (0,1) for logistic objective function.",
}
_USERS_ERRORS = (
    *_OWN_WORDS,
    "label must be",
    "labels must be",
    "label contains",
    "binary labels",
    "relevance deg",
    "label set cannot be empty",
    "base_score",
    "invalid label",
    "label and prediction size not match",
)


def train(job: TrainingJob, version: Version) -> None:
    """Train as a version of the image does. See :meth:`harness.containers.runtime.Algorithm.train`."""
    parameters = hyperparameters.read(job.hyperparameters, version, len(job.hosts))
    _check_channels(job, version)
    parameters.setdefault("nthread", max(1, CORES // len(job.hosts)))
    csv_weights = bool(parameters.pop("csv_weights", 0))
    if csv_weights and "validation" in job.channels and version.xgboost < (1, 2):
        raise UserError(
            "csv_weights with a channel validation is not emulated here: older images read its weights as a feature.",
            fix="use a newer image (sagemaker-xgboost 1.2-1 or later), or train without one of them",
        )
    channels = {name: job.channels[name] for name in _CHANNELS if name in job.channels}
    data = {name: _read(channel, channels["train"], version, csv_weights) for name, channel in channels.items()}
    try:
        with instances.connected(job):
            _check_rows(data)
            stop = _Stop(job)
            booster = _boost(parameters, data, version, stop)
            if not stop.requested or hyperparameters.keeps_stopped_model(job.hyperparameters, version):
                _save(booster, job, version)
    except xgb.core.XGBoostError as error:
        message = plain_message(error)
        found = next((text for text in _USERS_ERRORS if text in message.lower()), None)
        if found is None:
            raise RuntimeError(f"XGB train call failed with exception: {message}") from error
        if "base_score" in message and "base_score" not in parameters:  # XGBoost computed it from the labels
            message = f"Labels are outside the range of the objective {parameters['objective']}."
            found = _LOGISTIC if "logistic" in parameters["objective"] else ""
        raise UserError(_OWN_WORDS.get(found, message)) from error


def _read(channel: Channel, train: Channel, version: Version, csv_weights: bool) -> LibSVM:
    """Return the rows of a channel, which has the type of ``train`` (``algorithm_mode/train.py``)."""
    if channel.content_type and is_libsvm(channel) != is_libsvm(train):
        kind = "LibSVM" if is_libsvm(train) else "CSV"
        print(f"[WARNING] Channel {channel.name} is read as {kind}, like train: its ContentType has no effect.")
    channel = replace(channel, content_type=train.content_type)
    rows = read_channel(channel, csv_weights)
    if not version.is_first:
        check_first_lines(channel)
    return rows


def _check_channels(job: TrainingJob, version: Version) -> None:
    if "train" not in job.channels:
        raise UserError("Missing required channel: train")
    for name, channel in job.channels.items():
        if name not in _CHANNELS:
            raise UserError(f"Extraneous channel found: {name}")
        if reason := version.unread_type(channel.content_type):
            raise UserError(f"Channel {name}: {reason}", fix="write CSV or LibSVM")


def _check_rows(data: dict[str, LibSVM]) -> None:
    for name, rows in data.items():
        if not instances.most(len(rows)):
            raise UserError(f"Channel {name} has no rows.")


def _boost(parameters: dict[str, Any], data: dict[str, LibSVM], version: Version, stop: _Stop) -> xgb.Booster:
    rounds = parameters.pop("num_round")
    patience = parameters.pop("early_stopping_rounds", None)
    matrices = _matrices(data, parameters["nthread"])
    if parameters["objective"].startswith("rank:"):
        _check_groups(matrices["train"], parameters["objective"])
    callbacks: list[xgb.callback.TrainingCallback] = [_Log(".5f" if version.uses_callbacks else "g"), stop]
    if patience is not None:
        callbacks += _early_stopping(patience, parameters.get("eval_metric"), "validation" in matrices, version)
    return xgb.train(
        parameters,
        matrices["train"],
        rounds,
        evals=[(matrix, name) for name, matrix in matrices.items()],
        callbacks=callbacks,
        verbose_eval=False,
    )


def _early_stopping(
    patience: int, metrics: list[str] | None, validates: bool, version: Version
) -> list[xgb.callback.TrainingCallback]:
    """Return XGBoost's early stopping on the last metric of the last channel, if the version stops early.

    Before 1.3-1 the model keeps all rounds, and its best iteration is what endpoints predict with. Since then it has
    the best rounds only, and training stops early only for a metric that is given and a validation channel.
    """
    if not version.uses_callbacks:
        return [xgb.callback.EarlyStopping(patience)]
    if not validates or not metrics:
        print("[INFO] early_stopping_rounds has no effect without eval_metric and a validation channel.", flush=True)
        return []
    return [xgb.callback.EarlyStopping(patience, metrics[-1], "validation", save_best=True)]


def _matrices(data: dict[str, LibSVM], threads: int) -> dict[str, xgb.DMatrix]:
    """Return matrices of one width on all hosts; ``data`` is emptied, so that memory holds the rows once.

    :raises UserError: channels differ in their number of columns. XGBoost 0.72 refuses them, as the names of features
        differ. The words are those of the container's first open version.
    """
    widths = {instances.most(rows.features.shape[1]) for rows in data.values()}
    if len(widths) > 1:
        raise UserError(
            "Feature names/Number of features mismatched between training and validation input. "
            f"Please check features in training and validation data: {' and '.join(map(str, sorted(widths)))} columns."
        )
    width = widths.pop()
    _fill_column_0(rows.features for rows in data.values())
    matrices = {}
    for name in list(data):
        rows = data.pop(name).widened(width)
        print(f"[INFO] Channel {name}: {len(rows)} rows, {width} columns", flush=True)
        matrices[name] = xgb.DMatrix(rows.features, label=rows.labels, weight=rows.weights, nthread=threads)
        if rows.qids is not None:
            matrices[name].set_group(_group_sizes(rows.qids))
    return matrices


def _fill_column_0(features: Iterable[Matrix]) -> None:
    """Set column 0 of dense rows to 0 if it is missing from all rows of all hosts, as from rows that count from 1.

    No tree splits a column of one value, so that the model is the same. XGBoost takes a sixth less time for rows from
    which no value is missing.
    """
    features = list(features)
    if not instances.anywhere(any(map(_may_have_column_0, features))):
        for rows in features:
            rows[:, :1] = 0


def _may_have_column_0(rows: Matrix) -> bool:
    """Return whether a row has a value in column 0, or rows are sparse."""
    return not isinstance(rows, np.ndarray) or not np.isnan(rows[:, :1]).all()


def _check_groups(matrix: xgb.DMatrix, objective: str) -> None:
    """Raise UserError for a ranking without groups. XGBoost would take all rows for one group."""
    if not instances.most(len(matrix.get_uint_info("group_ptr"))):
        raise UserError(
            f"Hyperparameter objective: {objective} needs groups of rows, and the rows of channel train have none.",
            fix="write qid:<number> after the label of each LibSVM row, or use another objective",
        )


def _group_sizes(qids: Array) -> Array:
    """Return the number of rows of each query: rows of a query follow each other, as XGBoost's text reader assumes."""
    starts = np.flatnonzero(np.append(True, qids[1:] != qids[:-1]))
    return np.diff(np.append(starts, len(qids)))


def _save(booster: xgb.Booster, job: TrainingJob, version: Version) -> None:
    if job.is_first_host:
        artifact.save(booster, job.model_dir / artifact.MODEL_FILE, version)


class _Log(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Prints the metrics of each round as the algorithm does. CloudWatch Logs shows its tabs as ``#011``."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        fields = [
            f"{channel}-{metric}:{values[-1]:{self.form}}"
            for channel, metrics in evals_log.items()
            for metric, values in metrics.items()
        ]
        if collective.get_rank() == 0:
            print("#011".join([f"[{epoch}]", *fields]), flush=True)
        return False


class _Stop(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Ends training after the round in which SageMaker requests a stop on any host."""

    def __init__(self, job: TrainingJob) -> None:
        super().__init__()
        self.job = job
        self.requested = False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        self.requested = instances.anywhere(self.job.stopping.is_set())
        return self.requested
