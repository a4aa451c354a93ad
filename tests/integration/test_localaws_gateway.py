"""The gateway: hosts that it serves, hosts that it refuses, and its connections."""

import json
import os
import signal
import socket
import ssl
import subprocess
import urllib.request
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import boto3
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from harness.aws.local import MockAWS
from harness.errors import LocalAWSError, SetupError
from harness.java import find_java
from harness.localaws.control.api import TOKEN_HEADER
from harness.localaws.http.certificates import TRUST_STORE_PASSWORD
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.proxied import ask, password, plain, tunnel

STS = "/?Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def apart():
    """A separate local AWS, because the session must have no refusals."""
    with MockAWS.start(Settings()) as apart:
        yield apart


@pytest.mark.parametrize("host", ["example.com", "dynamodb.us-east-1.amazonaws.com", "s3.amazonaws.com.evil.org"])
def test_a_host_that_is_not_emulated_is_refused_and_reported(apart, host):
    with pytest.raises(OSError, match="403"):
        ask(tunnel(apart, host), "GET", "/")
    assert host in apart.calls()["refused"]


def test_the_status_line_names_the_refused_host_without_characters_that_change_a_terminal(apart):
    head = f"CONNECT \x1b[31mred\x07.{'a' * 300}.example:443 HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in password(apart).items())
    with socket.create_connection(("127.0.0.1", apart.connection.port), timeout=20) as connection:
        connection.sendall(f"{head}\r\n".encode())
        status = connection.makefile("rb").readline().decode()
    assert status.startswith("HTTP/1.1 403 The local AWS does not emulate ?[31mred?.aaa")
    assert len(status) < 320
    assert "\x1b" not in "".join(apart.refused_hosts())


def test_a_plain_request_to_a_host_that_is_not_emulated_is_refused_and_reported(apart):
    status, text = ask(plain(apart), "GET", "http://plain.example.com/latest", password(apart))
    assert (status, "does not emulate plain.example.com" in text) == (403, True)
    assert "plain.example.com" in apart.calls()["refused"]


def test_a_second_request_on_a_connection_is_refused_too(apart):
    connection = plain(apart)
    assert ask(connection, "GET", f"http://sts.amazonaws.com{STS}", password(apart))[0] == 200
    status, text = ask(connection, "GET", "http://second.example.com/", {"Host": "second.example.com"})
    assert (status, "does not emulate second.example.com" in text) == (403, True)
    assert "second.example.com" in apart.calls()["refused"]


def test_a_reset_keeps_only_identities_and_refused_hosts(apart):
    apart.reset()
    ask(plain(apart), "GET", "http://example.org/", password(apart))
    apart.client("s3").create_bucket(Bucket="forgotten")
    apart.faults.add("GetCallerIdentity")
    assert apart.calls()["counts"] == {"CreateBucket": 1}
    apart.reset()
    left = apart.calls()
    assert (left["calls"], left["counts"], left["refused"][-1]) == ([], {}, "example.org")
    assert apart.client("s3").list_buckets()["Buckets"] == []
    assert "assumed-role" in apart.client("sts").get_caller_identity()["Arn"]


def test_a_renewed_local_aws_knows_nothing_of_the_run_before(apart):
    iam, sts, image = apart.client("iam"), apart.client("sts"), "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    nobody = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust, role = json.dumps({"Version": "2012-10-17", "Statement": [nobody]}), apart.role.rpartition("/")[2]
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=trust)
    iam.create_user(UserName="mine")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
    apart.register_container(image, ["true"])
    ask(plain(apart), "GET", "http://example.org/", password(apart))
    before = apart.connection.credentials
    apart.renew()
    assert (apart.refused_hosts(), iam.list_users()["Users"]) == ([], [])
    assert [each["RoleName"] for each in iam.list_roles()["Roles"]] == [role]
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"] != [nobody]
    assert "assumed-role" in sts.get_caller_identity()["Arn"]
    assert before == apart.connection.credentials
    with pytest.raises(ClientError, match="has no image"):
        apart.client("sagemaker").create_model(
            ModelName="m", ExecutionRoleArn=apart.role, PrimaryContainer={"Image": image}
        )


