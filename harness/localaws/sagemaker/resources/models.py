"""Models: CreateModel, DescribeModel, DeleteModel, ListModels."""

from __future__ import annotations

import threading
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.container_variables import check_variables
from harness.localaws.sagemaker.execution_role import check_role, image_refusal, model_data_refusal
from harness.localaws.sagemaker.images import Images
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
        """Check the container, the role and its permissions."""
        request = call.parameters
        container = _container(request)
        self._images.find(container["Image"])
        check_variables(container.get("Environment") or {})
        if "ExecutionRoleArn" not in request:
            raise ValidationException(
                "1 validation error detected: Value null at 'executionRoleArn' failed to satisfy constraint: "
                "Member must not be null"
            )
        check_role(self._services, request["ExecutionRoleArn"])
        self._check_permissions(container, request["ExecutionRoleArn"], call.region)

    def _check_permissions(self, container: dict[str, Any], role: str, region: str) -> None:
        reason = image_refusal(self._authorization, role, container["Image"])
        url = container.get("ModelDataUrl")
        if reason := reason or model_data_refusal(self._authorization, role, url, region):
            raise ValidationException(reason)


def _container(request: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a CreateModel request."""
    containers = request.get("Containers") or [request[part] for part in ("PrimaryContainer",) if part in request]
    if len(containers) != 1:
        raise ValidationException("The local AWS serves models of exactly one container: give PrimaryContainer.")
    container: dict[str, Any] = containers[0]
    if "Image" not in container:
        raise ValidationException("The local AWS serves containers by Image: give PrimaryContainer.Image.")
    return container
