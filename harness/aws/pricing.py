"""Hourly prices of instances, each with its source and date: from a file, from the AWS Price List, or from nowhere.

All other modules are handed a :class:`PriceSource` or the prices that it found. The file is JSON; its source and date
hold for every price in it:

.. code-block:: json

    {"source": "our discount, as of the contract", "date": "2026-11-01",
     "prices": {"ml.m4.xlarge": {"training": 0.24, "hosting": 0.24}}}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.errors import SettingsError
from harness.settings import Settings

Usage = Literal["training", "hosting"]

USAGES: dict[str, Usage] = {"training job": "training", "endpoint": "hosting"}
"""Usage of the instances of a resource, by the resource's kind. No other kind of resource runs on instances."""

_USAGE_TYPES = {"training": re.compile(r"(.*-)?Train:ml\."), "hosting": re.compile(r"(.*-)?Host:ml\.")}
_API_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}
_FILE_FORM = '{"source": "…", "date": "YYYY-MM-DD", "prices": {"ml.m4.xlarge": {"training": 0.28, "hosting": 0.28}}}'


@dataclass(frozen=True)
class Price:
    """Price of one instance for one hour, without storage, requests and data transfer."""

    instance_type: str
    usage: Usage
    hourly: float
    """USD an hour."""
    source: str
    """Origin of the price: ``AWS Price List``, or the file's own ``source`` and its path."""
    date: str
    """Day on which that source published the price, as ``YYYY-MM-DD``."""

    def __str__(self) -> str:
        return f"{self.instance_type} for {self.usage} USD {self.hourly:g} an hour ({self.source}, {self.date})"


class PriceSource(Protocol):
    """A source of prices for one region."""

    @property
    def name(self) -> str:
        """Name to show in an error; empty if there is nothing to check."""

    def find(self, instance_type: str, usage: Usage) -> Price | None:
        """Return a price, or None if the source has none."""


# --- the three sources ------------------------------------------------------------------------------------------------


class PriceFile:
    """Prices of a file, which are taken to be those of the region in use."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        :raises SettingsError: it cannot be read, or does not have the form that this module's documentation shows.
        """
        self.name = str(path)
        try:
            content = json.loads(path.read_text())
            if not (content["source"] and content["date"]):
                raise ValueError("source and date must not be empty")
            self._source, self._date = f"{content['source']}, in {path}", str(content["date"])
            self._prices = {
                (instance_type, usage): _usd(hourly)
                for instance_type, usages in content["prices"].items()
                for usage, hourly in usages.items()
            }
        except OSError as error:
            raise SettingsError(
                f"The prices in {path} cannot be read: {error.strerror}.", fix="name a file that exists"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"The prices in {path} are not as expected: {type(error).__name__}: {error}.",
                fix=f"write them as {_FILE_FORM}",
            ) from error

    def find(self, instance_type: str, usage: Usage) -> Price | None:
        """Return a price, or None if the file has none."""
        hourly = self._prices.get((instance_type, usage))
        return None if hourly is None else Price(instance_type, usage, hourly, self._source, self._date)


def _usd(hourly: Any) -> float:
    usd = float(hourly)
    if not 0 < usd < math.inf:
        raise ValueError(f"{hourly!r} is no price")
    return usd


class PriceList:
    """On-demand prices of the AWS Price List, which is asked once for each instance type.

    Service code, filters (``regionCode``, ``instanceName``) and the form of products (``usagetype`` such as
    ``USE1-Host:ml.m4.xlarge``; ``terms.OnDemand.*.priceDimensions.*.pricePerUnit.USD``; ``publicationDate``) are those
    of the AWS Price List API's documentation and of the public offer file of AmazonSageMaker.
    """

    name = "the AWS Price List"

    def __init__(self, client: Any, region: str) -> None:
        """Use this client.

        :param client: boto3's ``pricing``, in a region that has the API: see :func:`price_list_region`.
        :param region: the region whose prices are wanted.
        """
        self._client = client
        self._region = region
        self._known: dict[str, list[dict[str, Any]]] = {}

    def find(self, instance_type: str, usage: Usage) -> Price | None:
        """Return a price, or None if AWS lists none: the instance type may not exist in the region.

        :raises ClientError: AWS refuses to list prices.
        """
        products = [product for product in self._products(instance_type) if _is_for(product, usage)]
        found = [(hourly, product) for product in products for hourly in _hourly(product)]
        if not found:
            return None
        hourly, product = max(found, key=lambda each: each[0])  # the highest, so that no run costs more than it says
        return Price(instance_type, usage, hourly, "AWS Price List", product.get("publicationDate", "")[:10])

    def _products(self, instance_type: str) -> list[dict[str, Any]]:
        """Return the products of an instance type, for training and for hosting."""
        if instance_type not in self._known:
            self._known[instance_type] = list(self._ask(instance_type))
        return self._known[instance_type]

    def _ask(self, instance_type: str) -> Iterator[dict[str, Any]]:
        wanted = {"regionCode": self._region, "instanceName": instance_type}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        pages = self._client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
        for page in pages:
            yield from map(json.loads, page["PriceList"])


