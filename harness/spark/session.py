"""Spark sessions that use the unmodified SageMaker Spark SDK: start, end, and the root cause of an error."""

from __future__ import annotations

import atexit
import os
import re
import shlex
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

import psutil
import pyspark
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from harness.aws import AWS
from harness.errors import SetupError
from harness.java import Java, find_java, options_for
from harness.kept.lease import KeptJVM
from harness.kept.likeness import kept_variables
from harness.regions import domain, partition
from harness.scratch import Scratch, make_scratch
from harness.settings import Settings, option_name
from harness.spark import internals, pythonpath
from harness.spark.class_archive import class_archive
from harness.spark.jvm import (
    LOST_JVM_FIX,
    end_jvm,
    is_kept,
    is_local,
    lost_jvm,
    named_if_lost,
    require_jvm_of,
    started_for,
)
from harness.spark.options import (
    add_default_jvm_options,
    check_reachable,
    merged,
    needs_new_jvm,
    quick_jvm_options,
    with_setting,
)
from harness.spark.pythonpath import harness_cloudpickle, python_environment
from harness.spark.sdk import sdk_jars, warn_of_unreadable_answers

_GIB = 2**30

# These loggers would warn in every healthy run on one machine, and no one could act on that.
_LOGGING = """
rootLogger.level = warn
rootLogger.appenderRef.log.ref = log
appender.log.name = log
appender.log.layout.type = PatternLayout
appender.log.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.metrics.name = org.apache.hadoop.metrics2.impl.MetricsConfig
logger.metrics.level = error
logger.committer.name = org.apache.hadoop.fs.s3a.commit.AbstractS3ACommitterFactory
logger.committer.level = error
"""
_TO_STDERR = """
appender.log.type = Console
appender.log.target = SYSTEM_ERR
"""


def build_session(
    aws: AWS,
    settings: Settings,
    *,
    app_name: str = "sagemaker-spark-harness",
    log: Path | None = None,
    streams: Mapping[str, int] = MappingProxyType({}),
    measured: bool = False,
) -> SparkSession:
    """Return a session whose SDK and S3A use ``aws``: the running one if its JVM uses the same ``aws``.

    Its JVM ends with this process, however this process ends. Variables that the JVM and Python workers need are
    given to them alone; the environment of this process does not change.

    If ``aws`` keeps a warm JVM, and no option is one that only a new JVM can have, the session is in that JVM.

    :param log: file for Spark's warnings and errors with their stack traces, instead of standard error.
    :param streams: descriptors for the JVM's ``stdout`` and ``stderr``, instead of those of this process.
    :param measured: True if the speed of the session is measured: the JVM is then the same for any number of rows.
    :raises SetupError: Java or the right pyspark is missing, Spark's master does not answer, or this process has a JVM
        that uses another AWS or lacks the SDK.
    """
    _prepare(aws)
    running = internals.running_context()
    if running is not None:
        require_jvm_of(aws, sdk=True)
        return SparkSession.getActiveSession() or SparkSession(running)
    jars = sdk_jars()
    check_reachable(settings.spark_master)
    _use_kept_jvm(aws, settings.spark_master, settings.spark_options)
    java = _java()
    scratch = make_scratch("harness-spark-")
    options = _options(aws, settings.spark_master, jars, scratch.path, java, log)
    options = with_setting(settings.spark_options, options)
    conf = SparkConf(loadDefaults=False).setMaster(settings.spark_master).setAppName(app_name).setAll(options.items())
    if not measured:
        add_default_jvm_options(conf, quick_jvm_options(settings, conf, os.environ))
    return SparkSession(_start(conf, aws, settings.spark_master, java, scratch, streams))


def _use_kept_jvm(aws: AWS, master: str, options: Mapping[str, str]) -> None:
    """Use the warm JVM that ``aws`` keeps, if there is one, unless an option is one that only a new JVM can have."""
    gateway = aws.lease.gateway if aws.lease else None
    if aws.lease is None or gateway is None or internals.has_jvm():
        return
    if reason := needs_new_jvm(master, options):
        aws.notes.append(f"Spark starts another JVM than the one of the kept environment: {reason}.")
        return
    internals.attach(KeptJVM(aws.lease, gateway), _workers_variables(aws))


def _workers_variables(aws: AWS) -> dict[str, str]:
    """Return the variables of this process for the Python workers of a kept JVM, apart from those that it has."""
    ours = {**os.environ, **python_environment()}
    kept = {*aws.environment(), *kept_variables(ours)}
    return {name: value for name, value in ours.items() if name not in kept}


