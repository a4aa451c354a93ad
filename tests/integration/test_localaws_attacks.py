"""What others on the machine, and pages in a browser, can do to a local AWS: nothing."""

import os
import socket
import subprocess
import sys

import psutil
import pytest

from harness.aws.mock import MockAWS
from harness.localaws.control import LARGEST_BODY, TOKEN_HEADER
from harness.localaws.gateway import LARGEST_HEAD
from harness.settings import Settings
from tests.proxied import ask, password, plain, tunnel

STS = "/?Action=GetCallerIdentity&Version=2011-06-15"
CREATE_BUCKET = """
import encodings.idna, http.client, os, sys  # all that is needed before the switch
os.setgroups([]), os.setgid(65534), os.setuid(65534)
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
connection.request("PUT", "http://s3.amazonaws.com/stolen", headers={"Authorization": sys.argv[2]})
print(connection.getresponse().status)
"""
"""Run by root, becomes another user and asks without the proxy's password. A stranger can write a key id."""


@pytest.fixture(scope="module")
def attacked():
    """A local AWS whose refusals are not the session's, which is to have none."""
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


def test_the_password_may_come_after_the_question_on_the_same_connection(attacked):
    connect = b"CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\n"
    given = f"Proxy-Authorization: {password(attacked)['Proxy-Authorization']}\r\n".encode()
    with socket.create_connection(("127.0.0.1", attacked.connection.port), timeout=20) as connection:
        connection.sendall(connect + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 407 ")
        connection.sendall(connect + given + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_no_command_line_and_no_announcement_of_java_holds_the_password(local, spark):
    secret = local.connection.proxy_password
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    lines = [" ".join(process.cmdline()) for process in family]
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


def test_the_control_api_looks_at_the_token_before_it_reads(attacked):
    with socket.create_connection(("127.0.0.1", attacked.connection.port), timeout=20) as connection:
        head = f"POST /faults HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {10 * LARGEST_BODY}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 403 ")


def test_the_control_api_takes_no_body_without_bound(attacked):
    headers = {TOKEN_HEADER: attacked.connection.token, "Host": "127.0.0.1"}
    connection = plain(attacked)
    connection.putrequest("POST", "/faults", skip_host=True)
    for name, value in {**headers, "Content-Length": str(LARGEST_BODY + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * (LARGEST_BODY + 1))
    assert connection.getresponse().status == 413


# --- only what is emulated ----------------------------------------------------------------------------------------
