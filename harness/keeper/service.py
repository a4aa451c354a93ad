"""The keeper's answers to sessions, one session at a time, and its own end."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from harness.aws.local import MockAWS
from harness.console import Progress
from harness.keeper.warm_jvm import WarmJVM
from harness.kept.likeness import differences
from harness.processes import RUN_VARIABLE, end_processes_of, processes_with
from harness.scratch import delete_unused
from harness.settings import Settings

log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_ASK_SECONDS = 5.0
_MOST = 1 << 20
_LONGEST_SECONDS = 5 * 3600
"""Age after which an environment is started again: the credentials of its local AWS last for twelve hours."""
_CLEANING = "it is being cleaned after a session"
_CLEANING_SECONDS = 30.0
"""Longest time that a session waits for the end of the one before."""


@dataclass(frozen=True)
class _Wanted:
    """A session's question for a lease."""

    pid: int
    command: str
    likeness: dict[str, str]


@dataclass(frozen=True)
class Session:
    """A session that uses the environment."""

    pid: int
    command: str
    since: float = field(default_factory=time.time)


class Keeper:
    """A local AWS and a warm JVM, lent to one session at a time."""

    def __init__(self, aws: MockAWS, settings: Settings, likeness: Mapping[str, str], idle: float) -> None:
        """Keep this local AWS. :meth:`warm` adds the JVM.

        :param idle: seconds without a session after which the keeper ends.
        """
        self._aws, self._settings, self._likeness, self._idle = aws, settings, likeness, idle
        self._began = self._used = time.time()
        self._changed = threading.Condition()
        self._state = "it is being started"
        """``ready``, or the reason why no session can use the environment."""
        self._session: Session | None = None
        self._connection: socket.socket | None = None
        self._served = 0
        self._jvm: WarmJVM | None = None
        self._ending = threading.Event()
        self._spoilt = self._unwanted = False

    def warm(self, progress: Progress) -> None:
        """Start the JVM, use it once, and be ready; end the keeper if that does not succeed.

        :raises HarnessError: it cannot train, host and predict.
        """
        try:
            self._jvm = WarmJVM(self._aws, self._settings, progress)
            self._clean_aws()
        except BaseException:
            self._ending.set()
            raise
        self._used = time.time()
        self._become("ready")

    def _become(self, state: str) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def serve(self, place: Path, listener: socket.socket, login: psutil.Process | None) -> bool:
        """Answer until ``harness down``, idleness, the user's logout, or the end of the local AWS or the JVM.

        Return True if all must be started again: the environment is not as good as new after a session. The SDK's
        Python modules keep Java objects, so that one process cannot use two JVMs.

        :param place: the keeper's directory, which the system may delete when the user logs out.
        :param login: the process whose end is the user's logout; None if the directory shows it.
        """
        listener.settimeout(_LOOK_SECONDS)
        while not self._is_over(place, login):
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                self._look()
                continue
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        return self._spoilt and not self._unwanted

    def _is_over(self, place: Path, login: psutil.Process | None) -> bool:
        """Return whether to end; from then on, no session gets the environment."""
        logged_out = login is not None and not login.is_running()
        with self._changed:
            unused = self._state == "ready" and self._session is None
            if unused and time.time() - self._began > _LONGEST_SECONDS:
                self._start_again("its credentials expire soon")
            idle = unused and time.time() - self._used > self._idle
            if idle or logged_out or not place.exists() or not self._aws.running:
                self._unwanted = True
                self._ending.set()
        return self._ending.is_set()

    def _look(self) -> None:
        """Notice the end of an unused JVM, and that of a session whose connection a fork of it holds open."""
        with self._changed:
            unused = self._state == "ready" and not self._session
            if unused and self._jvm is not None and self._jvm.exit_code is not None:
                self._start_again("its JVM has ended")
            if self._session and self._connection and not psutil.pid_exists(self._session.pid):
                with suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)

    def _start_again(self, why: str) -> None:
        self._state = f"it is being started again: {why}"
        self._spoilt = True
        self._ending.set()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(_ASK_SECONDS)
            line, outputs = _first_line(connection)
            try:
                question = json.loads(line)
                asked = str(question["ask"])
                wanted = _Wanted(**question["session"]) if asked == "lease" else None
            except (ValueError, TypeError, KeyError):
                return  # no session of the harness
            if wanted:
                self._lend(connection, wanted, outputs)
            else:
                _say(connection, self._down() if asked == "down" else self.status())

    def status(self) -> dict[str, Any]:
        """Return what the environment is and holds, as JSON."""
        session = self._session
        local_aws = self._aws.connection
        return {
            "pid": os.getpid(),
            "since": self._began,
            "state": self._state,
            "region": self._settings.region,
            "sessions": self._served,
            "session": vars(session) if session else None,
            "idle_seconds": 0.0 if session else time.time() - self._used,
            "ends_after_idle_seconds": self._idle,
            "memory": {
                "keeper": _memory(os.getpid()),
                "local AWS": _memory(local_aws.pid),
                "containers": sum(_memory(each.pid) for each in _containers(local_aws.directory)),
                "JVM": _memory(self._jvm.gateway.pid) if self._jvm else 0,
            },
        }

    def _down(self) -> dict[str, Any]:
        with self._changed:
            if self._session and self._state == "ready" and psutil.pid_exists(self._session.pid):
                return {"refused": f"process {self._session.pid} uses it: {self._session.command}"}
            self._unwanted = True
            self._ending.set()
        return {}

    # ---- one session

    def _lend(self, connection: socket.socket, wanted: _Wanted, outputs: list[int]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._state != _CLEANING, _CLEANING_SECONDS)
            reason = self._reason_against(wanted.likeness)
            jvm = self._jvm
            if not reason:
                self._session, self._connection = Session(wanted.pid, wanted.command), connection
                self._served += 1
        if reason or jvm is None:
            for each in outputs:
                os.close(each)
            _say(connection, {"refused": reason})
            return
        jvm.write_to(outputs)
        in_order = False
        try:
            gateway = vars(jvm.gateway)
            _say(connection, {"keeper": os.getpid(), "aws": self._aws.connection.to_json(), "gateway": gateway})
            in_order = self._attend(connection, jvm)
        finally:
            self._become(_CLEANING)
            jvm.write_to([])
            self._renew(in_order)

    def _reason_against(self, wanted: Mapping[str, str]) -> str:
        if different := differences(self._likeness, wanted):
            return f"it was started with other values of {', '.join(different)}. Run 'harness down' and 'harness up'."
        if self._state != "ready":
            return f"{self._state}."
        if self._ending.is_set():
            return "it is about to end."
        return f"process {self._session.pid} uses it: {self._session.command}." if self._session else ""

    def _attend(self, connection: socket.socket, jvm: WarmJVM) -> bool:
        """Answer a session's questions until its end; return whether it ended in order."""
        connection.settimeout(None)
        with connection.makefile("rb") as lines:
            for line in iter(lambda: lines.readline(_MOST), b""):
                asked = json.loads(line)["ask"]
                if asked == "end jvm":
                    jvm.end()
                    _say(connection, {})
                elif asked == "jvm":
                    _say(connection, {"code": jvm.exit_code})
                elif asked == "output":
                    _say(connection, {"output": self._aws.last_output()})
                else:
                    self._become(_CLEANING)
                    _say(connection, {})
                    return True
        return False

    def _renew(self, in_order: bool) -> None:
        """Make all as it was before a session, or end to be started again."""
        assert self._jvm is not None
        try:
            self._end_what_a_session_left(_family(self._jvm.gateway.pid) | _family(self._aws.connection.pid))
            clean = in_order and self._jvm.exit_code is None and self._jvm.reset()
            self._clean_aws()
        except Exception:
            log.exception("the environment cannot be made clean")
            clean = False
        with self._changed:
            self._session, self._connection, self._used = None, None, time.time()
            if clean:
                self._state = "ready"
            else:
                self._start_again("the last session did not end in order, or left much memory in use")
            self._changed.notify_all()

    def _end_what_a_session_left(self, ours: Collection[int]) -> None:
        for process in processes_with(RUN_VARIABLE, self._aws.connection.run_id):
            if process.pid not in ours:
                with suppress(psutil.Error):
                    process.kill()

    def _clean_aws(self) -> None:
        self._aws.renew()
        shutil.rmtree(self._aws.ledger_directory, ignore_errors=True)
        delete_unused()

    def end(self) -> None:
        """End the JVM, and all other processes of the environment."""
        if self._jvm:
            self._jvm.end()
        end_processes_of(self._aws.connection.run_id)


def _memory(pid: int) -> int:
    """Return the bytes of memory that a process uses; 0 if it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _containers(directory: str) -> list[psutil.Process]:
    """Return the containers below a local AWS's directory, and the processes that wait to become one."""
    return processes_with("SAGEMAKER_BASE_DIR", f"{directory}{os.sep}")


def _family(pid: int) -> set[int]:
    """Return a process and its descendants."""
    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return set()


def _first_line(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return the first line that a client sends, and the descriptors that come with it."""
    line, outputs, _, _ = socket.recv_fds(connection, 65_536, 2)
    while not line.endswith(b"\n") and len(line) < _MOST:
        more = connection.recv(65_536)
        if not more:
            break
        line += more
    return line, outputs


def _say(connection: socket.socket, answer: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(answer).encode() + b"\n")
