"""One run of benchmarks in a separate pytest; its results are written completely or not at all."""

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
from harness.settings import environment_name

_LAST_LINES = 20
_NOTHING_COLLECTED = 5  # pytest.ExitCode.NO_TESTS_COLLECTED
_TO_THE_END = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""Signals that end a session, and the seconds to wait after each; pytest tears down fixtures on the first only."""
END_SECONDS = sum(patience for _, patience in _TO_THE_END)
"""Longest duration of ending a session."""
_CHECK_SECONDS = 10.0
_OPTIONS = ("-p", "no:cacheprovider")
_PYTEST = f"""
import os, runpy, signal, sys, threading, time

def watch(pipe):
    os.read(pipe, 1)  # nothing is written: read returns once the other end is closed
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    time.sleep({_TO_THE_END[0][1]})
    os._exit(1)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell starts with SIGINT ignored
threading.Thread(target=watch, args=(int(sys.argv.pop(1)),), daemon=True).start()
if sys.path[0] == "":
    sys.path[0] = os.getcwd()
runpy.run_module("pytest", run_name="__main__", alter_sys=True)
"""
"""``python -m pytest`` that ends in order once the parent, which holds the other end of a pipe, has ended in any way.

The Python of another checkout runs it, so it imports nothing from the harness.
"""


class SessionTooLongError(ResultsError):
    """A session exceeded its time and was ended."""


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
    """Run pytest once, and write the results of its benchmarks into a file, which exists only once it is complete.

    The results of a failed session are kept in ``<result>.failed``, which no command reads by default. A session does
    not outlive this process.

    :param python: Python interpreter with pytest.
    :param directory: working directory.
    :param seconds: time limit by the wall clock; by default there is none.
    :param repeatable: arguments for a user who repeats the run by hand; by default the same arguments.
    :raises SessionTooLongError: the session exceeded its time.
    :raises ResultsError: pytest failed, or measured nothing.
    :raises KeyboardInterrupt: this process was interrupted; the session has ended in order.
    """
    result.parent.mkdir(parents=True, exist_ok=True)
    partial, kept = result.with_suffix(".partial").resolve(), result.with_suffix(".failed")
    for path in (partial, kept):
        path.unlink(missing_ok=True)
    try:
        code, output = _run(python, [f"--benchmark-json={partial}", *arguments], directory, environment, seconds)
        measured = partial.exists() and partial.stat().st_size > 0  # an empty file is not a result
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
        + (f"\nits measurements are kept in {kept}" if measured else ""),
        fix=f"run them separately: cd {directory} && {shlex.join(command)}",
    )


def _why(code: int | None, seconds: float | None) -> str:
    if code is None:
        return f"they took longer than {seconds:.0f} s"
    return f"pytest ended with {code}" if code else "pytest measured nothing"


def check_collection(
    python: Path | str, directory: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Check that pytest collects the benchmarks of :func:`run_session`.

    :raises SettingsError: pytest refuses its arguments, or collects nothing.
    """
    code, output = _run(python, ["--collect-only", "-q", *arguments], directory, environment, None)
    if code:
        what = "collected no benchmark" if code == _NOTHING_COLLECTED else "refused its arguments"
        raise SettingsError(
            f"pytest {what} and ended with {code}.",
            checked="its last lines with --collect-only:\n" + _last_lines(output),
            fix="correct the arguments of --pytest, the last option on the command line",
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
    """Run a pytest to its end; return its exit code (None if it exceeded its time) and its output.

    Ctrl-C on the terminal does not reach it directly. This process sends it one signal for any number of key presses.
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
        env={**environment, environment_name("model_cache"): "off"},  # a fit must not measure the cache
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        pass_fds=[pipe],
    )


def _finish(process: subprocess.Popen[str], seconds: float | None) -> tuple[int | None, str]:
    """Wait for the end by the wall clock, because the monotonic clock stops while a laptop sleeps."""
    deadline = None if seconds is None else time.time() + seconds
    while deadline is None or time.time() < deadline:
        left = _CHECK_SECONDS if deadline is None else min(_CHECK_SECONDS, deadline - time.time())
        with suppress(subprocess.TimeoutExpired):
            output, _ = process.communicate(timeout=max(left, 0))
            return process.returncode, output
    return None, _end(process)


def _end(process: subprocess.Popen[str]) -> str:
    """End a session in order, or at once if this is interrupted too; return its output."""
    try:
        for number, patience in _TO_THE_END:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=patience)[0]
    except BaseException:
        process.kill()
        raise
    return ""
