"""Models: CreateModel, DescribeModel, DeleteModel, ListModels."""

from __future__ import annotations

import threading
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.container_variables import check_variables
from harness.localaws.sagemaker.execution_role import check_role, image_refusal
from harness.localaws.sagemaker.hosting.model_data import ModelData, check_model_data
from harness.localaws.sagemaker.images import Images, check_model_image
from harness.localaws.sagemaker.resources.call import Call
from harness.localaws.sagemaker.resources.kind import StoredRequests, Tags


class Models(StoredRequests):
    """The models."""

    arn_kind = title = "model"
    member = "Model"

    def __init__(
        self, tags: Tags, lock: threading.RLock, services: Services, images: Images, authorization: Authorization
    ) -> None:
        super().__init__(tags, lock)
        self._services = services
        self._images = images
        self._authorization = authorization

    def check(self, call: Call) -> None:
        """Check the container, the role and its permissions, and the model data."""
        request = call.parameters
        container = _container(request)
        check_model_image(container["Image"], call.region)
        self._images.find(container["Image"])
        check_variables(container.get("Environment") or {})
        if "ExecutionRoleArn" not in request:
            raise ValidationException(
                "1 validation error detected: Value null at 'executionRoleArn' failed to satisfy constraint: "
                "Member must not be null"
            )
        role = request["ExecutionRoleArn"]
        check_role(self._services, role)
        if reason := image_refusal(self._authorization, role, container["Image"]):
            raise ValidationException(reason)
        check_model_data(self._services, self._authorization, role, ModelData.of(container), call.region)

    def described(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the defaults of Mode and EnableNetworkIsolation.

        See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModel.html
        """
        described = {"EnableNetworkIsolation": False, **request}
        if "PrimaryContainer" in request:
            described["PrimaryContainer"] = _with_mode(request["PrimaryContainer"])
        if request.get("Containers"):
            described["Containers"] = [_with_mode(container) for container in request["Containers"]]
        return described


def _with_mode(container: dict[str, Any]) -> dict[str, Any]:
    return {"Mode": "SingleModel", **container}


def _container(request: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a CreateModel request."""
    containers = request.get("Containers") or []
    if "PrimaryContainer" in request:
        containers = [request["PrimaryContainer"], *containers]
    if len(containers) != 1:
        raise ValidationException("The local AWS serves models of exactly one container: give PrimaryContainer.")
    container: dict[str, Any] = containers[0]
    if "Image" not in container:
        raise ValidationException("The local AWS serves containers by Image: give PrimaryContainer.Image.")
    return container
