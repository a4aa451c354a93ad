"""The main job: load → fit → transform → evaluate → clean up, told step by step.

Used by the ``harness mnist`` command and the benchmarks. Nothing here asks whether AWS is the local one.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from sagemaker_pyspark import SageMakerModel

from harness.aws import AWS
from harness.aws.account.permissions import explain_denied
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import Names
from harness.aws.cleanup.resources import Leftover, Resource
from harness.errors import DataError, HarnessError, PipelineError
from harness.mnist import CLASSES, FEATURES, Split
from harness.pipeline.plots import confusion_counts
from harness.settings import Settings
from harness.spark.data import read_libsvm, read_mnist
from harness.spark.sdk import estimator
from harness.spark.session import LOST_JVM_FIX, end_jvm, lost_jvm, root_cause
from harness.spark.validation import check_libsvm
from harness.waiting import pauses

SHOWN = 250
"""Rows whose digits are kept for the picture, as many as the reference program takes."""
_FOLD_SEED = 42
_LOOK_SECONDS = 0.25
_LONGEST_LOOK_SECONDS = 5.0
_LAST_LINES = 3
_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
_ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"
_LEAST_DISK = 2**24
"""Bytes: with fewer free, a failure is put down to the full disk (S3's answers to HEAD cannot say so)."""

Array = npt.NDArray[Any]


class Progress(Protocol):
    """Somebody who is told how far the job is."""

    def begin(self, stage: str) -> None:
        """A stage begins."""

    def update(self, state: str) -> None:
        """The stage under way has come to ``state``."""

    def end(self, stage: str, seconds: float) -> None:
        """A stage has ended."""


class Silent:
    """Nobody."""

    def begin(self, stage: str) -> None:
        """Say nothing."""

    def update(self, state: str) -> None:
        """Say nothing."""

    def end(self, stage: str, seconds: float) -> None:
        """Say nothing."""


@dataclass
class Outcome:
    """What a run of the pipeline did and found."""

    stages: dict[str, float] = field(default_factory=dict)
    """Seconds by stage, in the order of the stages."""
    created: list[Resource] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    rows_trained: int | None = None
    """Rows that the training containers say they read; None where their log does not say."""
    labels: Array = field(default_factory=lambda: np.empty(0))
    """The test rows' labels, shape (rows predicted,)."""
    predictions: Array = field(default_factory=lambda: np.empty(0))
    """The test rows' predicted classes, shape (rows predicted,)."""
    images: Array = field(default_factory=lambda: np.empty((0, FEATURES)))
    """The first test rows' pixels, shape (at most 250, 784)."""
    validation_rows: int = 0
    validation_accuracy: float | None = None

    @property
    def accuracy(self) -> float:
        """The share of test rows predicted right."""
        return float(np.mean(self.labels == self.predictions))

    @property
    def rows_per_second(self) -> float:
        """Test rows predicted in a second of the transform stage."""
        return len(self.predictions) / self.stages["transform"]


@dataclass(frozen=True)
class Data:
    """Where the digits come from: the sample bucket, or LibSVM files of the user's."""

    train: Path | None = None
    test: Path | None = None
    validation_fraction: float = 0.0
    """The share of training rows that is held back to validate."""

    def __post_init__(self) -> None:
        if not 0 <= self.validation_fraction < 1:
            raise DataError(
                f"The validation fraction is {self.validation_fraction:g}.",
                fix="give one from 0 up to, not including, 1",
            )

    @cached_property
    def rows(self) -> dict[Split, int]:
        """How many rows the user's files have, which are checked for it; those of the sample bucket are not counted.

        :raises DataError: a file is missing or empty, or has a row that is no digit.
        """
        files: list[tuple[Split, Path | None]] = [("train", self.train), ("test", self.test)]
        return {split: _check_digits(path) for split, path in files if path is not None}


def _check_digits(path: Path) -> int:
    """Return the number of rows of a LibSVM file.

    :raises DataError: it is no file, or :func:`~harness.spark.validation.check_libsvm` refuses it.
    """
    if path.is_dir():
        raise DataError(f"{path} cannot be read: {os.strerror(errno.EISDIR)}.", fix="name a LibSVM file")
    return check_libsvm(path, features=FEATURES, classes=CLASSES)


class Pipeline:
    """One run of the job."""

    def __init__(
        self,
        aws: AWS,
        ledger: Ledger,
        spark: SparkSession,
        settings: Settings,
        progress: Progress,
        data: Data | None = None,
    ) -> None:
        self._aws = aws
        self._ledger = ledger
        self._spark = spark
        self._settings = settings
        self._progress = progress
        self._data = data or Data()
        self._names = ledger.names(settings)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Do the job; what it created is deleted whether it succeeds or not, or is among the outcome's ``leftovers``.

        :raises DataError: the data cannot be sent as it is; nothing was created.
        :raises PipelineError: a stage failed.
        """
        with self._stage("read"):
            train, test = self._read()
        try:
            self._fit_and_evaluate(train, test)
        except KeyboardInterrupt as failure:
            end_jvm()  # which would go on to create what is deleted next
            self._clean_up_after(failure)
            raise
        except BaseException as failure:
            self._clean_up_after(failure)
            raise
        self._clean_up()
        return self.outcome

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        self._progress.begin(name)
        try:
            yield
        except HarnessError:
            raise
        except (Py4JError, Exception) as error:
            raise stage_failure(name, error, self._aws.region) from error
        self._finish(name, time.perf_counter() - began)

    def _finish(self, name: str, seconds: float) -> None:
        self.outcome.stages[name] = seconds
        self._progress.end(name, seconds)

    # --- the stages -----------------------------------------------------------------------------------------------

    def _read(self) -> tuple[DataFrame, DataFrame]:
        """Return the training and test rows; those of a user's files are checked before Spark sees them."""
        counts = {"train": self._settings.train_rows, "test": self._settings.test_rows} | self._data.rows
        self._train_rows, self._test_rows = counts["train"], counts["test"]
        return self._frame("train", self._data.train), self._frame("test", self._data.test)

    def _frame(self, split: Split, path: Path | None) -> DataFrame:
        if path is not None:
            return read_libsvm(self._spark, str(path))
        rows = self._settings.train_rows if split == "train" else self._settings.test_rows
        return read_mnist(self._spark, self._aws, split, rows)

    def _fit_and_evaluate(self, train: DataFrame, test: DataFrame) -> None:
        validation = None
        if self._data.validation_fraction:
            # One draw for each row, the same in every pass, since the rows come in the same order every time.
            folds = train.withColumn("_fold", F.rand(_FOLD_SEED))
            held_back = F.col("_fold") < self._data.validation_fraction
            train, validation = folds.where(~held_back).drop("_fold"), folds.where(held_back).drop("_fold")
        model = self._fit(train)
        if validation is not None:
            with self._stage("validate"):
                self._validate(model, validation)
        check_trained(self.outcome, self._train_rows)
        with self._stage("transform"):
            self.outcome.labels, self.outcome.predictions = self._predict(model, test, self._test_rows)
        with self._stage("sample"):
            self.outcome.images = _images(test)

    def _fit(self, train: DataFrame) -> SageMakerModel:
        self._ledger.make_bucket()
        with _Watcher(self._aws, self._names, self._progress):
            try:
                model, parts = fit_in_parts(self._aws, self._ledger, self._settings, self._names, train)
            except HarnessError:
                raise
            except (Py4JError, Exception) as error:
                raise stage_failure("fit", error, self._aws.region) from error
        self.outcome.rows_trained = rows_logged(self._aws, self._names.training_job)
        for name, seconds in parts.items():
            self._finish(name, seconds)
        return model

    def _validate(self, model: SageMakerModel, validation: DataFrame) -> None:
        labels, predictions = self._predict(model, validation, None)
        self.outcome.validation_rows = len(labels)
        self.outcome.validation_accuracy = float(np.mean(labels == predictions)) if len(labels) else None

    def _predict(self, model: SageMakerModel, frame: DataFrame, expected: int | None) -> tuple[Array, Array]:
        # Each action on a transformed frame asks the endpoint anew, so there is exactly one.
        with _RowCounter(self._spark, self._progress, expected):
            rows = model.transform(frame).select("label", "prediction").collect()
        if expected is not None and len(rows) != expected:
            raise PipelineError(
                f"{expected:,} rows were sent and {len(rows):,} predictions came back.",
                checked="the rows of the transformed frame; the SDK drops rows without a prediction silently",
                fix="look at what the endpoint's container answers to a request of several rows",
            )
        table = np.array(rows, dtype=float).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def _last_words(self) -> list[str]:
        """Return the last three lines that the run's latest container logged, as one text, if there are any."""
        client = self._aws.client("logs")
        streams = {"logStreamNamePrefix": f"{self._names.training_job}/"}
        for group, chosen in ((_ENDPOINT_LOGS + self._names.endpoint, {}), (_TRAINING_LOGS, streams)):
            with suppress(BotoCoreError, ClientError):  # there may be no such group
                events = client.filter_log_events(logGroupName=group, **chosen)["events"]
                said = [event["message"].strip() for event in _of(events, **chosen)]
                if said:
                    return [f"the container's last lines, which were: {' | '.join(said[-_LAST_LINES:])}"]
        return []

    # --- clean-up -------------------------------------------------------------------------------------------------

    def _clean_up_after(self, failure: BaseException) -> None:
        """Clean up; the failure stays what is told, with the container's words and what is left over beside it."""
        said = self._last_words() if isinstance(failure, PipelineError) else []
        try:
            self._clean_up()
        except PipelineError as second:
            said.append(second.what)
        if isinstance(failure, HarnessError):
            left = [f"left over: {leftover.resource}" for leftover in self.outcome.leftovers]
            failure.checked = "; ".join(filter(None, [failure.checked, *said, *left]))

    def _clean_up(self) -> None:
        with self._stage("clean up"):
            ours = self._names.resources
            self.outcome.created = self._ledger.existing(ours)
            self.outcome.leftovers = self._ledger.clean_up(ours)


def fit_in_parts(
    aws: AWS, ledger: Ledger, settings: Settings, names: Names, train: DataFrame
) -> tuple[SageMakerModel, dict[str, float]]:
    """Fit the reference program's estimator; return the model and the seconds that :func:`parts_of_fit` tells apart.

    :param names: of all that it creates; the bucket of their data must exist.
    """
    began, clock = time.time(), time.perf_counter()
    with ledger.tagging():
        model = estimator(aws, settings, names).fit(train)
    whole = time.perf_counter() - clock
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=names.training_job)
    created, trained = (job[moment].timestamp() for moment in ("CreationTime", "TrainingEndTime"))
    return model, parts_of_fit(whole, began, created, trained)


