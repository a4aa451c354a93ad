"""The pytest plugin: hooks, and the fixtures of :mod:`harness.fixtures`.

A session that uses nothing of the harness pays one short import and one line in the report's header.
"""

from __future__ import annotations

import dataclasses
import os

import pytest

from harness.errors import SettingsError
from harness.fixtures import (
    LEFTOVERS,
    aws,
    faults,
    harness_settings,
    mnist_test,
    mnist_train,
    s3_client,
    sagemaker_client,
    sagemaker_role,
    sagemaker_runtime_client,
    session_settings,
    spark,
    trained_model,
)
from harness.settings import Settings, environment_name, ini_name, option_name

__all__ = [
    "aws",
    "faults",
    "harness_settings",
    "mnist_test",
    "mnist_train",
    "s3_client",
    "sagemaker_client",
    "sagemaker_role",
    "sagemaker_runtime_client",
    "spark",
    "trained_model",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option and an ini key for each setting."""
    group = parser.getgroup("harness", "Spark and SageMaker (sagemaker-spark-harness)")
    for setting in dataclasses.fields(Settings):
        name, default = setting.name, setting.default
        text = setting.metadata["help"] + ("" if default is None else f" (default: {default})")
        group.addoption(option_name(name), dest=ini_name(name), metavar=name.split("_")[-1].upper(), help=text)
        parser.addini(ini_name(name), text, type="string", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start with settings that cannot be used, if any was given to the harness by name.

    ``AWS_REGION`` alone says nothing: it may be set, to anything, for a project that does not use the harness.
    """
    if _any_given(config):
        try:
            _check(session_settings(config), config.getoption(ini_name("role")))
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from error


def _any_given(config: pytest.Config) -> bool:
    """Return whether the command line, the environment or the ini file names a setting of the harness."""
    names = [setting.name for setting in dataclasses.fields(Settings)]
    return any(
        config.getoption(ini_name(name)) is not None
        or environment_name(name) in os.environ
        or config.getini(ini_name(name))
        for name in names
    )


def _check(settings: Settings, typed_role: str | None) -> None:
    """Raise :class:`SettingsError` if real mode lacks the role it needs, or one was typed that mock mode cannot use.

    A role of the ini file or the environment is kept there for real mode.
    """
    if settings.mode == "mock" and typed_role is not None:
        raise SettingsError(
            f"{option_name('role')} is {typed_role!r}, and the local AWS has a role of its own.",
            fix=f"leave it out, or choose {option_name('mode')}=real",
        )
    if settings.mode == "real":
        from harness.aws.real import required_role  # noqa: PLC0415 - boto3 takes long to import

        required_role(settings)


def pytest_report_header(config: pytest.Config) -> str:
    """Return the line that says where SageMaker and Spark are."""
    try:
        settings = session_settings(config)
    except SettingsError as error:
        return f"harness: not usable here: {error.what}"
    return f"harness: {settings.mode} AWS in {settings.region}, Spark at {settings.spark_master}"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a session that leaves resources behind fail, whatever its tests did."""
    if session.config.stash.get(LEFTOVERS, []) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what was left behind, where it cannot be overlooked."""
    found = config.stash.get(LEFTOVERS, [])
    if found:
        terminalreporter.section("left over in SageMaker", red=True)
        for resource in found:
            terminalreporter.line(resource)
