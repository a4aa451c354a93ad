"""The real AWS, with moto standing behind boto3."""

import http.server
import threading

import boto3
import pytest
from moto import mock_aws

from harness.aws import open_aws
from harness.errors import HarnessError, SettingsError, SetupError
from harness.settings import Settings

ARN = "arn:aws:iam::999999999999:role/elsewhere"
EXPIRED = b"""<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>
<Message>The security token included in the request is expired</Message></Error></ErrorResponse>"""


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def real(**settings):
    return open_aws(Settings(mode="real", **settings))


def test_it_refuses_to_start_without_a_role():
    with pytest.raises(SettingsError, match="--harness-role"):
        real()


def test_a_role_given_by_arn_is_used_as_it_is(keys):
    with mock_aws():
        assert real(role=ARN).role == ARN


def test_a_role_given_by_name_is_looked_up(keys):
    with mock_aws():
        boto3.client("iam").create_role(RoleName="runner", AssumeRolePolicyDocument="{}", Path="/service/")
        assert real(role="runner").role == "arn:aws:iam::123456789012:role/service/runner"


def test_a_role_that_does_not_exist_is_named(keys):
    with mock_aws(), pytest.raises(HarnessError, match="'nobody' could not be looked up"):
        real(role="nobody")


def test_region_and_account_are_told_and_nothing_else_is_led_anywhere(keys):
    with mock_aws():
        aws = real(role=ARN, region="eu-west-1")
    assert (aws.mode, aws.region, aws.account) == ("real", "eu-west-1", "123456789012")
    regions = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert aws.environment().items() >= regions.items()
    assert not any("PROXY" in name or "ENDPOINT" in name for name in aws.environment())
    assert aws.jvm_options() == ["-Daws.region=eu-west-1"]
    assert aws.client("s3").meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


def test_the_jvm_and_child_processes_are_the_caller_that_boto3_is(monkeypatch, tmp_path):
    profile = "[mine]\naws_access_key_id = MINE\naws_secret_access_key = s\naws_session_token = t\n"
    (tmp_path / "credentials").write_text(profile)
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        given = real(role=ARN).environment()
    expected = {"AWS_ACCESS_KEY_ID": "MINE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    assert given.items() >= expected.items()


def test_missing_credentials_are_told_before_anything_is_asked_of_aws():
    with pytest.raises(SetupError, match="Unable to locate credentials"):
        real(role=ARN)


def test_an_unknown_profile_is_told(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(SetupError, match="nobodys"):
        real(role=ARN)


def test_expired_credentials_are_told_with_the_remedy(keys, monkeypatch, expired_sts):
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
