"""``harness sweep`` on an AWS that knows nothing of it: what runs left goes, and nothing else does."""

import json
import os
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from unittest import mock

import boto3
import pytest

from harness import registries
from harness.aws.cleanup import discovery
from harness.aws.cleanup import sweep as sweeping
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.ledger_file import LedgerFile, state_directory
from harness.aws.cleanup.names import names_of, new_run
from harness.aws.cleanup.record import TAG_PREFIX
from harness.aws.cleanup.resources import Resource
from harness.cli import main
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.outside import OUTSIDE

HOUR = timedelta(hours=1)
EXPIRED = timedelta(seconds=-10)
"""Longest life of a run after which even a new resource has expired: the clock of AWS is read to the second."""


class Account:
    """Actions of tests in the swept account, as its administrator."""

    def __init__(self, aws):
        self.aws = aws
        self.run = new_run(aws.account)
        self.bucket = f"{aws.account}-sagemaker-{aws.region}"
        self.sagemaker, self.s3 = aws.client("sagemaker"), aws.client("s3")
        self.role = aws.role()
        self.s3.create_bucket(Bucket=self.bucket)

    def tags(self, age, run=None, prefix=TAG_PREFIX):
        expires = datetime.now(timezone.utc) - age
        tags = {f"{prefix}run": run or self.run, f"{prefix}expires": expires.isoformat()}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def model(self, name, tags=(), client=None):
        client = client or self.sagemaker
        container = {"Image": registries.image("xgboost", client.meta.region_name)}
        client.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container, Tags=list(tags))

    def config(self, name, model, tags=()):
        variant = {"VariantName": "all", "ModelName": model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 2}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=list(tags))

    def endpoint(self, name, config, tags=()):
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=list(tags))

    def put(self, key):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"5 1:3\n")

    def fit(self, age=None, number=1):
        """Create what a fit leaves, tagged as expired that long ago, or not tagged."""
        names = names_of(self.run, number, self.bucket)
        tags = [] if age is None else self.tags(age)
        self.model(names.model, tags)
        self.config(names.endpoint_config, names.model, tags)
        self.put(f"hsh-{self.run}-{number}/part-0")
        self.put(f"hsh-{self.run}-{number}/more/part-1")
        return names

    def ledger(self, region=None):
        """Return the ledger of a run of this process, with what one fit created."""
        region = region or self.aws.region
        aws = SimpleNamespace(
            account=self.aws.account,
            region=region,
            mode="real",
            client=self.aws.client,
            hourly_prices={},
            prices=None,
            ledger_directory=state_directory(),
        )
        ledger = Ledger.open(aws, Settings(), run=self.run)
        ledger.names()
        self.fit()
        return ledger

    def job(self, name, path, code, tags):
        """Run another user's training job, with Python code as its container, to its end."""
        self.aws.register_container(name, [sys.executable, "-c", code])
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": name, "TrainingInputMode": "File"},
            RoleArn=self.role,
            OutputDataConfig={"S3OutputPath": path},
            ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            Tags=tags,
        )
        status = lambda: self.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]  # noqa: E731
        wait_until(status, "the job to end", done=lambda state: state in ("Failed", "Completed"))

    def objects(self, bucket, *keys):
        """Create another user's bucket with objects."""
        self.s3.create_bucket(Bucket=bucket)
        for key in keys:
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"theirs")
        return [f"s3://{bucket}/{key}" for key in keys]


@pytest.fixture
def account(independent_aws):
    return Account(independent_aws)


@pytest.fixture
def sweep(independent_aws, tmp_path, monkeypatch, capsys):
    """Run ``harness sweep`` as a user from outside; returns its exit code and what it printed."""
    monkeypatch.setattr(sweeping, "SETTLE_SECONDS", 0.3)
    environment = OUTSIDE | independent_aws.user() | {"XDG_STATE_HOME": str(tmp_path)}

    def run(*arguments):
        code = main.main(["sweep", *arguments])
        return code, "".join(capsys.readouterr())

    with mock.patch.dict(os.environ, environment, clear=True):
        yield run


