"""Load on endpoints: stalls, failures and interruptions are reported, and no measurement is lost."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest

from harness.aws.account.permissions import Place, policy
from harness.bench.endpoints import bodies, host_nothing
from harness.bench.load.generator import closed_loop, open_loop, poisson
from harness.bench.load.null_container import COMMAND
from harness.bench.load.runner import connected
from harness.bench.load.validity import objections
from harness.waiting import wait_until
from tests.integration.independent import EVERYTHING

pytestmark = pytest.mark.slow

FROZEN_SECONDS = 6


@pytest.fixture(scope="module")
def endpoint(local, ledger, harness_settings):
    """An endpoint that answers constants."""
    return host_nothing(local, ledger, harness_settings)


@pytest.fixture
def connections(local, endpoint):
    with connected(local, endpoint, bodies(1, 4), 1) as made:
        closed_loop(made, 0.5)
        yield made


def freeze(local, endpoint, after):
    """Stop the endpoint's container for at least ``FROZEN_SECONDS``, from some seconds on."""
    pids = local.status()["endpoints"][endpoint]["pids"]

    def stall():
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    threading.Timer(after, stall).start()


def test_a_stall_of_six_seconds_shows_in_p99(local, endpoint, connections):
    freeze(local, endpoint, after=1)
    measurement = open_loop(connections, np.arange(0, 9, 0.05))
    assert measurement.answered == 180
    assert measurement.latencies.percentile(99) > 0.95 * FROZEN_SECONDS
    assert measurement.latencies.percentile(75) > 0.4 * FROZEN_SECONDS  # the requests that came meanwhile are charged


def test_an_endpoint_that_fails_half_the_requests_is_reported_and_the_rest_is_kept(local, connections):
    local.faults.add("InvokeEndpoint", status=503, code="ServiceUnavailable", share=0.5, times=1_000_000)
    try:
        measurement = open_loop(connections, poisson(100, 3, seed=1))
    finally:
        local.faults.clear()
    assert measurement.failures.keys() == {"503 ServiceUnavailable"}
    assert measurement.failed == pytest.approx(150, abs=50)
    assert measurement.answered == len(measurement.latencies) == 300 - measurement.failed
    assert "A fault that was asked for" in measurement.messages["503 ServiceUnavailable"]
    assert any("of the queries failed, but p99 allows at most 1.0%" in each for each in objections(measurement, 99))


def test_an_endpoint_that_dies_is_reported(local, connections):
    local.faults.add("InvokeEndpoint", effect="kill_container", skip=5)
    measurement = open_loop(connections, poisson(100, 3, seed=1))
    assert set(measurement.failures) <= {"424 ModelError", "503 ServiceUnavailable"}
    assert 0 < measurement.failed < 300
    assert measurement.answered + measurement.failed == 300


def test_a_run_that_is_too_short_is_reported_with_its_measurements(run, tmp_path):
    done = run("bench", "endpoint", "--duration", "3s", "--rate", "40", "--output", "out")
    assert done.returncode == 4, done.stderr
    assert "about 21 s in all" in done.stderr
    assert "INVALID\n  it lasted" in done.stdout
    assert "for an endpoint that answers constants" in " ".join(done.stdout.split())
    told = json.loads((tmp_path / "out" / "load.json").read_text())
    assert told["requests"]["answered"] == told["requests"]["sent"] == 120
    assert told["ceilings"]["null_endpoint"]["requests_per_second"] > 20
    assert (tmp_path / "out" / "latency.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_run_reports_its_measurements_and_cleans_up(start, tmp_path):
    process = start("bench", "endpoint", "--duration", "60s", "--rate", "40", "--output", "out")
    wait_until(lambda: "measuring for 60 s" in process.stderr.readline(), "the load to begin", timeout=120)
    threading.Timer(2, process.send_signal, (signal.SIGINT,)).start()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "INVALID\n  it was interrupted after" in stdout
    assert "cleaning up" in stderr
    told = json.loads((tmp_path / "out" / "load.json").read_text())
    assert told["interrupted"]
    assert 20 < told["requests"]["answered"] < 1000
    assert told["percentiles"][0]["percent"] == 50


def test_in_real_mode_an_existing_endpoint_is_measured_and_kept(run, independent_aws, tmp_path):
    independent_aws.register_container("mine:1", COMMAND)
    create_endpoint(independent_aws, "mine", "mine:1")
    needed = {"Effect": "Allow", "Action": ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"], "Resource": "*"}
    user = independent_aws.user({"Version": "2012-10-17", "Statement": [needed]})
    environment = user | {"XDG_STATE_HOME": str(tmp_path / "state")}
    chosen = ("--mode", "real", "--endpoint", "mine")
    done = run("bench", "endpoint", *chosen, "--duration", "2s", "--output", "out", **environment)
    assert done.returncode == 4, done.stderr
    assert "nothing is created" in " ".join(done.stderr.split())
    assert json.loads((tmp_path / "out" / "load.json").read_text())["requests"]["answered"] == 100
    assert independent_aws.everything()["endpoint"] == ["mine"]
    assert "CreateTrainingJob" not in independent_aws.calls()["counts"]


def create_endpoint(aws, name, image):
    client = aws.client("sagemaker")
    client.create_model(ModelName=name, ExecutionRoleArn=aws.role(), PrimaryContainer={"Image": image})
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})


def test_a_model_hosted_in_real_mode_is_priced_first_and_leaves_nothing_but_logs(run, independent_aws, tmp_path):
    prices = tmp_path / "prices.json"
    hourly = {"ml.m4.xlarge": {"training": 0.5, "hosting": 0.25}}
    prices.write_text(json.dumps({"source": "ours", "date": "2026-11-01", "prices": hourly}))
    role = independent_aws.role()
    least = policy("caller", [Place(independent_aws.account, "us-east-1", role)])
    environment = independent_aws.user(least) | {"XDG_STATE_HOME": str(tmp_path / "state")}
    chosen = ("--mode", "real", "--role", role, "--prices", prices)
    done = run("bench", "endpoint", *chosen, "--duration", "2s", "--output", "out", **environment)
    assert done.returncode == 4, done.stderr
    said = " ".join(done.stderr.split())
    assert said.index("about USD 0.13") < said.index("training on")
    assert independent_aws.everything().keys() <= {"log group"}


def test_an_endpoint_that_may_not_be_invoked_is_reported_with_the_permission(run, independent_aws, tmp_path):
    denied = {"Effect": "Deny", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}
    independent_aws.register_container("mine:1", COMMAND)
    create_endpoint(independent_aws, "denied", "mine:1")
    user = independent_aws.user({**EVERYTHING, "Statement": [*EVERYTHING["Statement"], denied]})
    chosen = ("--mode", "real", "--endpoint", "denied")
    done = run("bench", "endpoint", *chosen, "--duration", "1s", **user, XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode != 0
    assert "sagemaker:InvokeEndpoint" in done.stdout + done.stderr
