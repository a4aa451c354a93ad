"""Spark sessions that use the unmodified SageMaker Spark SDK: start, end, and the root cause of an error."""

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
from harness.spark.sdk import sdk_jars, warn_of_unreadable_answers

_GIB = 2**30
_JVM_END_SECONDS = 5
_NOTICE_SECONDS = 1
"""Longest time between a killed JVM closing its connections and its end."""

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

_jvm_owner: AWS | None = None
"""The AWS that this process's JVM was started for. pyspark keeps one JVM until the process ends."""


def build_session(
    aws: AWS, settings: Settings, *, app_name: str = "sagemaker-spark-harness", log: Path | None = None
) -> SparkSession:
    """Return a session whose SDK and S3A use ``aws``: the running one if this function made it for the same ``aws``.

    Its JVM ends with this process, however this process ends. Variables that the JVM and Python workers need are
    given to them alone; the environment of this process does not change.

    :param log: file for Spark's warnings and errors with their stack traces, instead of standard error.
    :raises SetupError: Java or the right pyspark is missing, Spark's master does not answer, or this process has a JVM
        that uses another AWS.
    """
    global _jvm_owner  # noqa: PLW0603 - as global as the JVM
    _refuse_foreign_jvm(aws)
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    jars = sdk_jars()
    harness_cloudpickle.install()
    warn_of_unreadable_answers()
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
        end_jvm()  # its files are in the scratch directory, and another attempt needs new ones
        scratch.delete()
        raise
    return SparkSession(context)


def _refuse_foreign_jvm(aws: AWS) -> None:
    """Raise :class:`SetupError` if this process has a JVM that was not started for this AWS.

    The SDK's ``transform`` keeps one client for the life of a JVM, so a JVM cannot be redirected later.
    """
    if not internals.has_jvm() or _jvm_owner is aws:
        return
    other = f"a {_jvm_owner.mode} AWS in {_jvm_owner.region}" if _jvm_owner else "code that is not the harness's"
    raise SetupError(
        f"Spark was started in this process already, for {other}, and its JVM cannot be redirected to another AWS.",
        checked="pyspark keeps one JVM for the life of a process, even after 'spark.stop()'",
        fix="use the 'spark' fixture instead of starting Spark, or run the two in separate processes",
    )


def _is_local(master: str) -> bool:
    """Return whether the executor is the driver's own JVM."""
    return master == "local" or master.startswith("local[")


def _options(
    aws: AWS, master: str, jars: Iterable[Path], scratch: Path, java: Java, log: Path | None = None
) -> dict[str, str]:
    """Return Spark's configuration.

    :param scratch: directory that is deleted with the JVM.
    """
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
        "spark.executor.heartbeatInterval": "1s",  # how often it reports the rows that it has read
        "spark.hadoop.hadoop.tmp.dir": str(scratch),  # S3A buffers uploads here; its default ignores TMPDIR
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if partition(aws.region) == "aws-cn":  # S3A's own default is an endpoint outside China
        options["spark.hadoop.fs.s3a.endpoint"] = f"s3.{aws.region}.{domain(aws.region)}"
    return options | (_LOOPBACK if _is_local(master) else _executor_options(aws, java))


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
    if _is_local(master):
        ours["SPARK_LOCAL_IP"] = "127.0.0.1"
    return inherited | directed | ours


def _start(conf: SparkConf, environment: dict[str, str], scratch: Scratch) -> SparkContext:
    with patch.dict(os.environ, environment, clear=True), _own_interrupt_handler():
        try:
            # The JVM holds the lock too, so that its files stay until it ends, even if this process is killed first.
            return internals.start_context(conf, {"pass_fds": [scratch.lock]})
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


def end_jvm() -> None:
    """End the JVM that the harness started in this process, whatever it is doing.

    After an interrupted call the connection is out of step, and the called code continues to create resources.
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
    """Return a sentence on the end of the JVM of Spark, without its full stop; None if it runs or was not started."""
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
    "if you did not end it, check whether the machine ran out of memory ('dmesg' lists processes that Linux killed), "
    "then run it again"
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
    """Have the JVM delete a directory when it ends. It ends in order even if this process is killed.

    If the JVM is killed, this process deletes the directory. If both are killed, the next process that starts Spark
    does.
    """
    process = internals.jvm_process()

    def delete() -> None:
        if process and process.poll() is not None:
            scratch.delete()

    atexit.register(delete)
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
