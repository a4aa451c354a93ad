"""SageMaker's control plane: finds the operation that a request names, and keeps the resources of one account.

The operations themselves are in :mod:`~harness.localaws.sagemaker.resources`, one module for each kind of resource.
moto keeps records of other kinds, and :mod:`~harness.localaws.register` says which operations are refused.
"""

from __future__ import annotations

import threading
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.register.lookup import OPERATIONS
from harness.localaws.register.operation_class import OperationClass
from harness.localaws.register.refusal import check_request
from harness.localaws.sagemaker.hosting.deployment import Deployer
from harness.localaws.sagemaker.images import Images
from harness.localaws.sagemaker.resources.call import Call, Operation
from harness.localaws.sagemaker.resources.endpoint_configs import EndpointConfigs
from harness.localaws.sagemaker.resources.endpoints import Endpoints
from harness.localaws.sagemaker.resources.kind import ResourceKind, Tags
from harness.localaws.sagemaker.resources.models import Models
from harness.localaws.sagemaker.resources.tag_rules import canonical
from harness.localaws.sagemaker.resources.tags import TagOperations
from harness.localaws.sagemaker.resources.training_jobs import TrainingJobs
from harness.localaws.sagemaker.training.trainer import Trainer

_SPARK_SDK = "SageMaker-Spark-SDK"
_WAITING = ("DescribeTrainingJob", "DescribeEndpoint")


class ControlPlane:
    """The resources of one account in all regions, and the operations on them."""

    def __init__(
        self, services: Services, images: Images, trainer: Trainer, deployer: Deployer, authorization: Authorization
    ) -> None:
        self._services = services
        self._images = images
        self._trainer = trainer
        self._deployer = deployer
        self._lock = threading.RLock()
        self._tags: Tags = {}
        jobs = TrainingJobs(self._tags, self._lock, services, images, trainer, authorization)
        models = Models(self._tags, self._lock, services, images, authorization)
        configs = EndpointConfigs(self._tags, self._lock, models)
        self.endpoints = Endpoints(self._tags, self._lock, models, configs, deployer)
        self._kinds: dict[str, ResourceKind[Any]] = {
            "training job": jobs,
            "model": models,
            "endpoint config": configs,
            "endpoint": self.endpoints,
        }
        self._tag_operations = TagOperations(self._tags).operations()
        self.operations: dict[str, Operation] = dict(self._tag_operations)
        """The operations by name."""
        for kind in self._kinds.values():
            self.operations |= kind.operations()

    def handles(self, operation: str, parameters: dict[str, Any], region: str) -> bool:
        """Return whether the operation is carried out here, and not by moto, which has records and their tags."""
        if operation in self._tag_operations:
            arn = str(parameters.get("ResourceArn", ""))
            kind = arn.split(":", 5)[-1].split("/", maxsplit=1)[0]
            ours = any(kind == known.arn_kind for known in self._kinds.values())
            return ours or not self._services.keeps_tags(region, arn)
        return OPERATIONS["sagemaker"].find(operation)[0] is OperationClass.EMULATED

    def may_wait(self, operation: str, user_agent: str) -> bool:
        """Return whether the answer to a call may wait for the end of what it describes."""
        return operation in _WAITING and _SPARK_SDK in user_agent

    def call(self, operation: str, call: Call) -> dict[str, Any]:
        """Carry out an operation and return its answer.

        :raises AWSError: as AWS would answer.
        """
        check_request("sagemaker", operation, call.parameters)
        self._check_isolation(call.parameters)
        return self.operations[operation](call)

    def _check_isolation(self, parameters: dict[str, Any]) -> None:
        """Refuse EnableNetworkIsolation of containers that might open connections.

        The built-in algorithms open none. A process in place of another image is not kept from the network here.
        """
        if not parameters.get("EnableNetworkIsolation"):
            return
        containers = [parameters.get("PrimaryContainer"), *(parameters.get("Containers") or ())]
        images = [container.get("Image") for container in containers if container]
        images.append((parameters.get("AlgorithmSpecification") or {}).get("TrainingImage"))
        for image in filter(None, images):
            if not self._images.find(image).is_built_in:
                raise ValidationException(
                    f"The local AWS does not emulate EnableNetworkIsolation for {image}: it does not keep the command "
                    "registered for an image from the network."
                )

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of a resource; none if it does not exist."""
        return dict(self._tags.get(canonical(arn), {}))

    def tagged(self, region: str) -> dict[str, dict[str, str]]:
        """Return the tags of every resource of a region, by ARN."""
        return {arn: dict(tags) for arn, tags in list(self._tags.items()) if arn.split(":")[3] == region}

    def resources(self) -> dict[str, list[tuple[str, float]]]:
        """Return name and creation time of the resources in all regions, by kind; of jobs those that still run."""
        return {title: kind.existing() for title, kind in self._kinds.items()}

    def ask_to_stop(self) -> None:
        """Ask every endpoint's containers to end, and start none again."""
        for variant in [variant for endpoint in self.endpoints.all() for variant in endpoint.variants]:
            variant.ask_to_stop()

    def reset(self) -> None:
        """End every job and endpoint and forget every resource."""
        with self._lock:
            endpoints = self.endpoints.all()
            self.ask_to_stop()
            self._trainer.discard_all()
            for kind in self._kinds.values():
                kind.clear()
            self._tags.clear()
        for endpoint in endpoints:
            self._deployer.discard(endpoint)