def parts_of_fit(whole: float, began: float, created: float, trained: float) -> dict[str, float]:
    """Return the seconds of ``upload``, ``train`` and ``host``: none is negative, and their sum is the whole ``fit``.

    The whole is measured here, and training by AWS's clock alone. Where the upload ends and hosting begins compares the
    two clocks: by as much as they differ one of the two is told too long and the other too short, down to 0.

    :param whole: seconds that the ``fit`` took.
    :param began: when it began, by this machine's clock, in seconds since the epoch.
    :param created: when the training job was created, by AWS's clock, as ``trained``, when it ended.
    """
    train = min(max(trained - created, 0.0), whole)
    upload = min(max(created - began, 0.0), whole - train)
    return {"upload": upload, "train": train, "host": whole - train - upload}


def rows_logged(aws: AWS, job: str) -> int | None:
    """Return the rows that a job's training containers say they read, all hosts together; None if none does.

    The local containers write ``Channel train: N rows``, AWS's own ``Train matrix has N rows``.
    """
    pages = aws.client("logs").get_paginator("filter_log_events")
    streams = {"logStreamNamePrefix": f"{job}/"}
    try:
        events = [event for page in pages.paginate(logGroupName=_TRAINING_LOGS, **streams) for event in page["events"]]
    except (BotoCoreError, ClientError):
        return None
    counts = [
        int(match[1]) for match in (_ROWS_LOGGED.search(each["message"]) for each in _of(events, **streams)) if match
    ]
    return sum(counts) if counts else None


