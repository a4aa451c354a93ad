"""Attacks of other users of the machine, and of pages in a browser, on a local AWS."""

import os
import socket
import subprocess
import sys

import psutil
import pytest
from botocore.exceptions import ClientError

from harness.aws.local import MockAWS
from harness.localaws.control.api import LARGEST_BODY, TOKEN_HEADER
from harness.localaws.http.gateway import LARGEST_HEAD
from harness.localaws.moto_backend import ROLE_NAME
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.proxied import ask, password, plain, tunnel

STS = "/?Action=GetCallerIdentity&Version=2011-06-15"
CREATE_BUCKET = """
import encodings.idna, http.client, os, sys  # all that is needed before the switch
os.setgroups([]), os.setgid(65534), os.setuid(65534)
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
connection.request("PUT", "http://s3.amazonaws.com/stolen", headers={"Authorization": sys.argv[2]})
print(connection.getresponse().status)
"""
"""Run by root, becomes another user and asks without the proxy's password. A stranger can write a key id."""

JOB = {
    "TrainingJobName": "job",
    "RoleArn": f"arn:aws:iam::123456789012:role/{ROLE_NAME}",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://for-jobs/out"},
    "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.fixture(scope="module")
def attacked():
    """A separate local AWS, because the session must have no refusals."""
    with MockAWS.start(Settings()) as attacked:
        yield attacked


# --- the proxy's password -----------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_another_user_of_the_machine_reaches_no_service(attacked):
    command = [sys.executable, "-c", CREATE_BUCKET, str(attacked.connection.port), "Credential=AKIA/20260101/"]
    nobody = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert (nobody.stdout.strip(), nobody.stderr) == ("407", "")
    assert attacked.resources()["S3 object"] == []
    assert "stolen" not in [bucket["Name"] for bucket in attacked.client("s3").list_buckets()["Buckets"]]


@pytest.mark.parametrize("given", [{}, {"Proxy-Authorization": "Basic aGFybmVzczpndWVzc2Vk"}])
def test_a_client_without_the_password_gets_no_tunnel_and_learns_no_host(attacked, given):
    for host in ("s3.amazonaws.com", "example.com"):
        with pytest.raises(OSError, match="407"):
            tunnel(attacked, host, headers=given).connect()
    status, text = ask(plain(attacked), "GET", f"http://sts.amazonaws.com{STS}", given)
    assert (status, "serves the run that started it only" in text) == (407, True)
    assert attacked.calls()["refused"] == []


def test_the_password_may_follow_a_407_on_the_same_connection(attacked):
    connect = b"CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\n"
    given = f"Proxy-Authorization: {password(attacked)['Proxy-Authorization']}\r\n".encode()
    with socket.create_connection(("127.0.0.1", attacked.connection.port), timeout=20) as connection:
        connection.sendall(connect + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 407 ")
        connection.sendall(connect + given + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def command_line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


def test_no_command_line_and_no_output_of_java_contains_the_password(local, spark):
    secret = local.connection.proxy_password
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    lines = [command_line(process) for process in family]
    assert any("java" in line for line in lines)
    assert not any(secret in line for line in lines)
    assert secret not in local.environment()["JAVA_TOOL_OPTIONS"]
    assert os.stat(os.path.join(local.connection.directory, "jvm.options")).st_mode & 0o077 == 0


# --- requests that do not end -------------------------------------------------------------------------------------


def test_a_head_without_an_end_is_cut_off_before_and_inside_tls(attacked):
    before = socket.create_connection(("127.0.0.1", attacked.connection.port), timeout=20)
    inside = tunnel(attacked, "s3.amazonaws.com")
    inside.connect()
    for connection in (before, inside.sock):
        with pytest.raises(OSError):  # noqa: PT011, PT012 - a reset or a broken pipe, whichever is seen first
            for _ in range(400):
                connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * LARGEST_HEAD)
    assert attacked.status()["memory"] < 1 << 30


def test_a_head_that_is_too_large_is_refused(attacked):
    status, _ = ask(tunnel(attacked, "sts.amazonaws.com"), "GET", STS, {"X-Large": "x" * LARGEST_HEAD})
    assert status == 400


# --- the control API ----------------------------------------------------------------------------------------------


def test_the_control_api_checks_the_token_before_it_reads_the_body(attacked):
    with socket.create_connection(("127.0.0.1", attacked.connection.port), timeout=20) as connection:
        head = f"POST /faults HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {10 * LARGEST_BODY}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 403 ")


def test_the_control_api_limits_the_size_of_a_body(attacked):
    headers = {TOKEN_HEADER: attacked.connection.token, "Host": "127.0.0.1"}
    connection = plain(attacked)
    connection.putrequest("POST", "/faults", skip_host=True)
    for name, value in {**headers, "Content-Length": str(LARGEST_BODY + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * (LARGEST_BODY + 1))
    assert connection.getresponse().status == 413


# --- only what is emulated ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/moto-api/data.json", "/moto-api/reset", "/latest/meta-data/", "/us-east-1_x/"])
def test_the_internals_of_moto_cannot_be_reached(attacked, path):
    status, text = ask(tunnel(attacked, "s3.amazonaws.com"), "GET", path)
    assert status >= 400
    assert "Code>NoSuchBucket<" in text or "Code>NoSuchKey<" in text


def test_a_signature_for_another_service_reaches_no_other_service(attacked):
    scope = {"Authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sns/aws4_request, SignedHeaders=host"}
    form = "Action=CreateTopic&Name=topic&Version=2010-03-31"
    headers = scope | {"Content-Type": "application/x-www-form-urlencoded"}
    for host in ("sts.amazonaws.com", "iam.amazonaws.com", "s3.amazonaws.com"):
        status, text = ask(tunnel(attacked, host), "POST", "/", headers, form)
        assert status >= 400, host
        assert "TopicArn" not in text


@pytest.mark.parametrize("target", ["AmazonSNS.Publish", "DynamoDB_20120810.ListTables", "SageMaker.ListModels", ""])
def test_a_target_of_another_service_is_an_unknown_operation(attacked, target):
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    status, text = ask(tunnel(attacked, "logs.us-east-1.amazonaws.com"), "POST", "/", headers, "{}")
    assert (status, "UnknownOperationException" in text) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("DELETE", "/precious?uploads", "NotImplemented"),
        ("PUT", "/precious/key?renameObject", "NotImplemented"),
        ("GET", "/precious/key?torrent", "NotImplemented"),
        ("GET", "/precious?acl&policy", "InvalidArgument"),
        ("PUT", "//precious/key", "InvalidArgument"),
    ],
)
def test_an_ambiguous_request_is_refused(attacked, method, path, code):
    s3 = attacked.client("s3")
    s3.create_bucket(Bucket="precious")
    status, text = ask(tunnel(attacked, "s3.amazonaws.com"), method, path, body=b"x" if method == "PUT" else None)
    assert (status, f"<Code>{code}</Code>" in text) == (400, True)
    assert s3.list_objects_v2(Bucket="precious")["KeyCount"] == 0


