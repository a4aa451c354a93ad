"""Each cause of a failure comes with its remedy, and lost rows are noticed in the containers' logs."""

import time
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from harness.errors import PipelineError
from harness.pipeline.failures import check_trained, rows_logged, stage_failure
from harness.spark.session import root_cause

FIXES = {
    "write /tmp/x: No space left on device": "free some disk",
    "Training job 'j' failed for reason: 'ClientError: bad'": "fix the problem in the reason",
    "Received server error (500) (AmazonSageMakerRuntime: 424 ModelError)": "fix the problem in the message",
    "Identifiable_1 parameter eta given invalid value 2.0.": "give the hyperparameter a value in the range",
    "Validation error: The local AWS does not emulate KmsKeyId.": "omit the member or operation",
    "something else": "show the trace",
}


def failure(cause, faults=None):
    aws = SimpleNamespace(region="us-east-1", faults=faults)
    return stage_failure("fit", ValueError(cause), aws, otherwise="show the trace")


@pytest.mark.parametrize("cause", FIXES)
def test_each_cause_has_its_remedy(cause):
    error = failure(cause)
    assert error.what == f"Stage 'fit' failed: {cause}"
    assert FIXES[cause] in error.fix


def test_a_failure_under_injected_faults_names_them_first():
    error = failure(
        "Service Unavailable", SimpleNamespace(applied=lambda: {"<fault PutObject: error 503 SlowDown>": 3})
    )
    assert error.fix.startswith("the test injected faults: <fault PutObject: error 503 SlowDown> has hit 3 calls;")


def test_faults_that_hit_nothing_are_not_named():
    assert failure("something else", SimpleNamespace(applied=dict)).fix == "show the trace"


class Throwable:
    def __init__(self, message, cause=None):
        self.message, self.cause = message, cause

    def getMessage(self):
        return self.message

    def getCause(self):
        return self.cause

    def toString(self):
        return "java.lang.Error"


def test_the_root_cause_of_a_java_error_is_its_last_one_without_stack_and_request_ids():
    last = "no more (Service: Amazon S3; Status Code: 400; Error Code: Limit; Request ID: 1; Proxy: 127.0.0.1)\n\tat x"
    error = Exception("python's own words")
    error.java_exception = Throwable("outer", Throwable("middle", Throwable(last)))
    assert root_cause(error) == "no more (Amazon S3: 400 Limit)"
    error.java_exception = Throwable(None)
    assert root_cause(error) == "java.lang.Error"


@pytest.fixture
def logging(monkeypatch):
    """An AWS whose training jobs have logged some lines, each in its own stream."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}

    def logging(**lines):
        logs = boto3.client("logs", region_name="us-east-1")
        logs.create_log_group(**group)
        for name, line in lines.items():
            stream = {**group, "logStreamName": name.replace("_", "-")}
            logs.create_log_stream(**stream)
            logs.put_log_events(**stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": line}])
        return SimpleNamespace(client=lambda _: logs)

    with mock_aws():
        yield logging


def test_rows_trained_are_those_that_all_hosts_of_the_job_logged(logging):
    lines = {"job/algo_1": "[INFO] Channel train: 7 rows, 784 columns", "job/algo_2": "x INFO] Train matrix has 5 rows"}
    assert rows_logged(logging(**lines, **{"job2/algo_1": "Channel train: 900 rows"}), "job") == 12


def test_rows_trained_are_unknown_where_no_log_tells(logging):
    assert rows_logged(logging(), "job") is None


def test_rows_that_were_lost_or_used_twice_are_reported():
    check_trained(7, 0, sent=7)
    check_trained(7, 2, sent=9)
    check_trained(None, 0, sent=9)
    with pytest.raises(PipelineError, match="7 of 8 rows were trained on, 2 were held back"):
        check_trained(7, 2, sent=8)