def _is_for(product: dict[str, Any], usage: Usage) -> bool:
    return _USAGE_TYPES[usage].match(product["product"]["attributes"].get("usagetype", "")) is not None


def _hourly(product: dict[str, Any]) -> Iterator[float]:
    """Yield the product's prices in USD an hour; a region may have none in that currency."""
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"].lower() in ("hrs", "hours", "hour") and "USD" in dimension["pricePerUnit"]:
                yield float(dimension["pricePerUnit"]["USD"])


class NoPrices:
    """The source in a partition without a Price List API: it has no price of anything."""

    name = ""

    def find(self, instance_type: str, usage: Usage) -> Price | None:  # noqa: ARG002 - as every source
        """Return None."""
        return None


def price_list_region(partition: str) -> str | None:
    """Return the region of a partition's Price List API, or None if the partition has none."""
    return _API_REGIONS.get(partition)


def price_source(file: str | None, partition: str, region: str, pricing: Callable[[str], Any]) -> PriceSource:
    """Return the source of a region's prices: the file if one is named, else the AWS Price List if there is one.

    :param pricing: returns boto3's ``pricing`` client of a region.
    :raises SettingsError: the file cannot be used.
    """
    if file is not None:
        return PriceFile(Path(file))
    place = price_list_region(partition)
    return PriceList(pricing(place), region) if place else NoPrices()


# --- prices of a run --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instances:
    """Instances of one type that a run uses at the same time."""

    usage: Usage
    instance_type: str
    count: int

    def __str__(self) -> str:
        return f"{self.instance_type} for {self.usage}"


RunPrices = Mapping[tuple[Usage, str], Price]
"""Prices of a run's instances, by usage and instance type."""


def instances_of(settings: Settings, endpoint_types: Sequence[str] = ()) -> list[Instances]:
    """Return the instances that a run uses.

    :param endpoint_types: instance types of a run with an endpoint on each; by default, the settings' one type.
    """
    count = settings.endpoint_instance_count
    types = endpoint_types or [settings.endpoint_instance_type]
    hosting = [Instances("hosting", instance_type, count) for instance_type in types]
    return [Instances("training", settings.training_instance_type, settings.training_instance_count), *hosting]


def find_prices(source: PriceSource, run: Iterable[Instances]) -> tuple[RunPrices, list[Instances]]:
    """Return the prices of a run's instances, and the instances without a known price.

    :raises ClientError: AWS refuses to list prices.
    """
    found = {each: source.find(each.instance_type, each.usage) for each in run}
    known = {(each.usage, each.instance_type): price for each, price in found.items() if price}
    return known, [each for each, price in found.items() if price is None]


def require_prices(source: PriceSource, settings: Settings, endpoint_types: Sequence[str] = ()) -> RunPrices:
    """Return the prices of the instances that the settings name, as :func:`prices_of` does.

    :param endpoint_types: as for :func:`instances_of`.
    :raises SettingsError: one price is unknown, or AWS refuses to list prices.
    """
    return prices_of(source, instances_of(settings, endpoint_types), settings.region)


def prices_of(source: PriceSource, instances: Iterable[Instances], region: str) -> RunPrices:
    """Return the prices of some instances.

    :raises SettingsError: one price is unknown, or AWS refuses to list prices.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow, and those who read files need none

    try:
        known, unknown = find_prices(source, instances)
    except (ClientError, BotoCoreError) as error:
        raise SettingsError(
            f"AWS does not list its prices: {error}",
            checked=source.name,
            fix="allow the caller pricing:GetProducts, or give the prices in a file with --prices",
        ) from error
    if unknown:
        raise _unknown(source, region, ", ".join(map(str, unknown)))
    return known


def _unknown(source: PriceSource, region: str, instances: str) -> SettingsError:
    if isinstance(source, NoPrices):
        return SettingsError(
            f"No price is known of {instances}: AWS has no price list in {region}.",
            fix="give the prices in a file with --prices",
        )
    return SettingsError(
        f"No price is known of {instances}; there may be no such instance type in {region}.",
        checked=source.name,
        fix="name another instance type, or give the price in a file with --prices",
    )


def hourly_cost(prices: RunPrices, settings: Settings) -> float:
    """Return the cost of these instances together, in USD an hour.

    :param settings: give the number of instances for training and of each endpoint.
    """
    counts = {"training": settings.training_instance_count, "hosting": settings.endpoint_instance_count}
    return sum(price.hourly * counts[usage] for (usage, _), price in prices.items())
