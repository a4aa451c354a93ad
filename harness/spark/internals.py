"""Spark's internals: every private member of pyspark that the harness uses, and the Java objects behind them.

pyspark's public interface neither ends a JVM nor shows the plan of a frame or the rows that a job has read. All members
are those of pyspark 3.3 (https://github.com/apache/spark/tree/v3.3.0/python/pyspark). No other module uses one.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial, partialmethod
from pathlib import Path
from socketserver import BaseServer
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest.mock import patch

from py4j.java_gateway import JavaClass
from pyspark import SparkConf, SparkContext, java_gateway
from pyspark.accumulators import AccumulatorServer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from harness.kept.lease import KeptJVM

JavaObject: TypeAlias = Any
"""A Java object in py4j. It has the members of its Java class."""

# ---- the JVM of this process


_DO_INIT = SparkContext._do_init
_NOTICE_SECONDS = 0.02
"""Seconds between two checks of what pyspark waits for."""


def has_jvm() -> bool:
    """Return whether Spark was started in this process, by anyone."""
    return SparkContext._gateway is not None


def jvm_process() -> subprocess.Popen[bytes] | KeptJVM | None:
    """Return the process of this process's JVM; None if there is none, or it is another process's, and not kept."""
    process: subprocess.Popen[bytes] | KeptJVM | None = getattr(SparkContext._gateway, "proc", None)
    return process


def start_context(conf: SparkConf, popen: Mapping[str, Any], directory: Path) -> SparkContext:
    """Return a Spark context in this process's JVM, which is started if there is none.

    Executors' variables are not on the JVM's command line, which every user of the machine can see.

    :param popen: arguments of the JVM's :class:`subprocess.Popen`.
    :param directory: directory for the file in which the JVM reports its port. pyspark's own choice, a nameless
        directory of the system, stays for good if this process is killed before the JVM reports.
    """
    if SparkContext._active_spark_context is not None and running_context() is None:
        SparkContext._active_spark_context.stop()  # Java has stopped it, and pyspark does not know
    shown = [(name, value) for name, value in conf.getAll() if not name.startswith("spark.executorEnv.")]
    at_launch = SparkConf(loadDefaults=False).setAll(shown)
    ours = SimpleNamespace(mkdtemp=partial(tempfile.mkdtemp, dir=directory), mkstemp=tempfile.mkstemp)
    if isinstance(jvm_process(), KeptJVM):
        _set_as_launcher_does(conf, shown)
    often = SimpleNamespace(sleep=lambda _: time.sleep(_NOTICE_SECONDS))  # pyspark looks for the port every 0.1 s
    with patch.object(java_gateway, "tempfile", ours), patch.object(java_gateway, "time", often):
        gateway = SparkContext._gateway or java_gateway.launch_gateway(at_launch, dict(popen))
    with patch.object(AccumulatorServer, "serve_forever", _serve_until_told):
        return SparkContext(conf=conf, gateway=gateway)


def _serve_until_told(server: AccumulatorServer) -> None:
    """Do what ``serve_forever`` does, and notice the end of the context at once, not within half a second."""
    BaseServer.serve_forever(server, poll_interval=_NOTICE_SECONDS)


def _set_as_launcher_does(conf: SparkConf, options: Iterable[tuple[str, str]]) -> None:
    """Set options as Spark's launcher does: with its defaults, and as properties that later contexts read."""
    conf.setIfMissing("spark.master", "local[*]").setIfMissing("spark.app.name", "pyspark-shell")
    system: JavaObject = _any_jvm().java.lang.System
    for name, value in {"spark.master": conf.get("spark.master"), **dict(options)}.items():
        system.setProperty(name, value)


def running_context() -> SparkContext | None:
    """Return the running context of this process; None if there is none, or it was stopped, from Python or Java."""
    context: SparkContext | None = SparkContext._active_spark_context
    return context if context is not None and not _is_stopped(context) else None


def is_stopped(session: SparkSession) -> bool:
    """Return whether a session's context was stopped, from Python or Java."""
    return _is_stopped(session.sparkContext)


def _is_stopped(context: SparkContext) -> bool:
    java: JavaObject = context._jsc
    return java is None or bool(java.sc().isStopped())


