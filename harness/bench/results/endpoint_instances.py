"""Instances of an endpoint and their price, as AWS reports them while a benchmark runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws import AWS
from harness.aws.pricing import Price
from harness.bench.results.extra_info import ExtraInfo
from harness.settings import Settings


def hosting(aws: AWS, settings: Settings, endpoint: str) -> ExtraInfo:
    """Return the endpoint's name, the type and number of its instances, and the price of one of them.

    Results need the name to show which runs share machines: endpoints on one instance type differ. A value that AWS
    does not report stays empty, and no price is guessed.

    :param settings: those that the endpoint was created with, or that name it.
    :param endpoint: the name of the endpoint that is measured.
    :raises SettingsError: the settings name a file of prices that cannot be used.
    """
    if settings.endpoint:
        return described(aws, endpoint)
    return _hosting(aws, endpoint, settings.endpoint_instance_type, settings.endpoint_instance_count)


def described(aws: AWS, endpoint: str) -> ExtraInfo:
    """Return the same for an endpoint that the settings did not create: AWS is asked for its instances."""
    return _hosting(aws, endpoint, *_instances_of(aws, endpoint))


def _hosting(aws: AWS, endpoint: str, instance_type: str, count: int) -> ExtraInfo:
    return ExtraInfo(
        endpoint=endpoint,
        endpoint_instance_type=instance_type,
        endpoint_instance_count=count,
        price=_price(aws, instance_type) if instance_type else None,
    )


def _instances_of(aws: AWS, endpoint: str) -> tuple[str, int]:
    """Return type and number of an endpoint's instances; '' and 0 if AWS refuses, or there are several types."""
    client = aws.client("sagemaker")
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
        config = client.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    except (ClientError, BotoCoreError):
        return "", 0
    variants: list[Mapping[str, Any]] = described.get("ProductionVariants", [])
    types = {str(variant.get("InstanceType", "")) for variant in config["ProductionVariants"]}
    if len(types) != 1:
        return "", 0
    return types.pop(), sum(int(variant.get("CurrentInstanceCount", 0)) for variant in variants)


def _price(aws: AWS, instance_type: str) -> Price | None:
    try:
        return None if aws.prices is None else aws.prices.find(instance_type, "hosting")
    except (ClientError, BotoCoreError):
        return None
