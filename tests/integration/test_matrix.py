"""Benchmarks over a matrix, with endpoints: one a session in mock mode, one an instance type for all in real mode."""

import json
import signal
import subprocess
import sys

import pytest

from harness.aws.permissions import Place, policy
from harness.benchmarking.results import read
from harness.waiting import wait_until
from tests.integration.conftest import OUTSIDE, ROOT

BENCHMARK = """
import pathlib, time
import pytest
from harness import mnist
from harness.benchmarking.environment import environment
from harness.benchmarking.hosted import dense

@pytest.mark.benchmark(group="endpoint")
def test_alone(benchmark, harness_settings, sagemaker_runtime_client):
    request = {"EndpointName": harness_settings.endpoint, "Body": dense(50), "ContentType": "text/libsvm"}
    benchmark.extra_info.update(environment(harness_settings), rows=50, endpoint=harness_settings.endpoint)
    answer = benchmark.pedantic(lambda: sagemaker_runtime_client.invoke_endpoint(**request)["Body"].read(), rounds=3)
    predictions = [float(each) for each in answer.decode().split(",")]
    assert sum(a == b for a, b in zip(predictions, mnist.load("train", 50).labels)) > 35
    while pathlib.Path("wait").exists():
        pathlib.Path("waiting").touch()
        time.sleep(0.1)
"""
TRANSFORM = """
def test_transform(benchmark, trained_model, mnist_test, ledger, harness_settings):
    rows = benchmark.pedantic(lambda: trained_model.transform(mnist_test).collect(), rounds=1)
    assert len(rows) == 100
    assert sum(row.label == row.prediction for row in rows) > 60
    assert not any(resource.kind == "endpoint" for resource in ledger.resources) or harness_settings.mode == "mock"
"""
FEW = ("--train-rows", "600", "--test-rows", "100")


def test_each_session_has_a_local_aws_and_a_model_of_its_own(run, tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "test_transform.py").write_text(TRANSFORM)
    masters = ("--spark-master", "local[1];local[2]", "--rounds", "1", *FEW)
    done = run("bench", *masters, "--pytest", "benchmarks", HARNESS_ENDPOINT="of-real-mode")
    assert done.returncode == 0, done.stderr
    assert "local-2" in done.stdout
    for cell in ("local-1", "local-2"):
        [result] = read(tmp_path / "bench-results" / cell).results
        assert list(result.benchmarks) == ["benchmarks/test_transform.py::test_transform"]


@pytest.fixture
def real(independent_aws, tmp_path):
    """Options and environment of a user who may do what ``harness policy`` prints; the benchmark is in place."""
    account, region = independent_aws.account, independent_aws.region
    role = independent_aws.role(policy("role", [Place(account, region, "")]))
    user = independent_aws.user(policy("caller", [Place(account, region, role)]))
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "test_alone.py").write_text(BENCHMARK)
    hourly = {"ml.m4.xlarge": {"training": 0.5}, "ml.m5.large": {"hosting": 0.1}, "ml.c5.xlarge": {"hosting": 0.2}}
    (tmp_path / "prices.json").write_text(json.dumps({"source": "ours", "date": "2026-11-01", "prices": hourly}))
    options = ["bench", "--mode", "real", "--role", role, "--prices", "prices.json", "--rounds", "1", *FEW]
    return options, {**user, "XDG_STATE_HOME": str(tmp_path / "state")}


TYPES = ("--endpoint-instance-type", "ml.m5.large,ml.c5.xlarge")


