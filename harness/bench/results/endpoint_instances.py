"""What stands behind an endpoint in AWS and what it costs, as benchmarks note it beside their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.pricing import Price
from harness.aws.real import RealAWS
from harness.settings import Settings


def hosting(aws: RealAWS, settings: Settings, endpoint: str) -> dict[str, Any]:
    """Return ``endpoint``, ``endpoint_instance_type`` and ``_count``, and the ``price`` of one instance for an hour.

    The endpoint's name tells whether runs were of the same machines: those of one instance type differ.
    Of an endpoint that was there already, AWS is asked what is behind it. What AWS does not tell is left empty, and a
    price that it does not tell is left out: nothing is guessed.

    :param endpoint: the name of the endpoint that is measured.
    :raises SettingsError: the settings name a file of prices that cannot be used.
    """
    if settings.endpoint:
        kind, count = _behind(aws, settings.endpoint)
    else:
        kind, count = settings.endpoint_instance_type, settings.endpoint_instance_count
    noted = {"endpoint": endpoint, "endpoint_instance_type": kind, "endpoint_instance_count": count}
    price = _price(aws, kind) if kind else None
    return noted | (as_noted(price) if price else {})


def as_noted(price: Price) -> dict[str, Any]:
    """Return a price as ``extra_info`` keeps it and :mod:`harness.bench.results.recorded_instances` reads it."""
    return {"price": {"usd_per_hour": price.hourly, "source": price.source, "date": price.date}}


def _behind(aws: RealAWS, endpoint: str) -> tuple[str, int]:
    """Return type and number of an endpoint's instances; '' and 0 where AWS does not tell or they are of several."""
    client = aws.client("sagemaker")
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
        config = client.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    except (ClientError, BotoCoreError):
        return "", 0
    variants: list[Mapping[str, Any]] = described.get("ProductionVariants", [])
    kinds = {str(variant.get("InstanceType", "")) for variant in config["ProductionVariants"]}
    if len(kinds) != 1:
        return "", 0
    return kinds.pop(), sum(int(variant.get("CurrentInstanceCount", 0)) for variant in variants)


def _price(aws: RealAWS, kind: str) -> Price | None:
    try:
        return aws.prices.find(kind, "hosting")
    except (ClientError, BotoCoreError):
        return None
