"""Start-up times: the local AWS, a Spark session, the command, and pytest with the plugin."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import pytest

import harness
from harness.aws.local import MockAWS
from harness.fixtures import ENVIRONMENT

ROUNDS, SPARK_ROUNDS = 5, 3
HERE = Path(__file__).parent
SPARK = """
import json, sys, time
began = time.perf_counter()
from bare_parts import NoAWS
from harness.settings import Settings
from harness.spark.session import build_session
imported = time.perf_counter()
session = build_session(NoAWS(), Settings(spark_master=sys.argv[1]))
started = time.perf_counter()
assert session.range(1000).count() == 1000
ended = time.perf_counter()
print(json.dumps({"imports": imported - began, "session": started - imported, "first job": ended - started}))
"""


@pytest.fixture
def run(pytestconfig, tmp_path):
    """Run Python in a new directory, without a local AWS; return its output."""
    environment = dict(pytestconfig.stash.get(ENVIRONMENT, os.environ))
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(harness.__file__).parents[1]), str(HERE)])

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    return run


@pytest.mark.benchmark(group="start")
def test_the_local_aws_to_its_first_answer(benchmark, harness_settings):
    if harness_settings.mode != "mock":
        pytest.skip("real mode starts no local AWS")
    accounts = []
    with ExitStack() as started:

        def start():
            aws = started.enter_context(MockAWS.start(harness_settings))
            accounts.append(aws.client("sts").get_caller_identity()["Account"])

        benchmark.pedantic(start, setup=started.close, rounds=ROUNDS)
    assert accounts == ["123456789012"] * len(accounts)


@pytest.mark.benchmark(group="start")
def test_a_spark_session_in_a_process_of_its_own(benchmark, record_value, run, harness_settings):
    seconds = []

    def start():
        seconds.append(json.loads(run("-c", SPARK, harness_settings.spark_master).splitlines()[-1]))

    benchmark.pedantic(start, rounds=SPARK_ROUNDS)
    record_value("parts, seconds", {part: round(median(each[part] for each in seconds), 2) for part in seconds[0]})


@pytest.mark.benchmark(group="start")
def test_the_help_of_the_command(benchmark, run):
    assert "usage: harness" in benchmark.pedantic(run, args=("-m", "harness", "--help"), rounds=2 * ROUNDS)


@pytest.mark.benchmark(group="start")
def test_import_harness(benchmark, record_value, run):
    beside(benchmark, record_value, partial(run, "-c", "import harness"), partial(run, "-c", "pass"), "Python alone")


@pytest.mark.benchmark(group="start")
def test_pytest_with_the_plugin(benchmark, record_value, run, tmp_path):
    (tmp_path / "test_empty.py").write_text("def test_empty():\n    pass\n")
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    without = partial(run, *command, "-p", "no:harness.plugin")
    with_plugin = partial(run, *command, "-p", "harness.plugin")
    assert "1 passed" in with_plugin()
    assert "--harness-mode" in run(*command, "-p", "harness.plugin", "--help")
    assert "--harness-mode" not in run(*command, "-p", "no:harness.plugin", "--help")
    beside(benchmark, record_value, with_plugin, without, "pytest without it")


def beside(benchmark, record_value, work, other, name):
    """Measure some work, and other work before each of its rounds, and report the ratio."""
    seconds = []

    def other_first():
        began = time.perf_counter()
        other()
        seconds.append(time.perf_counter() - began)

    benchmark.pedantic(work, setup=other_first, rounds=2 * ROUNDS)
    if benchmark.stats:
        ratios = [ours / theirs for ours, theirs in zip(benchmark.stats.stats.data, seconds, strict=True)]
        record_value(f"times as long as {name} (median of the rounds' ratios)", round(median(ratios), 2))
        record_value(f"{name}, seconds (median)", round(median(seconds), 3))
