"""Reference pipeline: load → fit → transform → evaluate → clean up, with progress for each stage.

Used by ``harness mnist`` and by benchmarks. No code here depends on the mode.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from sagemaker_pyspark import SageMakerModel

from harness.aws import AWS
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import Names
from harness.console import Progress
from harness.errors import HarnessError, PipelineError
from harness.mnist import FEATURES, Split
from harness.pipeline.data import Data
from harness.pipeline.failures import check_trained, last_words, rows_logged, stage_failure
from harness.pipeline.outcome import Array, Outcome
from harness.pipeline.progress import FitWatcher, RowCounter
from harness.settings import Settings
from harness.spark.data import read_libsvm, read_mnist
from harness.spark.jvm import end_jvm
from harness.spark.sdk import estimator

SHOWN = 250
"""Rows whose digits are kept for the picture; the reference program keeps as many."""
_SHOW_TRACE = "if the cause is not in your data, run it again with --traceback and report its output"
_FOLD_SEED = 42


class Pipeline:
    """One run of the pipeline."""

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
        self.outcome = Outcome(training_job=self._names.training_job)

    def run(self) -> Outcome:
        """Run all stages, then delete every resource they created, also after a failure.

        Resources that could not be deleted are the outcome's ``leftovers``.

        :raises DataError: the data cannot be sent without loss. Nothing was created.
        :raises PipelineError: a stage failed.
        """
        with self._stage("read"):
            train, test = self._read()
        try:
            self._fit_and_evaluate(train, test)
        except KeyboardInterrupt as failure:
            end_jvm()  # else its SDK continues to create the resources deleted next
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
            raise stage_failure(name, error, self._aws, otherwise=_SHOW_TRACE) from error
        self._finish(name, time.perf_counter() - began)

    def _finish(self, name: str, seconds: float) -> None:
        self.outcome.stages[name] = seconds
        self._progress.end(name, seconds)

    # --- the stages -----------------------------------------------------------------------------------------------

    def _read(self) -> tuple[DataFrame, DataFrame]:
        """Return the training and test rows. A user's files are checked before Spark reads them."""
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
            # Each row gets the same random number in every pass, since the rows always have the same order.
            folds = train.withColumn("_fold", F.rand(_FOLD_SEED))
            held_back = F.col("_fold") < self._data.validation_fraction
            train, validation = folds.where(~held_back).drop("_fold"), folds.where(held_back).drop("_fold")
        model = self._fit(train)
        if validation is not None:
            with self._stage("validate"):
                self._validate(model, validation)
        check_trained(self.outcome.rows_trained, self.outcome.validation_rows, self._train_rows)
        with self._stage("transform"):
            self.outcome.labels, self.outcome.predictions = self._predict(model, test, self._test_rows)
        with self._stage("sample"):
            self.outcome.images = _images(test)

    def _fit(self, train: DataFrame) -> SageMakerModel:
        self._ledger.make_bucket()
        with FitWatcher(self._aws, self._names, self._progress):
            try:
                model, parts = fit_in_parts(self._aws, self._ledger, self._settings, self._names, train)
            except HarnessError:
                raise
            except (Py4JError, Exception) as error:
                raise stage_failure("fit", error, self._aws, otherwise=_SHOW_TRACE) from error
        self.outcome.is_from_cache = self._names.training_job in self._aws.jobs_from_cache()
        self.outcome.rows_trained = rows_logged(self._aws, self._names.training_job)
        for name, seconds in parts.items():
            self._finish(name, seconds)
        return model

    def _validate(self, model: SageMakerModel, validation: DataFrame) -> None:
        labels, predictions = self._predict(model, validation, None)
        self.outcome.validation_rows = len(labels)
        self.outcome.validation_accuracy = float(np.mean(labels == predictions)) if len(labels) else None

    def _predict(self, model: SageMakerModel, frame: DataFrame, expected: int | None) -> tuple[Array, Array]:
        # Each action on a transformed frame invokes the endpoint again, so there is exactly one action.
        with RowCounter(self._spark, self._progress, expected):
            rows = model.transform(frame).select("label", "prediction").collect()
        if expected is not None and len(rows) != expected:
            raise PipelineError(
                f"{expected:,} rows were sent and {len(rows):,} predictions came back.",
                checked="the rows of the transformed frame; the SDK silently drops rows without a prediction",
                fix="check the answer of the endpoint's container to a request of several rows",
            )
        table = np.array(rows, dtype=float).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    # --- clean-up -------------------------------------------------------------------------------------------------

    def _clean_up_after(self, failure: BaseException) -> None:
        """Clean up, and add the container's last lines and the leftovers to the failure."""
        names = self._names
        said = last_words(self._aws, names.training_job, names.endpoint) if isinstance(failure, PipelineError) else []
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
    """Fit the reference program's estimator; return the model and the seconds of :func:`parts_of_fit`.

    :param names: names of all resources to create. The bucket of their data must exist.
    """
    began, clock = time.time(), time.perf_counter()
    with ledger.tagging():
        model = estimator(aws, settings, names).fit(train)
    whole = time.perf_counter() - clock
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=names.training_job)
    created, trained = (job[moment].timestamp() for moment in ("CreationTime", "TrainingEndTime"))
    return model, parts_of_fit(whole, began, created, trained)


def parts_of_fit(whole: float, began: float, created: float, trained: float) -> dict[str, float]:
    """Return the seconds of ``upload``, ``train`` and ``host``. None is negative, and their sum is the whole ``fit``.

    The whole is measured by this machine's clock, and training by AWS's clock. The end of the upload compares the two:
    a difference between the clocks makes the upload longer and hosting shorter, or the reverse, down to 0.

    :param whole: seconds that the ``fit`` took.
    :param began: start of the ``fit`` by this machine's clock, in seconds since the epoch.
    :param created: creation of the training job by AWS's clock.
    :param trained: end of the training job by AWS's clock.
    """
    train = min(max(trained - created, 0.0), whole)
    upload = min(max(created - began, 0.0), whole - train)
    return {"upload": upload, "train": train, "host": whole - train - upload}


def _images(test: DataFrame) -> Array:
    rows = test.select("features").take(SHOWN)
    return np.array([row.features.toArray() for row in rows]).reshape(-1, FEATURES)
