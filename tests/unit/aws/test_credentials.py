"""One caller for boto3, the JVM and child processes, wherever boto3 found its credentials."""

import json
import os
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import botocore.session
import pytest

from harness.aws.credentials import PROFILE, SharedCredentials, session_of
from harness.localaws.client import Connection

SOON = "2099-01-01T00:00:00Z"


@pytest.fixture
def given(monkeypatch, tmp_path):
    """A function that makes the environment of a user with this configuration file, and returns it."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def given(config="", **variables):
        (tmp_path / "config").write_text(config)
        for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
            monkeypatch.setenv(name, value)
        return dict(os.environ)

    return given


@pytest.fixture
def share():
    """A function that shares the credentials of an environment, and returns the variables."""
    shared = []

    def share(environment):
        shared.append(SharedCredentials(session_of(environment, "us-east-1"), environment))
        return shared[-1].environment()

    yield share
    for each in shared:
        each.close()


def process_profile(tmp_path, **members):
    """Return a configuration file whose profile ``mine`` asks a program, which counts how often it is asked."""
    count = tmp_path / "count"
    answer = {"Version": 1, "AccessKeyId": "MINE", "SecretAccessKey": "s", "SessionToken": "t", **members}
    program = tmp_path / "program.py"
    program.write_text(f"open({str(count)!r}, 'a').write('x')\nprint({json.dumps(answer)!r})\n")
    rest = "region = eu-west-3\ns3 =\n  max_queue_size = 7\n"
    return f"[profile mine]\ncredential_process = {sys.executable} {program}\n{rest}"


def asked(variables, token=None):
    request = urllib.request.Request(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    request.add_header("Authorization", variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] if token is None else token)
    # Its own opener: urlopen keeps the first one, with the proxies of that moment, for the whole process.
    with urllib.request.build_opener().open(request, timeout=5) as response:
        return json.load(response)


def test_keys_of_the_environment_stay_and_java_reads_no_other_secret(given, share):
    shared = share(given(AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="S", AWS_SECRET_KEY="another"))
    assert (shared["AWS_ACCESS_KEY_ID"], shared["AWS_SECRET_ACCESS_KEY"], shared["AWS_SECRET_KEY"]) == ("A", "S", "S")


def test_keys_of_a_profile_that_do_not_end_become_variables(given, share):
    environment = given("[profile mine]\naws_access_key_id = A\naws_secret_access_key = S\n", AWS_PROFILE="mine")
    assert share(environment).items() >= {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}.items()


@pytest.mark.slow
def test_temporary_credentials_of_a_profile_are_served_to_who_knows_the_token(given, share, tmp_path):
    shared = share(given(process_profile(tmp_path, Expiration=SOON), AWS_PROFILE="mine"))
    assert "AWS_ACCESS_KEY_ID" not in shared
    expected = {"AccessKeyId": "MINE", "SecretAccessKey": "s", "Token": "t", "Expiration": SOON}
    assert asked(shared) == expected
    for wrong in ("", "guess"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            asked(shared, wrong)


@pytest.mark.slow
def test_credentials_about_to_end_are_renewed_and_those_that_cannot_be_are_not_given(given, share, tmp_path):
    soon = (datetime.now(timezone.utc) + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shared = share(given(process_profile(tmp_path, Expiration=soon), AWS_PROFILE="mine"))
    program = tmp_path / "program.py"
    program.write_text(program.read_text().replace(soon, "2020-01-01T00:00:00Z"))
    with pytest.raises(urllib.error.HTTPError, match="500"):
        asked(shared)
    program.write_text(program.read_text().replace("2020-01-01T00:00:00Z", SOON))
    assert asked(shared)["Expiration"] == SOON


@pytest.mark.slow
def test_a_child_process_finds_the_served_credentials_and_the_rest_of_its_profile(given, share, monkeypatch, tmp_path):
    shared = share(given(process_profile(tmp_path, Expiration=SOON), AWS_PROFILE="mine"))
    asked_once = (tmp_path / "count").read_text()
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    child = botocore.session.Session()
    assert child.get_credentials().method == "container-role"
    assert child.get_credentials().access_key == "MINE"
    assert (child.profile, child.get_config_variable("region")) == (PROFILE, "eu-west-3")
    assert child.get_scoped_config()["s3"] == {"max_queue_size": "7"}
    assert (tmp_path / "count").read_text() == asked_once


@pytest.mark.slow
def test_the_session_keeps_its_profile_when_the_environment_points_to_its_credential_server(
    given, monkeypatch, tmp_path
):
    environment = given(process_profile(tmp_path, Expiration=SOON), AWS_PROFILE="mine")
    session = session_of(environment, "us-east-1")
    shared = SharedCredentials(session, environment)
    for name, value in shared.environment().items():
        monkeypatch.setenv(name, value)
    assert session.client("sts").meta.region_name == "us-east-1"
    assert session.get_credentials().method == "custom-process"
    shared.close()
    with pytest.raises(urllib.error.URLError):
        asked(shared.environment())


def test_a_role_of_a_container_is_left_to_java_but_a_role_assumed_from_there_is_not(given, share, tmp_path):
    environment = given(process_profile(tmp_path, Expiration=SOON), AWS_PROFILE="mine")
    uri = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"}
    shared = share(environment | uri)
    assert shared["AWS_ACCESS_KEY_ID"] == "MINE"  # Java asks the container first, unless there are keys


def test_a_mock_session_never_sees_a_credential():
    """Every variable that botocore or the Java SDK reads credentials from leads nowhere else."""
    role = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    connection = Connection(1, "t", "p", "r", "us-east-1", "1", "role", role, "/nowhere", "pem", "store", 1)
    environment = connection.environment()
    files = {f"/nowhere/profiles/role/{name}" for name in ("config", "credentials")}
    own = {"A", "S", "T", "", "default", *files}
    chain = """
        AWS_ACCESS_KEY_ID AWS_ACCESS_KEY AWS_SECRET_ACCESS_KEY AWS_SECRET_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN
        AWS_CREDENTIAL_EXPIRATION AWS_PROFILE AWS_DEFAULT_PROFILE AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE
        AWS_CREDENTIAL_PROFILES_FILE AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
        AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
    """
    assert {name: environment.get(name) for name in chain.split() if environment.get(name) not in own} == {}
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
