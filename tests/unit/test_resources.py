"""What a run created is found, deleted and proved gone, also where AWS does not answer everything."""

import re
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from harness.aws.resources import Resource, Run, delete, find, leftovers, new_run, remove

ROLE = "arn:aws:iam::123456789012:role/r"
RUN = Run("abcde-", datetime.now(timezone.utc) - timedelta(minutes=5))
AWS = SimpleNamespace(client=lambda service: boto3.client(service, region_name="us-east-1"))


def error(code, message="no"):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.fixture
def refused(monkeypatch):
    """Operations that AWS answers with an error, by name; each list of errors is used up."""
    refused, call = {}, BaseClient._make_api_call

    def answer(client, operation, parameters):
        if refused.get(operation):
            raise refused[operation].pop(0)
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return refused


@pytest.fixture
def sagemaker(monkeypatch, refused):
    """A SageMaker with a model, an endpoint config and an endpoint of the run, and a model that is not the run's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with mock_aws():
        client = AWS.client("sagemaker")
        for name in ("abcde-m", "other-abcde-m"):
            client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"})
        variant = {
            "VariantName": "v",
            "ModelName": "abcde-m",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m4.xlarge",
        }
        client.create_endpoint_config(EndpointConfigName="abcde-c", ProductionVariants=[variant])
        client.create_endpoint(EndpointName="abcde-e", EndpointConfigName="abcde-c")
        yield client


ALL = [Resource("endpoint", "abcde-e"), Resource("endpoint config", "abcde-c"), Resource("model", "abcde-m")]


def test_all_that_a_run_created_is_deleted_and_nothing_else(sagemaker):
    assert remove(AWS, RUN) == (ALL, [])
    assert [model["ModelName"] for model in sagemaker.list_models()["Models"]] == ["other-abcde-m"]


@pytest.mark.parametrize("kind", ["Models", "TrainingJobs", "EndpointConfigs"])
def test_a_list_that_fails_keeps_nothing_else_from_being_deleted_and_is_told(sagemaker, refused, kind):
    refused[f"List{kind}"] = [error("AccessDeniedException", "not yours")] * 2
    created, left = remove(AWS, RUN)
    assert Resource("endpoint", "abcde-e") in created
    assert [(each.kind, "not yours" in each.name) for each in left if each.kind == "unknown"] == [("unknown", True)]
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_lists_are_asked_for_what_is_no_older_than_the_run(sagemaker, monkeypatch):
    asked = {}
    original = BaseClient._make_api_call

    def note(client, operation, parameters):
        asked[operation] = parameters.get("CreationTimeAfter")
        return original(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", note)
    find(AWS, RUN)
    lists = {name: since for name, since in asked.items() if name.startswith("List")}
    assert len(lists) == 4
    assert set(lists.values()) == {RUN.since}


def test_the_objects_of_a_job_that_is_not_described_are_unknown(sagemaker, refused):
    sagemaker.create_training_job(
        TrainingJobName="abcde-j",
        AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://b/"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    refused["DescribeTrainingJob"] = [error("ThrottlingException")]
    *_, last = find(AWS, RUN)
    assert last.kind == "unknown"
    assert "training job abcde-j" in last.name
    assert [each.kind for each in find(AWS, RUN)][-1] == "training job"  # a bucket that is gone holds nothing


def test_an_endpoint_whose_state_is_not_told_for_now_is_asked_after_again(sagemaker, refused):
    refused["DescribeEndpoint"] = [error("ThrottlingException", "Rate exceeded"), error("InternalFailure")]
    delete(AWS, ALL[:1])
    assert refused["DescribeEndpoint"] == []
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_an_endpoint_that_may_not_be_asked_after_is_deleted_all_the_same_and_at_once(sagemaker, refused):
    refused["DescribeEndpoint"] = [error("AccessDeniedException")] * 9
    delete(AWS, ALL[:1], timeout=600)
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_what_never_gets_an_answer_is_left_over_after_the_time_limit(sagemaker, refused):
    refused["DescribeModel"] = [error("ThrottlingException")] * 1000
    (left,) = leftovers(AWS, ALL[2:], timeout=0.2)
    assert "ThrottlingException" in left


def test_runs_have_names_of_their_own_that_leave_the_sdk_its_room():
    runs = {new_run().prefix for _ in range(200)}
    assert len(runs) == 200
    assert all(re.fullmatch("[a-z][a-z0-9]{4}-", prefix) for prefix in runs)
    assert new_run().since < datetime.now(timezone.utc)
