"""Archive of the classes of Spark, S3A and the SDK, which lets the driver's JVM start with a third less work.

Java loads, parses and verifies 15,000 classes in a session that fits and transforms. A class-data-sharing archive has
them ready to be mapped (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html). The first session that
calls an endpoint lists its classes, and a process in the background makes the archive from the list when that session
has ended. No code of the classes runs then.

Archives are in the user's cache directory. Java itself compares an archive with its own version and with the sizes and
times of the jars, and starts without it if they differ. Anything that fails here is no error: the JVM starts as it
would without this module.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyspark

import harness
from harness.caches.directory import cache_directory, is_own, make_private
from harness.java import Java
from harness.settings import in_ci

_KEPT = 3
"""Most archives that are kept, 160 MB each. A machine may have several environments."""
_ATTEMPT_SECONDS = 24 * 3600
"""Time after which an archive that could not be made is attempted again."""
_DUMP_SECONDS = 600
_LISTS = 3
"""Version of the rules for lists of classes. An archive of an earlier version is not used."""
_ESSENTIAL = b"com/amazonaws/services/sagemakerruntime/model/InvokeEndpointResult\n"
"""A class of ``transform``. A session without it loads too few classes for an archive."""
_GENERATED = b"java/lang/invoke/BoundMethodHandle$Species_"
"""Start of the names of classes that Java generates, as it needs them."""
_CLASS = re.compile(r"(?P<release>META-INF/versions/\d+/)?(?P<name>.+)\.class")
"""A class in a jar, or one for newer releases: https://docs.oracle.com/en/java/javase/17/docs/specs/jar/jar.html"""
_NAME = re.compile(rb"[\w$/]+")
_QUIET = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")
"""Java would report an archive that it cannot use."""
_ON_CLASS_PATH = ("SPARK_CONF_DIR", "HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH")
"""Variables that Spark's launcher adds to the class path (AbstractCommandBuilder.buildClassPath)."""
_RELEASE = "17"
"""The only supported release whose archives include the classes of lambda expressions, of which Scala has thousands."""


@dataclass(frozen=True)
class ClassArchive:
    """The archive for one Java with one class path."""

    java: Java
    path: Path
    listing: Path
    """List of classes that a session without an archive writes."""

    @property
    def wanted(self) -> bool:
        """True if there is no archive, and no process makes one or failed to in the last day."""
        if self.path.exists() or in_ci(os.environ):  # a machine of a CI service is used once
            return False
        return not _is_recent(self._attempt)

    @property
    def _attempt(self) -> Path:
        return self.path.with_suffix(".classes")

    def options(self) -> list[str]:
        """Return the options of a driver's JVM that uses the archive, or lists classes for it."""
        if is_own(self.path):
            with suppress(OSError):
                os.utime(self.path)  # the last used ones are kept
            return [f"-XX:SharedArchiveFile={self.path}", "-Xshare:auto", *_QUIET]
        return [f"-XX:DumpLoadedClassList={self.listing}"] if self.wanted else []

    def make_at_exit(self, class_path: str) -> None:
        """Have the archive made when this process has ended, if the JVM lists its classes.

        :param class_path: of the running JVM. An archive fits no other.
        """
        if self.listing.exists():
            atexit.register(self._make, class_path)

    def _make(self, class_path: str) -> None:
        with suppress(OSError):
            classes = self.listing.read_bytes()
            if _ESSENTIAL in classes and self.wanted and make_private(self.path.parent):
                self._attempt.unlink(missing_ok=True)
                with self._attempt.open("xb") as file:  # the first of several sessions makes it
                    file.write(classes[: classes.rfind(b"\n") + 1])  # the JVM may be writing the last line
                self._start_making(class_path)

    def _start_making(self, class_path: str) -> None:
        java = Path(self.java.home, "bin", "java")
        subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, (java, self._attempt, self.path, class_path))],
            env=_environment(os.environ),
            cwd=self.path.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def class_archive(java: Java, class_path: str, scratch: Path) -> ClassArchive | None:
    """Return the archive for a Java and a driver's class path; None if that Java has none, or there is no cache.

    :param class_path: the driver's own, to which Spark adds its jars.
    :param scratch: directory for the list of classes.
    """
    directory = cache_directory("classes", os.environ)
    if directory is None or java.version.partition(".")[0] != _RELEASE:
        return None
    if directory.exists() and not is_own(directory):
        return None
    try:
        key = _key(java, class_path, os.environ)
    except OSError:
        return None
    return ClassArchive(java, directory / f"{key}.jsa", scratch / "classes")


