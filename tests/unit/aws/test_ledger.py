"""Ledgers and names: a resource is on disk before it is created, and no resource of others is taken for a run's."""

import errno
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from types import SimpleNamespace
from unittest import mock

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.backends import get_backend

from harness.aws.cleanup.hooks import watch
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import names_of, new_run, run_of
from harness.aws.cleanup.record import OWNER_TAG
from harness.aws.cleanup.resources import Resource, as_list
from harness.errors import HarnessError
from harness.settings import Settings

ACCOUNT = "123456789012"
MODEL = {"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "PrimaryContainer": {"Image": "i"}}


@cache
def client(service):
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


AWS = {"mode": "real", "region": "us-east-1", "account": ACCOUNT, "client": client}
PRICES = {"endpoint": {"ml.m4.xlarge": 0.25}}


def account(directory, **members):
    """Return an AWS whose ledgers are below a directory."""
    return SimpleNamespace(**AWS | {"hourly_prices": PRICES, "ledger_directory": directory / "state"} | members)


@pytest.fixture
def ledger(tmp_path):
    """An open ledger of an account that is empty."""
    aws = account(tmp_path)
    with mock_aws():
        opened = Ledger.open(aws, Settings(max_hours=3.0))
        opened.deletion.patience = 2.0
        yield opened
        opened.close()


def on_disk(ledger):
    """Return the resources that another process would read now."""
    return Ledger.read(ledger.path, client).resources


def test_runs_have_names_of_their_own_that_tell_their_account():
    runs = {new_run(ACCOUNT) for _ in range(200)}
    assert len(runs) == 200
    for run in runs:
        assert re.fullmatch("[a-z2-7]{12}", run)
        assert run_of(f"hsh-{run}-12-endpoint", ACCOUNT) == run_of(f"hsh-{run}-1/", ACCOUNT) == run


@pytest.mark.parametrize("name", ["hsh-{}-1-endpoint2", "x-hsh-{}-1-model", "hsh-{}-model", "hsh-{}-1-other", "{}"])
def test_a_name_that_only_resembles_one_of_a_run_is_nobodys(name):
    assert run_of(name.format(new_run(ACCOUNT)), ACCOUNT) is None


def test_a_name_made_for_another_account_or_by_chance_is_hardly_ever_taken_for_ours():
    foreign = [f"hsh-{new_run('210987654321')}-1-model" for _ in range(2000)]
    assert sum(run_of(name, ACCOUNT) is not None for name in foreign) < 20


def test_names_are_short_enough_for_sagemaker():
    names = names_of(new_run(ACCOUNT), 999_999, "bucket")
    assert all(len(name) <= 63 for name in (names.training_job, names.model, names.endpoint_config, names.endpoint))


def test_names_are_on_disk_before_they_are_used_and_new_each_time(ledger):
    first, second = ledger.names(), ledger.names()
    assert first.endpoint != second.endpoint
    assert set(first.resources + second.resources) < set(on_disk(ledger))
    assert first.data == f"s3://{ACCOUNT}-sagemaker-us-east-1/hsh-{ledger.run}-1/"


def test_what_was_trained_before_is_hosted_again_without_names_for_another_training(ledger):
    first, again = ledger.names(), ledger.names(training=False)
    kinds = [resource.kind for resource in ledger.resources if resource in again.resources]
    assert kinds == ["model", "endpoint config", "endpoint"]
    assert first.endpoint != again.endpoint


def test_tags_tell_run_owner_and_when_it_expires(ledger):
    tags = {key.partition(":")[2]: value for key, value in ledger.tags().items()}
    assert tags["run"] == ledger.run
    assert tags["owner"].startswith(f"arn:aws:sts::{ACCOUNT}:")
    assert tags["expires"] > ledger.header.started
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tags["expires"])


