"""Endpoint configs: CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs."""

from __future__ import annotations

import threading

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.resources.call import Call
from harness.localaws.sagemaker.resources.kind import StoredRequests, Tags
from harness.localaws.sagemaker.resources.models import Models


class EndpointConfigs(StoredRequests):
    """The endpoint configs."""

    arn_kind = "endpoint-config"
    title = "endpoint configuration"
    member = "EndpointConfig"

    def __init__(self, tags: Tags, lock: threading.RLock, models: Models) -> None:
        super().__init__(tags, lock)
        self._models = models

    def check(self, call: Call) -> None:
        """Refuse variants without instances, and unknown models."""
        for variant in call.parameters["ProductionVariants"]:
            if "ServerlessConfig" in variant or "InstanceType" not in variant:
                raise ValidationException(
                    "The local AWS serves variants on instances: give InstanceType and InitialInstanceCount of variant "
                    f"{variant['VariantName']}."
                )
            self._models.find(call, variant.get("ModelName", ""))