def _key(java: Java, class_path: str, environment: Mapping[str, str]) -> str:
    """Return a name that differs for every Java, class path and version of the harness.

    :raises OSError: a file of the class path cannot be read.
    """
    release = java.home / "release"
    build = release.read_bytes() if release.exists() else b""
    jars = [*map(Path, class_path.split(os.pathsep)), Path(str(pyspark.__file__)).parent / "jars"]
    files = [(str(jar), jar.stat().st_size, jar.stat().st_mtime_ns) for jar in jars]
    further = [environment.get(name) for name in _ON_CLASS_PATH]
    text = repr((harness.__version__, _LISTS, str(java.home), java.version, build, files, further))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_recent(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _ATTEMPT_SECONDS
    except OSError:
        return False


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the process that makes an archive: no options of Java, and no mark of a run."""
    return {name: given[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in given}


def with_files(classes: bytes, class_path: str) -> bytes:
    """Return a list of classes without those that have no file of their name, or another one for a newer release.

    Java 17 ends with SIGSEGV if it takes a class without a file from an archive while there is an agent, a profiler or
    a flight recorder, which get the bytes of each class (``FileMapInfo::open_stream_for_jvmti``). Found with log4j's
    classes for Java 9, and with those that bind the arguments of a method handle. All classes of a jar with such a
    class are omitted, since they may have it as a supertype.
    """
    dropped: set[bytes] = set()
    for path in class_path.split(os.pathsep):
        plain, versioned = _classes_in(path)
        dropped |= versioned | (plain if versioned - plain - {b"module-info"} else set())

    def is_kept(line: bytes) -> bool:
        names = _NAME.findall(line)  # "a/B", or of lambda expressions: "@lambda-proxy a/B run ()La/C; …"
        is_generated = _GENERATED in line.replace(b".", b"/")
        return not is_generated and not any(name in dropped or name[1:] in dropped for name in names)

    return b"".join(line for line in classes.splitlines(keepends=True) if is_kept(line))


def _classes_in(path: str) -> tuple[set[bytes], set[bytes]]:
    """Return the names of the classes of a jar, and of those for newer releases; none of any other file."""
    try:
        with zipfile.ZipFile(path) as jar:
            found = [match for match in map(_CLASS.fullmatch, jar.namelist()) if match]
    except (OSError, zipfile.BadZipFile):
        found = []
    return {m["name"].encode() for m in found if not m["release"]}, {m["name"].encode() for m in found if m["release"]}


def make(java: str, classes: Path, archive: Path, class_path: str) -> None:
    """Make an archive of the listed classes, and delete all but the last used archives."""
    made = archive.with_suffix(f".{os.getpid()}.part")  # another process may make it too
    made.unlink(missing_ok=True)
    classes.write_bytes(with_files(classes.read_bytes(), class_path))
    command = [java, "-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}"]
    # With this collector the archive has Java's own objects too, which all collectors can use.
    done = subprocess.run([*command, "-XX:+UseG1GC", "-Xmx1g", "-cp", class_path], check=False, timeout=_DUMP_SECONDS)
    if done.returncode == 0 and made.exists():
        made.replace(archive)
        classes.unlink(missing_ok=True)
    made.unlink(missing_ok=True)
    for old in sorted(archive.parent.glob("*.jsa"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        old.unlink(missing_ok=True)


if __name__ == "__main__":
    os.nice(19)
    make(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
