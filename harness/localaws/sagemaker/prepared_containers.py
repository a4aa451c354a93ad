"""Processes of built-in algorithms that import their libraries before there is work for them.

The imports take longer than the training on a few thousand rows. A prepared process has the command and the variables
that the container would have, except those that no library reads when it is imported. It gets these with its directory
when it becomes a container (:func:`harness.containers.runtime.main`).
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

_MOST = 4
"""Most processes that wait, of about 100 MB each: two algorithms that train and serve."""
_LONGEST = 32_768
"""Most bytes that a process is given, less than a pipe holds: it reads them once it has imported its libraries."""
_LATE = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|DEFAULT_REGION)|HOME|HARNESS_TRACKER_PORT"
    r"|SAGEMAKER_(BASE_DIR|BIND_TO_PORT)|TRAINING_JOB_(NAME|ARN)"
)
"""Variables that differ from one container of an algorithm to the next."""
log = logging.getLogger(__name__)


class _Kind(NamedTuple):
    """A command, and the variables that its libraries may read when they are imported."""

    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]


class PreparedContainers:
    """The processes that wait, at most one of each kind. Without one, a container is a new process."""

    def __init__(self, directory: Path) -> None:
        """Let processes wait in a directory, which is created."""
        self._directory = directory
        self._waiting: dict[_Kind, subprocess.Popen[bytes]] = {}
        self._used: list[_Kind] = []
        self._ended = False
        self._lock = threading.Lock()

    def prepare(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Start a process for the next container with this command and these variables, unless one waits."""
        self._prepare(_kind(command, variables))

    def prepare_again(self) -> None:
        """Start processes for containers such as were started last, and end all others that wait."""
        with self._lock:
            used = list(self._used)
            others = [self._waiting.pop(kind) for kind in set(self._waiting) - set(used)]
        for process in others:
            _end(process)
        for kind in used:
            self._prepare(kind)

    def take(self, command: Sequence[str], root: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
        """Make a prepared process the container with this command, directory and environment.

        :return: None if none waits.
        """
        work = json.dumps({"directory": str(root), "variables": dict(variables)}).encode() + b"\n"
        if len(work) > _LONGEST:
            return None
        kind = _kind(command, variables)
        with self._lock:
            self._used = [kind, *(used for used in self._used if used != kind)][:_MOST]
            process = self._waiting.pop(kind, None)
        if process is None:
            return None
        try:
            _pipe(process).write(work)
            _pipe(process).flush()
        except OSError:  # it has been killed
            _end(process)
            return None
        return process

    def end(self) -> None:
        """End the processes that wait, and start none again."""
        with self._lock:
            self._ended = True
            waiting, self._waiting = self._waiting, {}
        for process in waiting.values():
            _end(process)

    def _prepare(self, kind: _Kind) -> None:
        with self._lock:
            ended = [known for known, process in self._waiting.items() if process.poll() is not None]
            if len(self._waiting) - len(ended) >= _MOST and kind not in self._waiting:
                ended.append(next(iter(self._waiting)))  # the one that has waited longest
            unused = [self._waiting.pop(known) for known in ended]
            if not self._ended and kind not in self._waiting:
                try:
                    self._waiting[kind] = self._start(kind)
                except OSError:  # too many processes, for one: containers are new processes then
                    log.exception("no container is prepared")
        for process in unused:
            _end(process)

    def _start(self, kind: _Kind) -> subprocess.Popen[bytes]:
        self._directory.mkdir(exist_ok=True)
        command = [*kind.command[:-1], "prepare", kind.command[-1]]
        place = {"HOME": str(self._directory), "SAGEMAKER_BASE_DIR": str(self._directory / "waiting")}
        return launch(command, self._directory, {**dict(kind.variables), **place})


def launch(command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in its own process group, with pipes for its input and its whole output."""
    return subprocess.Popen(
        list(command),
        cwd=directory,
        env=dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _kind(command: Sequence[str], variables: Mapping[str, str]) -> _Kind:
    early = sorted(item for item in variables.items() if not _LATE.fullmatch(item[0]))
    return _Kind(tuple(command), tuple(early))


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdin)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its group, whether or not it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what it was given and did not read
            cast("IO[bytes]", pipe).close()
    process.wait()