def test_expired_resources_are_listed_and_kept_without_yes(sweep, account):
    names = account.fit(HOUR + timedelta(seconds=30))  # the account's clock shows whole seconds
    before = account.aws.everything()
    code, said = sweep()
    assert code == 0
    assert all(text in said for text in (names.model, names.endpoint_config, names.data, "1 h 00 min", "--yes"))
    assert account.aws.everything() == before


def test_yes_deletes_expired_resources_and_a_second_sweep_finds_nothing(sweep, account):
    account.fit(HOUR)
    account.fit(HOUR, number=10)
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == {}
    assert sweep("--yes") == (0, "Nothing to delete.\n")


def test_a_run_with_unexpired_tags_keeps_its_untagged_resources_too(sweep, account):
    account.fit(-HOUR)
    account.model(f"hsh-{account.run}-2-model")
    account.put(f"hsh-{account.run}-2/part-0")
    before = account.aws.everything()
    code, said = sweep("--yes", "--include-unproven")
    assert (code, account.aws.everything()) == (0, before)
    assert "runs may be alive" in said


def test_similar_resources_of_no_run_are_kept(sweep, account, monkeypatch):
    monkeypatch.setattr(discovery, "_LONGEST", EXPIRED)
    account.fit(HOUR)
    foreign = new_run("999999999999")
    theirs = [f"hsh-{foreign}-1-model", f"hsh-{account.run}1-1-model", f"my-hsh-{account.run}-1-model", "hsh-run10"]
    for name in theirs:
        account.model(name)
    account.model("tagged-by-another-tool", account.tags(HOUR, prefix="another-harness:"))
    account.model("of-another-account", account.tags(HOUR, run=foreign))
    keys = [f"hsh-{account.run}0/part-0", f"hsh-{account.run}-1.old/part-0", f"hsh-{foreign}-1/part-0", "data/part-0"]
    for key in keys:
        account.put(key)
    assert sweep("--yes", "--include-unproven")[0] == 0
    left = account.aws.everything()
    assert sorted(left.pop("model")) == sorted([*theirs, "tagged-by-another-tool", "of-another-account"])
    assert sorted(left.pop("S3 object")) == sorted(f"s3://{account.bucket}/{key}" for key in keys)
    assert left == {}


def test_resources_known_by_name_only_are_deleted_only_on_request(sweep, account, monkeypatch):
    account.fit()
    before = account.aws.everything()
    assert "kept" in sweep("--yes", "--include-unproven")[1], "it is younger than a run may be"
    monkeypatch.setattr(discovery, "_LONGEST", EXPIRED)
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (0, before)
    assert "3 found only by name, by tag or by a job" in said
    assert sweep("--yes", "--include-unproven")[0] == 0
    assert account.aws.everything() == {}


def test_resources_in_a_ledger_are_deleted_once_its_run_has_ended(sweep, account):
    ledger = account.ledger()
    before = account.aws.everything()
    assert sweep("--yes", "--include-unproven") == (0, "Nothing to delete.\n")
    assert account.aws.everything() == before, "the run continues"
    ledger._file.close()  # as the end of the process does, whatever ends it
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == {}
    assert not ledger.path.exists()


def test_a_truncated_ledger_is_swept_and_one_of_another_account_is_reported(sweep, account):
    ledger = account.ledger()
    ledger._file.close()
    with ledger.path.open("ab") as file:
        file.write(b'0123456789abcdef {"kind": "model", "na')
    foreign = replace(ledger.header, account="999999999999", run=new_run("999999999999"))
    other = LedgerFile.create(state_directory(), foreign)
    other.close()
    path = other.path
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (0, {})
    assert f"{path} is of account 999999999999" in said
    assert path.exists()


def test_a_ledger_is_swept_with_a_single_answer_on_the_caller(sweep, account):
    account.ledger()._file.close()
    account.aws.faults.add("GetCallerIdentity", status=403, code="AccessDenied", skip=1, times=99)
    code, said = sweep("--yes")
    account.aws.faults.clear()
    assert (code, account.aws.everything()) == (0, {}), said


def test_ttl_keeps_resources_that_expired_more_recently(sweep, account):
    account.fit(HOUR)
    before = account.aws.everything()
    assert sweep("--yes", "--ttl", "2")[0] == 0
    assert account.aws.everything() == before
    assert sweep("--yes", "--ttl", "0.5")[0] == 0
    assert account.aws.everything() == {}


