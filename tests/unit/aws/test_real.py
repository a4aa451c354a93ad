"""The real AWS, with moto in place of the network."""

import http.server
import json
import threading
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from harness.aws import open_aws
from harness.aws import real as module
from harness.aws.real import RealAWS, principal
from harness.errors import HarnessError, SettingsError, SetupError
from harness.localaws.moto_backend import ACCOUNT
from harness.settings import Settings

ARN = "arn:aws:iam::999999999999:role/elsewhere"
EXPIRED = b"""<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>
<Message>The security token included in the request is expired</Message></Error></ErrorResponse>"""


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch, tmp_path):
    names = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HTTPS_PROXY")
    for name in (*names, "HARNESS_LOCAL_AWS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def real(**settings):
    return RealAWS.start(Settings(mode="real", **settings))


def test_a_user_without_a_role_learns_how_to_give_one(keys):
    with mock_aws(), pytest.raises(SettingsError, match="needs a role") as caught:
        real()
    assert "--harness-role" in caught.value.fix
    assert "HARNESS_ROLE" in caught.value.checked


def test_a_caller_that_is_a_role_itself_is_taken_for_the_role_as_sagemakers_sdk_does(keys, monkeypatch):
    with mock_aws():
        boto3.client("iam").create_role(RoleName="runner", AssumeRolePolicyDocument="{}", Path="/service-role/")
        arn = "arn:aws:iam::123456789012:role/service-role/runner"
        given = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
        monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
        with mock_aws(config={"core": {"mock_credentials": False}}):
            aws = real()
    assert (aws.role, aws.role_origin) == (arn, "the caller's own")


@pytest.mark.parametrize(
    ("metadata", "created"),
    [
        ({"ResourceName": "mine"}, "notebook"),
        ({"ExecutionRoleArn": ARN, "DomainId": "d-1"}, "space"),
    ],
)
def test_on_a_sagemaker_notebook_the_role_is_the_notebooks(keys, monkeypatch, tmp_path, metadata, created):
    (tmp_path / "resource-metadata.json").write_text(json.dumps(metadata))
    monkeypatch.setattr(module, "_NOTEBOOK", tmp_path / "resource-metadata.json")
    with mock_aws():
        client = boto3.client("sagemaker", region_name="us-east-1")
        client.create_notebook_instance(NotebookInstanceName="mine", InstanceType="ml.t3.medium", RoleArn=ARN)
        aws = real()
    assert (aws.role, aws.role_origin) == (ARN, "the notebook's own")


def test_a_shell_redirected_to_a_local_aws_is_refused_with_the_reason(keys, monkeypatch):
    monkeypatch.setenv("HARNESS_LOCAL_AWS", "http://127.0.0.1:4567")
    with pytest.raises(SetupError, match=r"local AWS at http://127\.0\.0\.1:4567") as caught:
        real(role=ARN)
    assert "harness serve" in caught.value.checked


@pytest.mark.slow
@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("arn:aws:iam::123456789012:user/me", "arn:aws:iam::123456789012:user/me"),
        ("arn:aws-cn:sts::123456789012:assumed-role/ci/session", "arn:aws-cn:iam::123456789012:role/ci"),
    ],
)
def test_the_principal_whose_policies_count_is_the_user_or_the_role(keys, caller, expected):
    with mock_aws():
        assert principal(boto3.Session(region_name="us-east-1"), caller) == expected


def test_a_role_given_by_arn_is_used_as_it_is(keys):
    with mock_aws():
        assert real(role=ARN).role == ARN


def test_a_role_given_by_name_is_looked_up(keys):
    with mock_aws():
        boto3.client("iam").create_role(RoleName="runner", AssumeRolePolicyDocument="{}", Path="/service/")
        assert real(role="runner").role == "arn:aws:iam::123456789012:role/service/runner"


def test_a_role_that_does_not_exist_is_named(keys):
    with mock_aws(), pytest.raises(HarnessError, match="'missing' could not be looked up"):
        real(role="missing")


def test_region_and_account_are_known_and_nothing_is_redirected(keys):
    with mock_aws():
        aws = real(role=ARN, region="eu-west-1")
    assert (aws.mode, aws.region, aws.account) == ("real", "eu-west-1", "123456789012")
    regions = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert aws.environment().items() >= regions.items()
    assert not any("PROXY" in name or "ENDPOINT" in name for name in aws.environment())
    assert aws.jvm_options() == ["-Daws.region=eu-west-1"]
    assert aws.client("s3").meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(("account", "is_local"), [(ACCOUNT, True), ("111122223333", False)])
@mock_aws
def test_real_mode_in_the_local_aws_s_account_is_a_rehearsal(keys, account, is_local):
    assert replace(real(role=ARN), account=account).is_local is is_local


def test_an_aws_in_which_nothing_is_created_needs_no_role_and_is_not_checked(keys):
    with mock_aws():
        aws = open_aws(Settings(mode="real"), creates=False)
    assert (aws.role, aws.account, aws.outlives_process) == ("", "123456789012", True)


def test_a_command_cannot_back_an_image_in_aws(keys):
    with mock_aws():
        aws = real(role=ARN)
    assert not aws.runs_registered_containers
    with pytest.raises(HarnessError, match="The image mine:1 cannot be backed by a command"):
        aws.register_container("mine:1", ["true"])


def test_everything_that_asks_an_account_for_prices_shares_one_source(keys, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"source": "ours", "date": "2026-11-01", "prices": {"ml.m4.xlarge": {"hosting": 0.2}}}))
    with mock_aws():
        listed, filed = (real(role=ARN, prices=prices) for prices in (None, str(path)))
        assert listed.prices is listed.prices
    assert listed.prices.name == "the AWS Price List"
    assert filed.prices.find("ml.m4.xlarge", "hosting").hourly == 0.2


def test_the_jvm_and_child_processes_are_the_caller_that_boto3_is(monkeypatch, tmp_path):
    profile = "[mine]\naws_access_key_id = MINE\naws_secret_access_key = s\naws_session_token = t\n"
    (tmp_path / "credentials").write_text(profile)
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        given = real(role=ARN).environment()
    expected = {"AWS_ACCESS_KEY_ID": "MINE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    assert given.items() >= expected.items()


def test_missing_credentials_are_reported_before_anything_is_asked_of_aws():
    with pytest.raises(SetupError, match="Unable to locate credentials"):
        real(role=ARN)


def test_an_unknown_profile_is_reported(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nosuchprofile")
    with pytest.raises(SetupError, match="nosuchprofile"):
        real(role=ARN)


@pytest.mark.slow
def test_expired_credentials_are_reported_with_the_remedy(keys, monkeypatch, expired_sts):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", expired_sts)
    with pytest.raises(SetupError, match="token included in the request is expired") as caught:
        real(role=ARN)
    assert "renew them" in caught.value.fix


@pytest.fixture
def expired_sts():
    """The URL of a server that answers as STS does to expired credentials."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(403)
            self.send_header("Content-Length", str(len(EXPIRED)))
            self.end_headers()
            self.wfile.write(EXPIRED)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
