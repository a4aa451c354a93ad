"""Preflight on an AWS that is independent of the harness and enforces IAM: it sees each permission that is missing."""

import json
import os
import subprocess
import sys
from functools import cached_property, partial
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from harness.aws.account import preflight as module
from harness.aws.account.permissions import TABLE, Place, policy, rows_of
from harness.aws.account.preflight import open_checked, preflight
from harness.aws.real import RealAWS
from harness.errors import PermissionMissingError, PreflightError
from harness.settings import read_settings
from tests.support.outside import OUTSIDE


def product(component, usage_type):
    """Return a product of the Price List: ml.m4.xlarge at 0.28 USD an hour."""
    attributes = {"regionCode": "us-east-1", "instanceName": "ml.m4.xlarge", "component": component}
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": "0.2800000000"}}
    return {
        "serviceCode": "AmazonSageMaker",
        "product": {"productFamily": "ML Instance", "attributes": attributes | {"usagetype": usage_type}},
        "terms": {"OnDemand": {"x": {"priceDimensions": {"y": dimension}}}},
        "publicationDate": "2026-10-01T00:00:00Z",
    }


PRODUCTS = [product("Training", "USE1-Train:ml.m4.xlarge"), product("Hosting", "USE1-Host:ml.m4.xlarge")]


class Account:
    """A user and an execution role with exactly the policies that ``harness policy`` prints."""

    def __init__(self, aws):
        self.aws = aws
        self.role = aws.role(policy("role", [self.place("")]))
        self.environment = aws.user(policy("caller", [self.place()]))
        self.user = aws.name_of(self.environment)

    def place(self, role=None):
        return Place(self.aws.account, self.aws.region, self.role if role is None else role)

    def allow(self, caller=None, role=None):
        """Give the caller and the role policies of these rows, by default of all that the table has."""
        self.aws.put_user_policy(self.user.rpartition("/")[2], policy("caller", [self.place()], caller))
        document = json.dumps(policy("role", [self.place()], role))
        name = self.role.rpartition("/")[2]
        self.aws.client("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)

    def without(self, row):
        """Take one row away from who has it."""
        self.allow(**{row.who: [each for each in rows_of(row.who) if each is not row]})

    def settings(self, **options):
        return read_settings({"mode": "real", "role": self.role, **options}, self.environment)

    @cached_property
    def opened(self):
        """The account as the harness sees it, as the user."""
        with patch.dict(os.environ, self.environment, clear=True):
            return RealAWS.start(self.settings())

    def forget_prices(self):
        """Have the next test ask for prices, which an account keeps."""
        vars(self.opened).pop("prices", None)

    def checks(self, **options):
        """Return the checks of preflight, as the user."""
        with patch.dict(os.environ, self.environment, clear=True):
            return list(preflight(self.opened, self.settings(**options)))

    def permissions(self, who):
        """Return the checks of what the caller or the role may do."""
        arn = {"caller": self.user, "role": self.role}[who]
        with patch.dict(os.environ, self.environment, clear=True):
            return list(module._permissions(self.opened, who, arn))


@pytest.fixture(scope="session")
def own_account(independent_session):
    return Account(independent_session)


@pytest.fixture
def account(independent_aws, own_account):
    """The account, with all that the printed policies allow."""
    own_account.allow()
    own_account.forget_prices()
    independent_aws.set_prices(PRODUCTS)
    return own_account


def status(checks):
    """Return name → status, the worst of a name."""
    order = ["ok", "unknown", "warning", "missing"]
    return {check.name: check.status for check in sorted(checks, key=lambda check: order.index(check.status))}


@pytest.mark.spark
def test_with_exactly_the_printed_policies_doctor_passes(account, run):
    done = run("doctor", "--mode=real", f"--role={account.role}", "--max-cost=2", "--json", **account.environment)
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    names = {"caller", "role", "caller may", "role may", "bucket", "samples", "quotas", "cost"}
    assert {found[name]["status"] for name in names} == {"ok"}
    assert found["caller"]["found"].startswith(account.user)
    assert found["cost"]["found"].startswith("at most USD 1.12 in 2 hours: ml.m4.xlarge for training USD 0.28 an hour")
    assert account.aws.everything() == {}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.who}-{row.action}-{TABLE.index(row)}")
