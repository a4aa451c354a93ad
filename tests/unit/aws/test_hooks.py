"""Hooks on boto3 and the Spark SDK: resources are recorded before they are created, and tagged."""

import errno
import json
from types import SimpleNamespace
from unittest import mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from harness.aws.account.spending import Spending
from harness.aws.cleanup.resources import Resource
from harness.aws.pricing import PriceFile
from harness.errors import HarnessError, SettingsError
from harness.settings import Settings
from tests.support.ledgers import MODEL, client, on_disk


def test_a_refusal_to_tag_one_resource_is_raised_after_the_others_are_tagged(ledger, monkeypatch):
    names = [ledger.names().model, ledger.names().model]
    for name in names:
        client("sagemaker").create_model(ModelName=name, **MODEL)
    add_tags = ledger._janitor.add_tags

    def refuse_first(resource, tags):
        if resource.name == names[0]:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slower"}}, "AddTags")
        add_tags(resource, tags)

    monkeypatch.setattr(ledger._janitor, "add_tags", refuse_first)
    with pytest.raises(ClientError, match="slower"):
        ledger.tagger.tag()
    assert ledger.tagger.tagged == {Resource("model", names[1])}


def test_a_watched_client_records_a_resource_before_the_call_is_sent(ledger, watched, monkeypatch):
    seen = []
    monkeypatch.setattr(BaseClient, "_make_request", lambda *_: seen.append(on_disk(ledger)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watched.create_model(ModelName="mine", **MODEL)
    assert seen == [[Resource("model", "mine")]]


def test_a_watched_client_creates_nothing_if_the_disk_is_full(ledger, watched, monkeypatch):
    monkeypatch.setattr("os.pwrite", mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(HarnessError, match="cannot be written: No space left on device"):
        watched.create_model(ModelName="mine", **MODEL)
    assert watched.list_models()["Models"] == []
    assert (ledger.resources, on_disk(ledger)) == ([], [])


def test_a_watched_client_adds_the_runs_tags_to_the_users_and_the_resource_is_deleted(ledger, watched):
    watched.create_model(ModelName="mine", Tags=[{"Key": "team", "Value": "a"}], **MODEL)
    tags = watched.list_tags(ResourceArn=watched.describe_model(ModelName="mine")["ModelArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "a", **ledger.tags()}
    assert ledger.clean_up() == []
    assert watched.list_models()["Models"] == []


@pytest.mark.parametrize(("code", "kept"), [("AccessDeniedException", []), ("ThrottlingException", ["mine"])])
def test_a_resource_that_aws_refused_to_create_is_taken_off_the_ledger(ledger, watched, monkeypatch, code, kept):
    answer = SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {}}
    monkeypatch.setattr(BaseClient, "_make_request", lambda *_: answer)
    with pytest.raises(ClientError):
        watched.create_model(ModelName="mine", **MODEL)
    assert [resource.name for resource in ledger.resources] == kept
    assert [resource.name for resource in on_disk(ledger)] == kept


def test_the_sdk_bucket_is_made_once_and_kept(ledger):
    ledger.make_bucket()
    ledger.make_bucket()
    ledger.names()
    ledger.clean_up()
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == [ledger.bucket]


JOB = {"AlgorithmSpecification": {"TrainingInputMode": "File"}, "OutputDataConfig": {"S3OutputPath": "s3://b/"},
       "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 5},
       "RoleArn": MODEL["ExecutionRoleArn"], "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}  # fmt: skip
VARIANT = {"VariantName": "all", "ModelName": "mine", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 3}


@pytest.fixture
def bounded(ledger, watched, tmp_path):
    """The watched client of a session of 3 hours that may cost USD 2.75, at USD 0.25 an hour of an instance."""
    path = tmp_path / "prices.json"
    prices = {"ml.m4.xlarge": {"training": 0.25, "hosting": 0.25}}
    path.write_text(json.dumps({"source": "a list", "date": "2026-11-01", "prices": prices}))
    ledger.spending = Spending(PriceFile(path), Settings(max_hours=3.0), 2.75)
    watched.create_model(ModelName="mine", **MODEL)
    return watched


def test_jobs_and_endpoints_of_a_watched_client_are_held_to_the_bound_before_they_are_created(ledger, bounded):
    bounded.create_training_job(TrainingJobName="first", **JOB)
    assert ledger.spending.total == pytest.approx(0.5)
    bounded.create_endpoint_config(EndpointConfigName="three", ProductionVariants=[VARIANT])
    bounded.create_endpoint(EndpointName="first", EndpointConfigName="three")
    with pytest.raises(SettingsError, match=r"^Endpoint second could bring .* USD 5\.00, above"):
        bounded.create_endpoint(EndpointName="second", EndpointConfigName="three")
    assert [each["EndpointName"] for each in bounded.list_endpoints()["Endpoints"]] == ["first"]
    assert Resource("endpoint", "second") not in ledger.resources


def test_an_endpoint_without_instances_is_refused_if_there_is_a_bound(bounded):
    serverless = {"VariantName": "all", "ModelName": "mine",
                  "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}  # fmt: skip
    bounded.create_endpoint_config(EndpointConfigName="none", ProductionVariants=[serverless])
    with pytest.raises(SettingsError, match="The cost of the variant all has no bound"):
        bounded.create_endpoint(EndpointName="mine", EndpointConfigName="none")


def test_a_job_of_instance_groups_counts_all_of_them(ledger, bounded):
    groups = [
        {"InstanceGroupName": name, "InstanceType": "ml.m4.xlarge", "InstanceCount": count}
        for name, count in (("a", 1), ("b", 3))
    ]
    resources = {"InstanceGroups": groups, "VolumeSizeInGB": 5}
    bounded.create_training_job(TrainingJobName="mixed", **JOB | {"ResourceConfig": resources})
    assert ledger.spending.total == pytest.approx(4 * 0.25)
