"""Real Spark sessions, each in a separate process, because the JVM of a process can use one AWS only."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from harness.java import find_java
from harness.scratch import make_scratch
from harness.spark.pythonpath import python_environment
from harness.waiting import wait_until
from tests.integration.conftest import said
from tests.support.outside import OUTSIDE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.spark]

FAKE_AWS = """
class FakeAWS:
    mode, account, role, lease = "mock", "1" * 12, "arn:aws:iam::111111111111:role/r", None

    def __init__(self, region="us-east-1"):
        self.region = region

    def environment(self):
        return {"AWS_REGION": self.region, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}

    def jvm_options(self):
        return ["-Dharness.test=a b"]
"""

PYTHON_IN_SPARK = """
from pyspark.sql.functions import udf

def of_worker(_):
    import os, sys, pyspark.serializers
    return [sys.executable, pyspark.serializers.cloudpickle.__name__, os.environ.get("AWS_ACCESS_KEY_ID")]

frame = spark.createDataFrame([(1, "a"), (2, "b")], ["number", "text"])
python = {
    "frame": [list(row) for row in frame.collect()],
    "udf": [row[0] for row in frame.select(udf(lambda text: text + "!")("text")).collect()],
    "lambdas": spark.sparkContext.parallelize(range(10)).map(lambda n: n * n).filter(lambda n: n % 2).sum(),
    "worker": spark.sparkContext.parallelize([0], 1).map(of_worker).first(),
}
"""

STARTED = f"""
import json, os
from harness.aws.cleanup.names import names_of
from harness.errors import SetupError
from harness.settings import Settings
from harness.spark.sdk import estimator
from harness.spark.session import build_session
{FAKE_AWS}
aws = FakeAWS()
before = dict(os.environ)
spark = build_session(aws, Settings(spark_master=os.environ.get("MASTER", "local[2]")))
{PYTHON_IN_SPARK}
"""

ELSEWHERE = STARTED + 'print(json.dumps({"python": python}))'

OURS = f"""
{STARTED}
jvm = spark._jvm
built = estimator(aws, Settings(training_instance_count=3), names_of("run", 1, "bucket"))
given = [[param.name, built.getOrDefault(param)] for param in built.params if built.isSet(param)]
estimated = dict(hyperparameters=dict(given), instances=built.trainingInstanceCount)
try:
    refusal = build_session(FakeAWS("eu-west-1"), Settings()) and None
except SetupError as error:
    refusal = str(error)
same = build_session(aws, Settings()) is spark
spark.stop()
print(json.dumps({{
    "python": python,
    "property": jvm.java.lang.System.getProperty("harness.test"),
    **estimated,
    "refusal": refusal,
    "same": same,
    "after_stop": build_session(aws, Settings()).range(3).count(),
    "environment_kept": dict(os.environ) == before,
}}))
"""

BUILT = f"""
import json
from pyspark.sql import SparkSession
from harness.errors import SetupError
from harness.spark.jvm import require_jvm_of
from harness.spark.session import get_or_create
{FAKE_AWS}
builder = SparkSession.builder.master("local[2]").appName("mine").config("spark.sql.ansi.enabled", "true")
builder.config("spark.driver.extraJavaOptions", "-Dmine=1 -Dharness.test=theirs")
aws = FakeAWS()
spark = get_or_create(builder, aws)
{PYTHON_IN_SPARK}
require_jvm_of(aws, sdk=True)
spark.stop()
again = get_or_create(builder, aws)
print(json.dumps({{
    "python": python,
    "options": [again.sparkContext.appName, again.conf.get("spark.sql.ansi.enabled"), again.range(3).count()],
    "properties": [again._jvm.java.lang.System.getProperty(name) for name in ("mine", "harness.test")],
}}))
"""

USERS = f"""
import json
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
{PYTHON_IN_SPARK}
from harness.errors import SetupError
from harness.settings import Settings
from harness.spark.session import build_session
{FAKE_AWS}
try:
    refusal = build_session(FakeAWS(), Settings()) and None
except SetupError as error:
    refusal = str(error)
