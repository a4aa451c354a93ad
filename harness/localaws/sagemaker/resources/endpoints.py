"""Endpoints: CreateEndpoint, DescribeEndpoint, UpdateEndpoint, DeleteEndpoint, ListEndpoints."""

from __future__ import annotations

import threading
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.hosting.deployment import Deployer
from harness.localaws.sagemaker.hosting.endpoint import Endpoint
from harness.localaws.sagemaker.resources.call import HOLD_SECONDS, Call, Operation
from harness.localaws.sagemaker.resources.endpoint_configs import EndpointConfigs
from harness.localaws.sagemaker.resources.kind import ResourceKind, Tags
from harness.localaws.sagemaker.resources.listing import page
from harness.localaws.sagemaker.resources.models import Models


class Endpoints(ResourceKind[Endpoint]):
    """The endpoints."""

    arn_kind = title = "endpoint"

    def __init__(
        self, tags: Tags, lock: threading.RLock, models: Models, configs: EndpointConfigs, deployer: Deployer
    ) -> None:
        super().__init__(tags, lock)
        self._models = models
        self._configs = configs
        self._deployer = deployer

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "UpdateEndpoint": self.update,
            "DeleteEndpoint": self.delete,
            "ListEndpoints": self.list_page,
        }

    def create(self, call: Call) -> dict[str, Any]:
        """Add an endpoint and begin to deploy it (CreateEndpoint)."""
        name, config = call.parameters["EndpointName"], self._config(call)
        arn = call.arn(self.arn_kind, name)
        endpoint = Endpoint(name, config["EndpointConfigName"], call.region, arn, config)
        self.add(call, name, arn, endpoint)
        self._deployer.create(endpoint, self._models.by_name(call.region), call.stuck)
        return {"EndpointArn": arn}

    def _config(self, call: Call) -> dict[str, Any]:
        return self._configs.find(call, call.parameters["EndpointConfigName"])

    def describe(self, call: Call) -> dict[str, Any]:
        """Return an endpoint's state (DescribeEndpoint)."""
        endpoint = self.find(call, call.parameters["EndpointName"])
        if call.may_wait:
            endpoint.wait_settled(HOLD_SECONDS)
        return endpoint.describe()

    def update(self, call: Call) -> dict[str, Any]:
        """Begin to move an endpoint to another config (UpdateEndpoint)."""
        config = self._config(call)
        with self._lock:
            endpoint = self._settled(call)
            if endpoint.status == "Failed":
                raise ValidationException(f'Cannot update failed endpoint "{endpoint.arn}".')
            self._deployer.update(endpoint, config, self._models.by_name(call.region))
        return {"EndpointArn": endpoint.arn}

    def delete(self, call: Call) -> dict[str, Any]:
        """Remove an endpoint and end its instances (DeleteEndpoint)."""
        with self._lock:
            endpoint = self._settled(call)
            self.remove(call, endpoint.name, endpoint.arn)
        self._deployer.delete(endpoint)
        return {}

    def _settled(self, call: Call) -> Endpoint:
        endpoint = self.find(call, call.parameters["EndpointName"])
        if not endpoint.settled:
            raise ValidationException(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint

    def list_page(self, call: Call) -> dict[str, Any]:
        """Return a page of endpoints (ListEndpoints)."""
        status, endpoints = call.parameters.get("StatusEquals"), self.by_name(call.region).values()
        found = [endpoint.summary() for endpoint in endpoints if status in (None, endpoint.status)]
        return page(call, found, "Endpoints", "EndpointName")