# --- pages in a browser -------------------------------------------------------------------------------------------


def test_a_request_of_a_page_has_no_effect_unless_the_bucket_s_rules_allow_its_origin(attacked):
    s3 = attacked.client("s3")
    s3.create_bucket(Bucket="pages")
    s3.put_object(Bucket="pages", Key="key", Body=b"text")
    page, url = (
        {"Origin": "https://page.example"},
        s3.generate_presigned_url("get_object", {"Bucket": "pages", "Key": "key"}),
    )
    host, _, signed = url.removeprefix("https://").partition("/")
    for asked, path in ((host, f"/{signed}"), ("sts.amazonaws.com", STS)):
        assert ask(tunnel(attacked, asked), "GET", path, page)[0] == 403
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example"], "AllowedHeaders": ["x-mine"]}
    s3.put_bucket_cors(Bucket="pages", CORSConfiguration={"CORSRules": [rule]})
    assert ask(tunnel(attacked, host), "GET", f"/{signed}", page) == (200, "text")
    assert ask(tunnel(attacked, host), "GET", f"/{signed}", {"Origin": "https://other.test"})[0] == 403
    assert ask(tunnel(attacked, host), "PUT", f"/{signed}", page, b"x")[0] == 403


def test_a_preflight_request_is_answered_by_the_bucket_s_rules(attacked):
    s3, host = attacked.client("s3"), "asked-before.s3.amazonaws.com"
    s3.create_bucket(Bucket="asked-before")
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://page.example"], "AllowedHeaders": ["x-mine"]}
    s3.put_bucket_cors(Bucket="asked-before", CORSConfiguration={"CORSRules": [rule]})
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    for headers, status in (("X-Mine", 200), ("x-mine, x-other", 403)):
        asked = preflight | {"Access-Control-Request-Headers": headers}
        assert ask(tunnel(attacked, host), "OPTIONS", "/key", asked)[0] == status


