"""One run of benchmarks: a pytest of its own, whose results are written whole or not at all."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import ResultsError, SettingsError

_LAST_LINES = 20
_NOTHING_COLLECTED = 5  # pytest.ExitCode.NO_TESTS_COLLECTED
_TO_THE_END = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""What a session is ended with, and the seconds it then has: pytest takes down its fixtures on the first only."""
END_SECONDS = sum(patience for _, patience in _TO_THE_END)
"""The longest that ending a session takes."""
_LOOK_SECONDS = 10.0
_OPTIONS = ("-p", "no:cacheprovider")
_PYTEST = f"""
import os, runpy, signal, sys, threading, time

def watch(pipe):
    os.read(pipe, 1)  # nothing is written: it returns once the other end is gone
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    time.sleep({_TO_THE_END[0][1]})
    os._exit(1)

signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts us in a shell's background has it ignored
threading.Thread(target=watch, args=(int(sys.argv.pop(1)),), daemon=True).start()
if sys.path[0] == "":
    sys.path[0] = os.getcwd()
runpy.run_module("pytest", run_name="__main__", alter_sys=True)
"""
"""``python -m pytest`` that ends in order once the process which holds the other end of a pipe has ended, however.

It is all that the Python of another checkout is asked to run, so it takes nothing of the harness's.
"""


class SessionTooLongError(ResultsError):
    """A session took longer than it may, and was ended."""


def run_session(
    python: Path | str,
    directory: Path,
    arguments: Sequence[str],
    result: Path,
    *,
    environment: Mapping[str, str],
    seconds: float | None = None,
    repeatable: Sequence[str] | None = None,
) -> None:
    """Run pytest once, and write the results of its benchmarks into a file, which is there only once it is whole.

    Of a session that failed, what it measured is kept in ``<result>.failed``, where nothing reads it unasked. A session
    does not outlive this process.

    :param python: whose pytest it is.
    :param directory: where it runs.
    :param seconds: how long it may take, by the clock on the wall; without end otherwise.
    :param repeatable: arguments for who runs it again by hand, where some mean something now only; the same otherwise.
    :raises SessionTooLongError: it took too long.
    :raises ResultsError: pytest failed, or measured nothing.
    :raises KeyboardInterrupt: this process was interrupted; the session has ended in order.
    """
    result.parent.mkdir(parents=True, exist_ok=True)
    partial, kept = result.with_suffix(".partial").resolve(), result.with_suffix(".failed")
    for path in (partial, kept):
        path.unlink(missing_ok=True)
    try:
        code, output = _run(python, [f"--benchmark-json={partial}", *arguments], directory, environment, seconds)
        measured = partial.exists() and partial.stat().st_size > 0  # an empty one is no result
        if measured:
            os.replace(partial, result if code == 0 else kept)
    finally:
        partial.unlink(missing_ok=True)
    if measured and code == 0:
        return
    command = [str(python), "-m", "pytest", *_OPTIONS, *(arguments if repeatable is None else repeatable)]
    error = SessionTooLongError if code is None else ResultsError
    raise error(
        f"The benchmarks of {directory} failed: {_why(code, seconds)}.",
        checked=f"its last lines:\n{_last_lines(output)}"
        + (f"\nwhat it measured all the same is in {kept}" if measured else ""),
        fix=f"run them by themselves: cd {directory} && {shlex.join(command)}",
    )


def _why(code: int | None, seconds: float | None) -> str:
    if code is None:
        return f"they took longer than {seconds:.0f} s"
    return f"pytest ended with {code}" if code else "pytest measured nothing"


def check_collection(
    python: Path | str, directory: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Have pytest collect what :func:`run_session` would run.

    :raises SettingsError: it refuses its arguments, or finds nothing to run.
    """
    code, output = _run(python, ["--collect-only", "-q", *arguments], directory, environment, None)
    if code:
        what = "finds nothing to run" if code == _NOTHING_COLLECTED else "cannot run what it is given"
        raise SettingsError(
            f"pytest {what}: it ended with {code}.",
            checked="its last lines, on --collect-only:\n" + _last_lines(output),
            fix="give it what it can run, with --pytest, last on the command line",
        )


def _last_lines(output: str) -> str:
    return "\n".join(output.splitlines()[-_LAST_LINES:])


def _run(
    python: Path | str,
    arguments: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    seconds: float | None,
) -> tuple[int | None, str]:
    """Run a pytest to its end; return its exit code, None if it took too long, and its output.

    A terminal's Ctrl-C does not reach it by itself: it gets one, from here, however often that is pressed.
    """
    theirs, ours = os.pipe()
    with os.fdopen(ours, "wb"):
        try:
            process = _start(
                [str(python), "-c", _PYTEST, str(theirs), *_OPTIONS, *arguments], theirs, directory, environment
            )
        finally:
            os.close(theirs)
        try:
            return _finish(process, seconds)
        except BaseException:
            _end(process)
            raise


def _start(command: Sequence[str], pipe: int, directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        pass_fds=[pipe],
    )


def _finish(process: subprocess.Popen[str], seconds: float | None) -> tuple[int | None, str]:
    """Wait for the end; by the clock on the wall, since the other one stands still while a laptop sleeps."""
    deadline = None if seconds is None else time.time() + seconds
    while deadline is None or time.time() < deadline:
        left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - time.time())
        with suppress(subprocess.TimeoutExpired):
            output, _ = process.communicate(timeout=max(left, 0))
            return process.returncode, output
    return None, _end(process)


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
