"""``harness up``: sessions of a directory share a local AWS and a JVM, and find them as good as new."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

from harness.kept.place import place
from harness.waiting import wait_until
from tests.support.outside import OUTSIDE, ROOT
from tests.support.processes import alive, commands

pytestmark = [pytest.mark.slow, pytest.mark.spark]

# A session that reads the state it finds, then changes all that it can.
SESSION = """
import json, os, subprocess, sys
import boto3
from pyspark.sql.functions import udf

def java(spark):
    return spark.sparkContext._jvm

def state(spark, aws):
    iam, system = boto3.client("iam"), java(spark).java.lang.System
    worker = udf(lambda _: os.environ.get("OF_THIS_SESSION", "none"))
    try:
        trains = bool(boto3.client("sagemaker").create_model(ModelName="m", ExecutionRoleArn=aws.role,
                      PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:1"}))
    except boto3.client("sagemaker").exceptions.ClientError:
        trains = False
    return {
        "buckets": [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]],
        "roles": sorted(role["RoleName"] for role in iam.list_roles()["Roles"]),
        "policies": iam.list_role_policies(RoleName=aws.role.rpartition("/")[2])["PolicyNames"],
        "registered": trains,
        "faults": aws.calls()["counts"].get("ListTrainingJobs", 0),
        "tables": [table.name for table in spark.catalog.listTables()],
        "property": system.getProperty("mine"),
        "zone": java(spark).java.util.TimeZone.getDefault().getID(),
        "debug": java(spark).org.apache.log4j.LogManager.getRootLogger().isDebugEnabled(),
        "region": spark.sparkContext._jsc.hadoopConfiguration().get("fs.s3a.endpoint"),
        "worker": spark.range(1).select(worker("id")).first()[0],
        "directory": spark.read.text("here.txt").first()[0],
    }

def test_a_session_changes_what_it_can(spark, aws, faults, request):
    seen = state(spark, aws)
    with open(os.environ["SEEN"], "w") as file:
        json.dump(seen, file)
    java(spark).java.lang.System.err.println("from the JVM")
    boto3.client("s3").create_bucket(Bucket="of-a-session")
    boto3.client("iam").create_role(RoleName="mine", AssumeRolePolicyDocument="{}")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    role = aws.role.rpartition("/")[2]
    boto3.client("iam").put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=json.dumps(deny))
    aws.register_container("111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:1", ["true"])
    boto3.client("sagemaker").list_training_jobs()
    faults.add("ListEndpoints", effect="error", status=500, code="InternalFailure", times="always")
    spark.range(3).createOrReplaceTempView("view")
    spark.range(3).write.saveAsTable("kept")
    java(spark).java.lang.System.setProperty("mine", "1")
    java(spark).java.util.TimeZone.setDefault(java(spark).java.util.TimeZone.getTimeZone("Asia/Tokyo"))
    spark.sparkContext.setLogLevel("DEBUG")

def test_that_it_is_killed(spark):
    if os.environ.get("INTERRUPTED"):
        raise KeyboardInterrupt
    if os.environ.get("KILLED"):
        subprocess.Popen(["sleep", "98765"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        spark.sparkContext.setLogLevel("ERROR")
        os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kept")
    (directory / "scratch").mkdir()
    (directory / "here.txt").write_text("here\n")
    (directory / "test_session.py").write_text(SESSION)
    return directory


@pytest.fixture(scope="module")
def harness(run_in, project):
    """Run ``harness`` in the project."""
    return partial(run_in, project, XDG_RUNTIME_DIR=None, CI=None)


@pytest.fixture(scope="module")
def kept(harness, project):
    """The status of an environment that is kept for the project."""
    done = harness("up")
    assert done.returncode == 0, done.stderr
    yield status_of(harness)
    assert harness("down").returncode == 0


@pytest.fixture
def session(project, tmp_path):
    """Run a session of pytest in the project; return its output, and what it saw, if it was not killed."""

    def run(*arguments, **environment):
        seen = tmp_path / "seen.json"
        variables = OUTSIDE | {"PYTHONPATH": ROOT, "TMPDIR": str(project / "scratch"), "SEEN": str(seen)} | environment
        variables = {name: value for name, value in variables.items() if name not in ("CI", "XDG_RUNTIME_DIR")}
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "--harness-unrecorded=warn"]
        done = subprocess.run(
            [*command, *arguments], check=False, cwd=project, env=variables, capture_output=True, text=True
        )
        return done, json.loads(seen.read_text()) if seen.exists() else None

    return run


def status_of(harness):
    return json.loads(harness("status", "--json").stdout)


def ready(harness, timeout=180):
    return wait_until(
        lambda: status_of(harness), "the environment to be ready", timeout=timeout,
        done=lambda status: status.get("state") == "ready" and status["session"] is None,
    )  # fmt: skip


def test_a_session_finds_nothing_of_the_one_before_it(kept, harness, session):
    ready(harness)
    first, seen = session(OF_THIS_SESSION="first")
    assert first.returncode == 0, first.stdout
    assert f"Used the environment of 'harness up', process {kept['pid']}." in first.stdout
    assert "from the JVM" in first.stderr
    second, seen_again = session(OF_THIS_SESSION="second")
    assert second.returncode == 0, second.stdout
    assert (seen.pop("worker"), seen_again.pop("worker")) == ("first", "second")
    assert seen_again == seen
    assert (seen["buckets"], seen["tables"], seen["property"], seen["directory"]) == ([], [], None, "here")
    assert ready(harness)["sessions"] >= kept["sessions"] + 2


def test_containers_of_the_algorithm_used_last_wait(kept, harness):
    ready(harness)
    below = commands(psutil.Process(kept["pid"]).children(recursive=True))
    assert all(any(command.endswith(f" prepare {work}") for command in below) for work in ("train", "serve"))


def test_a_session_has_what_one_of_its_own_has(kept, harness, session):
    ready(harness)
    _, seen = session(OF_THIS_SESSION="same")
    done, own = session("--harness-fresh", OF_THIS_SESSION="same")
    assert "harness up" not in done.stdout
    assert seen == own


@pytest.mark.parametrize(("how", "code"), [("KILLED", -signal.SIGKILL), ("INTERRUPTED", 2)])
def test_after_a_session_without_an_orderly_end_the_jvm_is_another_and_nothing_runs(kept, harness, session, how, code):
    ready(harness)
    before = {child.pid for child in psutil.Process(kept["pid"]).children(recursive=True)}
    done, _ = session(**{how: "1"})
    assert done.returncode == code, done.stdout
    status = ready(harness)
    assert status["pid"] == kept["pid"]
    after = {child.pid for child in psutil.Process(kept["pid"]).children(recursive=True)}
    assert not before & after
    left = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "98765"]]
    assert not any(map(alive, left))
    assert session()[0].returncode == 0


