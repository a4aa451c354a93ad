"""Benchmarks over a matrix: each session has a local AWS in mock mode, each instance type an endpoint in real mode."""

import json
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest

from harness.aws.account.permissions import Place, policy
from harness.bench.results.reader import read
from harness.waiting import wait_until
from tests.support.outside import OUTSIDE, ROOT

pytestmark = pytest.mark.slow

OF_ITS_OWN = """
def test_bucket(benchmark, s3_client, harness_settings):
    assert s3_client.list_buckets()["Buckets"] == []
    benchmark.pedantic(s3_client.create_bucket, kwargs={"Bucket": "mine"}, rounds=1)
    benchmark.extra_info["master"] = harness_settings.spark_master
"""


def test_each_session_has_its_own_local_aws(run, tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "test_bucket.py").write_text(OF_ITS_OWN)
    chosen = ("--spark-master", "local[1];local[2]", "--rounds", "1", "--pytest", "benchmarks")
    done = run("bench", *chosen, HARNESS_ENDPOINT="of-real-mode")
    assert done.returncode == 0, done.stderr
    for cell, master in (("local-1", "local[1]"), ("local-2", "local[2]")):
        [result] = read(tmp_path / "bench-results" / cell).results
        assert result.benchmarks["benchmarks/test_bucket.py::test_bucket"].extra_info["master"] == master


ALONE = """
import pathlib, time
import pytest
from harness import mnist
from harness.bench.endpoints import dense

@pytest.mark.benchmark(group="endpoint")
def test_alone(benchmark, harness_settings, sagemaker_runtime_client, record_work, record_endpoint):
    request = {"EndpointName": harness_settings.endpoint, "Body": dense(50), "ContentType": "text/libsvm"}
    record_endpoint(harness_settings.endpoint)
    answer = benchmark.pedantic(lambda: sagemaker_runtime_client.invoke_endpoint(**request)["Body"].read(), rounds=3)
    predictions = [float(each) for each in answer.decode().split(",")]
    assert sum(a == b for a, b in zip(predictions, mnist.load("train", 50).labels)) > 35
    record_work(rows=50)
    while pathlib.Path("wait").exists():
        pathlib.Path("waiting").touch()
        time.sleep(0.1)
"""
TYPES = ("--endpoint-instance-type", "ml.m5.large,ml.c5.xlarge")


@pytest.fixture
def real(independent_aws, run, start, tmp_path):
    """``harness bench`` in real mode, as a user who may do what ``harness policy`` prints; its benchmark is in place.

    Has ``run`` and ``start``, which take further options, ``role`` and ``environment``.
    """
    account, region = independent_aws.account, independent_aws.region
    role = independent_aws.role(policy("role", [Place(account, region, "")]))
    user = independent_aws.user(policy("caller", [Place(account, region, role)]))
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "test_alone.py").write_text(ALONE)
    hourly = {"ml.m4.xlarge": {"training": 0.5}, "ml.m5.large": {"hosting": 0.1}, "ml.c5.xlarge": {"hosting": 0.2}}
    hourly["ml.c4.xlarge"] = {"hosting": 0.3}
    (tmp_path / "prices.json").write_text(json.dumps({"source": "ours", "date": "2026-11-01", "prices": hourly}))
    environment = {**user, "XDG_STATE_HOME": str(tmp_path / "state")}
    options = ("bench", "--mode=real", f"--role={role}", "--prices=prices.json", "--rounds=1", "--train-rows=600")

    def bench(how, *chosen):
        return how(*options, *chosen, "--pytest", "benchmarks", **environment)

    both = {"run": partial(bench, run), "start": partial(bench, start)}
    return SimpleNamespace(role=role, environment=environment, **both)


def test_one_model_is_hosted_on_each_available_type_and_only_logs_remain(independent_aws, real, tmp_path):
    independent_aws.faults.add("CreateEndpoint", status=400, code="ResourceLimitExceeded", skip=2)
    done = real.run(f"{TYPES[0]}={TYPES[1]},ml.c4.xlarge", "--max-cost=6")
    assert done.returncode == 4, done.stderr
    said = " ".join(done.stderr.split())
    training = "training the harness's model of MNIST on 600 rows"
    assert said.index("at most USD 2.20") < said.index(training) < said.index("round 1 of 1")
    assert "ml.c4.xlarge is skipped" in said
    assert "1 session of 3 have no results: 1 of ml.c4.xlarge" in said
    used = set()
    for instance_type in ("ml.m5.large", "ml.c5.xlarge"):
        [result] = read(tmp_path / "bench-results" / instance_type).results
        noted = result.benchmarks["benchmarks/test_alone.py::test_alone"].extra_info
        assert noted["endpoint_instance_type"] == instance_type
        assert noted["price"]["source"].startswith("ours, in ")
        assert "ml.c5.xlarge" in done.stdout
        used.add(noted["endpoint"])
    counts = independent_aws.calls()["counts"]
    assert (len(used), counts["CreateTrainingJob"], counts["CreateEndpoint"]) == (2, 1, 3)
    assert independent_aws.everything().keys() <= {"log group"}


