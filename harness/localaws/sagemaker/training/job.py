"""State of a training job, and the answers that describe it.

States and messages follow https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

_TERMINAL = ("Completed", "Failed", "Stopped")
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}
_CHANNEL_DEFAULTS = {"CompressionType": "None", "RecordWrapperType": "None"}
_DEFAULTS = dict.fromkeys(
    ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"), False
)
"""Members that DescribeTrainingJob shows if a request has none (the AWS CLI's example of ``describe-training-job``)."""


class TrainingFailure(Exception):
    """The job cannot continue. The message is its failure reason."""


@dataclass
class Job:
    """A training job: its request, its status and its history."""

    request: dict[str, Any]
    region: str
    arn: str
    created: float = field(default_factory=time.time)
    status: str = "InProgress"
    secondary: str = ""
    failure: str = ""
    started: float | None = None
    ended: float | None = None
    modified: float = field(default_factory=time.time)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    discarded: bool = False
    """True once the outcome is not needed any more: the containers are killed."""

    @property
    def name(self) -> str:
        """TrainingJobName."""
        return str(self.request["TrainingJobName"])

    @property
    def artifact(self) -> str:
        """The URI that the model is uploaded to."""
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output/model.tar.gz"

    @property
    def done(self) -> bool:
        """True once the job has reached its last state."""
        return self.status in _TERMINAL

    def move(self, secondary: str, status: str | None = None) -> None:
        """Enter a secondary status, and a status with it."""
        with self.changed:
            now = time.time()
            if self.transitions:
                self.transitions[-1]["EndTime"] = now
            self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]})
            self.secondary, self.modified = secondary, now
            if status:
                self.status = status
            if self.done:
                self.ended = self.transitions[-1]["EndTime"] = now
            self.changed.notify_all()

    def ask_to_stop(self) -> None:
        """Begin to stop, unless that has begun or the job is done."""
        with self.changed:
            if self.status == "InProgress":
                self.move("Stopping", "Stopping")

    def wait_done(self, timeout: float | None) -> bool:
        """Wait for the last state; return whether it was reached."""
        with self.changed:
            return self.changed.wait_for(lambda: self.done, timeout)

    def describe(self) -> dict[str, Any]:
        """Return DescribeTrainingJob's answer."""
        with self.changed:
            answer = {
                **_DEFAULTS,
                **_with_defaults(self.request),
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "SecondaryStatusTransitions": [dict(transition) for transition in self.transitions],
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
                "FinalMetricDataList": list(self.metrics.values()),
                "TrainingStartTime": self.started,
                "TrainingEndTime": self.ended,
                "FailureReason": self.failure or None,
            }
            if self.ended and self.started:
                seconds = max(1, round(self.ended - self.started))
                answer.update(TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
            if self.status in ("Completed", "Stopped"):
                answer["ModelArtifacts"] = {"S3ModelArtifacts": self.artifact}
        answer.pop("Tags", None)
        return {name: value for name, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """Return the job as ListTrainingJobs shows it."""
        whole = self.describe()
        members = (
            "TrainingJobName",
            "TrainingJobArn",
            "CreationTime",
            "TrainingEndTime",
            "LastModifiedTime",
            "TrainingJobStatus",
        )
        return {name: whole[name] for name in members if name in whole}


def _with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as AWS describes it, with the members that it adds.

    They are in the outputs of published notebooks: https://github.com/aws/amazon-sagemaker-examples
    """
    channels = [{**_CHANNEL_DEFAULTS, **channel} for channel in request.get("InputDataConfig") or []]
    output = {"KmsKeyId": "", **request["OutputDataConfig"]}
    return {**request, "OutputDataConfig": output, **({"InputDataConfig": channels} if channels else {})}
