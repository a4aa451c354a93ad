"""The JVM of this process: the AWS that it uses, and its end.

pyspark keeps one JVM until the process ends. The SDK's ``transform`` keeps one client for the life of a JVM, and the
variables of a JVM cannot change. A JVM that was not started for an AWS can therefore never use it.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from py4j.protocol import Py4JError

from harness.aws import AWS
from harness.errors import SetupError
from harness.java import system_properties
from harness.kept.lease import KeptJVM
from harness.localaws.client import MARK
from harness.spark import internals

_JVM_END_SECONDS = 5
_NOTICE_SECONDS = 1
"""Longest time between a killed JVM closing its connections and its end."""
_SHOWN = 4
"""Most names of properties and variables in an error."""
_SDK = "com.amazonaws.services.sagemaker.sparksdk.SageMakerEstimator"
_FIX = (
    "start Spark after 'aws': let your own fixture request 'aws' and use harness.spark.session.get_or_create(builder, "
    "aws), or use the fixture 'spark'; run tests that need another JVM in another process"
)

_used_for: AWS | None = None
"""The AWS that the JVM uses, as far as the harness knows: it started the JVM, or examined it."""


def started_for(aws: AWS) -> None:
    """Record that the JVM about to start is started for ``aws``."""
    global _used_for  # noqa: PLW0603 - as global as the JVM
    _used_for = aws


def require_jvm_of(aws: AWS, *, sdk: bool = False) -> None:
    """Raise :class:`SetupError` if this process has a JVM that does not use ``aws``, even if other code started it.

    The JVM's own system properties and variables are compared with those of ``aws``. With executors in other JVMs, so
    are the options that executors get.

    :param sdk: True to require the classes of the SageMaker SDK too.
    """
    if not internals.has_jvm():
        return
    if different := _differences(aws):
        raise SetupError(
            f"Spark's JVM in this process does not use the {aws.mode} AWS in {aws.region}, and cannot be redirected.",
            checked=f"the JVM's own system properties and variables; those that differ: {_listed(different)}",
            fix=_FIX,
        )
    if sdk and not internals.has_class(_SDK):
        raise SetupError(
            "Spark's JVM in this process was started without the SageMaker SDK.",
            checked=f"the JVM's classes for {_SDK}",
            fix="start it with harness.spark.session.get_or_create(builder, aws), or add the jars of "
            "sagemaker_pyspark.classpath_jars() to spark.driver.extraClassPath",
        )
    started_for(aws)


def _differences(aws: AWS) -> list[str]:
    """Return the names of properties, variables and options of the JVM that are not those of ``aws``."""
    properties, variables = system_properties(aws.jvm_options()), aws_variables(aws)
    found = [name for name, value in properties.items() if internals.system_property(name) != value]
    found += [name for name, value in variables.items() if (internals.variable(name) or "") != value]
    if internals.variable(MARK) and MARK not in aws.environment():
        found.append(MARK)
    context = internals.running_context()
    if context is not None and not is_local(context.master):
        found += _executor_differences(dict(context.getConf().getAll()), properties, variables)
    return found


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def aws_variables(aws: AWS) -> dict[str, str]:
    """Return the variables that the AWS clients of a JVM read."""
    return {name: value for name, value in aws.environment().items() if name.startswith("AWS_")}


def _executor_differences(
    conf: Mapping[str, str], properties: Mapping[str, str], variables: Mapping[str, str]
) -> Iterator[str]:
    given = system_properties(shlex.split(conf.get("spark.executor.extraJavaOptions", "")))
    if any(given.get(name) != value for name, value in properties.items()):
        yield "spark.executor.extraJavaOptions"
    for name, value in variables.items():
        if conf.get(f"spark.executorEnv.{name}", "") != value:
            yield f"spark.executorEnv.{name}"


def is_local(master: str) -> bool:
    """Return whether the executor of a Spark master is the driver's own JVM."""
    return master == "local" or master.startswith("local[")


def is_kept() -> bool:
    """Return whether this process uses a JVM that ``harness up`` keeps."""
    return isinstance(internals.jvm_process(), KeptJVM)


@contextmanager
def refused_if_foreign(aws: AWS) -> Iterator[None]:
    """Refuse calls of the SageMaker SDK during the block, if this process's JVM does not use ``aws``.

    Without this, a user's estimator would train with the user's own credentials in the real AWS. The SDK's wrapper of
    Java objects is the one place that all of its calls pass (sagemaker_pyspark 1.4.5, ``wrapper.py``).
    """
    if not _is_foreign(aws):
        yield
        return
    from sagemaker_pyspark import SageMakerJavaWrapper  # noqa: PLC0415 - rarely needed here, and slow

    warnings.warn(
        "Spark was started in this process before 'aws', so its JVM is not redirected: what it reads and writes in S3 "
        f"is not in the {aws.mode} AWS, and its SageMaker SDK is refused. To fix, {_FIX}.",
        stacklevel=2,
    )
    call, make = SageMakerJavaWrapper._call_java, SageMakerJavaWrapper._new_java_obj

    def checked_call(self: Any, *arguments: Any) -> Any:
        require_jvm_of(aws)
        return call(self, *arguments)

    def checked_make(self: Any, *arguments: Any) -> Any:
        require_jvm_of(aws)
        return make(self, *arguments)

    with patch.multiple(SageMakerJavaWrapper, _call_java=checked_call, _new_java_obj=checked_make):
        yield


def _is_foreign(aws: AWS) -> bool:
    try:
        return internals.has_jvm() and bool(_differences(aws))
    except (Py4JError, OSError):  # it has ended, so that nothing can use it
        return False


# ---- its end


def end_jvm() -> None:
    """End the JVM of this process if the harness used it, whatever it is doing.

    After an interrupted call the connection is out of step, and the called code continues to create resources.
    """
    process = internals.jvm_process()
    if process is None or _used_for is None:
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


@contextmanager
def named_if_lost() -> Iterator[None]:
    """Raise :class:`SetupError` in place of py4j's errors if the JVM has ended."""
    try:
        yield
    except (Py4JError, OSError) as error:
        if lost := lost_jvm():
            raise SetupError(f"{lost}.", fix=LOST_JVM_FIX) from error
        raise