# --- containers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "LD_PRELOAD", "BASH_ENV", "JAVA_TOOL_OPTIONS", "https_proxy", "HARNESS_RUN"]
)
def test_a_variable_that_makes_a_container_load_code_is_refused_by_name(attacked, name):
    attacked.register_container("image", [sys.executable, "-c", ""])
    attacked.client("s3").create_bucket(Bucket="for-jobs")
    sagemaker = attacked.client("sagemaker")
    with pytest.raises(ClientError, match=f"does not pass {name} to a container"):
        sagemaker.create_training_job(**JOB, Environment={name: "/tmp/evil", "MINE": "1"})
    container = {"Image": "image", "Environment": {name: "/tmp/evil"}}
    with pytest.raises(ClientError, match=f"does not pass {name} to a container"):
        sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=attacked.role)


def test_harmless_variables_reach_the_container(attacked):
    show = "import os, sys; sys.exit(0 if os.environ['MINE'] == '1' and os.environ['PYTHONHASHSEED'] == '7' else 1)"
    attacked.register_container("image", [sys.executable, "-c", show])
    attacked.client("s3").create_bucket(Bucket="for-jobs")
    sagemaker, name = attacked.client("sagemaker"), "harmless"
    sagemaker.create_training_job(**JOB | {"TrainingJobName": name}, Environment={"MINE": "1", "PYTHONHASHSEED": "7"})
    status = lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]  # noqa: E731
    assert wait_until(status, "the job's end", done=lambda found: found != "InProgress") == "Completed"


# --- what moto would read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLEncoded", "multipart/form-data; boundary=x"],
)
def test_a_small_body_is_stored_whatever_its_content_type(attacked, kind):
    s3 = attacked.client("s3")
    s3.create_bucket(Bucket="typed")
    for body in (b"hello", b"key=1&hello=2"):
        s3.put_object(Bucket="typed", Key="key", Body=body, ContentType=kind)
        found = s3.get_object(Bucket="typed", Key="key")
        assert (found["Body"].read(), found["ContentType"]) == (body, kind)


def test_a_header_chooses_no_other_account(attacked):
    headers = {"X-Moto-Account-Id": "999999999999"}
    assert "123456789012" in ask(tunnel(attacked, "sts.amazonaws.com"), "GET", STS, headers)[1]


def test_a_cross_site_request_without_an_origin_is_refused(attacked):
    path = "/?Action=CreateUser&UserName=from-a-page&Version=2010-05-08"
    assert ask(tunnel(attacked, "iam.amazonaws.com"), "GET", path, {"Sec-Fetch-Site": "cross-site"})[0] == 403


def test_a_tunnel_to_the_control_api_needs_the_password_too(attacked):
    with pytest.raises(OSError, match="407"):
        tunnel(attacked, "localhost", headers={}).connect()


def test_silent_connections_do_not_block_others(attacked):
    address = ("127.0.0.1", attacked.connection.port)
    silent = [socket.create_connection(address, timeout=20) for _ in range(600)]
    assert attacked.client("sts").get_caller_identity()["Account"] == attacked.account
    assert silent[0].recv(1) == b"", "the oldest was not ended"
    for connection in silent:
        connection.close()
