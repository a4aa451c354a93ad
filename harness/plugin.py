"""The pytest plugin: hooks, and the fixtures of :mod:`harness.fixtures` and :mod:`harness.bench.fixtures`.

A session that does not use the harness pays for one short import and one line in the report's header.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.bench import alternation
from harness.bench.fixtures import record_endpoint, record_environment, record_latency, record_value, record_work
from harness.errors import HarnessError, SettingsError
from harness.fixtures import (
    COUNTS,
    FROM_CACHE,
    LEFTOVERS,
    NOTES,
    REFUSED,
    REMAINING,
    SHARED,
    STARTED,
    UNRECORDED,
    aws,
    close_ledger,
    estimator_options,
    faults,
    harness_settings,
    ledger,
    mnist_test,
    mnist_train,
    s3_client,
    sagemaker_client,
    sagemaker_fit,
    sagemaker_role,
    sagemaker_runtime_client,
    seed_s3,
    session_settings,
    spark,
    trained_model,
    typed_settings,
)
from harness.processes import ended_in_order
from harness.settings import Settings, environment_name, ini_name, option_name, refuse_without_effect

__all__ = [
    "aws",
    "estimator_options",
    "faults",
    "harness_settings",
    "ledger",
    "mnist_test",
    "mnist_train",
    "record_endpoint",
    "record_latency",
    "record_value",
    "record_work",
    "s3_client",
    "sagemaker_client",
    "sagemaker_fit",
    "sagemaker_role",
    "sagemaker_runtime_client",
    "seed_s3",
    "spark",
    "trained_model",
]


_REMAINING, _COUNTS = "harness_remaining", "harness_counts"
"""Keys of :data:`~harness.fixtures.REMAINING` and COUNTS in what a process of pytest-xdist reports."""
_REFUSED = "harness_refused"
"""Key of :data:`~harness.fixtures.REFUSED` in what a process of pytest-xdist reports."""
_NOTES = "harness_notes"
"""Key of :data:`~harness.fixtures.NOTES` in what a process of pytest-xdist reports."""
_FROM_CACHE = "harness_from_cache"
"""Key of :data:`~harness.fixtures.FROM_CACHE` in what a process of pytest-xdist reports."""
_FAILED_BY_RESOURCES: pytest.StashKey[bool] = pytest.StashKey()
"""Key in the session's stash: whether all tests passed, and resources failed the session."""
_SEEN: pytest.StashKey[set[str]] = pytest.StashKey()
"""Key in the session's stash: refused hosts that the report of a test has named."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option and an ini key for each setting."""
    group = parser.getgroup("harness", "Spark and SageMaker (sagemaker-spark-harness)")
    for setting in dataclasses.fields(Settings):
        name, default = setting.name, setting.default
        text = setting.metadata["help"] + ("" if default in (None, ()) else f" (default: {default})")
        group.addoption(option_name(name), dest=ini_name(name), help=text, **_kind(setting))
        parser.addini(ini_name(name), text, type="string", default="")
    alternation.add_option(group)


