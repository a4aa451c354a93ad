"""Training jobs: CreateTrainingJob, DescribeTrainingJob, StopTrainingJob, ListTrainingJobs."""

from __future__ import annotations

import threading
from typing import Any

from harness.localaws.exceptions import AWSError, ResourceInUse, ValidationException
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.container_variables import check_variables
from harness.localaws.sagemaker.execution_role import check_role
from harness.localaws.sagemaker.images import Images, check_training_image
from harness.localaws.sagemaker.resources.call import HOLD_SECONDS, Call, Operation
from harness.localaws.sagemaker.resources.kind import ResourceKind, Tags
from harness.localaws.sagemaker.resources.listing import page
from harness.localaws.sagemaker.s3_addresses import S3Addresses
from harness.localaws.sagemaker.training.job import Job
from harness.localaws.sagemaker.training.rules import check_request
from harness.localaws.sagemaker.training.trainer import Trainer


class TrainingJobs(ResourceKind[Job]):
    """The training jobs."""

    arn_kind = "training-job"

    def __init__(
        self,
        tags: Tags,
        lock: threading.RLock,
        services: Services,
        images: Images,
        trainer: Trainer,
        authorization: Authorization,
    ) -> None:
        super().__init__(tags, lock)
        self._services = services
        self._addresses = S3Addresses(services, authorization)
        self._images = images
        self._trainer = trainer

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "StopTrainingJob": self.stop,
            "ListTrainingJobs": self.list_page,
        }

    def existing(self) -> list[tuple[str, float]]:
        """Return name and creation time of the jobs that still run, in all regions."""
        return [(job.name, job.created) for job in self.all() if not job.done]

    def create(self, call: Call) -> dict[str, Any]:
        """Add a job and start it (CreateTrainingJob)."""
        request, name = call.parameters, call.parameters["TrainingJobName"]
        arn = call.arn(self.arn_kind, name)
        self.check_free(call, name, arn)
        check_request(request)
        uri = request["AlgorithmSpecification"]["TrainingImage"]
        check_training_image(uri, call.region)
        image = self._images.find(uri)
        check_variables(request.get("Environment") or {})
        check_role(self._services, request["RoleArn"])
        self._check_addresses(request, call.region)
        job = Job(request, call.region, arn)
        self.add(call, name, arn, job)
        self._trainer.start(job, image)
        return {"TrainingJobArn": arn}

    def _check_addresses(self, request: dict[str, Any], region: str) -> None:
        for channel in request.get("InputDataConfig") or []:
            self._addresses.check_objects(channel["DataSource"]["S3DataSource"]["S3Uri"], request["RoleArn"], region)
        self._addresses.check_bucket(request["OutputDataConfig"]["S3OutputPath"], "Output path", region)
        if "CheckpointConfig" in request:
            self._addresses.check_bucket(request["CheckpointConfig"]["S3Uri"], "Checkpoint location", region)

    def describe(self, call: Call) -> dict[str, Any]:
        """Return a job's state (DescribeTrainingJob)."""
        job = self.find(call, call.parameters["TrainingJobName"])
        if call.may_wait:
            job.wait_done(HOLD_SECONDS)
        return job.describe()

    def stop(self, call: Call) -> dict[str, Any]:
        """Ask a job to stop (StopTrainingJob)."""
        job = self.find(call, call.parameters["TrainingJobName"])
        if job.done:
            raise ValidationException(f"The request was rejected because the training job is in status {job.status}.")
        job.ask_to_stop()
        return {}

    def list_page(self, call: Call) -> dict[str, Any]:
        """Return a page of jobs (ListTrainingJobs)."""
        status, jobs = call.parameters.get("StatusEquals"), self.by_name(call.region).values()
        found = [job.summary() for job in jobs if status in (None, job.status)]
        return page(call, found, "TrainingJobSummaries", "TrainingJobName", order="Ascending")

    def missing(self, call: Call, name: str) -> str:  # noqa: ARG002 - AWS's message does not name the job
        """Return AWS's message about a name that no job has."""
        return "Requested resource not found."

    def taken(self, arn: str) -> AWSError:
        """Return AWS's error about a name that a job has already."""
        return ResourceInUse(
            "Training job names must be unique within an AWS account and region, and a training job with this "
            f"name already exists ({arn})"
        )
