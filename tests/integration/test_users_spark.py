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

def test_that_stops_it(spark):
    spark.stop()

def test_that_comes_next(trained_model, mnist_test):
    trained_model.transform(mnist_test).count()
""",
}

STOPPED = {
    "conftest": """
import pytest
from pyspark.sql import SparkSession

@pytest.fixture(scope="session")
def spark_session(trained_model):  # as pytest-spark's
    session = SparkSession.builder.getOrCreate()
    yield session
    session.stop()
""",
    "test_ours": """
from pyspark.sql import SparkSession

def test_that_scores(trained_model, mnist_test):
    assert trained_model.transform(mnist_test).count() == 50

def test_of_a_program_that_stops_its_session():
    SparkSession.builder.getOrCreate().stop()

def test_that_scores_afterwards(trained_model, mnist_test, spark):
    assert trained_model.transform(mnist_test).count() == 50
    assert SparkSession.builder.getOrCreate() is spark
    assert spark.sparkContext.parallelize([1], 1).map(lambda n: n).collect() == [1]

def test_of_a_program_that_stops_java(spark):
    spark.sparkContext._jsc.sc().stop()

def test_with_another_plugin(spark_session, spark, mnist_train):
    assert mnist_train.count() == 300
    raise AssertionError("for the report")
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


def test_a_users_session_after_aws_uses_it_and_a_stop_of_it_is_named(session):
    result = session(**BUILT_AFTER_AWS)
    result.assert_outcomes(passed=3, errors=1)
    named = "The SparkSession of your fixture was stopped, by test_ours.py::test_that_stops_it."
    result.stdout.fnmatch_lines(["*ERROR at setup of test_that_comes_next*", named])
    assert "left over in AWS" not in result.stdout.str()
    assert "not deleted" not in result.stdout.str()


def test_the_harnesss_session_is_started_again_after_a_stop_and_the_sdk_still_cleans_up(session):
    result = session(**STOPPED)
    result.assert_outcomes(passed=4, failed=1)
    named = "The session of the fixture 'spark' was stopped, by test_ours.py::test_of_a_program_that_stops_java.*"
    result.stdout.fnmatch_lines(["*Captured harness setup*", named])
    assert "left over in AWS" not in result.stdout.str()
    assert "not deleted" not in result.stdout.str()
