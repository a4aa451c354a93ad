"""Archive of classes, made and used by a real Java."""

import re
import subprocess
from pathlib import Path

import pyspark
import pytest

from harness.java import find_java
from harness.spark.class_archive import class_archive, make
from harness.spark.sdk import sdk_jars

pytestmark = pytest.mark.spark


@pytest.fixture
def archive(monkeypatch, tmp_path):
    """Return the archive of one of the SDK's jars, of which nothing was made yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("JDK_JAVA_OPTIONS", raising=False)  # its collector cannot write Java's own objects
    jar = next(path for path in sdk_jars() if path.name.startswith("aws-java-sdk-bundle"))
    java = find_java()
    found = class_archive(java, str(jar), tmp_path)
    if found is None:
        pytest.skip(f"Java {java.version} has no such archives")
    found.path.parent.mkdir(parents=True)
    return found, jar


def java(archive, *arguments):
    command = [Path(archive.java.home, "bin", "java"), *archive.options(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=archive.path.parent)


def test_java_takes_listed_classes_from_the_archive(archive, tmp_path):
    archive, jar = archive
    (tmp_path / "list").write_text("java/lang/Object\ncom/amazonaws/Protocol\n")
    make(str(Path(archive.java.home, "bin", "java")), tmp_path / "list", archive.path, str(jar))
    program = tmp_path / "Main.java"
    program.write_text("class Main { public static void main(String[] a) { com.amazonaws.Protocol.HTTPS.name(); } }")
    loaded = java(archive, "-Xlog:class+load", "-cp", str(jar), str(program)).stdout
    assert re.search(r"com\.amazonaws\.Protocol source: shared objects file", loaded)
    assert not (tmp_path / "list").exists()


def test_a_flight_recorder_runs_with_an_archive_of_listed_classes(archive, tmp_path):
    archive, _ = archive
    jar = str(next(Path(str(pyspark.__file__)).parent.glob("jars/log4j-api-2*.jar")))  # with classes for Java 9
    versioned = "org/apache/logging/log4j/util/internal/DefaultObjectInputFilter"
    generated = "java.lang.invoke.BoundMethodHandle$Species_LLLLL"
    lines = ["org/apache/logging/log4j/Level", versioned, generated.replace(".", "/")]
    lines.append(f"@lambda-form-invoker [SPECIES_RESOLVE] {generated}")
    (tmp_path / "list").write_text("".join(f"{line}\n" for line in ["java/lang/Object", *lines]))
    make(str(Path(archive.java.home, "bin", "java")), tmp_path / "list", archive.path, jar)
    program = tmp_path / "Main.java"
    names = ", ".join(f'"{name.replace("/", ".")}"' for name in lines[:2])
    program.write_text(
        "class Main { public static void main(String[] a) throws Exception { for (String name : new String[] {"
        f"{names}}}) System.out.println(Class.forName(name).getName()); }} }}"
    )
    recorded = java(archive, "-XX:StartFlightRecording", "-cp", jar, str(program))
    assert recorded.stdout.splitlines()[-2:] == [name.replace("/", ".") for name in lines[:2]]


@pytest.mark.parametrize("content", [b"", b"no archive" * 1000])
def test_java_starts_in_silence_without_a_damaged_archive(archive, content):
    archive, jar = archive
    archive.path.write_bytes(content)
    damaged = java(archive, "-cp", str(jar), "-version")
    plain = subprocess.run(
        [Path(archive.java.home, "bin", "java"), "-version"], check=True, capture_output=True, text=True
    )
    assert damaged.stdout == ""
    assert damaged.stderr.replace(", sharing", "") == plain.stderr.replace(", sharing", "")
