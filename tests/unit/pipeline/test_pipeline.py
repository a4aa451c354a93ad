"""The parts of the pipeline that need neither Spark nor AWS: data, figures and the words for failures."""

import json
import time
from types import SimpleNamespace

import boto3
import numpy as np
import pytest
from moto import mock_aws

from harness.aws.cleanup.resources import Leftover, Resource
from harness.errors import DataError, PipelineError
from harness.pipeline.pipeline import Data, Outcome, check_trained, parts_of_fit, report, rows_logged, stage_failure
from harness.settings import Settings
from harness.spark.session import root_cause


class Where:
    mode, region = "mock", "eu-west-1"


@pytest.fixture
def outcome():
    """Four rows, three of them right, in half a second."""
    return Outcome(
        stages={"read": 1.0, "transform": 0.5},
        created=[Resource("endpoint", "e")],
        leftovers=[Leftover(Resource("model", "m"), "exists", 0.0, "aws sagemaker delete-model")],
        rows_trained=7,
        labels=np.array([0.0, 1.0, 9.0, 9.0]),
        predictions=np.array([0.0, 1.0, 9.0, 4.0]),
    )


def test_accuracy_and_rate_are_those_of_the_test_rows(outcome):
    assert outcome.accuracy == 0.75
    assert outcome.rows_per_second == 8


def test_the_report_is_json_and_counts_by_label_and_prediction(outcome):
    content = json.loads(json.dumps(report(outcome, Settings(), Where(), {"python": "3"})))
    assert (content["accuracy"], content["rows_trained"], content["rows_predicted"]) == (0.75, 7, 4)
    assert content["stages"] == outcome.stages
    assert (content["created"], content["leftovers"]) == (["endpoint e"], ["model m"])
    assert content["confusion"][9][4] == content["confusion"][9][9] == 1
    assert np.sum(content["confusion"]) == 4


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_a_validation_fraction_must_leave_rows_to_train_on(fraction):
    with pytest.raises(DataError, match="The validation fraction is"):
        Data(validation_fraction=fraction)


def test_the_rows_of_given_files_are_counted(tmp_path):
    (tmp_path / "three").write_text("1 1:1\n2 2:2\n3\n")
    assert Data(test=tmp_path / "three").rows == {"test": 3}
    assert Data().rows == {}


@pytest.mark.parametrize("label", ["-1", "10", "1.5"])
def test_a_label_that_is_no_digit_is_named_by_its_line(tmp_path, label):
    (tmp_path / "digits").write_text(f"1 1:1\n{label} 2:2\n")
    with pytest.raises(DataError, match=f"line 2: the label {label} is not a class"):
        Data(train=tmp_path / "digits").rows  # noqa: B018 - counting is checking


FIXES = {
    "write /tmp/x: No space left on device": "free some disk",
    "Training job 'j' failed for reason: 'ClientError: bad'": "mend what the reason names",
    "Received server error (500) (AmazonSageMakerRuntime: 424 ModelError)": "mend what the message names",
    "Identifiable_1 parameter eta given invalid value 2.0.": "give the hyperparameter a value in the range",
    "something else": "--traceback",
}


@pytest.mark.parametrize("cause", FIXES)
def test_each_cause_has_its_remedy(cause):
    error = stage_failure("fit", ValueError(cause), "us-east-1")
    assert error.what == f"Stage 'fit' failed: {cause}"
    assert FIXES[cause] in error.fix


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
    """An AWS whose training jobs have logged some lines, each in a stream of its own."""
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


@pytest.mark.parametrize(
    ("skew", "parts"),
    [(0, (10, 60, 30)), (5, (15, 60, 25)), (-15, (0, 60, 40)), (3600, (40, 60, 0)), (-3600, (0, 60, 40))],
)
def test_a_clock_that_is_wrong_makes_no_part_of_a_fit_negative_and_adds_nothing_to_the_whole(skew, parts):
    told = parts_of_fit(100.0, 1000.0, 1010.0 + skew, 1070.0 + skew)
    assert tuple(told.values()) == parts
    assert list(told) == ["upload", "train", "host"]


@pytest.mark.parametrize(("trained", "parts"), [(1005.0, (10, 0, 90)), (9999.0, (0, 100, 0))])
def test_a_job_that_aws_tells_longer_than_the_fit_or_shorter_than_nothing_is_bounded(trained, parts):
    assert tuple(parts_of_fit(100.0, 1000.0, 1010.0, trained).values()) == parts


def test_rows_trained_are_those_that_all_hosts_of_the_job_logged(logging):
    lines = {"job/algo_1": "[INFO] Channel train: 7 rows, 784 columns", "job/algo_2": "x INFO] Train matrix has 5 rows"}
    assert rows_logged(logging(**lines, **{"job2/algo_1": "Channel train: 900 rows"}), "job") == 12


def test_rows_trained_are_unknown_where_no_log_tells(logging):
    assert rows_logged(logging(), "job") is None


def test_rows_that_were_lost_or_used_twice_are_told(outcome):
    check_trained(outcome, 7)
    outcome.validation_rows = 2
    check_trained(outcome, 9)
    with pytest.raises(PipelineError, match="7 of 8 rows were trained on, 2 were held back"):
        check_trained(outcome, 8)
