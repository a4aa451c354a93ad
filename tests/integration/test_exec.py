"""``harness exec``: other people's commands inside a local AWS."""

import http.server
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import threading

import pytest
import trustme

from harness.waiting import wait_until
from tests.support.outside import OUTSIDE, ROOT
from tests.support.processes import alive, commands, descendants

WHO = """
import os, boto3
print(boto3.client("sts").get_caller_identity()["Arn"])
print([bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]])
print(boto3.Session().get_credentials().access_key, boto3.Session().region_name, os.environ["SAGEMAKER_ROLE"])
for profile in ("default", "mine"):
    print(boto3.Session(profile_name=profile).client("sts").get_caller_identity()["Arn"])
"""


@pytest.fixture
def users_host(tmp_path):
    """URL of a user's own HTTPS host, and the file with the certificate of its authority."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.2").configure_cert(context)

    class Wiki(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"wiki")

    with http.server.ThreadingHTTPServer(("127.0.0.2", 0), Wiki) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.2:{server.server_port}/", str(tmp_path / "authority.pem")
        server.shutdown()


@pytest.mark.parametrize("code", [0, 3])
def test_the_commands_exit_code_is_passed_on(run, code):
    done = run("exec", "--", "sh", "-c", f"echo said; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\n", "")


def test_a_command_ended_by_a_signal_has_the_exit_code_of_shells(run):
    assert run("exec", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_the_command_reads_what_is_piped_to_it(run):
    assert run("exec", "--", "cat", stdin="piped").stdout == "piped"


def test_without_a_command_the_error_explains_how_to_give_one(run):
    done = run("exec", "--")
    assert done.returncode == 2
    assert done.stderr.startswith("harness: harness exec needs a command.\n")
    assert "harness exec -- python train.py" in done.stderr


def test_a_command_that_does_not_exist_is_named(run, tmp_path):
    done = run("exec", "--", "no-such-command", "--option")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr.startswith("harness: no-such-command cannot be run: No such file or directory.\n  checked: PATH")
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.skipif(not shutil.which("aws"), reason="the AWS CLI is not installed ('pip install awscli')")
def test_the_aws_cli_works_in_it(run):
    script = "set -e; aws s3 mb s3://made-inside; aws s3 ls; aws sts get-caller-identity --query Account"
    done = run("exec", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "made-inside" in done.stdout
    assert '"123456789012"' in done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_clients_that_know_nothing_of_the_run_carry_its_password(run):
    url = "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    asked = f"import requests; print(requests.get('{url}').status_code)"
    stranger = "curl -s -o /dev/null -w '%{http_connect}' -x http://127.0.0.1:${HTTPS_PROXY##*:}"
    curl = f"curl -s -o /dev/null -w '%{{http_code}}\\n' '{url}'"
    script = f"{curl}\n{shlex.join([sys.executable, '-c', asked])}\n{stranger} '{url}'"
    assert run("exec", "--", "sh", "-c", script).stdout.split() == ["200", "200", "407"]


def test_the_users_own_account_is_neither_visible_nor_used(run, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[mine]\naws_access_key_id = MINE\naws_secret_access_key = s\n")
    (tmp_path / ".aws" / "config").write_text("[profile mine]\nregion = eu-west-3\nendpoint_url = http://127.0.0.1:1\n")
    own = {"AWS_ACCESS_KEY_ID": "MINE", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_SESSION_TOKEN": "mine"}
    own |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/mine"}
    led = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    done = run("exec", "--", sys.executable, "-c", WHO, HOME=str(tmp_path), **own, **led)
    assert done.returncode == 0, done.stderr
    arn, buckets, rest, *of_profiles = done.stdout.splitlines()
    assert of_profiles == [arn, arn]
    assert ":assumed-role/" in arn
    assert buckets == "[]"
    assert "MINE" not in rest
    assert rest.split()[1] == "us-east-1"
    assert rest.split()[2].startswith("arn:aws:iam::123456789012:role/")


def test_a_host_that_is_not_emulated_is_refused_and_reported(run):
    ask = "import urllib.request; urllib.request.urlopen('https://example.com')"
    done = run("exec", "--", sys.executable, "-c", ask)
    assert done.returncode == 1
    assert "Tunnel connection failed: 403 The local AWS does not emulate example.com" in done.stderr
    assert done.stderr.splitlines()[-1] == "harness: the local AWS refused hosts that it does not emulate: example.com"


ASKS = """
import os, requests, urllib.request
url = os.environ["WIKI"]
print(requests.get(url, timeout=20).text, urllib.request.urlopen(url, timeout=20).read().decode(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no 127.0.0.2, a host that is not direct by itself")
def test_a_host_of_the_user_is_reached_over_tls_as_before(run, users_host):
    url, authority = users_host
    variables = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), authority)
    done = run("exec", "--", sys.executable, "-c", ASKS, WIKI=url, NO_PROXY="127.0.0.2,.amazonaws.com", **variables)
    assert done.stdout == "wiki wiki\n", done.stderr
    refused = run("exec", "--", sys.executable, "-c", ASKS, WIKI=url, NO_PROXY=None, no_proxy=None, **variables)
    assert "403 The local AWS does not emulate 127.0.0.2" in refused.stderr