def system_property(name: str) -> str | None:
    """Return a system property of this process's JVM, which must exist."""
    value: str | None = _any_jvm().java.lang.System.getProperty(name)
    return value


def variable(name: str) -> str | None:
    """Return an environment variable of this process's JVM, which must exist. It is asked once for each."""
    known: dict[str, str | None] = vars(SparkContext._gateway).setdefault("harness_variables", {})
    if name not in known:
        known[name] = _any_jvm().java.lang.System.getenv(name)
    return known[name]


def has_class(name: str) -> bool:
    """Return whether this process's JVM, which must exist, finds a class. py4j takes all other names for packages."""
    found: JavaObject = _any_jvm()
    for part in name.split("."):
        found = getattr(found, part)
    return isinstance(found, JavaClass)


def _any_jvm() -> JavaObject:
    gateway: JavaObject = SparkContext._gateway
    return gateway.jvm


def gateway_address() -> tuple[int, int, str]:
    """Return process id, port and secret of this process's JVM, which this process must have started."""
    gateway: JavaObject = SparkContext._gateway
    given = gateway.gateway_parameters
    return gateway.proc.pid, given.port, given.auth_token


def attach(process: KeptJVM, variables: Mapping[str, str]) -> None:
    """Use a JVM that is kept as this process's JVM, until :func:`detach`.

    It forgets the options of Spark that it was started with. They would be defaults of every new context.

    :param variables: for Python workers of all contexts, since the JVM has its own. They are not options of Spark,
        which its pages and logs show.
    """
    address = {"PYSPARK_GATEWAY_PORT": str(process.gateway.port), "PYSPARK_GATEWAY_SECRET": process.gateway.secret}
    with patch.dict(os.environ, address):
        gateway = java_gateway.launch_gateway()
    gateway.proc = process
    SparkContext._gateway, SparkContext._jvm = gateway, gateway.jvm
    system: JavaObject = gateway.jvm.java.lang.System
    for name in list(system.getProperties().stringPropertyNames()):
        if name.startswith("spark.") and not name.startswith("spark.submit."):
            system.clearProperty(name)
    SparkContext._do_init = partialmethod(_init_with, variables)


def _init_with(context: SparkContext, variables: Mapping[str, str], *arguments: Any, **options: Any) -> None:
    _DO_INIT(context, *arguments, **options)
    context.environment.update(variables)


def detach() -> None:
    """Close this process's connection to a kept JVM, which another process may use next."""
    if isinstance(jvm_process(), KeptJVM):
        gateway: JavaObject = SparkContext._gateway
        forget_jvm()
        SparkContext._do_init = _DO_INIT
        gateway.close()


def configure_logging(file: Path) -> None:
    """Have this process's JVM log as a configuration of Log4j says, from now on, whatever was set before."""
    java = _any_jvm()
    java.org.apache.logging.log4j.core.config.Configurator.reconfigure(java.java.net.URI(file.as_uri()))


class JVMState:
    """The state of this process's JVM that its user can change, as it was when this object was made."""

    def __init__(self) -> None:
        self._java = _any_jvm()
        system, util = self._java.java.lang.System, self._java.java.util
        self._properties = system.getProperties().clone()
        self._locale, self._zone = util.Locale.getDefault(), util.TimeZone.getDefault()
        gateway: JavaObject = SparkContext._gateway
        self._bindings = gateway.java_gateway_server.getGateway().getBindings()
        self._logging = Path(str(system.getProperty("log4j2.configurationFile")))

    def restore(self) -> float:
        """Stop Spark, and put back all else; return the fraction of the heap that is in use after it."""
        java = self._java
        companion: JavaObject = getattr(getattr(java.org.apache.spark, "SparkContext$"), "MODULE$")
        running = companion.getActive()
        if running.isDefined():
            running.get().stop()
        sessions = java.org.apache.spark.sql.SparkSession
        sessions.clearActiveSession()
        sessions.clearDefaultSession()
        java.org.apache.hadoop.fs.FileSystem.closeAll()  # file systems keep the options of the session that made them
        system, util = java.java.lang.System, java.java.util
        system.setProperties(self._properties.clone())
        util.Locale.setDefault(self._locale)
        util.TimeZone.setDefault(self._zone)
        configure_logging(self._logging)
        self._forget_objects()
        system.gc()
        runtime = java.java.lang.Runtime.getRuntime()
        return float((runtime.totalMemory() - runtime.freeMemory()) / runtime.maxMemory())

    def _forget_objects(self) -> None:
        """Remove the objects that processes which have ended still hold. py4j keeps them for ever."""
        ours = {each._target_id for each in (self._properties, self._locale, self._zone, self._bindings)}
        for name in list(self._bindings.keySet()):
            if name.startswith("o") and name not in ours:
                self._bindings.remove(name)


