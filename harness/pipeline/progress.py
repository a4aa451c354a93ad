"""Progress within a stage, polled in a thread: SageMaker's state during a fit, rows read during a transform."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from harness.aws import AWS
from harness.aws.cleanup.names import Names
from harness.console import Progress
from harness.spark.internals import rows_read
from harness.waiting import pauses

_LOOK_SECONDS = 0.25
_LONGEST_LOOK_SECONDS = 5.0


class _Watcher(ABC):
    """A thread that runs during a ``with`` block."""

    def __enter__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Run until ``_stop`` is set."""


class FitWatcher(_Watcher):
    """Shows the stage of a ``fit`` and its state, which it asks SageMaker for during the ``fit``."""

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
        """Return the next state, polling less and less often while nothing changes; the same state at the end."""
        for pause in pauses(_LOOK_SECONDS, _LONGEST_LOOK_SECONDS):
            if self._stop.wait(pause):
                break
            found = self._state()
            if found not in (None, state):
                return found
        return state

    def _state(self) -> tuple[str, str] | None:
        """Return the stage and its state; None if SageMaker does not answer."""
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
            return training  # the endpoint comes next
        return "host", f"endpoint {endpoint['EndpointStatus']}"


class RowCounter(_Watcher):
    """Shows the number of rows that a Spark job has read."""

    def __init__(self, spark: SparkSession, progress: Progress, expected: int | None) -> None:
        self._rows_read = rows_read(spark)
        self._progress = progress
        self._expected = expected

    def _run(self) -> None:
        total = f" of {self._expected:,}" if self._expected else ""
        with suppress(Py4JError, OSError):  # the JVM has ended; the stage reports that
            while not self._stop.wait(_LOOK_SECONDS):
                self._progress.update(f"{self._rows_read():,}{total} rows sent")