def test_each_missing_permission_is_named_before_anything_is_created(own_account, row):
    own_account.without(row)
    (check,) = own_account.permissions(row.who)
    principal = own_account.user if row.who == "caller" else own_account.role
    if row.action == "iam:SimulatePrincipalPolicy":
        assert (check.status, row.action in check.found) == ("unknown", True)
    else:
        assert check.status == ("missing" if row.required else "warning")
        assert f"{principal} may not" in check.found
        assert f"{row.action} on " in check.found
        assert json.loads(check.fix.partition("\n")[2])["Action"] == row.action
    assert own_account.aws.everything() == {}


def test_the_printed_statement_fixes_the_missing_permission(account):
    row = next(row for row in TABLE if row.action == "iam:PassRole")
    account.without(row)
    (check,) = account.permissions("caller")
    statements = [json.loads(check.fix.partition("\n")[2])]
    document = policy("caller", [account.place()], [each for each in rows_of("caller") if each is not row])
    document["Statement"] += statements
    account.aws.put_user_policy(account.user.rpartition("/")[2], document)
    assert [check.status for check in account.permissions("caller")] == ["ok"]


def test_an_explicit_denial_is_distinguished(account):
    document = policy("caller", [account.place()])
    document["Statement"].append({"Effect": "Deny", "Action": "sagemaker:CreateModel", "Resource": "*"})
    account.aws.put_user_policy(account.user.rpartition("/")[2], document)
    (check,) = account.permissions("caller")
    assert "which a policy denies explicitly" in check.found


def test_permissions_that_cannot_be_simulated_are_unknown_and_stop_nothing(account):
    account.allow(caller=[row for row in rows_of("caller") if row.required])
    found = status(account.checks())
    unknown = {"role", "caller may", "role may", "quotas", "cost"}
    assert found == {name: "unknown" if name in unknown else "ok" for name in found}
    with patch.dict(os.environ, account.environment, clear=True):
        open_checked(account.settings()).close()


def test_a_run_does_not_start_without_a_permission_or_above_the_limit(account):
    with patch.dict(os.environ, account.environment, clear=True):
        with pytest.raises(PreflightError, match=r"at most USD 1\.12 .* the limit is USD 1\.00"):
            open_checked(account.settings(max_cost="1"))
        account.without(next(row for row in TABLE if row.action == "sagemaker:CreateEndpoint"))
        with pytest.raises(PermissionMissingError, match="may not sagemaker:CreateEndpoint on arn:aws:sagemaker:"):
            open_checked(account.settings())


def test_a_quota_too_small_is_reported_with_the_command_to_raise_it(account):
    account.aws.set_quota("ml.m4.xlarge for endpoint usage", 1)
    checks = [check for check in account.checks(endpoint_instance_count="2") if check.status == "missing"]
    assert [check.found for check in checks] == ["ml.m4.xlarge for endpoint usage: 1, of which the run needs 2"]
    assert "--desired-value 2 --region us-east-1" in checks[0].fix


def test_an_unknown_price_stops_a_run_only_if_its_cost_is_bounded(account):
    account.aws.set_prices([])
    assert status(account.checks())["cost"] == "unknown"
    assert status(account.checks(max_cost="100"))["cost"] == "missing"


def test_a_bucket_with_the_name_in_another_region_is_found(account):
    where = {"LocationConstraint": "eu-west-1"}
    name = f"{account.aws.account}-sagemaker-us-east-1"
    account.aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    assert status(account.checks())["bucket"] == "missing"


# --- runs -------------------------------------------------------------------------------------------------------------

SMALL = ("--train-rows=300", "--test-rows=50", "--spark-master=local[1]", "--max-hours=1")
UNPROVED = ("Delete", "Describe", "ListBucketMultipartUploads", "AddTags")
"""Actions needed only for cleanup; without them resources remain, or their deletion cannot be proved."""
AFTER_A_KILL = ("s3:AbortMultipartUpload", "sagemaker:StopTrainingJob")
"""Actions that a completed run never needs; only preflight can report that they are missing."""


@pytest.fixture
def run_real(account, run, tmp_path):
    """Run ``harness mnist`` in real mode on few rows, as the account's user."""

    def run_real(*options):
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        return run("mnist", "--mode=real", f"--role={account.role}", *SMALL, *options, **account.environment, **state)

    return run_real


def left(account):
    """Return what there is that costs money or holds data."""
    return {kind: names for kind, names in account.aws.everything().items() if kind != "log group"}


def denied(account):
    """Return the calls that IAM refused: JSON services answer 400; S3 answers 200 for a key to delete."""
    codes = ("AccessDenied", "UnauthorizedOperation", "401", "403")
    return [call for call in account.aws.calls()["calls"] if str(call["error"] or call["status"]).startswith(codes)]