def _kind(setting: dataclasses.Field[Any]) -> dict[str, str]:
    """Return the arguments that say what the option of a setting takes."""
    if flag := setting.metadata.get("flag"):
        return {"action": "store_const", "const": flag}
    action = "append" if "each" in setting.metadata else "store"
    return {"action": action, "metavar": setting.name.split("_")[-1].upper()}


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start with invalid settings, if a setting of the harness is given.

    ``AWS_REGION`` alone does not count: a project that does not use the harness may set it to anything.
    """
    alternation.chosen_blocks(config)
    if not _any_given(config):
        return
    try:
        settings = session_settings(config)
        refuse_without_effect(settings, typed_settings(config), option_name(""))
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from error
    if settings.in_aws:
        _refuse_sharing(config)
        stack = ExitStack()
        stack.enter_context(ended_in_order())  # pytest does not tear fixtures down on SIGTERM
        config.add_cleanup(stack.close)


def _refuse_sharing(config: pytest.Config) -> None:
    """Raise :class:`pytest.UsageError` if pytest-xdist runs the tests in processes that it may end without clean-up."""
    if config.getoption("numprocesses", None) or config.getoption("tx", None):
        raise pytest.UsageError(
            "Real mode cannot be shared between the processes of pytest-xdist: each would train and host its own "
            "model, and a process that xdist ends does not clean up.\n  to fix:  remove -n"
        )


def _any_given(config: pytest.Config) -> bool:
    """Return whether the command line, the environment or the ini file names a setting of the harness."""
    names = [setting.name for setting in dataclasses.fields(Settings)]
    return any(
        config.getoption(ini_name(name)) is not None
        or environment_name(name) in os.environ
        or config.getini(ini_name(name))
        for name in names
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the variants of benchmarks alternate, after pytest has put the tests that share a fixture together."""
    if blocks := alternation.chosen_blocks(config):
        alternation.alternate(items, blocks)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_benchmark_group_stats(config: pytest.Config, benchmarks: list[dict[str, Any]]) -> None:
    """Keep the blocks of variants that alternate out of pytest-benchmark's table; the summary has them."""
    alternation.take_blocks(config, benchmarks)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Record in a benchmark's result what it was measured on and with, if the test or the session uses the harness.

    A session uses the harness if an option, a variable or an ini key of the harness is given.
    """
    fixtures = getattr(item, "funcargs", {})
    settings = fixtures.get("harness_settings")
    if not isinstance(getattr(fixtures.get("benchmark"), "extra_info", None), dict):
        return
    if (block := item.stash.get(alternation.BLOCK, None)) is not None:
        fixtures["benchmark"].extra_info["block"] = block
    if settings is not None or _any_given(item.config):
        record_environment(item.config, settings or session_settings(item.config), fixtures)


_OF_SPARK = {"estimator_options", "mnist_test", "mnist_train", "sagemaker_fit", "spark", "trained_model"}
"""Fixtures that cannot be used while their Spark session is stopped."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the session of the fixture ``spark`` again if an earlier test stopped it, and report that if this fails."""
    shared = item.config.stash.get(SHARED, None)
    if shared is None or not _OF_SPARK & set(getattr(item, "fixturenames", ())):
        return
    if restarted := shared.ensure_running():
        item.add_report_section("setup", "harness", restarted)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember when each test began, and which one stopped the session of the fixture ``spark``."""
    item.config.stash.setdefault(STARTED, []).append((time.time(), item.nodeid))
    result = yield
    if (shared := item.config.stash.get(SHARED, None)) is not None:
        shared.note(item.nodeid)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report an error of the harness in a fixture by its message only, and one in a test at the test's own line.

    A stack trace of the harness, or of Java, would not help. A test that failed names the hosts that were refused,
    since many clients do not, and says how many calls its faults have hit.
    """
    if call.when == "call" and call.excinfo is not None and isinstance(call.excinfo.value, HarnessError):
        call.excinfo.value.__cause__, call.excinfo.value.__suppress_context__ = None, True
        call.excinfo.traceback = call.excinfo.traceback.filter(lambda entry: not _is_ours(Path(entry.path)))
    report = yield
    if report.failed and (refused := _newly_refused(item)):
        report.sections.append(("Hosts that the local AWS refused", _refused_text(refused)))
    if report.failed and (applied := _applied_faults(item)):
        report.sections.append(("Faults in the local AWS", applied))
    if call.when != "call" and call.excinfo is not None and isinstance(call.excinfo.value, HarnessError):
        report.longrepr = str(call.excinfo.value)
    return report


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(Path(__file__).parent)


def _newly_refused(item: pytest.Item) -> list[str]:
    """Return the hosts that the session's AWS has refused since the last test that failed."""
    aws = getattr(item, "funcargs", {}).get("aws")
    try:
        refused = aws.refused_hosts() if aws else []
    except HarnessError:  # it has ended; the test's own error says more
        return []
    seen = item.config.stash.setdefault(_SEEN, set())
    new = [host for host in refused if host not in seen]
    seen.update(new)
    return new


def _applied_faults(item: pytest.Item) -> str:
    """Return how many calls the faults of a test have hit, or ''."""
    faults = getattr(item, "funcargs", {}).get("faults")
    if faults is None:
        return ""
    from harness.aws.faults import FaultInjection, applied_text  # noqa: PLC0415

    try:
        return applied_text(faults.applied()) if isinstance(faults, FaultInjection) else ""
    except HarnessError:  # it has ended; the test's own error says more
        return ""


def pytest_report_header(config: pytest.Config) -> str:
    """Return the line with the mode, the region and the Spark master."""
    try:
        settings = session_settings(config)
    except SettingsError as error:
        return f"harness: not usable here: {error.what}"
    return f"harness: {settings.mode} AWS in {settings.region}, Spark at {settings.spark_master}"


