"""Prices: from AWS's Price List or a file, each with where it is from and when."""

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from harness.aws.account import preflight
from harness.aws.pricing import (
    NoPrices,
    PriceFile,
    PriceList,
    hourly_cost,
    price_list_region,
    price_source,
    require_prices,
)
from harness.errors import SettingsError
from harness.settings import Settings

CONTENT = {"source": "our contract", "date": "2026-11-01", "prices": {"ml.m4.xlarge": {"training": 0.24}}}


def product(usage_type, usd, *, unit="Hrs"):
    """Return a product as the Price List API gives it."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    return {
        "product": {"attributes": {"instanceName": "ml.m4.xlarge", "usagetype": usage_type}},
        "terms": {"OnDemand": {"x": {"priceDimensions": {"y": dimension}}}, "Reserved": {}},
        "publicationDate": "2026-10-05T20:11:00Z",
    }


class Client:
    """A stand-in for boto3's pricing client, which remembers the latest request and counts them."""

    def __init__(self, *products):
        self._products = products
        self.requests = 0

    def get_paginator(self, operation):
        assert operation == "get_products"
        return self

    def paginate(self, **asked):
        self.asked = asked
        self.requests += 1
        return [{"PriceList": [json.dumps(each)]} for each in self._products]


def test_a_price_of_the_price_list_has_its_source_and_date():
    client = Client(product("USE1-Train:ml.m4.xlarge", "0.28"), product("USE1-Host:ml.m4.xlarge", "0.2900000000"))
    price = PriceList(client, "us-east-1").find("ml.m4.xlarge", "hosting")
    assert (price.hourly, price.source, price.date) == (0.29, "AWS Price List", "2026-10-05")
    assert str(price) == "ml.m4.xlarge for hosting USD 0.29 an hour (AWS Price List, 2026-10-05)"
    wanted = {each["Field"]: each["Value"] for each in client.asked["Filters"]}
    assert wanted == {"regionCode": "us-east-1", "instanceName": "ml.m4.xlarge"}


@pytest.mark.parametrize(
    "other",
    [
        product("USE1-Notebk:ml.m4.xlarge", "0.28"),
        product("USE1-Host:ml.m4.xlarge", "0.28", unit="GB"),
        product("USE1-AsyncInf:ml.m4.xlarge", "0.28"),
    ],
)
def test_the_price_of_something_else_is_not_taken_for_it(other):
    assert PriceList(Client(other), "us-east-1").find("ml.m4.xlarge", "hosting") is None


def test_of_several_prices_the_highest_is_taken():
    found = Client(product("Host:ml.m4.xlarge", "0"), product("Host:ml.m4.xlarge", "0.3"))
    assert PriceList(found, "us-east-1").find("ml.m4.xlarge", "hosting").hourly == 0.3


def test_a_file_of_prices_is_quoted_with_its_own_source(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(CONTENT))
    price = PriceFile(path).find("ml.m4.xlarge", "training")
    assert (price.hourly, price.date, price.source) == (0.24, "2026-11-01", f"our contract, in {path}")
    assert PriceFile(path).find("ml.m4.xlarge", "hosting") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", json.dumps(CONTENT | {"prices": {"ml.m4.xlarge": {"training": "x"}}})),
        *(json.dumps(CONTENT | {name: ""}) for name in ("source", "date")),
    ],
)
def test_a_file_of_another_form_is_reported_with_the_form_it_should_have(tmp_path, text):
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match="not as expected") as caught:
        PriceFile(path)
    assert '"prices": {"ml.m4.xlarge"' in caught.value.fix


def test_a_file_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        PriceFile(tmp_path / "none.json")


def test_the_price_list_has_an_address_of_its_own_where_there_is_one():
    assert [price_list_region(each) for each in ("aws", "aws-cn", "aws-us-gov")] == [
        "us-east-1",
        "cn-northwest-1",
        None,
    ]


def test_a_partition_without_a_price_list_has_no_prices_unless_a_file_gives_them(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(CONTENT))
    assert isinstance(price_source(None, "aws-us-gov", "us-gov-west-1", Client), NoPrices)
    assert isinstance(price_source(str(path), "aws-us-gov", "us-gov-west-1", Client), PriceFile)
    assert NoPrices().find("ml.m4.xlarge", "hosting") is None


# --- prices of a run --------------------------------------------------------------------------------------------------

BOTH = (product("USE1-Train:ml.m4.xlarge", "0.5"), product("USE1-Host:ml.m4.xlarge", "0.1"))


def test_preflight_and_the_cost_printed_later_ask_the_price_list_once_for_an_instance_type():
    client, settings = Client(*BOTH), Settings(mode="real")
    aws = SimpleNamespace(prices=PriceList(client, "us-east-1"), hourly_prices={})
    assert "at most USD 1.20 in 2 hours" in preflight._cost(aws, settings).found
    assert aws.hourly_prices == {"training job": {"ml.m4.xlarge": 0.5}, "endpoint": {"ml.m4.xlarge": 0.1}}
    assert hourly_cost(require_prices(aws.prices, settings), settings) == 0.6
    assert client.requests == 1


def test_every_instance_of_an_endpoint_costs():
    settings = Settings(training_instance_count=2, endpoint_instance_count=3)
    prices = require_prices(PriceList(Client(*BOTH), "us-east-1"), settings)
    assert hourly_cost(prices, settings) == pytest.approx(2 * 0.5 + 3 * 0.1)


def test_an_instance_type_without_a_price_is_refused(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(CONTENT))
    with pytest.raises(
        SettingsError, match=r"No price is known of ml\.p5\.large for hosting; there may be no such"
    ) as caught:
        require_prices(PriceFile(path), Settings(), ["ml.p5.large"])
    assert caught.value.checked == str(path)


def test_a_price_list_that_does_not_exist_is_not_reported_as_checked():
    with pytest.raises(SettingsError, match="AWS has no price list in us-gov-west-1") as caught:
        require_prices(NoPrices(), Settings(region="us-gov-west-1"))
    assert caught.value.checked == ""


def test_a_price_list_that_may_not_be_read_is_reported_with_the_permission():
    def denied(*_):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetProducts")

    with pytest.raises(SettingsError, match=r"AWS does not list its prices: .*AccessDenied") as caught:
        require_prices(PriceList(SimpleNamespace(get_paginator=denied), "us-east-1"), Settings())
    assert "allow the caller pricing:GetProducts" in caught.value.fix
