"""Metadata of results: written strictly, and read back as it was written; what is damaged counts as not recorded."""

import math
from types import SimpleNamespace

import pyspark
import pytest
import xgboost
from botocore.exceptions import ClientError

from harness.aws.pricing import Price
from harness.bench.results.endpoint_instances import described, hosting
from harness.bench.results.extra_info import COMPARED, ExtraInfo, Latency
from harness.bench.results.provenance import environment
from harness.errors import ResultsError
from harness.settings import Settings

SMALL, LARGE = "ml.m5.large", "ml.c5.xlarge"
DATE = "2026-03-01"
PRICE = Price(SMALL, "hosting", 0.18, "our contract", DATE)
HOSTED = ExtraInfo(endpoint="mine", endpoint_instance_type=SMALL, endpoint_instance_count=2, price=PRICE)


@pytest.mark.parametrize(
    "info",
    [
        ExtraInfo(),
        environment(Settings()),
        HOSTED,
        ExtraInfo(endpoint="theirs", endpoint_instance_type="", endpoint_instance_count=0),
        ExtraInfo(rows=815, bytes=5_200_000, dataset="1f", latency=Latency(p50=0.01, requests=70)),
    ],
)
def test_a_written_ledger_is_read_back(info):
    assert ExtraInfo.read(info.as_json()) == info


def test_the_json_is_flat_with_objects_for_price_and_latency():
    found = ExtraInfo(**vars(HOSTED) | {"rows": 10, "latency": Latency(p50=0.1, requests=64)}).as_json()
    assert found == {
        "endpoint": "mine",
        "endpoint_instance_type": SMALL,
        "endpoint_instance_count": 2,
        "price": {"usd_per_hour": 0.18, "source": "our contract", "date": DATE},
        "rows": 10,
        "latency": {"p50": 0.1, "requests": 64},
    }


def test_every_benchmark_records_its_settings_and_versions_whether_or_not_they_are_known():
    written = environment(Settings(spark_master="local[3]")).as_json()
    assert written.keys() == {*COMPARED, "commit"} - {"dataset", "rows", "bytes"}
    assert written["spark_master"] == "local[3]"
    assert (written["spark"], written["xgboost"]) == (pyspark.__version__, xgboost.__version__)


def test_options_of_spark_are_recorded_in_one_order_and_without_secrets():
    options = ("spark.sql.shuffle.partitions=4", "spark.hadoop.fs.s3a.secret.key=mine", "spark.locality.wait=0s")
    written = environment(Settings(spark_conf=options)).as_json()["spark_conf"]
    assert written == environment(Settings(spark_conf=options[::-1])).as_json()["spark_conf"]
    assert written.startswith("spark.hadoop.fs.s3a.secret.key=*")
    assert "mine" not in written
    assert written.endswith("spark.locality.wait=0s, spark.sql.shuffle.partitions=4")
    assert environment(Settings()).as_json()["spark_conf"] == "default"


@pytest.mark.parametrize(
    "wrong",
    [{"rows": 0}, {"rows": "10"}, {"rows": math.nan}, {"bytes": -1}, {"cores": 1.5}, {"mode": 3}, {"dataset": b"1f"}],
)
def test_a_value_that_would_not_be_read_back_is_not_written(wrong):
    with pytest.raises(ResultsError, match=f"records {next(iter(wrong))} "):
        ExtraInfo(**wrong).as_json()


def test_a_price_that_is_not_of_the_recorded_instances_is_not_written():
    with pytest.raises(ResultsError, match="records price"):
        ExtraInfo(endpoint_instance_type=LARGE, price=PRICE).as_json()


@pytest.mark.parametrize(
    "foreign",
    [
        {"mode": None, "rows": "many", "bytes": [1], "cores": -2, "latency": 0.1},
        {"rows": math.inf, "bytes": math.nan, "cores": True, "region": 7},
    ],
)
def test_a_damaged_or_foreign_value_counts_as_not_recorded(foreign):
    assert ExtraInfo.read(foreign | {"another": "value"}) == ExtraInfo()


def test_a_damaged_part_of_a_latency_leaves_the_rest():
    assert ExtraInfo.read({"latency": {"p99": "x", "requests": 700}}).latency == Latency(requests=700)


@pytest.mark.parametrize(
    "price",
    [
        None,
        0.1,
        {"usd_per_hour": 0.1, "date": DATE},
        {"usd_per_hour": 0.1, "source": "made up", "date": ""},
        {"usd_per_hour": -1, "source": "made up", "date": DATE},
        {"usd_per_hour": math.nan, "source": "made up", "date": DATE},
        {"usd_per_hour": "0.1", "source": "made up", "date": DATE},
    ],
)
def test_a_price_without_source_or_date_or_sense_is_none(price):
    assert ExtraInfo.read({"endpoint_instance_type": SMALL, "price": price}).price is None


# --- what AWS reports -------------------------------------------------------------------------------------------------


class Account:
    """An account of AWS with an endpoint, which refuses to list prices unless it is given one."""

    def __init__(self, price=None):
        self._price = price
        self.prices = self

    def find(self, instance_type, usage):
        if self._price is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetProducts")
        return self._price if (instance_type, usage) == (SMALL, "hosting") else None

    def client(self, service):
        assert service == "sagemaker"
        variants = [{"InstanceType": LARGE}, {"InstanceType": LARGE}]
        return SimpleNamespace(
            describe_endpoint=lambda EndpointName: {  # noqa: N803 - boto3's name
                "EndpointConfigName": f"{EndpointName}-config",
                "ProductionVariants": [{"CurrentInstanceCount": 1}, {"CurrentInstanceCount": 2}],
            },
            describe_endpoint_config=lambda EndpointConfigName: {"ProductionVariants": variants},  # noqa: N803
        )


def test_the_price_of_an_endpoints_instances_is_recorded():
    settings = Settings(mode="real", endpoint_instance_type=SMALL, endpoint_instance_count=2)
    assert hosting(Account(PRICE), settings, "mine") == HOSTED


def test_a_price_that_aws_does_not_report_is_not_recorded():
    found = hosting(Account(), Settings(mode="real", endpoint_instance_type=SMALL), "theirs").as_json()
    assert found == {"endpoint": "theirs", "endpoint_instance_type": SMALL, "endpoint_instance_count": 1}


def test_aws_is_asked_for_the_instances_of_an_endpoint_that_existed_before():
    settings = Settings(mode="real", endpoint_instance_type=SMALL, endpoint="mine")
    found = hosting(Account(PRICE), settings, "mine")
    assert (found.endpoint_instance_type, found.endpoint_instance_count, found.price) == (LARGE, 3, None)
    assert described(Account(PRICE), "mine") == found
