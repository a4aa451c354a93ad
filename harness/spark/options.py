"""Options of a Spark session: a user's joined with those that the harness must set, and the check of its master."""

from __future__ import annotations

import os
import re
import shlex
import socket
import warnings
from collections.abc import Mapping, Sequence

from pyspark import SparkConf

from harness.errors import SetupError
from harness.settings import Settings, option_name

_REPLACEABLE = (
    "spark.driver.memory",
    "spark.executor.heartbeatInterval",
    "spark.sql.warehouse.dir",
    "spark.ui.enabled",
    "spark.ui.showConsoleProgress",
)
"""Options of the harness's own sessions that a user's setting replaces."""
_OF_SETTINGS = ("spark.app.name", "spark.master")
_OF_LAUNCHERS = ("spark.driver.", "spark.jars", "spark.submit.")
"""Starts of the names of options that a JVM gets when it starts."""
_CATALOG = "spark.sql.catalogImplementation"
_CONNECT_SECONDS = 3.0
_SMALL_ROWS = 5_000
"""Most rows of MNIST, to train on and to predict, of a run that ends before code compiled by C2 would pay."""
_QUICK_COMPILER = "-XX:TieredStopAtLevel=1"
_QUICK_COLLECTOR = "-XX:+UseSerialGC"
_COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")
_JVM_VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS", "_JAVA_OPTIONS")


def merged(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Return a builder's options with those of an AWS. Values that are lists are joined; the later JVM option wins."""
    joined = {**theirs, **ours}
    for name in theirs.keys() & ours.keys():
        if name.endswith("JavaOptions"):
            joined[name] = f"{theirs[name]} {ours[name]}"
        elif name.endswith(("ClassPath", "PYTHONPATH")):
            joined[name] = f"{ours[name]}{os.pathsep}{theirs[name]}"
        elif name.startswith("spark.hadoop."):
            joined[name] = theirs[name]
    return joined


def with_setting(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a session of the harness with those of a user's setting.

    The harness's win where it must set them, and a warning names those that then have no effect.
    """
    options = merged(theirs, ours) | {name: theirs[name] for name in _REPLACEABLE if name in theirs}
    lost = [name for name, value in theirs.items() if name in _OF_SETTINGS or value not in options[name]]
    if lost:
        text = f"{option_name('spark_conf')} has no effect on {', '.join(sorted(lost))}: the harness sets it."
        warnings.warn(text, stacklevel=3)
    return options


def needs_new_jvm(master: str, options: Mapping[str, str]) -> str:
    """Return the reason why a session cannot be in a JVM that runs already, or ''.

    Its launcher reads some options (https://spark.apache.org/docs/3.3.0/configuration.html, "in client mode, this
    config must not be set through the SparkConf directly"). Hive's metastore would remain in it.
    """
    if master and not re.fullmatch(r"local(\[.*\])?", master):  # the launcher's default is local[*]
        return f"executors of {master} are in separate JVMs"
    found = [name for name in sorted(options) if name.startswith(_OF_LAUNCHERS)]
    if options.get(_CATALOG) == "hive":
        found.append(_CATALOG)
    return f"only a new JVM can have {', '.join(found)}" if found else ""


def add_default_jvm_options(conf: SparkConf, options: Sequence[str]) -> None:
    """Add options of the driver's JVM, which all others override: Spark puts its own default options first."""
    name = "spark.driver.defaultJavaOptions"
    given = conf.get(name, "")
    if options:
        conf.set(name, f"{shlex.join(options)} {given}".strip())


def quick_jvm_options(settings: Settings, conf: SparkConf, environment: Mapping[str, str]) -> list[str]:
    """Return the options of a driver's JVM in a run on few rows; none if there are more.

    Such a JVM lives for seconds, in which it would spend as much time on compiling as on work. A JVM refuses to start
    with two garbage collectors, so none is given if the user chose one.
    """
    if max(settings.train_rows, settings.test_rows) > _SMALL_ROWS:
        return []
    names = [f"spark.driver.{kind}JavaOptions" for kind in ("default", "extra")]
    given = [*(conf.get(name, "") for name in names), *(environment.get(name, "") for name in _JVM_VARIABLES)]
    chosen = any(_COLLECTOR.search(text or "") for text in given)
    return [_QUICK_COMPILER] if chosen else [_QUICK_COMPILER, _QUICK_COLLECTOR]


def check_reachable(master: str) -> None:
    """Raise :class:`SetupError` if no host of a standalone master answers. Spark would try for a minute in silence."""
    places = master.removeprefix("spark://").split(",") if master.startswith("spark://") else []
    reasons = [reason for place in places if (reason := _unreachable(place))]
    if places and len(reasons) == len(places):
        raise SetupError(
            f"Spark's master {master} does not answer: {'; '.join(reasons)}.",
            checked=f"a TCP connection to each of its hosts, for {_CONNECT_SECONDS:g} seconds",
            fix=f"start it, or give another {option_name('spark_master')}",
        )


def _unreachable(place: str) -> str:
    """Return the reason if a host and port cannot be reached, or ''."""
    match = re.fullmatch(r"(?P<host>.+):(?P<port>\d{1,5})", place)
    if match is None:
        return f"{place} is no host:port"
    try:
        socket.create_connection((match["host"].strip("[]"), int(match["port"])), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        return f"{place}: {getattr(error, 'strerror', None) or error}"
    return ""
