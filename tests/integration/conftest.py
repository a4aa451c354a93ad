"""Shared fixtures of the integration tests: small settings, one local AWS, one Spark session, one trained model."""

import dataclasses
import subprocess
import sys
from functools import partial

import pytest

from harness.fixtures import session_settings
from tests.integration.independent import IndependentAWS
from tests.support.outside import OUTSIDE, ROOT


@pytest.fixture(scope="session")
def harness_settings(pytestconfig):
    """The session's settings, with few rows and two threads."""
    settings = session_settings(pytestconfig)
    if settings.mode == "real" and pytestconfig.getoption("harness_mode") != "real":
        pytest.exit(
            "HARNESS_MODE or the ini file asks for real AWS: type --harness-mode=real if these tests may cost money", 2
        )
    return dataclasses.replace(settings, train_rows=3000, test_rows=1000, spark_master="local[2]")


def said(stderr):
    """Return the lines of a standard error that are not the JVM's, which lists options found in the environment."""
    picked_up = ("Picked up JAVA_TOOL_OPTIONS", "NOTE: Picked up JDK_JAVA_OPTIONS")
    return [line for line in stderr.splitlines() if not line.startswith(picked_up)]


@pytest.fixture(scope="session")
def local(aws):
    """The local AWS, for tests that are about it."""
    if aws.mode != "mock":
        pytest.skip("these tests are about the local AWS")
    return aws


@pytest.fixture(scope="session")
def independent_session(harness_settings):
    """The process behind ``independent_aws``."""
    if harness_settings.mode == "real":
        pytest.skip("these tests start their own local AWS")
    aws = IndependentAWS()
    yield aws
    aws.close()


@pytest.fixture
def independent_aws(independent_session):
    """A local AWS that enforces IAM and stands where AWS would; each test finds it without resources and faults."""
    independent_session.reset()
    return independent_session


@pytest.fixture(scope="session")
def start_in():
    """Start ``harness`` with these arguments in a directory, which also gets its scratch files.

    Keywords are environment variables; one that is None is not there.
    """
    started = []

    def start(directory, *arguments, **environment):
        scratch = directory / "scratch"
        scratch.mkdir(exist_ok=True)
        variables = OUTSIDE | {"PYTHONPATH": ROOT, "TMPDIR": str(scratch), "COLUMNS": "100"} | environment
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=directory,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def run_in(start_in):
    """Run ``harness`` with these arguments in a directory, to its end."""

    def run(directory, *arguments, stdin="", **environment):
        process = start_in(directory, *arguments, **environment)
        stdout, stderr = process.communicate(stdin, timeout=180)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run


@pytest.fixture
def start(start_in, tmp_path):
    """Start ``harness`` with these arguments in ``tmp_path``."""
    return partial(start_in, tmp_path)


@pytest.fixture
def run(run_in, tmp_path):
    """Run ``harness`` with these arguments in ``tmp_path``."""
    return partial(run_in, tmp_path)