def test_a_session_beside_another_starts_its_own_and_says_why(kept, harness, start_in, project):
    ready(harness)
    other = start_in(project, "exec", "--", "sh", "-c", "echo started; read line", XDG_RUNTIME_DIR=None, CI=None)
    assert other.stdout.readline() == "started\n"
    done = harness("exec", "--", "sh", "-c", "echo $HARNESS_LOCAL_AWS")
    assert f"process {other.pid} uses it" in done.stderr
    assert done.stdout.startswith("http://127.0.0.1:")
    assert harness("down").returncode == 3
    other.communicate("\n", timeout=60)


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (["--region", "eu-west-1"], {}, "other values of the region"),
        ([], {"SPARK_CONF_DIR": "/nowhere"}, "the variable SPARK_CONF_DIR"),
        ([], {"LANG": "de_DE.UTF-8"}, "the variable LANG"),
        (["--fresh"], {}, ""),
        ([], {"HARNESS_FRESH": "yes"}, ""),
        ([], {"CI": "true"}, ""),
    ],
)
def test_a_session_that_does_not_fit_starts_its_own(kept, harness, arguments, variables, reason):
    used = ready(harness)["sessions"]
    done = harness("exec", *arguments, "--", "true", **variables)
    assert done.returncode == 0
    assert reason in done.stderr
    assert bool(reason) == ("The kept environment is not used" in done.stderr)
    assert status_of(harness)["sessions"] == used


def test_commands_use_it_one_after_the_other(kept, harness):
    ready(harness)
    make = "import boto3; boto3.client('s3').create_bucket(Bucket='one')"
    assert harness("exec", "--", sys.executable, "-c", make).returncode == 0
    shown = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'])"
    assert harness("exec", "--", sys.executable, "-c", shown).stdout == "[]\n"
    assert str(kept["pid"]) in harness("up").stdout


def test_the_reference_program_uses_it_and_says_so(kept, harness):
    ready(harness)
    done = harness("mnist", "--train-rows=500", "--test-rows=100")
    assert done.returncode == 0, done.stderr
    assert f"Using the environment of 'harness up', process {kept['pid']}." in done.stderr


def test_options_that_only_a_new_jvm_can_have_are_honoured(kept, harness, session):
    ready(harness)
    done, seen = session("--harness-spark-conf", "spark.driver.extraJavaOptions=-Dmine=own")
    assert "only a new JVM can have spark.driver.extraJavaOptions" in done.stdout
    assert seen["property"] == "own"


def places(directory):
    """Return the places of a directory that exist; one with a long path is in ``/tmp``."""
    roots = (directory / "scratch", Path("/tmp"))
    return [root / place(directory).name for root in roots if (root / place(directory).name).exists()]


def test_nobody_else_can_use_it(kept, project):
    [found] = places(project)
    assert found.stat().st_mode & 0o777 == 0o700


def test_nothing_of_a_killed_keeper_remains(run_in, tmp_path):
    outside = partial(run_in, tmp_path, XDG_RUNTIME_DIR=None, CI=None)
    assert outside("status").returncode == 1
    assert outside("up").returncode == 0
    keeper = psutil.Process(status_of(outside)["pid"])
    family = keeper.children(recursive=True)
    assert len(family) > 3
    keeper.kill()
    _, left = psutil.wait_procs(family, timeout=60)
    assert left == []
    wait_until(lambda: not os.listdir(tmp_path / "scratch") and not places(tmp_path), "the directories to be deleted")
    assert outside("status").returncode == 1
    assert outside("down").returncode == 0
