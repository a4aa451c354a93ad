"""The program in real mode, led from outside to an independent local AWS; it does not know that it is no real one."""

import json

import pytest

from tests.integration.independent import EVERYTHING

FEW = ("--train-rows", 1000, "--test-rows", 200, "--spark-master", "local[2]")


@pytest.fixture
def run_real(run, independent_aws, tmp_path):
    """Run ``harness mnist --mode real`` as a new user with a policy."""

    def run_real(policy):
        environment = independent_aws.user(policy) | {"XDG_STATE_HOME": str(tmp_path / "state")}
        return run("mnist", "--mode", "real", "--role", independent_aws.role(), *FEW, **environment)

    return run_real


def test_a_run_in_real_mode_succeeds_and_leaves_nothing_but_logs(run_real, independent_aws, tmp_path):
    done = run_real(EVERYTHING)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "mnist-report" / "report.json").read_text())
    assert report["accuracy"] > 0.6
    counts = independent_aws.calls()["counts"]
    assert [counts.get(operation) for operation in ("CreateTrainingJob", "CreateEndpoint", "DeleteEndpoint")] == [
        1,
        1,
        1,
    ]
    assert independent_aws.everything().keys() <= {"log group"}
    assert independent_aws.calls()["refused"] == []


def test_a_run_without_leave_to_create_an_endpoint_says_so_and_leaves_nothing(run_real, independent_aws):
    denied = {"Effect": "Deny", "Action": "sagemaker:CreateEndpoint", "Resource": "*"}
    done = run_real(EVERYTHING | {"Statement": [*EVERYTHING["Statement"], denied]})
    assert done.returncode != 0
    assert "sagemaker:CreateEndpoint" in done.stderr
    assert independent_aws.everything().keys() <= {"log group"}
