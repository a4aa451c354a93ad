"""Deletion policy: all resources of the run are deleted, and no other user's."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.backends import get_backend

from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.resources import Resource, as_list
from harness.errors import HarnessError
from tests.support.ledgers import ACCOUNT, MODEL, client


def test_credentials_of_another_account_are_refused(ledger):
    ledger.header = replace(ledger.header, account="210987654321")
    ledger.names()
    ledger._file = None  # as in another process
    with pytest.raises(HarnessError, match=f"credentials are of account {ACCOUNT}"):
        ledger.clean_up()


def test_sts_is_not_asked_if_the_account_of_the_credentials_is_known(ledger):
    ledger.names()

    def without_sts(service):
        assert service != "sts"
        return client(service)

    assert Ledger.read(ledger.path, without_sts, ACCOUNT).clean_up() == []
    with pytest.raises(HarnessError, match="credentials are of account 210987654321"):
        Ledger.read(ledger.path, without_sts, "210987654321").clean_up()


def test_a_users_job_is_deleted_with_its_model_but_not_with_the_data_that_it_read(ledger, watched):
    client("s3").create_bucket(Bucket="users")
    kept, made = ["data/mnist/rows", "out/mnist/notes", "out/mnist/output/old"], "out/mnist/output/model.tar.gz"
    for key in (*kept, made):
        client("s3").put_object(Bucket="users", Key=key, Body=b"x")
    later = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=5)
    get_backend("s3")[ACCOUNT]["aws"].buckets["users"].keys[made].last_modified = later
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://users/data/mnist"}
    watched.create_training_job(
        TrainingJobName="mnist",
        AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
        RoleArn=MODEL["ExecutionRoleArn"],
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": "s3://users/out"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    assert ledger.clean_up() == []
    assert [item["Key"] for item in client("s3").list_objects_v2(Bucket="users")["Contents"]] == kept


@pytest.mark.parametrize(("tagged", "kept"), [(True, []), (False, ["mine"])])
def test_another_process_deletes_a_resource_under_a_users_name_only_by_the_runs_tag(ledger, tagged, kept):
    ledger.expect(Resource("model", "mine"))
    client("sagemaker").create_model(ModelName="mine", Tags=as_list(ledger.tags()) if tagged else [], **MODEL)
    left = Ledger.read(ledger.path, client).clean_up()
    assert [model["ModelName"] for model in client("sagemaker").list_models()["Models"]] == kept
    assert [each.resource.name for each in left] == kept
    assert ledger.clean_up() == [], "this process found that nothing had the name"


def test_another_users_resource_with_a_recorded_name_is_not_deleted(ledger, watched, monkeypatch):
    client("sagemaker").create_model(ModelName="theirs", **MODEL)
    ledger.expect(Resource("model", "theirs"), tagged=True)  # as recorded for a Create that was refused
    ledger.tagger.tag()
    assert ledger.clean_up() == []
    assert [model["ModelName"] for model in watched.list_models()["Models"]] == ["theirs"]


def test_a_resource_whose_tags_aws_does_not_show_is_reported_and_not_deleted(ledger, watched, monkeypatch):
    watched.create_model(ModelName="mine", **MODEL)
    call = BaseClient._make_api_call
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not yours"}}, "ListTags")

    def refuse(self, operation, parameters):
        if operation == "ListTags":
            raise denied
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    (left,) = ledger.clean_up()
    assert left.state.startswith("unknown: whether it is this run's")
    assert [model["ModelName"] for model in watched.list_models()["Models"]] == ["mine"]


def test_a_refusal_to_delete_one_resource_does_not_keep_the_others(ledger, monkeypatch):
    names = ledger.names()
    client("sagemaker").create_model(ModelName=names.model, **MODEL)
    client("s3").create_bucket(Bucket=ledger.bucket)
    client("s3").put_object(Bucket=ledger.bucket, Key=f"hsh-{ledger.run}-1/rows/x", Body=b"x")
    call = BaseClient._make_api_call

    def refuse(self, operation, parameters):
        if operation == "DeleteModel":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    (left,) = ledger.clean_up()
    assert left.resource == Resource("model", names.model)
    assert left.command == f"aws sagemaker delete-model --model-name {names.model} --region us-east-1"
    assert "Contents" not in client("s3").list_objects_v2(Bucket=ledger.bucket)


def test_only_the_given_resources_are_cleaned_up(ledger):
    first, second = ledger.names(), ledger.names()
    for names in (first, second):
        client("sagemaker").create_model(ModelName=names.model, **MODEL)
    assert ledger.clean_up(first.resources) == []
    assert [model["ModelName"] for model in client("sagemaker").list_models()["Models"]] == [second.model]
    assert ledger.leftovers is None


def test_log_groups_are_kept_unless_requested(ledger):
    names = ledger.names()
    group = f"/aws/sagemaker/Endpoints/{names.endpoint}"
    client("logs").create_log_group(logGroupName=group)
    assert ledger.clean_up() == []
    assert client("logs").describe_log_groups()["logGroups"]
    assert ledger.clean_up(log_groups=True) == []
    assert not client("logs").describe_log_groups()["logGroups"]


def test_existing_resources_are_returned_with_their_state_and_the_command_that_deletes_them(ledger):
    names = ledger.names()
    client("sagemaker").create_model(ModelName=names.model, **MODEL)
    model, endpoint = Resource("model", names.model), Resource("endpoint", names.endpoint)
    (left,) = ledger.deletion.still_there([model, endpoint])
    assert (left.resource, left.state, left.hourly_cost) == (model, "exists", 0.0)
    assert left.command == f"aws sagemaker delete-model --model-name {names.model} --region us-east-1"
    assert ledger.existing([model, endpoint]) == [model]
    assert [each.resource for each in ledger.deletion.remaining()] == [model]
    assert endpoint in ledger.unseen


def test_an_endpoint_that_is_being_deleted_is_waited_for(ledger, monkeypatch):
    waits = []
    monkeypatch.setattr(ledger.deletion, "patience", 20.0)
    monkeypatch.setattr(ledger.deletion._janitor, "settled", lambda resource, seconds: waits.append(seconds))
    assert ledger.deletion.still_there([Resource("endpoint", "e")]) == []
    assert 19 < waits[0] <= 20


def test_a_log_group_remains_only_if_requested(ledger):
    names = ledger.names()
    client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{names.endpoint}")
    assert ledger.deletion.remaining() == []
    assert [left.resource.kind for left in ledger.deletion.remaining(log_groups=True)] == ["log group"]
