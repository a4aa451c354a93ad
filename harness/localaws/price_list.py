"""The Price List API. It has the products that a test provides, and no others: it invents no price.

Products have the form that AWS's price list files use: ``serviceCode``, ``product`` with ``attributes``, ``terms``. See
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
"""

from __future__ import annotations

import json
from typing import Any

from harness.localaws.exceptions import AWSError
from harness.localaws.paging import page_of

OPERATIONS = ("GetProducts",)


class InvalidNextToken(AWSError):
    """The token is not one of this list."""

    code = "InvalidNextTokenException"


class PriceListAPI:
    """The emulated service, with its products and their prices."""

    def __init__(self) -> None:
        self._products: list[dict[str, Any]] = []

    def put(self, products: list[dict[str, Any]]) -> None:
        """Replace the products.

        :raises ValueError: an item is not a product.
        """
        for product in products:
            if not isinstance(product, dict) or "attributes" not in product.get("product", {}):
                raise ValueError(f"a product needs 'product' with 'attributes', and 'terms'; this is {product!r}")
        self._products = products

    def call(self, operation: str, parameters: dict[str, Any], region: str) -> dict[str, Any]:  # noqa: ARG002
        """Answer ``GetProducts``.

        :raises AWSError: as AWS would.
        """
        found = {json.dumps(product) for product in self._products if _wanted(product, parameters)}
        page, token = page_of(
            found, lambda product: (product, ""), parameters, scope=operation, size=100, error=InvalidNextToken
        )
        return {"FormatVersion": "aws_v1", "PriceList": page} | ({"NextToken": token} if token else {})


def _wanted(product: dict[str, Any], parameters: dict[str, Any]) -> bool:
    """Return whether a product belongs to the service and matches every filter."""
    filters = parameters.get("Filters", [])
    fields = {name.lower(): value for name, value in product["product"]["attributes"].items()}
    fields["productfamily"] = product["product"].get("productFamily")
    fields["servicecode"] = product.get("serviceCode", fields.get("servicecode"))
    wanted = {filter_["Field"].lower(): filter_["Value"] for filter_ in filters}
    wanted["servicecode"] = parameters["ServiceCode"]
    return all(fields.get(name) == value for name, value in wanted.items())
