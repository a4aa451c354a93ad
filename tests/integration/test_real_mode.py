"""These very tests in real mode, against an independent local AWS with exactly the printed permissions."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.aws.account.permissions import Place, policy
from tests.support.outside import OUTSIDE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.spark]

OWN = Path(ROOT) / "examples" / "own_pipeline"
"""Tests of a user's pipeline."""
FIXTURES = "tests/integration/test_trained_model.py"
"""Tests of the fixtures' session, frames, model and clean-up."""

ALGORITHMS = "tests/integration/test_algorithms.py"
"""Tests of the SDK's estimators on Amazon's images."""


@pytest.fixture
def run_tests(independent_aws, tmp_path):
    """Run pytest in real mode on these tests as a user who may do what ``harness policy`` prints; return its output."""
    account, region = independent_aws.account, independent_aws.region
    role = independent_aws.role(policy("role", [Place(account, region, "")]))
    user = independent_aws.user(policy("caller", [Place(account, region, role)]))

    def run_tests(*tests, cwd=ROOT):
        state = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": ROOT}
        command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", "-q"]
        done = subprocess.run(
            [*command, "--harness-mode=real", f"--harness-role={role}", f"--basetemp={tmp_path / 'tests'}", *tests],
            cwd=cwd, env=OUTSIDE | user | state, capture_output=True, text=True, timeout=3000, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_tests


def test_the_fixtures_tests_pass_in_real_mode_and_leave_nothing_but_logs(run_tests, independent_aws):
    assert " passed" in run_tests(FIXTURES)
    assert independent_aws.everything().keys() <= {"log group"}
    assert independent_aws.calls()["counts"]["CreateEndpoint"] >= 1


def test_the_tests_of_a_pipeline_of_ones_own_pass_in_real_mode_and_leave_nothing_but_logs(
    run_tests, independent_aws, tmp_path
):
    shutil.copytree(OWN, tmp_path / "project")
    assert ", 0 left over" in run_tests(cwd=tmp_path / "project")
    assert independent_aws.everything().keys() <= {"log group"}


def test_an_algorithm_of_amazons_runs_in_real_mode_and_leaves_nothing_but_logs(run_tests, independent_aws):
    assert "2 passed" in run_tests(ALGORITHMS, "-k", "lda and columns or two_algorithms")
    assert independent_aws.everything().keys() <= {"log group"}


@pytest.mark.nightly
def test_the_integration_tests_pass_in_real_mode_and_leave_nothing_but_logs(run_tests, independent_aws):
    assert " passed" in run_tests("tests/integration")
    assert independent_aws.everything().keys() <= {"log group"}


def test_the_benchmarks_run_in_real_mode_and_leave_nothing_but_logs(run_tests, independent_aws):
    files = [f"benchmarks/test_{name}.py" for name in ("endpoint", "transform", "fit")]
    few = ["--harness-train-rows=500", "--harness-test-rows=200", "--batch=1", "--partitions=1"]
    assert " passed" in (told := run_tests(*files, *few))
    assert "1-partitions-dense" in told
    assert independent_aws.everything().keys() <= {"log group"}
