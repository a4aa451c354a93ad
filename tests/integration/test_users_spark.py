"""Projects that start or stop Spark themselves: their JVM uses the session's AWS, or is refused by name."""

import sys
from importlib.metadata import entry_points

import pytest

from tests.support.outside import ROOT, restore_environment

pytestmark = [pytest.mark.slow, pytest.mark.spark]

INI = """
[pytest]
harness_train_rows = 300
harness_test_rows = 50
harness_spark_master = local[2]
"""

STARTED_FIRST = {
    "conftest": """
import pytest
from pyspark.sql import SparkSession
from sagemaker_pyspark import classpath_jars

@pytest.fixture(scope="session")
def spark():
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    return builder.config("spark.driver.extraClassPath", ":".join(classpath_jars())).getOrCreate()
""",
    "test_ours": """
from sagemaker_pyspark import IAMRole
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator

def test_of_spark_alone(spark):
    assert spark.range(3).count() == 3

def test_of_boto3_alone(s3_client, aws):
    assert "Buckets" in s3_client.list_buckets()

def test_of_the_harness(trained_model):
    pass

def test_of_an_estimator_of_our_own(spark, aws, ledger):
    XGBoostSageMakerEstimator(
        trainingInstanceType="ml.m4.xlarge", trainingInstanceCount=1, endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1, sagemakerRole=IAMRole(aws.role), namePolicyFactory=ledger.name_policy_factory(),
    )
""",
}

BUILT_AFTER_AWS = {
    "conftest": """
import pytest
from pyspark.sql import SparkSession
from sagemaker_pyspark import classpath_jars

@pytest.fixture(scope="session")
def spark(aws):
    builder = SparkSession.builder.master("local[2]").appName("ours").config("spark.ui.enabled", "false")
    return builder.config("spark.driver.extraClassPath", ":".join(classpath_jars())).getOrCreate()
""",
    "test_ours": """
from pyspark.sql.functions import udf

def test_python_in_spark(spark):
    assert spark.sparkContext.parallelize([1, 2], 2).map(lambda n: n + 1).collect() == [2, 3]
    assert spark.createDataFrame([("a",)], ["text"]).select(udf(str.upper)("text")).first()[0] == "A"

def test_of_the_harness(trained_model, mnist_test, spark):
    assert spark.sparkContext.appName == "ours"
    assert trained_model.transform(mnist_test).count() == 50
""",
}


@pytest.fixture
def session(pytester, monkeypatch):
    """Run pytest, with the plugin as it is installed, on a project of these files."""
    restore_environment(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    installed = any(point.name == "harness.plugin" for point in entry_points(group="pytest11"))

    def session(**files):
        pytester.makeini(INI)
        pytester.makepyfile(**files)
        plugin = [] if installed else ["-p", "harness.plugin"]
        return pytester.run(sys.executable, "-m", "pytest", *plugin, timeout=240)

    return session


def test_a_jvm_started_before_aws_is_used_by_nothing_of_the_harness_nor_by_the_sdk(session):
    result = session(**STARTED_FIRST)
    result.assert_outcomes(passed=2, errors=1, failed=1)
    refusal = "Spark's JVM in this process does not use the mock AWS in us-east-1, and cannot be redirected."
    differing = "  checked: *those that differ: https.proxyHost, https.proxyPort, *"
    result.stdout.fnmatch_lines(["*ERROR at setup of test_of_the_harness*", refusal, differing, "  to fix: *"])
    result.stdout.fnmatch_lines(["*_ test_of_an_estimator_of_our_own _*", f"*SetupError: {refusal}"])
    result.stdout.fnmatch_lines(["*UserWarning: Spark was started in this process before 'aws'*"])


def test_a_users_session_after_aws_uses_it(session):
    result = session(**BUILT_AFTER_AWS)
    result.assert_outcomes(passed=2)
    assert "left over" not in result.stdout.str()
    assert "not deleted" not in result.stdout.str()