LEAVES = """
import boto3, os
boto3.client("s3").create_bucket(Bucket="ours")
boto3.client("s3").put_object(Bucket="ours", Key="rows", Body=b"1")
image = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
container = {"Image": image}
boto3.client("sagemaker").create_model(
    ModelName="forgotten", ExecutionRoleArn=os.environ["SAGEMAKER_ROLE"], PrimaryContainer=container
)
"""


def test_what_a_command_leaves_behind_is_named_and_its_exit_code_stays(run):
    done = run("exec", "--", sys.executable, "-c", LEAVES)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "harness: in AWS these would remain: model forgotten",
        "harness: in AWS these S3 objects, your results or leftovers, would remain: 1 in s3://ours (rows)",
    ]


def test_a_role_of_another_account_is_named_with_the_one_to_use(run):
    role = "arn:aws:iam::210987654321:role/AcmeSageMaker"
    done = run("exec", "--", sys.executable, "-c", LEAVES.replace('os.environ["SAGEMAKER_ROLE"]', repr(role)))
    assert done.returncode == 1
    assert f"\n\nharness: SageMaker cannot assume {role}, which does not exist in the local AWS. Have" in done.stderr


def test_a_program_that_names_its_own_role_runs_if_an_option_creates_it(run):
    role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
    program = LEAVES.replace('os.environ["SAGEMAKER_ROLE"]', repr(role))
    done = run("exec", "--role", role, "--", sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr


def test_a_signal_is_the_commands_to_handle(start):
    process = start("exec", "--", "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 7


def test_an_interruption_that_comes_from_no_terminal_reaches_the_command():
    script = "trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done"
    outside = "import os, sys; os.setsid(); os.execvp(sys.executable, [sys.executable, '-m', 'harness', *sys.argv[1:]])"
    process = subprocess.Popen(
        [sys.executable, "-c", outside, "exec", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        env=OUTSIDE | {"PYTHONPATH": ROOT},
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", None)
    assert process.returncode == 7


def test_a_shell_that_uses_a_served_aws_is_not_marked_to_end_with_it_and_a_hang_up_ends_it_in_order(start):
    process = start("serve")
    lines = [process.stdout.readline()]
    while not lines[-1].startswith("export SAGEMAKER_ROLE"):
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGHUP)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "HTTPS_PROXY" in "".join(lines)
    assert "HARNESS_RUN" not in "".join([*lines, rest])


def test_a_served_aws_that_enforces_permissions_is_entered_as_its_administrator(start):
    process = start("serve", "--enforce-iam")
    lines = [process.stdout.readline()]
    while lines[-1] and not lines[-1].startswith("unset"):
        lines.append(process.stdout.readline())
    code = "import boto3\nprint(boto3.client('sts').get_caller_identity()['Arn'])\nboto3.client('iam').list_users()"
    shell = "".join([*lines, f"exec {sys.executable} -c {shlex.quote(code)}"])
    asked = subprocess.run(["sh"], input=shell, capture_output=True, text=True, check=False, env=OUTSIDE)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.endswith(":user/administrator\n")


def test_nothing_is_left_of_one_that_is_killed(start, tmp_path):
    process = start("exec", "--", "sh", "-c", "echo ready; sleep 600; true")
    assert process.stdout.readline() == "ready\n"
    below = descendants(process)
    assert any("sleep 600" in command for command in commands(below))
    assert any("harness.localaws" in command for command in commands(below))
    process.kill()
    wait_until(lambda: not any(map(alive, below)), "command and local AWS to end", timeout=10)
    wait_until(lambda: not any((tmp_path / "scratch").iterdir()), "their files to go", timeout=5)
