"""Endpoints: they are created, described, updated, scaled, deleted, and listed."""

from __future__ import annotations

import threading
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.hosting.deployment import Deployer
from harness.localaws.sagemaker.hosting.endpoint import Endpoint
from harness.localaws.sagemaker.resources.call import HOLD_SECONDS, Call, Operation
from harness.localaws.sagemaker.resources.endpoint_configs import EndpointConfigs, check_variant_names, check_weights
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
            "UpdateEndpointWeightsAndCapacities": self.update_weights,
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
        if call.may_wait and endpoint.status != "Deleting":
            endpoint.wait_settled(HOLD_SECONDS)
        return endpoint.describe()

    def update(self, call: Call) -> dict[str, Any]:
        """Begin to move an endpoint to another config (UpdateEndpoint)."""
        config = self._config(call)
        with self._lock:
            endpoint = self._updatable(call)
            if config["EndpointConfigName"] == endpoint.config_name:
                raise ValidationException(
                    f'Cannot update endpoint with the currently in use endpoint configuration "{endpoint.config_name}".'
                )
            if call.parameters.get("RetainAllVariantProperties"):
                excluded = call.parameters.get("ExcludeRetainedVariantProperties") or []
                config = _retaining(endpoint, config, {each["VariantPropertyType"] for each in excluded})
            self._deployer.update(endpoint, config, self._models.by_name(call.region))
        return {"EndpointArn": endpoint.arn}

    def update_weights(self, call: Call) -> dict[str, Any]:
        """Begin to change the weights and instance counts of variants (UpdateEndpointWeightsAndCapacities).

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpointWeightsAndCapacities.html. The
        message about an unknown variant is moto's (``moto/sagemaker/models.py``); the others are documentation only.
        """
        desired = call.parameters["DesiredWeightsAndCapacities"]
        with self._lock:
            endpoint = self._updatable(call)
            _check_desired(endpoint, desired)
            self._deployer.scale(endpoint, desired, self._models.by_name(call.region))
        return {"EndpointArn": endpoint.arn}

    def _updatable(self, call: Call) -> Endpoint:
        """Return an endpoint that can be updated.

        An update needs the config in use: AWS's page of UpdateEndpoint forbids to delete it, and AWS then answers that
        it could not find it (https://github.com/hashicorp/terraform-provider-aws/issues/40048). The endpoint serves on.
        """
        endpoint = self._settled(call)
        if endpoint.status == "Failed":
            raise ValidationException(f'Cannot update failed endpoint "{endpoint.arn}".')
        self._configs.find(call, endpoint.config_name)
        return endpoint

    def delete(self, call: Call) -> dict[str, Any]:
        """Begin to end an endpoint's instances (DeleteEndpoint). It is ``Deleting``, and its name taken, until then.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html has the state, and boto3 a
        waiter for its end.
        """
        with self._lock:
            endpoint = self._settled(call)
            self._deployer.delete(endpoint, lambda: self._forget(call, endpoint))
        return {}

    def _forget(self, call: Call, endpoint: Endpoint) -> None:
        with self._lock:
            if self.get(call.region, endpoint.name) is endpoint:  # all resources may have been forgotten
                self.remove(call, endpoint.name, endpoint.arn)

    def existing(self) -> list[tuple[str, float]]:
        """Return name and creation time of the endpoints that are not being deleted, in all regions."""
        return [(each.name, each.created) for each in self.all() if each.status != "Deleting"]

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


def _retaining(endpoint: Endpoint, config: dict[str, Any], excluded: set[str]) -> dict[str, Any]:
    """Return a config whose variants have the weights and instance counts of those in service with the same names.

    :param excluded: properties that are taken from the config:
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_VariantProperty.html
    """
    in_service = {
        variant.name: {
            "DesiredInstanceCount": ("InitialInstanceCount", variant.desired_count),
            "DesiredWeight": ("InitialVariantWeight", variant.desired_weight),
        }
        for variant in endpoint.variants
    }
    variants = [
        settings
        | dict(
            value
            for property_, value in in_service.get(settings["VariantName"], {}).items()
            if property_ not in excluded
        )
        for settings in config["ProductionVariants"]
    ]
    return config | {"ProductionVariants": variants}


def _check_desired(endpoint: Endpoint, desired: list[dict[str, Any]]) -> None:
    known = {variant.name: variant.desired_weight for variant in endpoint.variants}
    if unknown := [each["VariantName"] for each in desired if each["VariantName"] not in known]:
        raise ValidationException(
            f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
            f'"{endpoint.config_name}".'
        )
    check_variant_names(desired)
    for each in desired:
        if each.get("DesiredInstanceCount", 1) < 1:
            raise ValidationException(f"DesiredInstanceCount of variant {each['VariantName']} must be at least 1.")
    check_weights(
        (
            known | {each["VariantName"]: each.get("DesiredWeight", known[each["VariantName"]]) for each in desired}
        ).values()
    )
