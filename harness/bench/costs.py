"""What a run costs by the prices of its instances, as it is said before anything is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.account.preflight import find_prices
from harness.aws.pricing import Price, Usage, price_list_region
from harness.aws.real import RealAWS
from harness.errors import SettingsError
from harness.settings import Settings

Prices = Mapping[tuple[Usage, str], Price]
"""By what instances are for, and their type."""


def known_prices(aws: RealAWS, settings: Settings, endpoint_types: Sequence[str] = ()) -> Prices:
    """Return the prices of all instances of a run.

    :param endpoint_types: instance types, where the run has an endpoint of each at once; the settings' otherwise.
    :raises SettingsError: one is not known.
    """
    try:
        found = find_prices(aws, settings, endpoint_types)
    except (ClientError, BotoCoreError) as error:
        raise SettingsError(
            f"AWS does not say what it costs: {error}",
            checked="the AWS Price List",
            fix="let the caller pricing:GetProducts, or give the prices in a file with --prices",
        ) from error
    known = {key: price for key, price in found.items() if price}
    if len(known) < len(found):
        unknown = ", ".join(f"{kind} for {usage}" for usage, kind in found if (usage, kind) not in known)
        raise _unknown(aws, settings, unknown)
    return known


def _unknown(aws: RealAWS, settings: Settings, instances: str) -> SettingsError:
    if settings.prices is None and price_list_region(aws.partition) is None:
        return SettingsError(
            f"No price is known of {instances}: AWS has no price list in {aws.region}.",
            fix="give the prices in a file with --prices",
        )
    return SettingsError(
        f"No price is known of {instances}; there may be no such instance type in {aws.region}.",
        checked=settings.prices or "the AWS Price List",
        fix="name another instance type, or give the price in a file with --prices",
    )


def hourly(prices: Prices, settings: Settings) -> float:
    """Return what all instances cost together, in USD an hour: as many of each as the settings say."""
    counts = {"training": settings.training_instance_count, "hosting": settings.endpoint_instance_count}
    return sum(price.hourly * counts[usage] for (usage, _), price in prices.items())
