"""Spark sessions that use the unmodified SageMaker Spark SDK, and the few names of the SDK that the harness uses."""

from __future__ import annotations

import atexit
import os
import re
import shlex
import signal
import subprocess
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import psutil
import pyspark
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from harness.aws import AWS
from harness.errors import SetupError
from harness.java import Java, find_java, options_for
from harness.regions import domain, partition
from harness.scratch import Scratch, make_scratch
from harness.settings import Settings, option_name
from harness.spark import internals, pythonpath
from harness.spark.pythonpath import harness_cloudpickle, python_environment
from harness.spark.sdk import sdk_jars

_GIB = 2**30
_JVM_END_SECONDS = 5
_NOTICE_SECONDS = 1
"""Longest time from when a JVM that is killed closes its connections to when it has ended."""

# Warnings that every healthy run on one machine would print, and that nobody can act on, are left out by name.
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

_jvm_owner: AWS | None = None
"""The AWS that this process's JVM was started for. pyspark keeps one JVM a process, until the process ends."""


def build_session(
    aws: AWS, settings: Settings, *, app_name: str = "sagemaker-spark-harness", log: Path | None = None
) -> SparkSession:
    """Return a session whose SDK and S3A reach ``aws``; the running one, if this made it for the same ``aws``.

    Its JVM ends with this process, however this process ends. Variables that the JVM and Python workers need are
    given to them alone: this process's environment stays as it is.

    :param log: the file that Spark's warnings and errors, with their stack traces, go to instead of stderr.
    :raises SetupError: Java or the right pyspark is missing, Spark's master does not answer, or this process has a JVM
        that leads elsewhere.
    """
    global _jvm_owner  # noqa: PLW0603 - as global as the JVM that it tells of
    _refuse_foreign_jvm(aws)
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    jars = sdk_jars()
    harness_cloudpickle.install()
    java = _java()
    environment = _launch_environment(aws, settings.spark_master, java)
    scratch = make_scratch("harness-spark-")
    options = _options(aws, settings.spark_master, jars, scratch.path, java, log)
    conf = SparkConf(loadDefaults=False).setMaster(settings.spark_master).setAppName(app_name).setAll(options.items())
    _jvm_owner = aws
    try:
        context = _start(conf, environment, scratch)
        _delete_with_jvm(context, scratch)
    except BaseException:  # a Ctrl-C too
        end_jvm()  # it keeps its files in the scratch directory, and another attempt needs others
        scratch.delete()
        raise
    return SparkSession(context)


def _refuse_foreign_jvm(aws: AWS) -> None:
    """Raise :class:`SetupError` if this process has a JVM that was not started for this AWS.

    The SDK's ``transform`` keeps one client for all of a JVM's life, so a JVM cannot be led elsewhere later.
    """
    if not internals.has_jvm() or _jvm_owner is aws:
        return
    other = f"a {_jvm_owner.mode} AWS in {_jvm_owner.region}" if _jvm_owner else "code that is not the harness's"
    raise SetupError(
        f"Spark was started in this process already, for {other}, and its JVM cannot be led to another AWS.",
        checked="pyspark keeps one JVM for a process's life, even after 'spark.stop()'",
        fix="use the 'spark' fixture instead of starting Spark, or run the two in processes of their own",
    )


def _is_local(master: str) -> bool:
    """Return whether the executor is the driver's own JVM."""
    return master == "local" or master.startswith("local[")


