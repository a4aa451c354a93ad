"""One run of benchmarks: a pytest of its own, whose results are written whole or not at all."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import ResultsError, SettingsError

_LAST_LINES = 20
_TO_THE_END = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""What a session is ended with, and the seconds it then has: pytest takes down its fixtures on the first only."""


def run_session(
    python: Path | str,
    directory: Path,
    arguments: Sequence[str],
    result: Path,
    *,
    environment: Mapping[str, str],
    seconds: float | None = None,
) -> None:
    """Run pytest once, and write the results of its benchmarks into a file, which is there only once it is whole.

    Of a session that failed, what it measured is kept in ``<result>.failed``, where nothing reads it unasked.

    :param python: whose pytest it is.
    :param directory: where it runs.
    :param seconds: how long it may take; without end otherwise.
    :raises ResultsError: pytest failed, took too long, or measured nothing.
    :raises KeyboardInterrupt: this process was interrupted; the session has ended in order.
    """
    result.parent.mkdir(parents=True, exist_ok=True)
    partial = result.with_suffix(".partial").resolve()
    partial.unlink(missing_ok=True)
    command = [*_pytest(python), f"--benchmark-json={partial}", *arguments]
    try:
        code, output = _run(command, directory, environment, seconds)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if code == 0 and partial.exists():
        os.replace(partial, result)
        return
    kept = result.with_suffix(".failed")
    if partial.exists():
        os.replace(partial, kept)
    why = f"pytest ended with {code}" if code else "pytest measured nothing"
    measured = f"\nwhat it measured all the same is in {kept}" if kept.exists() else ""
    raise ResultsError(
        f"The benchmarks of {directory} failed: {f'they took longer than {seconds:.0f} s' if code is None else why}.",
        checked="its last lines:\n" + _last_lines(output) + measured,
        fix=f"run them by themselves: cd {directory} && {shlex.join([*_pytest(python), *arguments])}",
    )


def check_collection(
    python: Path | str, directory: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Have pytest collect what :func:`run_session` would run.

    :raises SettingsError: it refuses its arguments, or finds nothing to run.
    """
    command = [*_pytest(python), "--collect-only", "-q", *arguments]
    code, output = _run(command, directory, environment, None)
    if code:
        raise SettingsError(
            f"pytest cannot run what it is given: it ended with {code}.",
            checked="its last lines, on --collect-only:\n" + _last_lines(output),
            fix="give it what it can run, with --pytest, last on the command line",
        )


def _pytest(python: Path | str) -> list[str]:
    return [str(python), "-m", "pytest", "-p", "no:cacheprovider"]


def _last_lines(output: str) -> str:
    return "\n".join(output.splitlines()[-_LAST_LINES:])


def _run(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], seconds: float | None
) -> tuple[int | None, str]:
    """Run a command to its end; return its exit code, None if it took too long, and its output.

    A terminal's Ctrl-C does not reach it by itself: it gets one, from here, however often that is pressed.
    """
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        return _finish(process, seconds)
    except BaseException:
        _end(process)
        raise


def _finish(process: subprocess.Popen[str], seconds: float | None) -> tuple[int | None, str]:
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None, _end(process)
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> str:
    """End a session in order, or at once where this is interrupted too; return its output."""
    try:
        for number, patience in _TO_THE_END:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=patience)[0]
    except BaseException:
        process.kill()
        raise
    return ""
