"""Conclusions of preflight from answers of AWS; tests/integration asks an AWS."""

import json
from types import SimpleNamespace
from unittest.mock import Mock
from urllib.parse import quote

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from harness.aws.account import preflight as module
from harness.aws.account.preflight import example, require, to_stderr, trusts_sagemaker
from harness.aws.pricing import PriceFile
from harness.errors import Check, PermissionMissingError, PreflightError
from harness.settings import Settings

ACCOUNT = "123456789012"
BUCKET = f"{ACCOUNT}-sagemaker-us-east-1"


def trust(**changed):
    statement = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [{**statement, **changed}]}


@pytest.mark.parametrize(
    ("document", "trusted"),
    [
        (trust(), True),
        (quote(json.dumps(trust())), True),
        (trust(Principal={"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}), True),
        (trust(Action=["sts:AssumeRole", "sts:SetSourceIdentity"]), True),
        ({"Statement": trust()["Statement"][0]}, True),
        (trust(Principal={"Service": "ec2.amazonaws.com"}), False),
        (trust(Principal="*"), False),
        (trust(Effect="Deny"), False),
        (trust(Action="sts:TagSession"), False),
        ({}, False),
    ],
)
def test_a_role_trusts_sagemaker_if_its_policy_lets_sagemaker_assume_it(document, trusted):
    assert trusts_sagemaker(document) is trusted


def test_a_pattern_is_simulated_with_an_example_of_it():
    assert example("arn:aws:sagemaker:us-east-1:1:model/hsh-*") == "arn:aws:sagemaker:us-east-1:1:model/hsh-preflight"
    assert example("*") == "*"


@pytest.fixture
def aws(monkeypatch):
    """A moto account, behind the members that preflight uses."""
    for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        names = {"region": "us-east-1", "account": ACCOUNT, "partition": "aws", "hourly_prices": {}}
        role = {"role": f"arn:aws:iam::{ACCOUNT}:role/run", "role_origin": "--harness-role"}
        caller = f"arn:aws:iam::{ACCOUNT}:user/me"
        yield SimpleNamespace(client=session.client, session=session, caller=caller, **names, **role)


def test_a_bucket_of_ones_own_is_fine_and_so_is_one_that_does_not_exist_yet(aws):
    assert module._bucket(aws) == Check("bucket", "ok", f"{BUCKET} does not exist yet; the run creates it")
    aws.client("s3").create_bucket(Bucket=BUCKET)
    assert module._bucket(aws) == Check("bucket", "ok", f"{BUCKET} exists")


@pytest.mark.parametrize(("versioning", "status"), [("Enabled", "warning"), ("Suspended", "ok")])
def test_a_bucket_that_keeps_what_is_deleted_is_warned_of(aws, versioning, status):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": versioning})
    check = module._bucket(aws)
    assert check.status == status
    assert ("old versions" in check.found, "lifecycle rule" in check.fix) == (status == "warning",) * 2


def test_the_versioning_of_a_bucket_may_stay_unknown(aws, monkeypatch):
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetBucketVersioning")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    monkeypatch.setattr(s3, "get_bucket_versioning", Mock(side_effect=denied))
    monkeypatch.setattr(aws, "client", lambda _: s3)
    assert module._bucket(aws) == Check("bucket", "ok", f"{BUCKET} exists")


def test_a_bucket_in_another_region_is_refused(aws):
    elsewhere = {"LocationConstraint": "eu-west-1"}
    aws.client("s3", region_name="eu-west-1").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=elsewhere)
    check = module._bucket(aws)
    assert check.status == "missing"
    assert "eu-west-1" in check.found


def refusing(aws, monkeypatch, answers):
    """Let S3 answer the calls of HeadBucket with these codes, one after the other; None is a success."""
    codes = iter(answers)

    def head_bucket(**_):
        code = next(codes)
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "HeadBucket")

    monkeypatch.setattr(aws, "client", lambda _: SimpleNamespace(head_bucket=head_bucket))


@pytest.mark.parametrize(
    ("answers", "status", "told"),
    [
        (["403", None], "missing", "belongs to another account"),
        (["403", "403"], "missing", "may not s3:ListBucket, or it is another account's"),
        (["301"], "missing", "in another region"),
        (["503"], "unknown", "could not be checked"),
    ],
)
def test_a_bucket_that_is_refused_is_distinguished(aws, monkeypatch, answers, status, told):
    refusing(aws, monkeypatch, answers)
    check = module._bucket(aws)
    assert check.status == status
    assert told in check.found


@pytest.mark.parametrize(
    ("document", "status", "told"),
    [
        (trust(), "ok", "trusts SageMaker"),
        (trust(Principal={"Service": "ec2.amazonaws.com"}), "missing", "does not trust sagemaker.amazonaws.com"),
    ],
)
def test_the_role_has_to_trust_sagemaker(aws, document, status, told):
    assert module._role(aws).status == "missing"  # there is none yet
    aws.client("iam").create_role(RoleName="run", AssumeRolePolicyDocument=json.dumps(document))
    check = module._role(aws)
    assert check.status == status
    assert told in check.found


PRICES = {"source": "a list", "date": "2026-11-01", "prices": {"ml.m4.xlarge": {"training": 0.25, "hosting": 0.5}}}


@pytest.mark.parametrize(
    ("settings", "status", "told"),
    [
        ({}, "ok", "at most USD 1.50 in 2 hours: ml.m4.xlarge for training USD 0.25 an hour (a list, in "),
        ({"max_cost": 1.5}, "ok", "at most USD 1.50"),
        ({"max_cost": 1.49}, "missing", "the limit is USD 1.49"),
        ({"endpoint_instance_count": 3, "max_hours": 4.0, "max_cost": 5.0}, "missing", "at most USD 7.00 in 4 hours"),
        ({"endpoint_instance_type": "ml.c5.large"}, "unknown", "no price is known of ml.c5.large for hosting"),
        ({"endpoint_instance_type": "ml.c5.large", "max_cost": 9.0}, "missing", "cannot be held to USD 9.00"),
    ],
)
def test_the_worst_cost_is_held_to_the_limit_and_a_price_that_is_not_known_is_refused(
    aws, tmp_path, settings, status, told
):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    aws.prices = PriceFile(path)
    check = module._cost(aws, Settings(mode="real", **settings))
    assert check.status == status
    assert told in check.found


def test_every_endpoint_of_several_types_costs_and_its_price_is_kept(aws, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({**PRICES, "prices": PRICES["prices"] | {"ml.c5.large": {"hosting": 0.125}}}))
    aws.prices = PriceFile(path)
    settings = Settings(mode="real", endpoint_instance_count=2)
    check = module._cost(aws, settings, ["ml.m4.xlarge", "ml.c5.large"])
    assert check.found.startswith("at most USD 3.00 in 2 hours")
    assert aws.hourly_prices["endpoint"] == {"ml.m4.xlarge": 0.5, "ml.c5.large": 0.125}
    assert "ml.r5.large for hosting" in module._cost(aws, settings, ["ml.m4.xlarge", "ml.r5.large"]).found


def test_the_prices_that_were_found_are_kept_for_what_may_be_left_over(aws, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    aws.prices = PriceFile(path)
    module._cost(aws, Settings(mode="real"))
    assert aws.hourly_prices == {"training job": {"ml.m4.xlarge": 0.25}, "endpoint": {"ml.m4.xlarge": 0.5}}


@pytest.mark.parametrize(
    ("checks", "error"),
    [
        ([Check("bucket", "missing", "gone", "make it")], PreflightError),
        ([Check("caller may", "missing", "no", "add", PermissionMissingError("no"))], PermissionMissingError),
        ([Check("quotas", "unknown", "?"), Check("samples", "warning", "?")], None),
    ],
)
def test_a_run_is_refused_for_what_is_missing_and_for_nothing_else(aws, monkeypatch, checks, error):
    monkeypatch.setattr(module, "preflight", lambda *_: checks)
    if error is None:
        require(aws, Settings(mode="real"))
    else:
        with pytest.raises(error):
            require(aws, Settings(mode="real"))


def test_the_reason_of_a_wait_is_printed_after_two_seconds(aws, monkeypatch, capsys):
    moments = iter(range(0, 1000, 1))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(moments))
    for name in ("_caller", "_role", "_permissions", "_bucket", "_samples", "_quotas", "_cost"):
        monkeypatch.setattr(module, name, lambda *_: [])
    list(module.preflight(aws, Settings(mode="real"), to_stderr))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"harness: checking the caller's permissions in account {ACCOUNT}"
    assert told[-1] == f"harness: checking prices in account {ACCOUNT}"
