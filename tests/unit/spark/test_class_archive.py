"""Archive of classes: its name, and the sessions that use it, list classes for it, or leave it alone."""

import os
import zipfile
from pathlib import Path

import pytest

from harness.java import Java
from harness.spark.class_archive import _ESSENTIAL, class_archive, with_files


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Let the cache be a directory of the test, outside CI."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def jar(tmp_path):
    path = tmp_path / "sdk.jar"
    path.write_bytes(b"classes")
    return path


@pytest.fixture
def archive(jar, tmp_path):
    return archive_of(jar, tmp_path)


def archive_of(jar, scratch, version="17.0.15"):
    return class_archive(Java(Path("/java"), version, "PATH"), str(jar), scratch)


def made(archive):
    archive.path.parent.mkdir(parents=True)
    archive.path.write_bytes(b"archive")
    return archive


def test_a_session_without_an_archive_lists_its_classes(archive):
    assert archive.options() == [f"-XX:DumpLoadedClassList={archive.listing}"]


def test_a_session_uses_the_archive_and_java_reports_nothing_of_it(archive):
    first, *rest = made(archive).options()
    assert first == f"-XX:SharedArchiveFile={archive.path}"
    assert rest == ["-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


def test_no_archive_is_made_where_ci_is_set(archive, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert archive.options() == []


def test_an_archive_that_cannot_be_made_is_attempted_once_a_day(archive):
    attempt = made(archive).path.with_suffix(".classes")
    archive.path.rename(attempt)
    assert archive.options() == []
    os.utime(attempt, (0, 0))
    assert archive.options() == [f"-XX:DumpLoadedClassList={archive.listing}"]


def test_another_users_file_and_a_link_are_no_archive(archive, tmp_path):
    archive.path.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"archive")
    archive.path.symlink_to(tmp_path / "elsewhere")
    assert archive.options() == []


def test_a_changed_jar_another_java_and_another_configuration_have_archives_of_their_own(jar, tmp_path, monkeypatch):
    names = [archive_of(jar, tmp_path).path, archive_of(jar, tmp_path, "17.0.16").path]
    jar.write_bytes(b"other classes")
    names.append(archive_of(jar, tmp_path).path)
    monkeypatch.setenv("SPARK_CONF_DIR", "/conf")
    names.append(archive_of(jar, tmp_path).path)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.21"])
def test_an_older_java_has_no_archive(jar, tmp_path, version):
    assert archive_of(jar, tmp_path, version) is None


def test_a_session_that_called_no_endpoint_makes_no_archive(archive):
    archive.listing.write_bytes(b"java/lang/Object\n")
    archive._make("/sdk.jar")
    assert not archive.path.parent.exists()


def test_the_first_of_two_sessions_makes_the_archive(archive, monkeypatch):
    started = []
    monkeypatch.setattr(type(archive), "_start_making", lambda self, class_path: started.append((self, class_path)))
    archive.listing.write_bytes(b"java/lang/Object\n" + _ESSENTIAL + b"cut")
    archive._make("/sdk.jar")
    archive._make("/sdk.jar")
    assert started == [(archive, "/sdk.jar")]
    attempt = archive.path.with_suffix(".classes")
    assert attempt.read_bytes() == b"java/lang/Object\n" + _ESSENTIAL
    assert attempt.parent.stat().st_mode & 0o777 == 0o700


def jar_of(path, *classes):
    with zipfile.ZipFile(path, "w") as jar:
        for name in classes:
            jar.writestr(f"{name}.class", b"")
    return str(path)


def test_classes_without_a_file_of_their_name_are_left_out_with_their_jar(tmp_path):
    mixed = jar_of(tmp_path / "a.jar", "a/B", "META-INF/versions/9/a/C", "META-INF/versions/9/module-info")
    plain = jar_of(tmp_path / "d.jar", "d/E", "META-INF/versions/9/module-info")
    class_path = os.pathsep.join([mixed, plain, str(tmp_path), str(tmp_path / "missing.jar")])
    assert with_files(b"a/B\na/C\nd/E\nx/Y\n", class_path) == b"d/E\nx/Y\n"


def test_classes_with_another_file_for_a_newer_release_are_left_out_with_their_lambda_expressions(tmp_path):
    jar = jar_of(tmp_path / "a.jar", "a/B", "a/D", "META-INF/versions/11/a/B")
    kept = b"# a comment\na/D\n@lambda-proxy a/D run ()Ljava/lang/Runnable; ()V REF_x a/D m ()V ()V\n"
    proxies = b"@lambda-proxy a/B run ()Ljava/lang/Runnable; ()V\n@lambda-proxy a/D run ()La/B; ()V\n"
    assert with_files(b"a/B\n" + proxies + kept, jar) == kept


def test_classes_that_java_generates_are_left_out():
    kept = b"java/lang/invoke/BoundMethodHandle$SpeciesData\n@lambda-form-invoker [LF_RESOLVE] a.B c L_L\n"
    generated = b"java/lang/invoke/BoundMethodHandle$Species_L\n"
    resolved = b"@lambda-form-invoker [SPECIES_RESOLVE] java.lang.invoke.BoundMethodHandle$Species_LL\n"
    assert with_files(generated + resolved + kept, "") == kept
