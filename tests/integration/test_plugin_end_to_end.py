"""The plugin from another project: nothing of it is imported, configured or copied but what its README shows."""

import sys
from importlib.metadata import entry_points

import pytest

from tests.support.outside import ROOT, restore_environment

pytestmark = [pytest.mark.slow, pytest.mark.spark]

INI = """
[pytest]
harness_train_rows = 600
harness_test_rows = 100
harness_spark_master = local[2]
"""

PROJECT = {
    "conftest": """
import pytest

@pytest.fixture(scope="session")
def scored(trained_model, mnist_test):
    return trained_model.transform(mnist_test).select("label", "prediction").collect()
""",
    "test_ours": """
import boto3

def test_most_digits_are_predicted_correctly(scored):
    assert len(scored) == 100
    assert sum(row.label == row.prediction for row in scored) > 60

def test_a_client_of_our_own_sees_the_endpoint(trained_model, sagemaker_client):
    ours = boto3.client("sagemaker").list_endpoints()["Endpoints"]
    assert [endpoint["EndpointName"] for endpoint in ours] == [trained_model.endpointName]
    assert sagemaker_client.list_endpoints()["Endpoints"] == ours

def test_a_throttled_endpoint_is_asked_again(faults, sagemaker_runtime_client, trained_model, aws):
    fault = faults.add("InvokeEndpoint", status=503, code="ServiceUnavailable", message="busy")
    request = {"EndpointName": trained_model.endpointName, "ContentType": "text/libsvm", "Body": b"0 1:255\\n"}
    assert sagemaker_runtime_client.invoke_endpoint(**request)["Body"].read()
    assert fault.applied == 1
    assert [call["status"] for call in aws.calls()["calls"] if call["operation"] == "InvokeEndpoint"][-2:] == [503, 200]
""",
}

CARELESS = {
    "conftest": """
import pytest
from pyspark.ml.linalg import Vectors

@pytest.fixture(scope="session")
def mnist_train(spark):
    rows = [(float(digit), Vectors.dense([digit == place for place in range(10)])) for digit in range(10)]
    return spark.createDataFrame(rows, ["label", "features"])
""",
    "test_careless": """
def test_that_makes_the_clean_up_miss_the_model(trained_model, aws):
    aws.faults.add("DeleteModel", status=400, code="AccessDeniedException", message="not allowed")
""",
}


@pytest.fixture
def session(pytester, monkeypatch):
    """Run pytest, with the plugin as it is installed, on a project of these files."""
    restore_environment(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    installed = any(point.name == "harness.plugin" for point in entry_points(group="pytest11"))

    def session(*options, **files):
        pytester.makeini(INI)
        pytester.makepyfile(**files)
        plugin = [] if installed else ["-p", "harness.plugin"]
        return pytester.run(sys.executable, "-m", "pytest", *plugin, *options, timeout=240)

    return session


def test_a_project_uses_the_fixtures_by_their_names_alone(session):
    result = session(**PROJECT)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["harness: mock AWS in us-east-1, Spark at local[[]2]"])
    assert "left over in AWS" not in result.stdout.str()


FORGETFUL = """
from harness.registries import image

def test_one(s3_client):
    s3_client.create_bucket(Bucket="shop")

def test_two(s3_client):
    s3_client.put_object(Bucket="shop", Key="a", Body=b"1")

def test_three(s3_client, aws):
    s3_client.create_multipart_upload(Bucket="shop", Key="b")
    container = {"Image": image("kmeans", aws.region)}
    aws.client("sagemaker").create_model(ModelName="m", ExecutionRoleArn=aws.role, PrimaryContainer=container)

def test_four(s3_client):
    s3_client.create_bucket(Bucket="other")
    s3_client.put_object(Bucket="other", Key="a", Body=b"1")
    s3_client.delete_object(Bucket="other", Key="a")
"""


def test_what_remains_is_listed_with_the_tests_that_created_it(session):
    result = session(test_forgetful=FORGETFUL)
    model = "  model m, created during test_forgetful.py::test_three"
    objects = "  S3 objects: 2 in s3://shop (a, b), created during test_forgetful.py::test_two and 1 other"
    result.stdout.fnmatch_lines([model, objects, "to fix:*"], consecutive=True)


def test_resources_missed_by_the_sdks_cleanup_fail_the_session_and_are_deleted(session):
    result = session(**CARELESS)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = "*Resources of this session still existed after SageMakerResourceCleanup: model * (exists).*"
    result.stdout.fnmatch_lines([told])
    assert "left over in AWS" not in result.stdout.str()