def _of(events: list[dict[str, Any]], logStreamNamePrefix: str = "") -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
    """Return the events of the streams that were asked for: moto gives those of the others too."""
    return [event for event in events if event["logStreamName"].startswith(logStreamNamePrefix)]


_ROWS_LOGGED = re.compile(r"(?:Channel train:|Train matrix has) (\d+) rows")


def check_trained(outcome: Outcome, sent: int) -> None:
    """Raise :class:`PipelineError` if rows were lost, or both trained on and held back, on their way to training."""
    if outcome.rows_trained is not None and outcome.rows_trained + outcome.validation_rows != sent:
        raise PipelineError(
            f"{outcome.rows_trained:,} of {sent:,} rows were trained on, {outcome.validation_rows:,} were held back.",
            checked="the training containers' log, and the predictions of the rows held back",
            fix="see that each pass over the training rows gives the same rows in the same order",
        )


def _images(test: DataFrame) -> Array:
    rows = test.select("features").take(SHOWN)
    return np.array([row.features.toArray() for row in rows]).reshape(-1, FEATURES)


def stage_failure(stage: str, error: BaseException, region: str) -> PipelineError:
    """Return the error that tells why a stage failed in a region, with the remedy for causes that are known."""
    if lost := lost_jvm():  # first: it answers no more questions about errors
        return PipelineError(f"Stage '{stage}' failed: {lost}.", fix=LOST_JVM_FIX)
    if denied := explain_denied(str(error), region):
        return PipelineError(f"Stage '{stage}' failed: {denied.what}", checked=denied.checked, fix=denied.fix)
    cause = root_cause(error)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if "No space left on device" in cause or "InsufficientStorage" in cause or free < _LEAST_DISK:
        cause += "" if free >= _LEAST_DISK else f" ({tempfile.gettempdir()} has {free / 2**20:.0f} MiB free)"
        fix = "free some disk, or point TMPDIR to a disk that has some"
    elif "failed for reason" in cause:
        fix = "mend what the reason names; the job's log lines are in CloudWatch Logs under /aws/sagemaker/TrainingJobs"
    elif "given invalid value" in cause:
        fix = "give the hyperparameter a value in the range that the algorithm's documentation names"
    elif "ModelError" in cause or "ServiceUnavailable" in cause:
        fix = "mend what the message names; the container's log is in CloudWatch Logs under /aws/sagemaker/Endpoints"
    else:
        fix = "if the cause is not yours, run it again with --traceback and report what it prints"
    return PipelineError(f"Stage '{stage}' failed: {cause}", fix=fix)


