"""Record of a run: a resource is on disk before it is created, and another user's resource is never recorded."""

import re
from dataclasses import replace

import pytest

from harness.aws.cleanup.record import OWNER_TAG
from harness.aws.cleanup.resources import Resource
from harness.errors import HarnessError, SettingsError
from harness.settings import Settings
from tests.support.ledgers import ACCOUNT, MODEL, client, on_disk


def test_names_are_on_disk_before_they_are_used_and_differ_each_time(ledger):
    first, second = ledger.names(), ledger.names()
    assert first.endpoint != second.endpoint
    assert set(first.resources + second.resources) < set(on_disk(ledger))
    assert first.data == f"s3://{ACCOUNT}-sagemaker-us-east-1/hsh-{ledger.run}-1/"


def test_hosting_an_earlier_model_takes_no_names_for_training(ledger):
    first, again = ledger.names(), ledger.names(training=False)
    kinds = [resource.kind for resource in ledger.resources if resource in again.resources]
    assert kinds == ["model", "endpoint config", "endpoint"]
    assert first.endpoint != again.endpoint


def test_tags_hold_run_owner_and_expiry(ledger):
    tags = {key.partition(":")[2]: value for key, value in ledger.tags().items()}
    assert tags["run"] == ledger.run
    assert tags["owner"].startswith(f"arn:aws:sts::{ACCOUNT}:")
    assert tags["expires"] > ledger.header.started
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tags["expires"])


def test_an_owner_that_no_tag_can_hold_is_shortened_and_stripped(ledger):
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
        *(Resource("model", "*"), Resource("S3 staging", "s3://bucket/x/")),
    ],
)
def test_a_name_that_aws_does_not_give_is_not_recorded(ledger, resource):
    with pytest.raises(ValueError, match="cannot be recorded"):
        ledger.expect(resource)
    assert on_disk(ledger) == []


def test_a_kind_that_no_ledger_deletes_is_refused_with_those_that_there_are(ledger):
    with pytest.raises(SettingsError, match="cannot record the bucket mine") as refused:
        ledger.expect(Resource("bucket", "mine"))
    assert "there are training job, model, endpoint config, endpoint, S3 prefix" in refused.value.checked


@pytest.mark.parametrize("resource", [Resource("model", "theirs"), Resource("S3 prefix", "s3://theirs/data/")])
def test_a_resource_that_exists_is_not_recorded_as_the_runs(ledger, resource):
    client("sagemaker").create_model(ModelName="theirs", **MODEL)
    client("s3").create_bucket(Bucket="theirs")
    client("s3").put_object(Bucket="theirs", Key="data/x", Body=b"x")
    with pytest.raises(HarnessError, match=f"{resource} is not this run's"):
        ledger.expect(resource)
    assert resource not in on_disk(ledger)
    assert ledger.resources == []


@pytest.mark.parametrize(
    "resource",
    [Resource("model", "ends-with-"), Resource("endpoint", "under_score"), Resource("training job", "j" * 64),
     Resource("S3 prefix", "s3://two..dots/data/"), Resource("log group", "a b")],
)  # fmt: skip
def test_an_invalid_name_is_called_invalid_and_not_taken(ledger, resource):
    with pytest.raises(ValueError, match="cannot be recorded: its name is invalid"):
        ledger.expect(resource)


def test_a_leftover_is_priced_by_its_instances(ledger):
    endpoint = ledger.expect(Resource("endpoint", "e"), instance_type="ml.m4.xlarge", count=2)
    assert ledger.hourly_cost(endpoint) == 0.5
    assert ledger.hourly_cost(ledger.expect(Resource("endpoint", "g"), instance_type="ml.m4.xlarge")) == 0.25
    assert ledger.hourly_cost(ledger.expect(Resource("endpoint", "f"), instance_type="ml.p5.large")) is None
    assert ledger.hourly_cost(Resource("model", "m")) == 0


def test_a_fit_is_recorded_with_the_instances_that_it_is_priced_by(ledger):
    settings = Settings(training_instance_count=2, endpoint_instance_count=3)
    names = ledger.names(settings)
    assert ledger.instances_of(Resource("training job", names.training_job)) == ("ml.m4.xlarge", 2)
    assert ledger.instances_of(Resource("endpoint", names.endpoint)) == ("ml.m4.xlarge", 3)
    assert ledger.instances_of(Resource("model", names.model)) == (None, 1)
    assert ledger.hourly_cost(Resource("endpoint", names.endpoint)) == 0.75


@pytest.mark.parametrize(("left", "keep", "stays"), [([], False, False), ([], True, True), (["m"], False, True)])
def test_the_file_of_a_ledger_stays_as_long_as_something_is_left(ledger, left, keep, stays):
    ledger.leftovers = left
    ledger.close(keep=keep)
    assert ledger.path.exists() == stays