def test_an_owner_whose_name_no_tag_can_hold_is_told_as_far_as_one_can(ledger):
    ledger.header = replace(ledger.header, owner=f"arn:aws:iam::{ACCOUNT}:user/{'p' * 250}/doe,jane")
    assert re.fullmatch(r"[\w .:/=+@-]{256}", ledger.tags()[OWNER_TAG])
    ledger.header = replace(ledger.header, owner=f"arn:aws:iam::{ACCOUNT}:user/doe,jane")
    assert ledger.tags()[OWNER_TAG].endswith("user/doe_jane")


def test_an_s3_prefix_without_a_slash_at_its_end_is_refused(ledger):
    with pytest.raises(ValueError, match="run10"):
        ledger.expect(Resource("S3 prefix", "s3://bucket/run1"))


@pytest.mark.parametrize(
    "resource",
    [
        *(Resource("S3 prefix", uri) for uri in ("s3://bucket/", "s3://*/x/", "https://bucket/x/")),
        *(Resource("model", "*"), Resource("S3 staging", "s3://bucket/x/"), Resource("bucket", "bucket")),
    ],
)
def test_a_name_that_aws_does_not_give_is_not_recorded(ledger, resource):
    with pytest.raises(ValueError, match="cannot be recorded"):
        ledger.expect(resource)
    assert on_disk(ledger) == []


def test_runs_begin_and_expire_by_the_clock_of_aws(tmp_path):
    caller = {"Arn": "arn", "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 May 2031 12:00:00 GMT"}}}
    sts = SimpleNamespace(get_caller_identity=lambda: caller)
    ledger = Ledger.open(account(tmp_path, client=lambda _: sts), Settings(max_hours=3.0))
    ledger.close()
    assert re.fullmatch("2031-05-01T12:00:..Z", ledger.header.started)
    assert re.fullmatch("2031-05-01T15:00:..Z", ledger.header.expires)


@pytest.mark.parametrize("resource", [Resource("model", "theirs"), Resource("S3 prefix", "s3://theirs/data/")])
def test_what_is_there_already_is_not_the_runs_to_create_and_to_delete(ledger, resource):
    client("sagemaker").create_model(ModelName="theirs", **MODEL)
    client("s3").create_bucket(Bucket="theirs")
    client("s3").put_object(Bucket="theirs", Key="data/x", Body=b"x")
    with pytest.raises(HarnessError, match=f"{resource} is not this run's"):
        ledger.expect(resource)
    assert resource not in on_disk(ledger)
    assert ledger.resources == []


def test_what_is_left_is_priced_by_its_instances(ledger):
    endpoint = ledger.expect(Resource("endpoint", "e"), instance_type="ml.m4.xlarge", count=2)
    assert ledger.hourly_cost(endpoint) == 0.5
    assert ledger.hourly_cost(ledger.expect(Resource("endpoint", "f"), instance_type="ml.p5.large")) is None
    assert ledger.hourly_cost(Resource("model", "m")) == 0


def test_a_ledger_that_is_done_with_goes_and_one_that_is_not_stays(ledger):
    ledger.names()
    ledger.close()
    assert ledger.path.exists()
    again = Ledger.read(ledger.path, client)
    assert again.clean_up() == []
    again.close()
    assert not ledger.path.exists()


def test_nothing_is_taken_for_gone_with_the_credentials_of_another_account(ledger):
    ledger.header = replace(ledger.header, account="210987654321")
    ledger.names()
    ledger._file = None  # as in another process
    with pytest.raises(HarnessError, match=f"credentials are of account {ACCOUNT}"):
        ledger.clean_up()


def test_whose_the_credentials_are_is_not_asked_where_it_is_known(ledger):
    ledger.names()

    def without_sts(service):
        assert service != "sts"
        return client(service)

    assert Ledger.read(ledger.path, without_sts, ACCOUNT).clean_up() == []
    with pytest.raises(HarnessError, match="credentials are of account 210987654321"):
        Ledger.read(ledger.path, without_sts, "210987654321").clean_up()