def get_or_create(builder: SparkSession.Builder, aws: AWS) -> SparkSession:
    """Return ``builder.getOrCreate()`` in a JVM whose SDK and S3A use ``aws``.

    The builder's options stay. Jars and JVM options of ``aws`` are added to them, and are also given to executors in
    other JVMs. The variables are those of :func:`build_session`.

    :param builder: your own, with your master, name and options: ``SparkSession.builder.master("local[2]")``.
    :raises SetupError: as for :func:`build_session`.
    """
    _prepare(aws)
    if internals.running_context() is None:
        _start_as_built(builder, aws)
    else:
        require_jvm_of(aws, sdk=True)
    return builder.getOrCreate()


def _start_as_built(builder: SparkSession.Builder, aws: AWS) -> None:
    given = internals.builder_options(builder)
    master = given.get("spark.master", "")
    _use_kept_jvm(aws, master, given)
    java = _java()
    options = merged(given, _aws_options(aws, master, sdk_jars(), java))
    _start(SparkConf().setAll(options.items()), aws, master, java, make_scratch("harness-spark-"))


def _prepare(aws: AWS) -> None:
    """Prepare this process for a session that uses ``aws``."""
    with named_if_lost():
        require_jvm_of(aws)
    harness_cloudpickle.install()
    warn_of_unreadable_answers()