def test_two_sweeps_at_once_delete_everything_and_neither_fails(sweep, account):
    account.ledger()._file.close()
    for number in range(2, 4):
        account.fit(HOUR, number)
    clean = []

    def sweep_too():
        found = sweeping.find(Settings(mode="real"), sweeping.Wishes(delete=True))
        clean.append(found.is_clean(found.delete()))

    threads = [threading.Thread(target=sweep_too) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clean == [True, True]
    assert account.aws.everything() == {}


def test_undeletable_resources_are_reported_with_a_command_and_the_exit_code_is_1(sweep, account):
    names = account.fit(HOUR)
    deny = {"Effect": "Deny", "Action": "sagemaker:DeleteModel", "Resource": "*"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    account.aws.put_user_policy(user_name(account), {"Version": "2012-10-17", "Statement": [allow, deny]})
    code, said = sweep("--yes")
    assert code == 1
    assert f"aws sagemaker delete-model --model-name {names.model} --region us-east-1" in said
    assert account.aws.everything() == {"model": [names.model]}


def test_denied_lists_are_reported_and_do_not_count_as_empty(sweep, account):
    account.fit(HOUR)
    allow = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
    account.aws.put_user_policy(user_name(account), {"Version": "2012-10-17", "Statement": [allow]})
    code, said = sweep("--yes")
    assert code == 1
    assert "us-east-1: training jobs:" in said
    assert "ListTrainingJobs" in said


def user_name(account):
    """Return the name of the user that ``sweep`` is."""
    return account.aws.name_of(dict(os.environ)).rpartition("/")[2]


def test_endpoints_are_deleted_with_their_hourly_cost_reported(sweep, account, tmp_path):
    names = account.fit(HOUR)
    account.endpoint(names.endpoint, names.endpoint_config, account.tags(HOUR))
    prices = tmp_path / "prices.json"
    known = {"ml.m4.xlarge": {"hosting": 0.28}}
    prices.write_text(json.dumps({"source": "a test", "date": "2026-11-01", "prices": known}))
    _, said = sweep("--prices", str(prices), "--json")
    found = {each["kind"]: each for each in json.loads(said)["found"]}
    assert found["endpoint"]["hourly_cost"] == 0.56
    assert (found["endpoint"]["found_by"], found["endpoint"]["fate"]) == ("name and tag", "delete")
    assert sweep("--yes", "--logs")[0] == 0
    assert account.aws.everything() == {}


def test_log_groups_are_deleted_only_on_request(sweep, account):
    names = account.fit(HOUR)
    group = f"/aws/sagemaker/Endpoints/{names.endpoint}"
    account.aws.client("logs").create_log_group(logGroupName=group)
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == {"log group": [group]}


def test_all_regions_are_swept_on_request(sweep, account, monkeypatch):
    monkeypatch.setattr(boto3.Session, "get_available_regions", lambda *_, **__: ["us-east-1", "eu-west-1"])
    abroad = boto3.Session().client("sagemaker", region_name="eu-west-1")
    account.fit(HOUR)
    account.model(f"hsh-{account.run}-1-model", account.tags(HOUR), abroad)
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == {"model": [f"hsh-{account.run}-1-model"]}
    assert sweep("--all-regions", "--yes")[0] == 0
    assert account.aws.everything() == {}


def test_resources_with_our_tag_and_another_name_are_found_by_tag_search(sweep, account, monkeypatch):
    account.model("MyModel", account.tags(HOUR))
    arn = account.sagemaker.describe_model(ModelName="MyModel")["ModelArn"]
    assert Resource("model", arn.rpartition("/")[2]) == discovery._resource_of(arn)
    monkeypatch.setattr(discovery._Region, "_tagged", lambda self: [Resource("model", "MyModel")])
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (0, {"model": ["MyModel"]})
    assert "1 found only by name, by tag or by a job" in said
    assert sweep("--yes", "--include-unproven")[0] == 0
    assert account.aws.everything() == {}


def test_a_wrong_ttl_is_an_error_of_usage(sweep):
    assert sweep("--ttl", "-1")[0] == 2