def test_the_error_about_a_local_aws_that_ended_quotes_its_last_output(monkeypatch):
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    with MockAWS.start(Settings()) as own:
        os.kill(own.connection.pid, signal.SIGABRT)  # which makes Python print its stack
        wait_until(lambda: not own.running, "the local AWS to end")
        assert "Extension modules: " in own.last_output()
        for call in (own.status, own.faults.clear):
            with pytest.raises(LocalAWSError, match="does not answer") as error:
                call()
            assert own.last_output() in str(error.value)


def test_one_tls_connection_serves_many_calls(local):
    connection = tunnel(local, "sts.amazonaws.com")
    connection.connect()
    socket = connection.sock
    answers = [ask(connection, "GET", STS) for _ in range(20)]
    assert connection.sock is socket, "the connection was closed and opened again"
    assert {status for status, _ in answers} == {200}


@pytest.mark.parametrize("service", ["s3", "sts", "sagemaker"])
def test_every_answer_is_dated(local, service):
    operation = {"s3": "list_buckets", "sts": "get_caller_identity", "sagemaker": "list_models"}[service]
    headers = getattr(local.client(service), operation)()["ResponseMetadata"]["HTTPHeaders"]
    reported = parsedate_to_datetime(headers["date"])
    assert abs((datetime.now(timezone.utc) - reported).total_seconds()) < 60


def test_the_certificate_is_for_the_host_asked_for_and_no_other(local):
    connection = tunnel(local, "my.bucket.s3.eu-west-1.amazonaws.com")
    connection.connect()
    names = connection.sock.getpeercert()["subjectAltName"]
    assert names == (("DNS", "my.bucket.s3.eu-west-1.amazonaws.com"),)


def test_a_client_that_does_not_trust_the_runs_authority_gets_no_answer(local):
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which trusts no CA so far
    connection = tunnel(local, "sts.amazonaws.com", context=anyone)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.connect()


@pytest.mark.spark
def test_java_reads_the_trust_store_of_the_run(local):
    listed = subprocess.run(
        [find_java().home / "bin" / "keytool", "-list", "-keystore", local.connection.trust_store, "-storepass",
         TRUST_STORE_PASSWORD],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "trustedCertEntry" in listed


def test_plain_http_endpoints_are_answered_in_absolute_form(local):
    bucket = "plain-http-endpoint"
    s3 = boto3.client("s3", endpoint_url="http://s3.us-east-1.amazonaws.com")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="large", Body=b"x" * 2_000_000)
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == b"x" * 2_000_000


def test_the_environment_redirects_clients_other_than_boto(local):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="for-anybody")
    s3.put_object(Bucket="for-anybody", Key="key", Body=b"text")
    url = s3.generate_presigned_url("get_object", {"Bucket": "for-anybody", "Key": "key"})
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": local.environment()["HTTPS_PROXY"]}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=local.environment()["SSL_CERT_FILE"])),
    )
    assert opener.open(url, timeout=20).read() == b"text"


@pytest.fixture
def direct(local):
    """A boto3 client that sends requests to the address for clients that follow no proxy."""
    endpoint = local.environment()["AWS_ENDPOINT_URL_S3"]
    return boto3.client("s3", endpoint_url=endpoint, config=Config(signature_version="s3v4"))


