"""Recorded answers of AWS: their files, members that are omitted, and comparison."""

import datetime
import io
import json

import botocore.session
import pytest

from harness.errors import SettingsError
from harness.parity.normalise import filled, normalised, without_values
from harness.parity.replay import differences
from harness.parity.snapshot import DIRECTORY, DOCUMENTATION, PROGRAMS, Call, Snapshot, Wait, read, write

VALUES = {"bucket": "1-sagemaker-us-east-1", "account": "1", "region": "us-east-1", "job": "hsh-abc-1-training-job"}


def shape_of(service, operation):
    return botocore.session.get_session().get_service_model(service).operation_model(operation).output_shape


def test_what_differs_from_run_to_run_is_left_out_of_an_answer():
    answer = {
        "TrainingJobArn": "arn:aws-cn:sagemaker:us-east-1:1:training-job/hsh-abc-1-training-job",
        "CreationTime": datetime.datetime.now(),
        "BillableTimeInSeconds": 60,
        "FinalMetricDataList": [{"MetricName": "b", "Value": 0.25}, {"MetricName": "a", "Value": 1.0}],
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
        "HyperParameters": {"num_round": "2"},
    }
    assert normalised(shape_of("sagemaker", "DescribeTrainingJob"), answer, VALUES) == {
        "TrainingJobArn": "arn:<partition>:sagemaker:${region}:${account}:training-job/${job}",
        "CreationTime": "<time>",
        "BillableTimeInSeconds": "<number>",
        "FinalMetricDataList": [{"MetricName": "a", "Value": "<number>"}, {"MetricName": "b", "Value": "<number>"}],
        "ResourceConfig": {"InstanceType": "<text>", "InstanceCount": 1},
        "HyperParameters": {"num_round": "2"},
    }


def test_bodies_are_texts_and_the_longest_value_is_replaced_first():
    answer = {"Body": io.BytesIO(b"1-sagemaker-us-east-1 of 1")}
    assert normalised(shape_of("s3", "GetObject"), answer, VALUES) == {"Body": "${bucket} of ${account}"}


def test_a_value_that_a_url_encodes_is_replaced_too():
    assert without_values("https://b/dir%2Frows%2Flarge", {"key": "dir/"}) == "https://b/${key}rows%2Flarge"


def test_placeholders_of_a_request_are_filled_at_every_depth():
    request = {"Bucket": "${bucket}", "Parts": [{"Key": "x/${job}", "Number": 1}], "Quiet": True}
    key = f"x/{VALUES['job']}"
    assert filled(request, VALUES) == {
        "Bucket": VALUES["bucket"],
        "Parts": [{"Key": key, "Number": 1}],
        "Quiet": True,
    }


def test_a_difference_names_the_member_and_both_values():
    recorded = {"status": 200, "members": {"A": {"B": [1, 2]}, "Gone": "x"}}
    answer = {"status": 200, "members": {"A": {"B": [1, 3]}, "New": "y"}}
    call = Call("s3", "GetObject", {}, recorded)
    found = [(each.number, each.path, each.expected, each.found) for each in differences("s3a", 7, call, answer)]
    assert found == [(7, "members.A.B[1]", 2, 3), (7, "members.Gone", "x", None), (7, "members.New", None, "y")]


def test_an_error_in_place_of_a_success_is_a_difference():
    refused = {"status": 400, "code": "ValidationException", "message": "no"}
    paths = [each.path for each in differences("s3a", 1, Call("s3", "X", {}, {"status": 200, "members": {}}), refused)]
    assert paths == ["status", "members", "code", "message"]


def test_tags_that_the_ledger_adds_are_no_difference():
    recorded, answer = {"status": 200, "members": {}}, {"status": 200, "members": {"Tags": [{"Key": "k"}]}}
    assert list(differences("s3a", 1, Call("s3", "X", {}, recorded), answer)) == []


def test_a_snapshot_is_read_as_it_was_written(tmp_path):
    calls = [
        Call("sagemaker", "DescribeEndpoint", {"a": "${endpoint}"}, {"status": 200}, wait=Wait("Status", ["Creating"])),
        Call("s3", "CreateBucket", {}, keep={"upload": "UploadId"}, only_in="us-east-1"),
    ]
    snapshot = Snapshot("s3a", "what it does", calls)
    write(tmp_path, snapshot)
    assert read(tmp_path, "s3a") == snapshot


@pytest.mark.parametrize("content", ["{", "[]", '{"program": "s3a"}', None])
def test_a_file_that_is_no_snapshot_is_refused_by_name(tmp_path, content):
    if content is not None:
        (tmp_path / "s3a.json").write_text(content)
    with pytest.raises(SettingsError, match=r"s3a\.json cannot be read as a snapshot"):
        read(tmp_path, "s3a")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_call_that_is_shipped_has_an_answer_and_none_claims_to_be_observed(program):
    calls = read(DIRECTORY, program).calls
    assert [call.operation for call in calls if not call.answer] == []
    assert {call.stamp for call in calls} == {DOCUMENTATION}
    assert "${partition}" not in json.dumps([call.request for call in calls])