def pytest_keyboard_interrupt() -> None:
    """End Spark's JVM: a call under way in it would continue and create resources that are deleted next."""
    spark_module = sys.modules.get("harness.spark.jvm")
    if spark_module is not None:
        spark_module.end_jvm()


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Fail a session that leaves resources behind, even if all tests passed.

    Fixtures' finalizers are not enough: pytest skips them if a set-up was interrupted or an earlier finalizer failed.
    """
    try:
        yield
    finally:
        close_ledger(session.config)
        if hasattr(session.config, "workeroutput"):  # of a process of pytest-xdist
            session.config.workeroutput[_REMAINING] = session.config.stash.get(REMAINING, [])
            session.config.workeroutput[_REFUSED] = session.config.stash.get(REFUSED, [])
            session.config.workeroutput[_COUNTS] = session.config.stash.get(COUNTS, {})
            session.config.workeroutput[_FROM_CACHE] = session.config.stash.get(FROM_CACHE, 0)
            session.config.workeroutput[_NOTES] = session.config.stash.get(NOTES, [])
        if _fails(session.config) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            session.config.stash[_FAILED_BY_RESOURCES] = True


def _fails(config: pytest.Config) -> bool:
    """Return whether what is left fails the session, even if all tests passed."""
    if config.stash.get(LEFTOVERS, []):
        return True
    return bool(config.stash.get(REMAINING, [])) and session_settings(config).unrecorded == "fail"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in pytest's last line that resources failed the session, and delete an empty directory of pytest-benchmark.

    pytest-benchmark creates the directory for its results in every session.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and config.stash.get(_FAILED_BY_RESOURCES, False):
        section = "left over in AWS" if config.stash.get(LEFTOVERS, []) else "not deleted by this session"
        reporter.write_line(
            f"harness: the session failed, because of the resources in the section '{section}'", red=True
        )
    storage = getattr(getattr(config, "_benchmarksession", None), "storage", None)
    if isinstance(path := getattr(storage, "path", None), Path):
        with suppress(OSError):  # it has results
            path.rmdir()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist reports, since only this process prints a summary."""
    output, stash = getattr(node, "workeroutput", {}), node.config.stash
    stash.setdefault(REMAINING, []).extend(output.get(_REMAINING, []))
    stash.setdefault(REFUSED, []).extend(output.get(_REFUSED, []))
    stash.setdefault(NOTES, []).extend(output.get(_NOTES, []))
    stash[FROM_CACHE] = stash.get(FROM_CACHE, 0) + output.get(_FROM_CACHE, 0)
    if counts := output.get(_COUNTS):
        stash[COUNTS] = {name: count + stash.get(COUNTS, {}).get(name, 0) for name, count in counts.items()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Count the session's resources; list those left in AWS and those that no ledger knew, and refused hosts.

    Variants that alternated have a line each.
    """
    if variants := alternation.summary(config):
        terminalreporter.section("variants that alternated")
        terminalreporter.line("\n".join(variants))
    found = config.stash.get(LEFTOVERS, [])
    if counts := config.stash.get(COUNTS, {}):
        numbers = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        terminalreporter.line(f"harness: AWS resources of this session: {numbers}")
    for note in config.stash.get(NOTES, []):
        terminalreporter.line(f"harness: {note}")
    if cached := config.stash.get(FROM_CACHE, 0):
        option = f"{option_name('model_cache')}=off"
        terminalreporter.line(f"harness: models from the cache, not trained again: {cached:,} ({option} trains them)")
    if found:
        from harness.aws.cleanup.leftovers import leftovers_text  # noqa: PLC0415

        terminalreporter.section("left over in AWS", red=True)
        terminalreporter.line(leftovers_text(found))
    reported = {str(leftover.resource) for leftover in found}
    if remaining := [each for each in config.stash.get(REMAINING, []) if each[0] not in reported]:
        from harness.aws.cleanup.leftovers import remaining_text  # noqa: PLC0415

        terminalreporter.section("not deleted by this session", yellow=True)
        terminalreporter.line(remaining_text(remaining))
    if others := config.stash.get(UNRECORDED, []):
        from harness.aws.cleanup.leftovers import unrecorded_text  # noqa: PLC0415

        terminalreporter.section("created in AWS since this session began, and in no ledger", yellow=True)
        terminalreporter.line(unrecorded_text(others))
    refused = config.stash.get(REFUSED, [])
    if refused:
        terminalreporter.section("hosts that the local AWS refused", yellow=True)
        terminalreporter.line(_refused_text(sorted(set(refused))))


def _refused_text(hosts: list[str]) -> str:
    from harness.console import printable_text  # noqa: PLC0415
    from harness.regions import is_aws_host  # noqa: PLC0415

    named = printable_text(", ".join(hosts))
    text = f"Requests to these hosts failed, because the local AWS does not emulate them: {named}."
    if any(map(is_aws_host, hosts)):
        text += (
            " AWS's hosts are never let through: replace such a client in the test (a stub of botocore, moto), or run "
            "it in real mode. boto3 shows this refusal as ProxyConnectionError."
        )
    if not all(map(is_aws_host, hosts)):
        text += " Requests to your own hosts go there directly if NO_PROXY names them before the session."
    return text
