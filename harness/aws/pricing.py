"""What instances cost: hourly prices with their source and date, from the AWS Price List or a file of one's own.

The file is JSON, and every price in it has the source and the date that stand beside them:

.. code-block:: json

    {"source": "our discount, as of the contract", "date": "2026-11-01",
     "prices": {"ml.m4.xlarge": {"training": 0.24, "hosting": 0.24}}}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.errors import SettingsError

Usage = Literal["training", "hosting"]

_USAGE_TYPES = {"training": re.compile(r"(.*-)?Train:ml\."), "hosting": re.compile(r"(.*-)?Host:ml\.")}
_API_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}
_FILE_FORM = '{"source": "…", "date": "YYYY-MM-DD", "prices": {"ml.m4.xlarge": {"training": 0.28, "hosting": 0.28}}}'


@dataclass(frozen=True)
class Price:
    """What one instance costs for one hour, without storage, requests and data transfer."""

    instance_type: str
    usage: Usage
    hourly: float
    """USD."""
    source: str
    """Where the figure is from: ``AWS Price List``, or what a file says."""
    date: str
    """When it was published there."""

    def __str__(self) -> str:
        return f"{self.instance_type} for {self.usage} USD {self.hourly:g} an hour ({self.source}, {self.date})"


class Prices(Protocol):
    """Somebody who knows prices."""

    def find(self, instance_type: str, usage: Usage) -> Price | None:
        """Return a price, or None where it is not known."""


class PriceFile:
    """The prices of a file, which are taken to be those of the region in use."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        :raises SettingsError: it cannot be read, or is not of the form that this module's documentation shows.
        """
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
        """Return a price, or None where the file has none."""
        hourly = self._prices.get((instance_type, usage))
        return None if hourly is None else Price(instance_type, usage, hourly, self._source, self._date)


def _usd(hourly: Any) -> float:
    usd = float(hourly)
    if not 0 < usd < math.inf:
        raise ValueError(f"{hourly!r} is no price")
    return usd


class PriceList:
    """The on-demand prices of the AWS Price List.

    Service code, filters (``regionCode``, ``instanceName``) and the form of products (``usagetype`` such as
    ``USE1-Host:ml.m4.xlarge``; ``terms.OnDemand.*.priceDimensions.*.pricePerUnit.USD``; ``publicationDate``) are those
    of the AWS Price List API's documentation and of the public offer file of AmazonSageMaker.
    """

    def __init__(self, client: Any, region: str) -> None:
        """Ask with this client.

        :param client: boto3's ``pricing``, of a region that has it: see :func:`price_list_region`.
        :param region: the region whose prices are wanted.
        """
        self._client = client
        self._region = region

    def find(self, instance_type: str, usage: Usage) -> Price | None:
        """Return a price, or None where AWS lists none: the instance type may not exist in the region.

        :raises ClientError: AWS refuses to tell.
        """
        products = [product for product in self._products(instance_type) if _is_for(product, usage)]
        found = [(hourly, product) for product in products for hourly in _hourly(product)]
        if not found:
            return None
        hourly, product = max(found, key=lambda each: each[0])  # of several, the one to be sure of
        return Price(instance_type, usage, hourly, "AWS Price List", product.get("publicationDate", "")[:10])

    def _products(self, instance_type: str) -> Iterator[dict[str, Any]]:
        wanted = {"regionCode": self._region, "instanceName": instance_type}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        pages = self._client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
        for page in pages:
            yield from map(json.loads, page["PriceList"])


def price_list_region(partition: str) -> str | None:
    """Return the region where the Price List API of a partition is, or None if it has none."""
    return _API_REGIONS.get(partition)


def price_source(file: str | None, partition: str, region: str, pricing: Callable[[str], Any]) -> Prices | None:
    """Return who knows a region's prices: a file, if one is named, or the AWS Price List; None if there is none.

    :param pricing: returns boto3's ``pricing`` of a region.
    :raises SettingsError: the file cannot be used.
    """
    if file is not None:
        return PriceFile(Path(file))
    place = price_list_region(partition)
    return PriceList(pricing(place), region) if place else None


def _is_for(product: dict[str, Any], usage: Usage) -> bool:
    return _USAGE_TYPES[usage].match(product["product"]["attributes"].get("usagetype", "")) is not None


def _hourly(product: dict[str, Any]) -> Iterator[float]:
    """Yield the product's prices in USD an hour; a region may have none in that currency."""
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"].lower() in ("hrs", "hours", "hour") and "USD" in dimension["pricePerUnit"]:
                yield float(dimension["pricePerUnit"]["USD"])
