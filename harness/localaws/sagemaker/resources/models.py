"""Models: CreateModel, DescribeModel, DeleteModel, ListModels."""

from __future__ import annotations

import threading
import time
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.container_variables import check_variables
from harness.localaws.sagemaker.execution_role import check_role, image_refusal, model_data_refusal
from harness.localaws.sagemaker.images import Images
from harness.localaws.sagemaker.resources.call import Call, Operation
from harness.localaws.sagemaker.resources.kind import ResourceKind, Tags, without_tags
from harness.localaws.sagemaker.resources.listing import page


class Models(ResourceKind[dict[str, Any]]):
    """The models: CreateModel's requests, each with its ARN and time."""

    arn_kind = "model"

    def __init__(
        self, tags: Tags, lock: threading.RLock, services: Services, images: Images, authorization: Authorization
    ) -> None:
        super().__init__(tags, lock)
        self._services = services
        self._images = images
        self._authorization = authorization

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "DeleteModel": self.delete,
            "ListModels": self.list_page,
        }

    def create(self, call: Call) -> dict[str, Any]:
        """Add a model (CreateModel)."""
        request, name = call.parameters, call.parameters["ModelName"]
        arn = call.arn(self.arn_kind, name)
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
        model = {**request, "ModelArn": arn, "CreationTime": time.time()}
        self.add(call, name, arn, model, ValidationException(f'Cannot create already existing model "{arn}".'))
        return {"ModelArn": arn}

    def _check_permissions(self, container: dict[str, Any], role: str, region: str) -> None:
        reason = image_refusal(self._authorization, role, container["Image"])
        url = container.get("ModelDataUrl")
        if reason := reason or model_data_refusal(self._authorization, role, url, region):
            raise ValidationException(reason)

    def describe(self, call: Call) -> dict[str, Any]:
        """Return a model (DescribeModel)."""
        return without_tags(self.find(call, call.parameters["ModelName"]))

    def delete(self, call: Call) -> dict[str, Any]:
        """Remove a model (DeleteModel)."""
        with self._lock:
            model = self.find(call, call.parameters["ModelName"])
            self.remove(call, model["ModelName"], model["ModelArn"])
        return {}

    def list_page(self, call: Call) -> dict[str, Any]:
        """Return a page of models (ListModels)."""
        members = ("ModelName", "ModelArn", "CreationTime")
        models = [{name: model[name] for name in members} for model in self.by_name(call.region).values()]
        return page(call, models, "Models", "ModelName")

    def missing(self, call: Call, name: str) -> str:
        """Return AWS's message about a name that no model has."""
        return f'Could not find model "{call.arn(self.arn_kind, name)}".'


def _container(request: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a CreateModel request."""
    containers = request.get("Containers") or [request[part] for part in ("PrimaryContainer",) if part in request]
    if len(containers) != 1:
        raise ValidationException("The local AWS serves models of exactly one container: give PrimaryContainer.")
    container: dict[str, Any] = containers[0]
    if "Image" not in container:
        raise ValidationException("The local AWS serves containers by Image: give PrimaryContainer.Image.")
    return container