def test_a_denied_call_is_recognized_by_its_code_in_any_service(account):
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    refused = {"Effect": "Deny", "NotAction": "sts:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [everything, refused]}
    environment = account.aws.user(document)
    client = partial(account.aws.client, environment=environment)
    account.aws.client("s3").create_bucket(Bucket="some")
    with pytest.raises(ClientError):
        client("sagemaker").list_models()
    with pytest.raises(ClientError):
        client("iam").list_users()
    with pytest.raises(ClientError):
        client("s3").head_bucket(Bucket="some")
    assert client("s3").delete_objects(Bucket="some", Delete={"Objects": [{"Key": "k"}]})["Errors"]
    told = {call["operation"]: call["status"] for call in denied(account)}
    assert told == {"ListModels": 400, "ListUsers": 403, "HeadBucket": 403, "DeleteObjects": 200}


@pytest.mark.spark
def test_a_whole_run_needs_nothing_beyond_the_printed_policies(account, run_real, tmp_path):
    done = run_real("--max-cost=1")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "mnist-report" / "report.json").read_text())["rows_trained"] == 300
    assert left(account) == {}
    assert denied(account) == []


@pytest.mark.spark
@pytest.mark.nightly
@pytest.mark.parametrize(
    "row",
    [row for row in TABLE if row.required and row.action not in AFTER_A_KILL],
    ids=lambda row: f"{row.who}-{row.action}",
)
def test_a_run_that_could_not_be_checked_beforehand_names_the_permission_it_lacks(account, run_real, row):
    """Without leave to simulate, preflight lets everything pass: the refusal comes later, and leaves nothing."""
    rows = [each for each in rows_of("caller") if each is not row and each.action != "iam:SimulatePrincipalPolicy"]
    account.allow(caller=rows, role=[each for each in rows_of("role") if each is not row])
    done = run_real()
    told = " ".join((done.stdout + done.stderr).split())
    assert row.action in told, told
    if not row.action.split(":")[1].startswith(UNPROVED):
        assert done.returncode != 0
        assert left(account) == {}


# --- one caller -------------------------------------------------------------------------------------------------------

CALLERS = """
import os, sys
from contextlib import closing
from harness.aws.real import RealAWS
from harness.settings import Settings
from harness.spark.session import build_session
settings = Settings(mode="real", role=sys.argv[1], spark_master="local[1]")
with closing(RealAWS.start(settings)) as aws:
    spark = build_session(aws, settings)
    client = spark._jvm.com.amazonaws.services.securitytoken.AWSSecurityTokenServiceClientBuilder.defaultClient()
    request = spark._jvm.com.amazonaws.services.securitytoken.model.GetCallerIdentityRequest()
    print(aws.caller, client.getCallerIdentity(request).getArn(), sep="\\n")
    print(spark.read.text(f"s3a://sagemaker-sample-data-{aws.region}/spark/mnist/test/").limit(3).count())
    spark.stop()
"""


@pytest.mark.spark
@pytest.mark.parametrize("way", ["assume-role", "credential_process"])
def test_the_jvm_and_s3a_are_the_caller_that_boto3_is_whatever_the_profile(account, tmp_path, way):
    trust = {"Effect": "Allow", "Principal": {"AWS": account.user}, "Action": "sts:AssumeRole"}
    assumed = account.aws.role(trust={"Version": "2012-10-17", "Statement": [trust]})
    keys = {name: account.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    source = "".join(f"{name.lower()} = {value}\n" for name, value in keys.items())
    config = f"[profile source]\n{source}[profile mine]\nrole_arn = {assumed}\nsource_profile = source\n"
    if way == "credential_process":
        given = account.aws.client("sts", account.environment).assume_role(RoleArn=assumed, RoleSessionName="process")
        answer = {"Version": 1, **given["Credentials"], "Expiration": given["Credentials"]["Expiration"].isoformat()}
        (tmp_path / "answer").write_text(json.dumps(answer))
        config = f"[profile mine]\ncredential_process = cat {tmp_path / 'answer'}\n"
    (tmp_path / "config").write_text(config)
    environment = {name: value for name, value in account.environment.items() if name not in keys}
    environment |= {"AWS_PROFILE": "mine", "AWS_DEFAULT_PROFILE": "mine", "AWS_CONFIG_FILE": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-c", CALLERS, account.role],
        env=OUTSIDE | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    boto3_caller, jvm_caller, rows = done.stdout.splitlines()[-3:]
    assert boto3_caller.startswith(assumed.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/"))
    assert jvm_caller == boto3_caller
    assert rows == "3"