def test_an_interrupted_matrix_leaves_nothing_and_explains_how_to_resume(independent_aws, real, tmp_path):
    (tmp_path / "wait").touch()
    process = real.start(*TYPES)
    wait_until((tmp_path / "waiting").exists, "a session to be under way", timeout=120)
    assert len(independent_aws.everything()["endpoint"]) == 2
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "0 sessions measured so far, in bench-results; run the same command to resume" in stderr
    assert independent_aws.everything().keys() <= {"log group"}
    assert not list((tmp_path / "bench-results").rglob("*.partial"))


def test_a_type_without_a_price_is_refused_before_anything_is_created(independent_aws, real):
    done = real.run("--endpoint-instance-type=ml.m5.large,ml.p5.large")
    assert done.returncode == 2
    assert "No price is known of ml.p5.large for hosting" in done.stderr
    assert independent_aws.everything() == {}


def test_a_plan_above_cost_or_quota_is_refused_before_anything_is_created(independent_aws, real):
    independent_aws.set_quota("ml.c5.xlarge for endpoint usage", 0)
    try:
        done = real.run(*TYPES, "--max-cost=1.50")
    finally:
        independent_aws.set_quota("ml.c5.xlarge for endpoint usage", 4)
    assert done.returncode == 3
    assert "ml.c5.xlarge for endpoint usage: 0, of which the run needs 1" in done.stderr
    assert "at most USD 1.60 in 2 hours" in done.stderr
    assert "the limit is USD 1.50" in done.stderr
    assert independent_aws.everything() == {}


# --- an endpoint that is there ----------------------------------------------------------------------------------------

OWNER = """
import sys
from harness.aws import open_aws
from harness.aws.cleanup.reaper import open_ledger
from harness.bench.endpoints import host_on_each
from harness.settings import Settings

settings = Settings(mode="real", role=sys.argv[1], train_rows=600)
aws = open_aws(settings)
with open_ledger(aws, settings) as ledger:
    endpoints, _ = host_on_each(aws, ledger, settings, ["ml.m4.xlarge"], lambda _: None)
    print(*endpoints.values(), flush=True)
    sys.stdin.read()
"""
TRANSFORM = """
def test_transform(trained_model, mnist_test, ledger):
    rows = trained_model.transform(mnist_test).collect()
    assert len(rows) == 100
    assert sum(row.label == row.prediction for row in rows) > 60
    assert ledger.resources == []
"""


def outside(real):
    """Return the environment for the user's processes."""
    return OUTSIDE | real.environment | {"PYTHONPATH": ROOT}


@pytest.fixture
def theirs(real):
    """Name of an existing endpoint, which is kept until the test is over."""
    command = [sys.executable, "-c", OWNER, real.role]
    with subprocess.Popen(
        command, env=outside(real), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.communicate(timeout=120)


def test_a_model_of_the_user_is_hosted_on_each_type_and_kept(independent_aws, real, theirs, tmp_path):
    model = theirs.replace("-endpoint", "-model")
    done = real.run(*TYPES, f"--model={model}")
    assert done.returncode == 0, done.stderr
    assert f"creating the endpoint of {model} on ml.m5.large, ml.c5.xlarge" in done.stderr
    used = {
        read(tmp_path / "bench-results" / kind)
        .results[0]
        .benchmarks["benchmarks/test_alone.py::test_alone"]
        .info.endpoint
        for kind in ("ml.m5.large", "ml.c5.xlarge")
    }
    assert len(used - {theirs}) == 2
    assert independent_aws.calls()["counts"]["CreateTrainingJob"] == 1  # the owner's
    assert (independent_aws.everything()["endpoint"], independent_aws.everything()["model"]) == ([theirs], [model])


def test_a_model_that_does_not_exist_is_named_and_nothing_is_left(independent_aws, real):
    done = real.run(*TYPES, "--model=nothing")
    assert done.returncode != 0
    assert 'Could not find model "' in done.stderr
    assert independent_aws.everything().keys() <= {"log group"}


@pytest.mark.spark
def test_trained_model_uses_an_existing_endpoint_and_keeps_it(independent_aws, real, theirs, tmp_path):
    (tmp_path / "test_transform.py").write_text(TRANSFORM)
    chosen = ["--harness-mode=real", f"--harness-role={real.role}", f"--harness-endpoint={theirs}"]
    few = ["--harness-test-rows=100", "--harness-spark-master=local[2]"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-q", "test_transform.py", *chosen, *few],
        cwd=tmp_path, env=outside(real), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert independent_aws.everything()["endpoint"] == [theirs]
    assert independent_aws.calls()["counts"]["CreateTrainingJob"] == 1