def _options(
    aws: AWS, master: str, jars: Iterable[Path], scratch: Path, java: Java, log: Path | None = None
) -> dict[str, str]:
    """Return the configuration of the harness's own sessions.

    :param scratch: directory that is deleted with the JVM.
    """
    logging = scratch / "log4j2.properties"
    logging.write_text(_LOGGING + (_to_file(log) if log else _TO_STDERR))
    ours = [f"-Dlog4j2.configurationFile={logging}", f"-Dderby.system.home={scratch}", f"-Djava.io.tmpdir={scratch}"]
    if is_kept():
        internals.configure_logging(logging)  # it has its own otherwise, which it read when it started
    options = _aws_options(aws, master, jars, java)
    options["spark.driver.extraJavaOptions"] += f" {shlex.join(ours)}"
    options |= {
        "spark.driver.memory": _driver_memory(),
        "spark.executor.heartbeatInterval": "1s",  # how often it reports the rows that it has read
        "spark.hadoop.hadoop.tmp.dir": str(scratch),  # S3A buffers uploads here; its default ignores TMPDIR
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    return options | (_LOOPBACK if is_local(master) else {})


def _aws_options(aws: AWS, master: str, jars: Iterable[Path], java: Java) -> dict[str, str]:
    """Return the options with which the SDK and S3A of a driver and its executors use ``aws``."""
    classpath = os.pathsep.join(map(str, jars))
    options = {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.driver.extraJavaOptions": shlex.join(options_for(java, aws.jvm_options())),
        "spark.executorEnv.PYTHONPATH": pythonpath.DIRECTORY,
    }
    if partition(aws.region) != "aws":  # S3A's own default is an endpoint of that partition
        options["spark.hadoop.fs.s3a.endpoint"] = f"s3.{aws.region}.{domain(aws.region)}"
    return options if is_local(master) else options | _executor_options(aws, java)


def _to_file(log: Path) -> str:
    """Return the part of the logging configuration for a file, which is created with its first line."""
    file = {"type": "File", "fileName": log.resolve(), "createOnDemand": "true"}
    return "".join(f"\nappender.log.{name} = {value}" for name, value in file.items())


_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def _executor_options(aws: AWS, java: Java) -> dict[str, str]:
    """Return the options with which executors in separate JVMs find AWS."""
    variables = {name: value for name, value in aws.environment().items() if name != "JAVA_TOOL_OPTIONS"}
    options = {f"spark.executorEnv.{name}": value for name, value in variables.items()}
    return options | {"spark.executor.extraJavaOptions": shlex.join(options_for(java, aws.jvm_options()))}


def _driver_memory() -> str:
    """Return the size of the driver's heap: 4 GiB, or half the memory of a smaller machine."""
    return f"{min(4 * _GIB, psutil.virtual_memory().total // 2) // 2**20}m"


def _java() -> Java:
    if is_kept():
        home, version = (internals.system_property(name) or "" for name in ("java.home", "java.version"))
        return Java(Path(home), version, "PATH")
    java = find_java()
    for rejected in java.rejected:
        if rejected.source == "JAVA_HOME":
            warnings.warn(f"{rejected}. Using {java.home} (found by {java.source}).", stacklevel=3)
    return java


def _launch_environment(aws: AWS, master: str, java: Java) -> dict[str, str]:
    """Return all variables of the JVM and, through it, of the Python workers.

    ``JAVA_TOOL_OPTIONS`` is omitted if it repeats the JVM's command line, since Java announces it on standard error.
    """
    directed = aws.environment()
    directed_options = directed.pop("JAVA_TOOL_OPTIONS", None)
    inherited = dict(os.environ)
    if inherited.get("JAVA_TOOL_OPTIONS") == directed_options:
        inherited.pop("JAVA_TOOL_OPTIONS", None)
    ours = {"JAVA_HOME": str(java.home), "SPARK_HOME": str(Path(str(pyspark.__file__)).parent)}
    ours["PYSPARK_PYTHON"] = python_environment()["PYSPARK_PYTHON"]
    if is_local(master):
        ours["SPARK_LOCAL_IP"] = "127.0.0.1"
    return inherited | directed | ours


def _start(
    conf: SparkConf,
    aws: AWS,
    master: str,
    java: Java,
    scratch: Scratch,
    streams: Mapping[str, int] = MappingProxyType({}),
) -> SparkContext:
    """Start Spark in this process's JVM, or in a new one that deletes the scratch directory when it ends."""
    starts_jvm = not internals.has_jvm()
    archive = class_archive(java, conf.get("spark.driver.extraClassPath", ""), scratch.path) if starts_jvm else None
    if archive:
        add_default_jvm_options(conf, archive.options())
    started_for(aws)
    try:
        context = _start_context(conf, _launch_environment(aws, master, java), scratch, streams)
        if archive:
            archive.make_at_exit(internals.system_property("java.class.path") or "")
        _delete_with_jvm(context, scratch)
        require_jvm_of(aws, sdk=True)  # _JAVA_OPTIONS of the user, for one, would win over ours
    except BaseException:  # a Ctrl-C too
        if starts_jvm:
            end_jvm()  # its files are in the scratch directory, and another attempt needs new ones
        scratch.delete()
        raise
    return context


def _start_context(
    conf: SparkConf, environment: dict[str, str], scratch: Scratch, streams: Mapping[str, int]
) -> SparkContext:
    with patch.dict(os.environ, environment, clear=True), _own_interrupt_handler():
        try:
            # The JVM holds the lock too, so that its files stay until it ends, even if this process is killed first.
            return internals.start_context(conf, {"pass_fds": [scratch.lock], **streams}, scratch.path)
        except RuntimeError as error:
            raise SetupError(
                f"Spark's JVM did not start: {error}.",
                checked=f"{environment['JAVA_HOME']}, master {conf.get('spark.master')!r}; its output is on stderr",
                fix=f"check that {option_name('spark_master')} is a Spark master, and that memory and disk are free",
            ) from error
        except Py4JJavaError as error:
            raise SetupError(
                f"Spark did not start: {error.java_exception.getMessage()}",
                checked=f"Spark's master {conf.get('spark.master')!r}",
                fix=f"check that {option_name('spark_master')} is a master that Spark supports and that answers",
            ) from error
        except (Py4JError, OSError) as error:
            if lost := lost_jvm():
                raise SetupError(f"Spark did not start: {lost}.", fix=LOST_JVM_FIX) from error
            raise


@contextmanager
def _own_interrupt_handler() -> Iterator[None]:
    """Restore the handler of Ctrl-C: pyspark's handler calls the JVM from within a call to the JVM, which fails."""
    if threading.current_thread() is not threading.main_thread():
        yield  # pyspark sets no handler in other threads
        return
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def stop_session(session: SparkSession) -> None:
    """Stop a session, unless its JVM has ended already."""
    if not internals.has_jvm():
        return
    try:
        session.stop()
    except (Py4JError, OSError):
        if not lost_jvm():
            raise
        end_jvm()


@contextmanager
def running_spark(aws: AWS, settings: Settings) -> Iterator[None]:
    """Have Spark run during a block, which the SDK needs for each call. If it does not run, it is started and stopped.

    :raises SetupError: the JVM has ended, and with it the SDK's objects.
    """
    with named_if_lost():
        running = internals.running_context()
    if running is not None:
        yield
        return
    session = build_session(aws, settings)
    try:
        yield
    finally:
        stop_session(session)


def _delete_with_jvm(context: SparkContext, scratch: Scratch) -> None:
    """Have the JVM delete a directory when it ends. It ends in order even if this process is killed.

    If the JVM is killed, this process deletes the directory. If both are killed, the next process that starts Spark
    does. A kept JVM runs on without the directory, which this process deletes.
    """
    process, kept = internals.jvm_process(), is_kept()

    def delete() -> None:
        if kept or (process and process.poll() is not None):
            scratch.delete()

    atexit.register(delete)
    if not kept:
        internals.delete_with_jvm(context, scratch.path)


def root_cause(error: BaseException) -> str:
    """Return the message of the innermost cause of an error, in Java if it has one there, without stack traces."""
    java = getattr(error, "java_exception", None)
    if java is None:
        text = getattr(error, "desc", None) or str(error) or repr(error)
        return str(text).strip().splitlines()[0]
    while java.getCause() is not None:
        java = java.getCause()
    message = java.getMessage() or java.toString()
    return _FROM_AWS.sub(r" (\1: \2 \3)", str(message).strip().splitlines()[0])


_FROM_AWS = re.compile(r" \(Service: ([^;]+); Status Code: (\d+); Error Code: ([^;)]+);[^)]*\)")
"""End of a message of the Java SDK; the log has the whole message."""