print(json.dumps({{"python": python, "refusal": refusal}}))
"""


def run(code, directory, **environment):
    """Return the JSON that a script prints last, what it says on stderr, and the files it leaves where it ran."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=directory,
        env=OUTSIDE | {"PYTHONPATH": ROOT} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]) | {"stderr": done.stderr, "files": os.listdir(directory)}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return run(OURS, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    java = {"JAVA_HOME": str(find_java().home)}
    return run(USERS, tmp_path_factory.mktemp("users"), **python_environment({"PYTHONPATH": ROOT}), **java)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return run(ELSEWHERE, tmp_path_factory.mktemp("cluster"), MASTER="local-cluster[1,1,1024]")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return run(BUILT, tmp_path_factory.mktemp("built"))


@pytest.fixture(params=["ours", "built", "users", "cluster"])
def python(request):
    """Results of Python in a session of the harness, in one of an unmodified script, and with a remote executor."""
    return request.getfixturevalue(request.param)["python"]


def test_frames_are_made_of_lists(python):
    assert python["frame"] == [[1, "a"], [2, "b"]]


def test_python_udfs_and_rdd_lambdas_work(python):
    assert python["udf"] == ["a!", "b!"]
    assert python["lambdas"] == 1 + 9 + 25 + 49 + 81


def test_workers_run_the_drivers_python_with_a_cloudpickle_that_can_read_it(python):
    newer = sys.version_info >= (3, 11)
    assert python["worker"][:2] == [sys.executable, "cloudpickle" if newer else "pyspark.cloudpickle"]


@pytest.mark.parametrize("session", ["ours", "built", "cluster"])
def test_workers_get_the_variables_for_aws(session, request):
    assert request.getfixturevalue(session)["python"]["worker"][2] == "a"


def test_the_jvm_gets_the_options_for_aws(ours):
    assert ours["property"] == "a b"


def test_a_builder_of_a_users_own_keeps_its_options_and_gets_those_for_aws(built):
    assert built["options"] == ["mine", "true", 3]
    assert built["properties"] == ["1", "a b"]


def test_the_estimator_trains_as_the_reference_program_does_on_the_settings_instances(ours):
    assert ours["hyperparameters"] == {
        "eta": 0.2,
        "gamma": 4.0,
        "min_child_weight": 6.0,
        "silent": 0,
        "objective": "multi:softmax",
        "num_class": 10,
        "num_round": 10,
    }
    assert ours["instances"] == 3


def test_the_same_aws_gets_the_same_session_and_a_new_one_after_it_stopped(ours):
    assert (ours["same"], ours["after_stop"]) == (True, 3)


def test_another_aws_is_refused_in_the_same_process(ours):
    assert ours["refusal"].startswith("Spark's JVM in this process does not use the mock AWS in eu-west-1")
    assert "differ: AWS_REGION\n" in ours["refusal"]


def test_a_session_of_another_origin_is_refused(users):
    assert "differ: harness.test, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY\n" in users["refusal"]


def test_a_normal_run_is_silent_on_stderr_and_leaves_no_file(ours):
    assert (said(ours["stderr"]), ours["files"]) == ([], [])


def test_this_processs_environment_stays_as_it_was(ours):
    assert ours["environment_kept"]


MISTAKEN = f"""
import json
from harness.aws.cleanup.names import names_of
from harness.errors import SetupError
from harness.settings import Settings
from harness.spark.session import build_session
{FAKE_AWS}
aws = FakeAWS()
try:
    build_session(aws, Settings(spark_master="local[many]"))
except SetupError as error:
    print(json.dumps({{"error": str(error), "corrected": build_session(aws, Settings()).range(3).count()}}))
"""


def test_an_unknown_master_is_reported_and_can_be_corrected(tmp_path):
    told = run(MISTAKEN, tmp_path, TMPDIR=str(tmp_path))
    assert told["error"].startswith("Spark did not start: Could not parse Master URL: 'local[many]'")
    assert "--harness-spark-master" in told["error"]
    assert told["corrected"] == 3
    wait_until(lambda: not list(tmp_path.glob("harness-spark-*")), "scratch files to go with the JVM", timeout=10)


KILLED = f"""
import time
from harness.settings import Settings
from harness.spark.session import build_session
{FAKE_AWS}
spark = build_session(FakeAWS(), Settings(spark_master="local[2]"))
spark.sparkContext.parallelize([1]).map(lambda n: n).collect()
print(spark.conf.get("spark.sql.warehouse.dir"), flush=True)
time.sleep(600)
"""


def test_jvm_workers_and_scratch_files_are_gone_when_the_process_is_killed(tmp_path):
    code = [sys.executable, "-c", KILLED]
    with subprocess.Popen(code, cwd=tmp_path, env=OUTSIDE | {"PYTHONPATH": ROOT}, stdout=subprocess.PIPE) as process:
        scratch = Path(process.stdout.readline().decode().strip().removeprefix("file:")).parent
        descendants = psutil.Process(process.pid).children(recursive=True)
        names = {child.name() for child in descendants}
        assert "java" in names, names
        assert scratch.is_dir()
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(alive, descendants)), "JVM and workers to end", timeout=10)
    assert not scratch.exists()


def test_a_process_that_is_killed_while_its_jvm_starts_leaves_nothing_that_the_next_keeps(tmp_path, monkeypatch):
    environment = OUTSIDE | {"PYTHONPATH": ROOT, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", KILLED], env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: list(tmp_path.glob("harness-spark-*/tmp*")), "the launch")
        process.send_signal(signal.SIGKILL)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def left_by_the_next():
        make_scratch("harness-localaws-").delete()
        return list(tmp_path.iterdir())

    # A JVM that was being started, and holds its directory, ends by itself.
    wait_until(left_by_the_next, "the next to delete everything", done=lambda left: not left, timeout=60)


def alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
