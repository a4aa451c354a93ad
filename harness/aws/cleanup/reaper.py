"""Reaper: a process that deletes a run's resources after the run's process has ended, however it ended.

It has its own session, so that signals to the run's process group or terminal do not reach it. A SIGTERM sent to it
ends it after one clean-up, once the run has ended. It reads a pipe from the run's process. When the pipe closes without
the word ``done``, it ends the run's other processes and deletes all that the ledger names. It looks again until nothing
has appeared for a while, since a Create may still be under way.

It also holds the run to ``max_hours``. At the ledger's expiry it sends SIGTERM to the run's process, and kills it if
that has not begun to end after a grace period, or has not ended after the longest time that a clean-up takes. A thread
of the run's own process could do neither while a call of native code holds Python's lock.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws import AWS
from harness.aws.cleanup.clock import moment
from harness.aws.cleanup.deletion import PATIENCE
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.ledger_file import Header
from harness.aws.cleanup.leftovers import leftovers_text
from harness.errors import HarnessError, SetupError
from harness.processes import RUN_VARIABLE, end_processes_of, reason_to_end
from harness.settings import Settings, option_name
from harness.waiting import pauses

SETTLE_SECONDS = 30.0
"""Seconds in which no new resource must have appeared."""
GIVE_UP_SECONDS = 3600.0
GRACE_SECONDS = 120.0
"""Seconds after ``max_hours`` in which a run must begin to end."""
_CLEAN_UP_SECONDS = 2 * PATIENCE["real"]
"""Longest time that a run which has begun to end takes: tests' own clean-ups, then the ledger's."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
_WATCH_SECONDS = 1.0
_END_SECONDS = 10.0
_EXPIRED = ("ExpiredToken", "ExpiredTokenException")
"""Codes of errors about temporary credentials whose time is over:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
_READY, _ENDS, _DONE = b"ready", b"ends", b"done"
"""Words on the pipes. The last two are read by their length, which is the same."""

_log = logging.getLogger(__name__)


class Reaper:
    """Reaper of a ledger, seen from the run's process."""

    def __init__(self, ledger: Path, environment: Mapping[str, str]) -> None:
        """Start the reaper, and wait until it is ready.

        :param environment: its variables, which must configure AWS clients without the help of this process.
        :raises SetupError: it does not start.
        """
        self.log = ledger.with_suffix(".log")
        options = ["--settle", str(SETTLE_SECONDS), "--grace", str(GRACE_SECONDS)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.aws.cleanup.reaper", str(ledger), *options],
                # Without the mark of a run that this process belongs to: it would end with that run's processes.
                env={name: value for name, value in environment.items() if name != RUN_VARIABLE},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        with self._process.stdout as answer:
            if answer.read(len(_READY)) != _READY:
                raise SetupError(
                    "The process that cleans up after a killed run did not start. No run starts without it.",
                    checked=f"its output, {self.log}",
                    fix="run 'harness doctor'",
                )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def expect_end(self) -> None:
        """Report that the run has begun to end: only the time that this takes is limited from now on."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # the reaper was killed or dismissed
            os.write(self._process.stdin.fileno(), _ENDS)

    def dismiss(self) -> None:
        """End the reaper, as nothing is left to do, and wait for that."""
        with suppress(OSError):  # it was killed
            self._process.communicate(_DONE, timeout=_END_SECONDS)
        self._process.wait(_END_SECONDS)

    def take_over(self) -> None:
        """Have the reaper finish the work of this process."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()


@contextmanager
def open_ledger(aws: AWS, settings: Settings, *, environment: Mapping[str, str] | None = None) -> Iterator[Ledger]:
    """Yield the ledger of a new run. At the block's end all in it is deleted: see :attr:`Ledger.leftovers`.

    If resources outlive this process, a reaper deletes them when the process is killed or its clean-up is interrupted,
    and processes started in the block carry the run's mark. If the block fails, leftovers are printed to standard
    error. A block that is in progress after ``max_hours`` is ended as by SIGTERM.

    :param environment: variables that configure the reaper's AWS clients without the help of this process; by default
        this process's own.
    """
    ledger = Ledger.open(aws, settings)
    if not aws.outlives_process:
        with _cleaned_up(ledger):
            yield ledger
        return
    over = time.time() + settings.max_hours * 3600 - 1  # the ledger, which the reaper reads, has whole seconds
    try:
        reaper = Reaper(ledger.path, environment or os.environ)
    except BaseException:
        ledger.close()
        raise
    with (
        _reaped(ledger, reaper),
        _cleaned_up(ledger, keep_unseen=True),
        _limited(reaper, settings, over),
        patch.dict(os.environ, {RUN_VARIABLE: ledger.run}),
    ):
        yield ledger


@contextmanager
def _cleaned_up(ledger: Ledger, *, keep_unseen: bool = False) -> Iterator[Ledger]:
    try:
        try:
            yield ledger
        finally:
            try:
                if ledger.leftovers != []:
                    ledger.clean_up()
            finally:
                ledger.close(keep=keep_unseen and bool(ledger.unseen))
    except BaseException:
        if ledger.leftovers:
            print(leftovers_text(ledger.leftovers), file=sys.stderr)
        raise


@contextmanager
def _limited(reaper: Reaper, settings: Settings, over: float) -> Iterator[None]:
    """Give the reason if the reaper ends the block, and report to the reaper that the block ends.

    :param over: the time, by :func:`time.time`, from which ``max_hours`` is the reason.
    """

    def reason() -> str:
        reaper.expect_end()
        if time.time() < over:
            return ""
        limit = f"{option_name('max_hours')} {settings.max_hours:g}"
        return f"{limit} is over, so the run is ended and what it created is deleted"

    try:
        with reason_to_end(reason):
            yield
    finally:
        reaper.expect_end()


@contextmanager
def _reaped(ledger: Ledger, reaper: Reaper) -> Iterator[None]:
    """Dismiss the reaper at the block's end. It takes over if the clean-up was interrupted, or if it has to look again.

    After an interrupted ``fit``, a resource may appear after the clean-up has looked for it.
    """
    try:
        yield
    finally:
        if ledger.leftovers is None:
            reaper.take_over()
            raise KeyboardInterrupt(
                f"the clean-up was interrupted; process {reaper.pid} finishes it, and logs to {reaper.log}"
            )
        if ledger.unseen:
            reaper.take_over()
        else:
            reaper.dismiss()


def reap(
    path: Path,
    settle: float = SETTLE_SECONDS,
    give_up: float = GIVE_UP_SECONDS,
    ending: threading.Event | None = None,
) -> bool:
    """Delete all that a ledger names, then the ledger once nothing has appeared for a while. Return whether it is done.

    :param settle: seconds in which no resource must have appeared.
    :param give_up: seconds after which the ledger stays as it is, for ``harness sweep``.
    :param ending: set to stop after the pass that is under way, or the first one.
    """
    ending = ending or threading.Event()
    began = quiet = time.monotonic()
    waits = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
    while path.exists():  # another process may have finished it
        came_up, left, error = _clean_up_once(path)
        now = time.monotonic()
        if came_up or left:
            quiet = now
        elif now - quiet >= settle:
            path.unlink(missing_ok=True)
            _log.info("nothing is left of run %s", path.stem)
            return True
        if now - began >= give_up or _without_credentials(error) or ending.is_set():
            return _given_up(path, "was asked to end" if ending.is_set() else "gave up")
        ending.wait(next(waits) if left else settle / 3)
    return True


def _given_up(path: Path, why: str) -> bool:
    """Log what a ledger names and may still exist."""
    for resource in Ledger.read(path).resources:
        _log.error("may be left: %s", resource)
    _log.error("%s; 'harness sweep' deletes what %s names", why, path)
    return False


def _without_credentials(error: Exception | None) -> bool:
    """Return whether an error says that the credentials are gone, and nothing in this process can renew them."""
    expired = isinstance(error, ClientError) and error.response["Error"]["Code"] in _EXPIRED
    return expired and "AWS_SESSION_TOKEN" in os.environ


def _clean_up_once(path: Path) -> tuple[bool, bool, Exception | None]:
    """Return whether resources were found and deleted, whether any are, or may be, left, and the error that came."""
    try:
        ledger = Ledger.read(path)
        left = ledger.clean_up()
    except (HarnessError, BotoCoreError, ClientError, OSError) as error:
        _log.warning("%s", error)
        return False, True, error
    for resource in ledger.deleted:
        _log.info("deleted %s", resource)
    for leftover in left:
        _log.warning("not deleted: %s (%s)", leftover.resource, leftover.state)
    return bool(ledger.deleted), bool(left), None


class _TimeLimit:
    """The time of a run, seen from the reaper."""

    def __init__(self, header: Header, grace: float) -> None:
        """Begin to count now, as long as the header says, so that no difference between two clocks matters."""
        started, expires = moment(header.started), moment(header.expires)
        assert started  # a ledger without times is not read
        assert expires
        self._pid, self._grace = header.pid, grace
        self._due, self._signal = time.time() + (expires - started).total_seconds(), signal.SIGTERM

    def expect_end(self) -> None:
        """Give the run the time that it takes to end in order."""
        self._due, self._signal = time.time() + _CLEAN_UP_SECONDS, signal.SIGKILL

    def enforce(self) -> None:
        """Send the run's process, which must exist, the signal that is due now, if any."""
        if time.time() < self._due:
            return
        _log.warning("the run's time is over: sending %s to process %d", self._signal.name, self._pid)
        with suppress(OSError):  # it has just ended
            os.kill(self._pid, self._signal)
        self._due, self._signal = time.time() + self._grace, signal.SIGKILL


def _was_dismissed(owner: int, limit: _TimeLimit) -> bool:
    """Wait for the run's process to end or to dismiss this one. Return whether it was dismissed.

    The pipe stays open if a process that the run forked holds it. The end then shows as a new parent of this process.
    """
    while True:
        readable, _, _ = select.select([0], [], [], _WATCH_SECONDS)
        if readable:
            word = os.read(0, len(_DONE))
            if word != _ENDS:
                return word == _DONE
            limit.expect_end()
        if os.getppid() != owner:
            return False
        limit.enforce()


def main(arguments: list[str] | None = None) -> int:
    """Wait for the end of a run, delete its resources, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.aws.cleanup.reaper", description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS)
    parser.add_argument("--give-up", type=float, default=GIVE_UP_SECONDS)
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it logs the source of credentials
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    header = Ledger.read(options.ledger).header
    limit = _TimeLimit(header, options.grace)
    os.write(1, _READY)
    os.dup2(2, 1)  # the pipe to the run's process ends with that process
    if _was_dismissed(header.pid, limit):
        log = options.ledger.with_suffix(".log")
        if not log.stat().st_size:
            log.unlink()
        return 0
    _log.info("run %s has ended, and its resources may still exist", header.run)
    end_processes_of(header.run)
    return 0 if reap(options.ledger, options.settle, options.give_up, ending) else 1


if __name__ == "__main__":
    sys.exit(main())