def test_one_that_cannot_be_tagged_keeps_no_other_from_being_tagged_and_is_told(ledger, monkeypatch):
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


@pytest.fixture
def watched(ledger):
    """A client of SageMaker whose creations the ledger records."""
    return watch(boto3.client("sagemaker", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"), ledger)


def test_what_a_watched_client_creates_is_on_disk_before_the_call_is_sent(ledger, watched, monkeypatch):
    seen = []
    monkeypatch.setattr(BaseClient, "_make_request", lambda *_: seen.append(on_disk(ledger)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watched.create_model(ModelName="mine", **MODEL)
    assert seen == [[Resource("model", "mine")]]


def test_nothing_is_created_that_there_is_no_room_to_record(ledger, watched, monkeypatch):
    monkeypatch.setattr("os.pwrite", mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(HarnessError, match="cannot be written: No space left on device"):
        watched.create_model(ModelName="mine", **MODEL)
    assert watched.list_models()["Models"] == []
    assert (ledger.resources, on_disk(ledger)) == ([], [])


def test_what_a_watched_client_creates_is_tagged_beside_the_users_tags_and_deleted(ledger, watched):
    watched.create_model(ModelName="mine", Tags=[{"Key": "team", "Value": "a"}], **MODEL)
    tags = watched.list_tags(ResourceArn=watched.describe_model(ModelName="mine")["ModelArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "a", **ledger.tags()}
    assert ledger.clean_up() == []
    assert watched.list_models()["Models"] == []


@pytest.mark.parametrize(("code", "kept"), [("AccessDeniedException", []), ("ThrottlingException", ["mine"])])
def test_a_name_of_the_users_that_aws_refused_to_create_is_struck_off(ledger, watched, monkeypatch, code, kept):
    answer = SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {}}
    monkeypatch.setattr(BaseClient, "_make_request", lambda *_: answer)
    with pytest.raises(ClientError):
        watched.create_model(ModelName="mine", **MODEL)
    assert [resource.name for resource in ledger.resources] == kept
    assert [resource.name for resource in on_disk(ledger)] == kept


def test_a_users_job_takes_its_model_with_it_and_not_the_data_that_it_read(ledger, watched):
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


def test_anothers_resource_by_a_name_that_a_test_wanted_too_is_not_touched(ledger, watched, monkeypatch):
    client("sagemaker").create_model(ModelName="theirs", **MODEL)
    ledger.expect(Resource("model", "theirs"), tagged=True)  # as recorded for a Create that was refused
    ledger.tagger.tag()
    assert ledger.clean_up() == []
    assert [model["ModelName"] for model in watched.list_models()["Models"]] == ["theirs"]


def test_a_resource_whose_owner_aws_does_not_tell_is_left_untouched_and_told(ledger, watched, monkeypatch):
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


def test_one_that_cannot_be_deleted_keeps_no_other_from_being_deleted(ledger, monkeypatch):
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


def test_only_what_is_asked_for_is_cleaned_up(ledger):
    first, second = ledger.names(), ledger.names()
    for names in (first, second):
        client("sagemaker").create_model(ModelName=names.model, **MODEL)
    assert ledger.clean_up(first.resources) == []
    assert [model["ModelName"] for model in client("sagemaker").list_models()["Models"]] == [second.model]
    assert ledger.leftovers is None


def test_log_groups_are_kept_unless_asked_for(ledger):
    names = ledger.names()
    group = f"/aws/sagemaker/Endpoints/{names.endpoint}"
    client("logs").create_log_group(logGroupName=group)
    assert ledger.clean_up() == []
    assert client("logs").describe_log_groups()["logGroups"]
    assert ledger.clean_up(log_groups=True) == []
    assert not client("logs").describe_log_groups()["logGroups"]


def test_the_bucket_of_the_sdks_is_made_once_and_kept(ledger):
    ledger.make_bucket()
    ledger.make_bucket()
    ledger.names()
    ledger.clean_up()
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == [ledger.bucket]