def _options(
    aws: AWS, master: str, jars: Iterable[Path], scratch: Path, java: Java, log: Path | None = None
) -> dict[str, str]:
    """Return Spark's configuration; ``scratch`` is a directory that is deleted with the JVM."""
    logging = scratch / "log4j2.properties"
    logging.write_text(_LOGGING + (_to_file(log) if log else _TO_STDERR))
    classpath = os.pathsep.join(map(str, jars))
    ours = [f"-Dlog4j2.configurationFile={logging}", f"-Dderby.system.home={scratch}", f"-Djava.io.tmpdir={scratch}"]
    options = {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.driver.extraJavaOptions": shlex.join([*options_for(java, aws.jvm_options()), *ours]),
        "spark.driver.memory": _driver_memory(),
        "spark.executorEnv.PYTHONPATH": pythonpath.DIRECTORY,
        "spark.executor.heartbeatInterval": "1s",  # how often it tells how many rows it has read
        "spark.hadoop.hadoop.tmp.dir": str(scratch),  # where S3A keeps what it uploads; its default ignores TMPDIR
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if partition(aws.region) == "aws-cn":  # S3A's own default is an endpoint outside China
        options["spark.hadoop.fs.s3a.endpoint"] = f"s3.{aws.region}.{domain(aws.region)}"
    return options | (_LOOPBACK if _is_local(master) else _executor_options(aws, java))


def _to_file(log: Path) -> str:
    """Return the logging configuration's part for a file, which is made with the first line."""
    file = {"type": "File", "fileName": log.resolve(), "createOnDemand": "true"}
    return "".join(f"\nappender.log.{name} = {value}" for name, value in file.items())


_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def _executor_options(aws: AWS, java: Java) -> dict[str, str]:
    """Return what executors in JVMs of their own need to find AWS."""
    variables = {name: value for name, value in aws.environment().items() if name != "JAVA_TOOL_OPTIONS"}
    options = {f"spark.executorEnv.{name}": value for name, value in variables.items()}
    return options | {"spark.executor.extraJavaOptions": shlex.join(options_for(java, aws.jvm_options()))}


def _driver_memory() -> str:
    """Return the driver's heap: 4 GiB, or half of a smaller machine."""
    return f"{min(4 * _GIB, psutil.virtual_memory().total // 2) // 2**20}m"


def _java() -> Java:
    java = find_java()
    for rejected in java.rejected:
        if rejected.source == "JAVA_HOME":
            warnings.warn(f"{rejected}. Using {java.home} (found by {java.source}).", stacklevel=3)
    return java


def _launch_environment(aws: AWS, master: str, java: Java) -> dict[str, str]:
    """Return all variables of the JVM and, through it, of the Python workers.

    ``JAVA_TOOL_OPTIONS`` is left out where it repeats what the JVM's command line says: Java announces it on stderr.
    """
    directed = aws.environment()
    directed_options = directed.pop("JAVA_TOOL_OPTIONS", None)
    inherited = dict(os.environ)
    if inherited.get("JAVA_TOOL_OPTIONS") == directed_options:
        inherited.pop("JAVA_TOOL_OPTIONS", None)
    ours = {"JAVA_HOME": str(java.home), "SPARK_HOME": str(Path(str(pyspark.__file__)).parent)}
    ours["PYSPARK_PYTHON"] = python_environment()["PYSPARK_PYTHON"]
    if _is_local(master):
        ours["SPARK_LOCAL_IP"] = "127.0.0.1"
    return inherited | directed | ours


def _start(conf: SparkConf, environment: dict[str, str], scratch: Scratch) -> SparkContext:
    with patch.dict(os.environ, environment, clear=True), _own_interrupt_handler():
        try:
            # The JVM holds the lock too, so that its files stay until it has ended, if this process is killed before.
            return internals.start_context(conf, {"pass_fds": [scratch.lock]})
        except RuntimeError as error:
            raise SetupError(
                f"Spark's JVM did not start: {error}.",
                checked=f"{environment['JAVA_HOME']}, master {conf.get('spark.master')!r}; stderr has its own words",
                fix=f"see that {option_name('spark_master')} is a master, and that memory and disk are free",
            ) from error
        except Py4JJavaError as error:
            raise SetupError(
                f"Spark did not start: {error.java_exception.getMessage()}",
                checked=f"Spark's master {conf.get('spark.master')!r}",
                fix=f"see that {option_name('spark_master')} is a master that Spark knows and that answers",
            ) from error
        except (Py4JError, OSError) as error:
            if lost := lost_jvm():
                raise SetupError(f"Spark did not start: {lost}.", fix=LOST_JVM_FIX) from error
            raise


@contextmanager
def _own_interrupt_handler() -> Iterator[None]:
    """Take back the handler of Ctrl-C: pyspark's calls the JVM from inside a call to the JVM, which fails."""
    if threading.current_thread() is not threading.main_thread():
        yield  # there pyspark sets none
        return
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def end_jvm() -> None:
    """End the JVM that the harness started in this process, whatever it is doing.

    An interrupted call leaves the connection to it out of step, and what was called goes on to create resources.
    """
    process = internals.jvm_process()
    if process is None or _jvm_owner is None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_JVM_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    internals.forget_jvm()


def lost_jvm() -> str | None:
    """Return how Spark's JVM ended, as a sentence without its full stop; None if it runs or was not started."""
    process = internals.jvm_process()
    if process is None:
        return None
    try:
        code = process.wait(_NOTICE_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"Spark's JVM {how}"


LOST_JVM_FIX = (
    "if you did not end it, see whether the machine ran out of memory ('dmesg' names the processes that Linux killed), "
    "and run it again"
)


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


def _delete_with_jvm(context: SparkContext, scratch: Scratch) -> None:
    """Have the JVM delete a directory when it ends: it ends in order even when this process is killed.

    If the JVM is killed, this process deletes it, and if both are, the next process that starts Spark.
    """
    process = internals.jvm_process()

    def delete() -> None:
        if process and process.poll() is not None:
            scratch.delete()

    atexit.register(delete)
    internals.delete_with_jvm(context, scratch.path)


def root_cause(error: BaseException) -> str:
    """Return the message at the bottom of an error's causes, in Java where there are any, without stack traces."""
    java = getattr(error, "java_exception", None)
    if java is None:
        text = getattr(error, "desc", None) or str(error) or repr(error)
        return str(text).strip().splitlines()[0]
    while java.getCause() is not None:
        java = java.getCause()
    message = java.getMessage() or java.toString()
    return _FROM_AWS.sub(r" (\1: \2 \3)", str(message).strip().splitlines()[0])


_FROM_AWS = re.compile(r" \(Service: ([^;]+); Status Code: (\d+); Error Code: ([^;)]+);[^)]*\)")
"""What the Java SDK ends its messages with; all of it is in the log."""