def test_one_model_is_hosted_on_each_instance_type_and_nothing_but_logs_stays(run, independent_aws, real, tmp_path):
    options, environment = real
    done = run(*options, *TYPES, "--pytest", "benchmarks", **environment)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert said.index("at most USD 1.60") < said.index("training on 600 rows") < said.index("round 1 of 1")
    used = {}
    for instance_type in ("ml.m5.large", "ml.c5.xlarge"):
        [result] = read(tmp_path / "bench-results" / instance_type).results
        noted = result.benchmarks["benchmarks/test_alone.py::test_alone"].extra_info
        assert noted["endpoint_instance_type"] == instance_type
        used[instance_type] = noted["endpoint"]
    assert len(set(used.values())) == 2
    counts = independent_aws.calls()["counts"]
    assert (counts["CreateTrainingJob"], counts["CreateEndpoint"]) == (1, 2)
    assert independent_aws.everything().keys() <= {"log group"}
    assert "ml.c5.xlarge" in done.stdout
    again = run(*options, *TYPES, "--pytest", "benchmarks", **environment)
    assert again.returncode == 0, again.stderr
    assert independent_aws.calls()["counts"]["CreateEndpoint"] == 2  # all was measured


def test_an_interrupted_matrix_leaves_nothing_and_goes_on_with_what_is_missing(
    start, run, independent_aws, real, tmp_path
):
    options, environment = real
    (tmp_path / "wait").touch()
    process = start(*options, *TYPES, "--pytest", "benchmarks", **environment)
    wait_until((tmp_path / "waiting").exists, "a session to be under way", timeout=120)
    assert len(independent_aws.everything()["endpoint"]) == 2
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "0 sessions measured so far" in stderr
    assert independent_aws.everything().keys() <= {"log group"}
    assert not list((tmp_path / "bench-results").rglob("*.partial"))


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["--endpoint-instance-type", "ml.m5.large,ml.p5.large"], "No price is known of ml.p5.large for hosting"),
        ([*TYPES, "--max-cost", "1.50"], "the limit is USD 1.50"),
    ],
)
def test_what_has_no_price_or_costs_too_much_is_refused_before_anything_is_created(
    run, independent_aws, real, chosen, told
):
    options, environment = real
    done = run(*options, *chosen, "--pytest", "benchmarks", **environment)
    assert done.returncode in (2, 3)
    assert told in done.stderr
    assert independent_aws.everything() == {}


def test_a_quota_that_is_too_small_for_one_of_the_types_is_told(run, independent_aws, real):
    options, environment = real
    independent_aws.set_quota("ml.c5.xlarge for endpoint usage", 0)
    try:
        done = run(*options, *TYPES, "--pytest", "benchmarks", **environment)
    finally:
        independent_aws.set_quota("ml.c5.xlarge for endpoint usage", 4)
    assert done.returncode == 3
    assert "ml.c5.xlarge for endpoint usage: 0, of which the run needs 1" in done.stderr
    assert independent_aws.everything() == {}


@pytest.fixture
def hosted(independent_aws, real, tmp_path):
    """The name of an endpoint that somebody made, by way of a matrix's: it stays when a session ends."""
    program = f"""
import sys
from harness.aws import open_aws
from harness.benchmarking.hosted import host_on_each, told_ledger
from harness.settings import Settings
settings = Settings(mode="real", role={real[0][4]!r}, train_rows=600)
aws = open_aws(settings)
with told_ledger(aws, settings) as ledger:
    print(*host_on_each(aws, ledger, settings, ["ml.m4.xlarge"], lambda _: None).values(), flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=OUTSIDE | real[1] | {"PYTHONPATH": ROOT},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process.stdout.readline().strip()
    process.communicate(timeout=120)


def test_an_endpoint_that_is_there_is_behind_trained_model_and_stays(independent_aws, real, hosted, tmp_path):
    (tmp_path / "benchmarks" / "test_transform.py").write_text(TRANSFORM)
    chosen = ["--harness-mode=real", f"--harness-role={real[0][4]}", f"--harness-endpoint={hosted}"]
    rows = ["--harness-test-rows=100", "--harness-spark-master=local[2]"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-q", "benchmarks", *chosen, *rows],
        cwd=tmp_path, env=OUTSIDE | real[1] | {"PYTHONPATH": ROOT}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert independent_aws.everything()["endpoint"] == [hosted]
    assert independent_aws.calls()["counts"]["CreateTrainingJob"] == 1
