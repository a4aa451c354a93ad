"""One session's use of a kept environment, from its begin to its end, over the keeper's socket.

The keeper sees the end of a session, even of a killed one, by the end of its connection.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, SetupError
from harness.kept.place import SOCKET, is_private, place
from harness.waiting import WaitTimeout, wait_until

_ANSWER_SECONDS = 60.0
"""Longest time in which the keeper cleans up after a session, and answers the next one."""
_CONNECT_SECONDS = 5.0
_MOST = 1 << 20
_SILENT = "The kept environment, the process that 'harness up' started, does not answer"
_AGAIN = "run 'harness up' again, or run with HARNESS_FRESH=yes"


class NotKeptError(HarnessError):
    """There is no kept environment for this directory, or it cannot be used now. The message says why."""


class KeeperEndedError(SetupError):
    """The keeper has ended while it was asked."""


@dataclass(frozen=True)
class Gateway:
    """Address of a JVM's py4j gateway."""

    pid: int
    port: int
    secret: str


class Lease:
    """The right to use a kept environment, which no other session has at the same time."""

    def __init__(self, connection: Talk, answer: Mapping[str, Any]) -> None:
        self._talk = connection
        self.keeper: int = answer["keeper"]
        """Process id of the keeper."""
        self.aws: str = answer["aws"]
        """The local AWS, as JSON (:class:`harness.localaws.client.Connection`)."""
        self.gateway: Gateway | None = Gateway(**answer["gateway"])
        """The JVM's address; None once the JVM was ended."""

    def last_output(self) -> str:
        """Return the last lines that the local AWS wrote to its standard error, or ''."""
        with suppress(SetupError):
            return str(self._talk.ask("output")["output"])
        return ""

    def end_jvm(self) -> None:
        """Have the keeper end the JVM, whatever it is doing."""
        self.gateway = None
        self._talk.ask("end jvm")

    def jvm_exit_code(self) -> int | None:
        """Return the exit code of the JVM, negative after a signal; None while it runs."""
        code: int | None = self._talk.ask("jvm")["code"]
        return code

    def release(self) -> None:
        """Give the environment back, in order. A second call does nothing."""
        with suppress(SetupError):  # the keeper has ended
            self._talk.ask("release")
        self._talk.close()


class KeptJVM:
    """The process of a kept JVM, with those members of :class:`subprocess.Popen` that are used of a JVM."""

    def __init__(self, lease: Lease, gateway: Gateway) -> None:
        self._lease = lease
        self.gateway = gateway
        self.pid = gateway.pid
        self.stdin = self

    def close(self) -> None:
        """End the JVM, as the end of its standard input does."""
        self._lease.end_jvm()

    def kill(self) -> None:
        """End the JVM."""
        self._lease.end_jvm()

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._lease.jvm_exit_code()

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code.

        :raises subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        seconds = _ANSWER_SECONDS if timeout is None else timeout
        try:
            code = wait_until(self.poll, "the JVM to end", done=lambda code: code is not None, timeout=seconds)
        except WaitTimeout as error:
            raise subprocess.TimeoutExpired("java", seconds) from error
        assert code is not None
        return code


class Talk:
    """A connection to a keeper: a line of JSON for each question, and one for each answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")
        self._lock = threading.Lock()

    @classmethod
    def to(cls, directory: Path) -> Talk:
        """Return a connection to the keeper of a working directory.

        :raises NotKeptError: there is none.
        """
        where = place(directory)
        if not is_private(where):
            raise NotKeptError("No environment is kept for this directory.", fix="run 'harness up'")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(str(where / SOCKET))
        except OSError as error:
            connection.close()
            raise NotKeptError("It does not answer.", fix="run 'harness up'") from error
        connection.settimeout(_ANSWER_SECONDS)
        return cls(connection)

    def ask(self, question: str, outputs: tuple[int, ...] = (), **content: Any) -> dict[str, Any]:
        """Return the keeper's answer.

        :param outputs: descriptors that the keeper may write to.
        :raises KeeperEndedError: the keeper has ended.
        :raises SetupError: it does not answer.
        """
        line = json.dumps({"ask": question, **content}).encode() + b"\n"
        try:
            with self._lock:
                if outputs:
                    socket.send_fds(self._socket, [line], outputs)
                else:
                    self._socket.sendall(line)
                answer = self._file.readline(_MOST)
        except TimeoutError as error:
            raise SetupError(f"{_SILENT}: it takes too long.", fix=_AGAIN) from error
        except OSError as error:
            raise KeeperEndedError(f"{_SILENT}: {error}.", fix=_AGAIN) from error
        if not answer:
            raise KeeperEndedError(f"{_SILENT}: it has ended.", fix=_AGAIN)
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        """End the conversation."""
        self._file.close()
        self._socket.close()


def borrow(directory: Path, likeness: Mapping[str, str]) -> Lease:
    """Return a lease of the environment that is kept for a working directory.

    Its JVM writes to this process's standard output and error from now on.

    :raises NotKeptError: there is none, or it does not fit, or another session uses it.
    """
    talk = Talk.to(directory)
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    try:
        session = {"pid": os.getpid(), "command": command[:200], "likeness": dict(likeness)}
        answer = talk.ask("lease", (1, 2), session=session)
    except SetupError as error:
        talk.close()
        raise NotKeptError(error.what) from error
    if reason := answer.get("refused"):
        talk.close()
        raise NotKeptError(reason)
    return Lease(talk, answer)