class _Beside(ABC):
    """Something that goes on in a thread while a block runs."""

    def __enter__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Do it until ``_stop`` is set."""


class _Watcher(_Beside):
    """Tells which stage a ``fit`` is at and what it has come to, by asking SageMaker beside it."""

    def __init__(self, aws: AWS, names: Names, progress: Progress) -> None:
        self._client = aws.client("sagemaker")
        self._names = names
        self._progress = progress

    def _run(self) -> None:
        shown, state = "", ("upload", "writing the training rows to S3")
        while not self._stop.is_set():
            if state[0] != shown:
                shown = state[0]
                self._progress.begin(shown)
            self._progress.update(state[1])
            state = self._next(state)

    def _next(self, state: tuple[str, str]) -> tuple[str, str]:
        """Return the state that follows one, asking less and less often while nothing changes; the same at the end."""
        for pause in pauses(_LOOK_SECONDS, _LONGEST_LOOK_SECONDS):
            if self._stop.wait(pause):
                break
            found = self._state()
            if found not in (None, state):
                return found
        return state

    def _state(self) -> tuple[str, str] | None:
        """Return the stage and what it has come to; None if SageMaker does not say."""
        try:
            return self._ask()
        except (BotoCoreError, ClientError):
            return None

    def _ask(self) -> tuple[str, str]:
        job = self._client.describe_training_job(TrainingJobName=self._names.training_job)
        metrics = [f"{metric['MetricName']} {metric['Value']:.4f}" for metric in job.get("FinalMetricDataList", [])]
        training = "train", " · ".join([f"job {job['SecondaryStatus']}", *metrics])
        if job["TrainingJobStatus"] != "Completed":
            return training
        try:
            endpoint = self._client.describe_endpoint(EndpointName=self._names.endpoint)
        except ClientError:
            return training  # it comes next
        return "host", f"endpoint {endpoint['EndpointStatus']}"


class _RowCounter(_Beside):
    """Tells how many rows a Spark job has read, from Spark's own status store."""

    def __init__(self, spark: SparkSession, progress: Progress, expected: int | None) -> None:
        self._store: Any = spark.sparkContext._jsc.sc().statusStore()
        self._progress = progress
        self._expected = expected

    def _run(self) -> None:
        total = f" of {self._expected:,}" if self._expected else ""
        with suppress(Py4JError, OSError):  # the JVM has ended, which the stage reports
            while not self._stop.wait(_LOOK_SECONDS):
                stages = self._store.activeStages()
                active = [stages.apply(number) for number in range(stages.size())]
                rows = sum(stage.inputRecords() + stage.shuffleReadRecords() for stage in active)
                self._progress.update(f"{rows:,}{total} rows sent")


def report(outcome: Outcome, settings: Settings, aws: AWS, versions: dict[str, str]) -> dict[str, Any]:
    """Return the outcome as ``report.json`` holds it."""
    counts = confusion_counts(outcome.labels, outcome.predictions)
    return {
        "accuracy": outcome.accuracy,
        "validation_accuracy": outcome.validation_accuracy,
        "rows_trained": outcome.rows_trained,
        "rows_validated": outcome.validation_rows,
        "rows_predicted": len(outcome.predictions),
        "rows_per_second": outcome.rows_per_second,
        "stages": outcome.stages,
        "created": [str(resource) for resource in outcome.created],
        "leftovers": [str(leftover.resource) for leftover in outcome.leftovers],
        "confusion": counts.tolist(),
        "mode": aws.mode,
        "region": aws.region,
        "training_instance_type": settings.training_instance_type,
        "endpoint_instance_type": settings.endpoint_instance_type,
        "endpoint_instance_count": settings.endpoint_instance_count,
        "spark_master": settings.spark_master,
        "versions": versions,
    }