def test_s3_on_loopback_answers_requests_that_the_run_signed(local, direct):
    direct.create_bucket(Bucket="without-proxy")
    direct.put_object(Bucket="without-proxy", Key="some key/ü", Body=b"text")
    assert direct.get_object(Bucket="without-proxy", Key="some key/ü")["Body"].read() == b"text"
    url = direct.generate_presigned_url("get_object", {"Bucket": "without-proxy", "Key": "some key/ü"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(url, timeout=20).read() == b"text"
    assert boto3.client("s3").get_object(Bucket="without-proxy", Key="some key/ü")["Body"].read() == b"text"
    assert {call["host"] for call in local.calls()["calls"] if call["path"].startswith("/without-proxy/")} == {
        "s3.us-east-1.amazonaws.com"
    }


@pytest.mark.parametrize("wrong", ["aws_access_key_id", "aws_secret_access_key"])
def test_s3_on_loopback_refuses_strangers_also_on_a_connection_of_the_run(local, direct, wrong):
    direct.list_buckets()
    keys = {name.lower(): value for name, value in local.connection.credentials.items()}
    stranger = boto3.client("s3", endpoint_url=local.connection.proxy, **{**keys, wrong: "ASIAGUESSED"})
    with pytest.raises(stranger.exceptions.ClientError, match=r"AccessDenied.*that the run's clients signed"):
        stranger.list_buckets()
    sent = {"Authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request"}
    connection = plain(local)
    assert [ask(connection, "GET", "/", headers)[0] for headers in (sent, {})] == [403, 403]


def test_pyarrow_in_this_process_uses_the_session(local):
    boto3.client("s3").create_bucket(Bucket="of-pyarrow")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), "s3://of-pyarrow/part/1.parquet")
    assert pyarrow.dataset.dataset("s3://of-pyarrow/part/").to_table().to_pydict() == {"a": [1, 2]}
    operations = [call["operation"] for call in local.calls()["calls"] if "aws-sdk-cpp" in call["user_agent"]]
    assert {"GetObject", "ListObjectsV2"} <= set(operations)


def test_a_cut_network_cuts_s3_on_loopback_and_not_the_control_api(apart):
    keys = {name.lower(): value for name, value in apart.connection.credentials.items()}
    quick = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
    s3 = boto3.client("s3", endpoint_url=apart.connection.proxy, config=quick, **keys)
    s3.list_buckets()
    apart.cut_network()
    with pytest.raises(HTTPClientError):
        s3.list_buckets()
    apart.cut_network(False)
    assert s3.list_buckets()["Buckets"] == []


def test_clients_of_the_local_aws_do_not_need_the_users_profile(local, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert local.client("sts").get_caller_identity()["Account"] == local.account
    assert boto3.DEFAULT_SESSION is None, "it would keep what it found for the user's later clients"


def test_the_control_api_requires_the_runs_token(local):
    for headers in ({}, {TOKEN_HEADER: "guessed"}):
        status, text = ask(plain(local), "GET", "/status", headers)
        assert (status, json.loads(text)) == (403, {"error": "the token is missing or wrong"})


def test_the_control_api_names_an_unknown_path(local):
    with pytest.raises(LocalAWSError, match="no GET /weather"):
        local.connection.control("GET", "/weather")
    with pytest.raises(LocalAWSError, match="has no colour"):
        local.connection.control("POST", "/faults", {"operation": "PutObject", "colour": "red"})


def test_a_call_is_recorded_with_service_operation_and_host(local):
    boto3.client("sts").get_caller_identity()
    call = next(call for call in reversed(local.calls()["calls"]) if call["operation"] == "GetCallerIdentity")
    assert (call["service"], call["status"], call["path"]) == ("sts", 200, "/")
    assert "Boto3" in call["user_agent"]
    assert 0 < call["seconds"] < 20


def test_an_operation_that_is_not_emulated_is_an_error(local):
    with pytest.raises(Exception, match=r"(?i)not.*(implemented|emulate)"):
        boto3.client("sagemaker").list_algorithms()


def test_the_error_about_a_taken_port_names_a_fix_and_leaves_no_file(local, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(SetupError, match=f"Port {local.connection.port} cannot be used: Address") as error:
        MockAWS.start(Settings(), port=local.connection.port)
    assert "another --port" in error.value.fix
    assert list(tmp_path.iterdir()) == []


def test_two_local_aws_side_by_side_share_nothing(local):
    with MockAWS.start(Settings(region="eu-west-1")) as second:
        second.client("s3").create_bucket(
            Bucket="only-in-the-second", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        names = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
        assert "only-in-the-second" not in names
        assert second.connection.token != local.connection.token
    with pytest.raises(LocalAWSError, match="does not answer"):
        second.status()
