"""Endpoint configs: CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

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
        """Refuse variants without instances, of one name, or without any traffic, and unknown models."""
        variants = call.parameters["ProductionVariants"]
        check_variant_names(variants)
        check_weights([variant.get("InitialVariantWeight", 1.0) for variant in variants])
        for variant in variants:
            if "ServerlessConfig" in variant or "InstanceType" not in variant:
                raise ValidationException(
                    "The local AWS serves variants on instances: give InstanceType and InitialInstanceCount of variant "
                    f"{variant['VariantName']}."
                )
            self._models.find(call, variant.get("ModelName", ""))

    def described(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the weight of each variant, which is 1 by default.

        See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
        """
        variants = [{"InitialVariantWeight": 1.0, **variant} for variant in request["ProductionVariants"]]
        return {**request, "ProductionVariants": variants}


def check_variant_names(variants: Collection[dict[str, Any]]) -> None:
    """Raise :class:`ValidationException` if two members of a request name the same variant."""
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise ValidationException(f"Variant names must be unique, but are {', '.join(names)}.")


def check_weights(weights: Collection[float]) -> None:
    """Refuse weights that give none of several variants any traffic: each gets its share of their sum.

    Documentation only: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html

    :raises ValidationException: all of them are 0.
    """
    if len(weights) > 1 and not sum(weights):
        raise ValidationException("At least one variant must have a weight greater than 0.")
