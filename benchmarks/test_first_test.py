"""Cold starts: times from the start of a command to what its user waits for, each next to a bare counterpart.

Processes start alternately, in one run. What the user's caches hold is used, such as the archive of the JVM's classes.
"""

import time
from functools import partial
from statistics import median

import pytest
from test_start import run  # noqa: F401 - the same fixture

ROUNDS = 3
SMALL = ("--harness-train-rows=3000", "--harness-test-rows=500")
END = "import pathlib, time\npathlib.Path('ended').write_text(repr(time.time()))\n"
BARE_SPARK = f"""
import os
from pathlib import Path
import sagemaker_pyspark
from pyspark.sql import SparkSession
from harness.spark.sdk import sdk_jars
jars = os.pathsep.join(map(str, sdk_jars()))
SparkSession.builder.master("local[*]").config("spark.driver.extraClassPath", jars).getOrCreate()
{END}"""
SPARK = f"def test_spark(spark):\n    {END.strip().replace(chr(10), chr(10) + '    ')}\n"
README = f"""
def test_the_model_knows_most_digits(trained_model, mnist_test):
    rows = trained_model.transform(mnist_test).select("label", "prediction").collect()
    assert sum(row.label == row.prediction for row in rows) > 0.8 * len(rows)
    {END.strip().replace(chr(10), chr(10) + "    ")}


def test_the_pipeline_survives_a_short_outage(trained_model, mnist_test, faults):
    faults.add("InvokeEndpoint", effect="error", status=503, code="ServiceUnavailable", times=2)
    assert trained_model.transform(mnist_test).count() == mnist_test.count()
"""
EMPTY = f"def test_nothing():\n    {END.strip().replace(chr(10), chr(10) + '    ')}\n"


@pytest.fixture
def seconds_to_end(run, tmp_path):  # noqa: F811 - a fixture
    """Run Python, and return the seconds until its program wrote ``ended``, or until it ended if it writes none."""

    def seconds(*arguments):
        began = time.time()
        run(*arguments)
        ended = tmp_path / "ended"
        return float(ended.read_text()) - began if ended.exists() else time.time() - began

    return seconds


@pytest.fixture
def seconds_to_test(seconds_to_end, tmp_path):
    """Run pytest with one file of tests, and return the seconds until its first test ended."""

    def seconds(name, text, *options):
        (tmp_path / name).write_text(text)
        return seconds_to_end("-m", "pytest", "-q", "-p", "no:cacheprovider", *SMALL, *options, name)

    return seconds


def compare(benchmark, record_value, ours, bare, name):
    """Call both in every round, and record the medians of what they return, in seconds, and of the differences."""
    pairs = []
    benchmark.pedantic(lambda: pairs.append((bare(), ours())), rounds=ROUNDS)
    record_value("seconds (median)", round(median(ours for _, ours in pairs), 2))
    record_value(f"{name}, seconds (median)", round(median(bare for bare, _ in pairs), 2))
    record_value("seconds more (median of pairs)", round(median(ours - bare for bare, ours in pairs), 2))


@pytest.mark.benchmark(group="first test")
def test_spark_ready_in_a_process_of_its_own(benchmark, record_value, seconds_to_end, seconds_to_test):
    ours = partial(seconds_to_test, "test_spark.py", SPARK)
    compare(benchmark, record_value, ours, partial(seconds_to_end, "-c", BARE_SPARK), "a bare Spark session")


@pytest.mark.benchmark(group="first test")
def test_the_first_of_two_tests_of_a_trained_model(benchmark, record_value, seconds_to_test):
    ours = partial(seconds_to_test, "test_readme.py", README)
    compare(benchmark, record_value, ours, partial(seconds_to_test, "test_empty.py", EMPTY), "an empty test")


@pytest.mark.benchmark(group="first test")
@pytest.mark.parametrize("cache", ["off", "on"])
def test_the_first_of_two_tests_in_a_kept_environment(benchmark, record_value, run, seconds_to_test, cache):  # noqa: F811
    kept = ("-o", "harness_fresh=no", f"--harness-model-cache={cache}")
    ours = partial(seconds_to_test, "test_readme.py", README, *kept)
    fresh = partial(seconds_to_test, "test_readme.py", README, "--harness-fresh", "--harness-model-cache=off")
    run("-m", "harness", "up")
    try:
        ours()  # the cache has the model now
        compare(benchmark, record_value, ours, fresh, "a new environment")
    finally:
        run("-m", "harness", "down")


@pytest.mark.benchmark(group="first test")
def test_a_command_inside_a_local_aws(benchmark, record_value, seconds_to_end):
    ours = partial(seconds_to_end, "-m", "harness", "exec", "--", "true")
    compare(benchmark, record_value, ours, partial(seconds_to_end, "-c", "pass"), "Python alone")
