"""Endpoint configs: CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs."""

from __future__ import annotations

import threading
import time
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.resources.call import Call, Operation
from harness.localaws.sagemaker.resources.kind import ResourceKind, Tags, without_tags
from harness.localaws.sagemaker.resources.listing import page
from harness.localaws.sagemaker.resources.models import Models


class EndpointConfigs(ResourceKind[dict[str, Any]]):
    """The endpoint configs: CreateEndpointConfig's requests, each with its ARN and time."""

    arn_kind = "endpoint-config"

    def __init__(self, tags: Tags, lock: threading.RLock, models: Models) -> None:
        super().__init__(tags, lock)
        self._models = models

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "DeleteEndpointConfig": self.delete,
            "ListEndpointConfigs": self.list_page,
        }

    def create(self, call: Call) -> dict[str, Any]:
        """Add an endpoint config (CreateEndpointConfig)."""
        request, name = call.parameters, call.parameters["EndpointConfigName"]
        arn = call.arn(self.arn_kind, name)
        for variant in request["ProductionVariants"]:
            if "ServerlessConfig" in variant or "InstanceType" not in variant:
                raise ValidationException(
                    "The local AWS serves variants on instances: give InstanceType and InitialInstanceCount of variant "
                    f"{variant['VariantName']}."
                )
            self._models.find(call, variant.get("ModelName", ""))
        config = {**request, "EndpointConfigArn": arn, "CreationTime": time.time()}
        taken = ValidationException(f'Cannot create already existing endpoint configuration "{arn}".')
        self.add(call, name, arn, config, taken)
        return {"EndpointConfigArn": arn}

    def describe(self, call: Call) -> dict[str, Any]:
        """Return an endpoint config (DescribeEndpointConfig)."""
        return without_tags(self.find(call, call.parameters["EndpointConfigName"]))

    def delete(self, call: Call) -> dict[str, Any]:
        """Remove an endpoint config (DeleteEndpointConfig)."""
        with self._lock:
            config = self.find(call, call.parameters["EndpointConfigName"])
            self.remove(call, config["EndpointConfigName"], config["EndpointConfigArn"])
        return {}

    def list_page(self, call: Call) -> dict[str, Any]:
        """Return a page of endpoint configs (ListEndpointConfigs)."""
        members = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
        configs = [{name: config[name] for name in members} for config in self.by_name(call.region).values()]
        return page(call, configs, "EndpointConfigs", "EndpointConfigName")

    def missing(self, call: Call, name: str) -> str:
        """Return AWS's message about a name that no endpoint config has."""
        return f'Could not find endpoint configuration "{call.arn(self.arn_kind, name)}".'
