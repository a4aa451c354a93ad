"""Service Quotas of SageMaker: the number of instances of a type that may train or serve at once.

The names are AWS's. The codes, made from the names, and the values are the local AWS's. Tests may set the values.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from harness.localaws.api_models import service_model
from harness.localaws.exceptions import AWSError
from harness.localaws.paging import page_of
from harness.regions import partition

DEFAULT = 20.0
"""Instances, unless a test sets another value."""
_USES = {"TrainingInstanceType": "training job usage", "ProductionVariantInstanceType": "endpoint usage"}


class NoSuchResource(AWSError):
    """There is no such service or quota."""

    code = "NoSuchResourceException"


class InvalidPaginationToken(AWSError):
    """The token is not one of this list."""

    code = "InvalidPaginationTokenException"


class Quotas:
    """The quotas of one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._values: dict[str, float] = {}

    def set(self, name: str, value: float) -> None:
        """Set a quota (``ml.m4.xlarge for endpoint usage``) in all regions.

        :raises ValueError: there is no quota of that name.
        """
        if name not in _names():
            raise ValueError(f"there is no quota {name!r}; names are such as 'ml.m4.xlarge for endpoint usage'")
        self._values[name] = float(value)

    def reset(self) -> None:
        """Reset every quota to its default."""
        self._values.clear()

    def call(self, operation: str, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        """Answer an operation.

        :raises AWSError: as AWS would.
        """
        if parameters["ServiceCode"] != "sagemaker":
            raise NoSuchResource(f"The local AWS has quotas of sagemaker only, not of {parameters['ServiceCode']}.")
        wanted = parameters.get("QuotaCode")
        values = {} if "Default" in operation else self._values
        found = [
            self._quota(name, values.get(name, DEFAULT), region) for name in _names() if wanted in (None, _code(name))
        ]
        if operation.startswith("Get"):
            if not found:
                raise NoSuchResource("The request failed because the specified quota does not exist.")
            return {"Quota": found[0]}
        page, token = page_of(
            found,
            lambda quota: (quota["QuotaName"], ""),
            parameters,
            scope=f"{operation} {region}",
            size=100,
            error=InvalidPaginationToken,
        )
        return {"Quotas": page} | ({"NextToken": token} if token else {})

    def _quota(self, name: str, value: float, region: str) -> dict[str, Any]:
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": f"arn:{partition(region)}:servicequotas:{region}:{self._account}:sagemaker/{_code(name)}",
            "QuotaCode": _code(name),
            "QuotaName": name,
            "Value": value,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


OPERATIONS = ("ListServiceQuotas", "GetServiceQuota", "ListAWSDefaultServiceQuotas", "GetAWSDefaultServiceQuota")


@lru_cache
def _names() -> list[str]:
    model = service_model("sagemaker")
    return sorted(f"{type_} for {use}" for shape, use in _USES.items() for type_ in model.shape_for(shape).enum)


def _code(name: str) -> str:
    return "L-" + hashlib.sha256(name.encode()).hexdigest()[:8].upper()
