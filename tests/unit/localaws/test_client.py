"""Variables and profiles that point clients to a local AWS."""

import configparser
import stat

import boto3
import botocore.session
import pytest
from botocore.exceptions import ProfileNotFound

from harness.localaws.client import Connection, direct_hosts

ROLE = {"AWS_ACCESS_KEY_ID": "ROLE", "AWS_SECRET_ACCESS_KEY": "of-role", "AWS_SESSION_TOKEN": "token"}
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "ADMIN", "AWS_SECRET_ACCESS_KEY": "of-admin"}


@pytest.fixture
def users(tmp_path):
    """A user's environment, with profiles and other sources of credentials."""
    (tmp_path / "config").write_text(
        '[default]\nregion = eu-west-3\n[profile dev]\n[profile "two words"]\nrole_arn = r\n'
    )
    (tmp_path / "credentials").write_text("[ci]\naws_access_key_id = MINE\naws_secret_access_key = mine\n")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    (tmp_path / "token").write_text("mine")
    return {
        "PATH": "/bin",
        **files,
        "AWS_PROFILE": "of-shell",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/mine",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    }


@pytest.fixture
def connection(tmp_path, users):
    (tmp_path / "ca.pem").write_text("")
    pem = str(tmp_path / "ca.pem")
    made = Connection(
        1, "t", "p", "id", "us-east-1", "1", "role", ROLE, str(tmp_path), pem, "s", 1, administrator=ADMINISTRATOR
    )
    made.prepare(users)
    return made


@pytest.fixture
def within(connection, users, monkeypatch):
    """Redirect this process."""
    redirected = connection.redirected(users)
    for name in users.keys() - redirected.keys():
        monkeypatch.delenv(name, raising=False)
    for name, value in redirected.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("profile", ["default", "dev", "two words", "ci", "of-shell", None])
def test_a_script_that_names_a_profile_is_the_role(within, profile):
    found = boto3.Session(profile_name=profile).get_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("ROLE", "of-role", "token")


def test_a_profile_that_the_user_does_not_have_is_not_found_as_without_the_harness(within):
    with pytest.raises(ProfileNotFound):
        boto3.Session(profile_name="typing error").get_credentials()


def test_java_reads_the_same_profiles(within, connection):
    """ProfileCredentialsProvider of aws-java-sdk-bundle 1.11.901 reads AWS_CREDENTIAL_PROFILES_FILE (javap)."""
    parser = configparser.RawConfigParser()
    parser.read(connection.redirected({})["AWS_CREDENTIAL_PROFILES_FILE"])
    assert set(parser.sections()) == {"default", "dev", "two words", "ci", "of-shell"}
    assert {parser[name]["aws_access_key_id"] for name in parser.sections()} == {"ROLE"}


def test_files_with_credentials_are_for_their_owner_only(connection, tmp_path):
    for caller in ("role", "administrator"):
        assert stat.S_IMODE((tmp_path / "profiles" / caller / "credentials").stat().st_mode) == 0o600


def test_an_environment_keeps_nothing_that_points_elsewhere(connection, users):
    redirected = connection.redirected(users)
    assert redirected["PATH"] == "/bin"
    assert not [name for name in redirected if name.startswith("AWS_CONTAINER_")]
    endpoints = {name for name in redirected if "ENDPOINT" in name}
    assert endpoints == {"AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}
    assert "" not in {value for name, value in redirected.items() if name.startswith("AWS_")}


def test_boto3_keeps_the_hosts_of_aws(within):
    assert boto3.client("s3").meta.endpoint_url == "https://s3.amazonaws.com"


def test_an_administrator_has_profiles_too_and_another_caller_has_none(connection, monkeypatch):
    for keys, expected in (
        (ADMINISTRATOR, "ADMIN"),
        ({"AWS_ACCESS_KEY_ID": "USER", "AWS_SECRET_ACCESS_KEY": "s"}, None),
    ):
        with monkeypatch.context() as patch:
            for name, value in connection.outside_environment(keys).items():
                patch.setenv(name, value)
            assert boto3.Session().get_credentials().access_key == keys["AWS_ACCESS_KEY_ID"]
            named = botocore.session.Session(profile="default").get_credentials()
            assert (named and named.access_key) == expected


def test_a_container_is_its_role_and_has_no_profile_as_on_aws(connection, tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "OF-JOB", "AWS_SECRET_ACCESS_KEY": "j", "AWS_SESSION_TOKEN": "t"}
    given = connection.container_environment("eu-west-1", keys)
    assert given.items() >= {**keys, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}.items()
    assert not {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"} & given.keys()
    assert not list(tmp_path.glob("profiles/none")), "files that exist might have credentials of another caller"
    assert given["AWS_CONFIG_FILE"] == str(tmp_path / "profiles" / "none" / "config")


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_without_proxy_are_kept_in_both_spellings_but_not_awss(name):
    users = "*, .amazonaws.com,s3.eu-west-1.amazonaws.com:443,com,myamazonaws.com,api.aws, 10.0.0.0/8,"
    expected = "localhost,127.0.0.1,::1,myamazonaws.com,10.0.0.0/8"
    assert direct_hosts({name: users}) == {"NO_PROXY": expected, "no_proxy": expected}


def test_hosts_in_either_spelling_are_kept():
    assert direct_hosts({"no_proxy": "a.example", "NO_PROXY": "b.example"})["no_proxy"].endswith(",a.example,b.example")
