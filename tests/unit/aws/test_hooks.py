"""Hooks on boto3 and the Spark SDK: resources are recorded before they are created, and tagged."""

import errno
from types import SimpleNamespace
from unittest import mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from harness.aws.cleanup.resources import Resource
from harness.errors import HarnessError
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
