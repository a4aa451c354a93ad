"""Facts that a session and a kept environment must share."""

import os
import sys

import pytest

from harness.kept.likeness import differences, kept_variables, likeness
from harness.settings import Settings


def test_the_same_settings_and_variables_are_alike():
    assert differences(likeness(Settings()), likeness(Settings(train_rows=5, test_rows=5))) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("JAVA_TOOL_OPTIONS", "-Dx=1"), ("SPARK_CONF_DIR", "/conf"), ("TZ", "Asia/Tokyo"), ("SSL_CERT_FILE", "/ca.pem"),
     ("PYTHONPATH", "/elsewhere"), ("PYSPARK_PIN_THREAD", "false"), ("HADOOP_CONF_DIR", "/hadoop"),
     ("VIRTUAL_ENV", "/env")],
)  # fmt: skip
def test_a_variable_that_is_read_at_the_start_is_named_if_it_differs(name, value):
    kept = likeness(Settings(), dict(os.environ))
    assert differences(kept, likeness(Settings(), {**os.environ, name: value})) == [f"the variable {name}"]


@pytest.mark.parametrize("name", ["COLUMNS", "PYTEST_CURRENT_TEST", "MY_OWN", "AWS_PROFILE"])
def test_other_variables_may_differ(name):
    kept = likeness(Settings(), {"PATH": os.environ["PATH"]})
    assert differences(kept, likeness(Settings(), {"PATH": os.environ["PATH"], name: "x"})) == []
    assert name not in kept_variables({name: "x"})


def test_another_region_python_or_java_is_named(tmp_path, monkeypatch):
    kept = likeness(Settings())
    assert differences(kept, likeness(Settings(region="eu-west-1"))) == ["the region"]
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    found = differences(kept, likeness(Settings(), {**os.environ, "PATH": str(tmp_path)}))
    assert found == ["Java", "the variable PATH"]
    monkeypatch.setattr(sys, "executable", "/another/python")
    assert differences(kept, likeness(Settings())) == ["Python"]


def test_changed_modules_of_the_harness_are_noticed(tmp_path, monkeypatch):
    kept = likeness(Settings())
    (tmp_path / "changed.py").touch()
    monkeypatch.setattr("harness.__file__", str(tmp_path / "__init__.py"))
    assert differences(kept, likeness(Settings())) == ["harness"]