def forget_jvm() -> None:
    """Let pyspark forget a JVM that has ended, so that it starts another."""
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None


def jvm(spark: SparkSession) -> JavaObject:
    """Return the JVM, whose members are packages and classes: ``jvm(spark).java.lang.Runtime``."""
    return spark.sparkContext._jvm


def delete_with_jvm(context: SparkContext, directory: Path) -> None:
    """Have the JVM delete a directory when it ends in order."""
    java: JavaObject = context._jvm
    java.org.apache.spark.util.ShutdownHookManager.registerShutdownDeleteDir(java.java.io.File(str(directory)))


# ---- sessions


def builder_options(builder: SparkSession.Builder) -> dict[str, str]:
    """Return the options that a session's builder was given."""
    return dict(builder._options)


def restart(session: SparkSession, running: SparkSession) -> None:
    """Make a stopped session, the same object, usable again with the context of a running one."""
    vars(session).clear()
    vars(session).update(vars(running))
    SparkSession._instantiatedSession = SparkSession._activeSession = session


# ---- jobs


def scala_context(spark: SparkSession) -> JavaObject:
    """Return Scala's ``SparkContext``."""
    return spark.sparkContext._jsc.sc()


def rows_read(spark: SparkSession) -> Callable[[], int]:
    """Return a function that returns the rows that the jobs under way have read, from Spark's own status store.

    It raises ``Py4JError`` or ``OSError`` once the JVM has ended.
    """
    store = scala_context(spark).statusStore()

    def count() -> int:
        stages = store.activeStages()
        active = [stages.apply(number) for number in range(stages.size())]
        return sum(stage.inputRecords() + stage.shuffleReadRecords() for stage in active)

    return count


def finished_jobs(spark: SparkSession) -> list[tuple[str, float, float]]:
    """Return the jobs of a session that have ended: name, begin and end in seconds since the epoch."""
    listed = scala_context(spark).statusStore().jobsList(None)
    found = [listed.apply(number) for number in range(listed.size())]
    ended = [job for job in found if job.submissionTime().isDefined() and job.completionTime().isDefined()]
    times = [(job.submissionTime().get().getTime(), job.completionTime().get().getTime()) for job in ended]
    return [(job.name(), began / 1000, end / 1000) for job, (began, end) in zip(ended, times, strict=True)]


# ---- frames


def optimized_plan(frame: DataFrame) -> JavaObject:
    """Return the optimized logical plan of a frame."""
    return frame._jdf.queryExecution().optimizedPlan()


def java_rows(frame: DataFrame) -> JavaObject:
    """Compute a frame and return a Java list of its rows."""
    return frame._jdf.collectAsList()


def java_schema(frame: DataFrame) -> JavaObject:
    """Return the schema of a frame as Scala's ``StructType``."""
    return frame._jdf.schema()


def replace_frame(frame: DataFrame, by: DataFrame) -> None:
    """Make a frame of a stopped session, the same object, equal to one of a running session."""
    vars(frame).clear()
    vars(frame).update(vars(by))


def under_schema(frame: DataFrame, schema: StructType) -> DataFrame:
    """Return the same rows under another schema, which must fit how Spark stores them; nothing is copied or checked."""
    session: JavaObject = frame.sparkSession._jsparkSession
    rows = frame._jdf.queryExecution().toRdd()
    java_frame = session.internalCreateDataFrame(rows, session.parseDataType(schema.json()), False)
    return DataFrame(java_frame, frame.sparkSession)
