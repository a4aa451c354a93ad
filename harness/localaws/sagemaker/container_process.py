"""Containers as processes: SageMaker's container contract without Docker.

Each container has a directory in place of ``/opt/ml`` (``SAGEMAKER_BASE_DIR``, as in SageMaker's toolkits). See
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from harness.localaws.sagemaker.container_paths import as_in_container
from harness.localaws.sagemaker.prepared_containers import PreparedContainers, launch

LINE_BYTES = 256 * 1024 - 26
"""Most bytes of a line of output. Longer lines are split, as the agent that writes SageMaker's logs does to stay below
CloudWatch's limit of an event (https://docs.docker.com/engine/logging/drivers/awslogs/)."""
_PIECE = 65_536
_LINE_END = re.compile(rb"(\r*\n|\r+)")
_REST_OF_END = re.compile(rb"\A\r*\n?")  # at the start of a piece, if the last one ended with a carriage return
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")
log = logging.getLogger(__name__)


class ContainerProcess:
    """A running container: a process in its own process group. Each line of its output is passed to ``on_line``."""

    def __init__(
        self,
        command: Sequence[str],
        root: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        prepared: PreparedContainers | None = None,
    ) -> None:
        """Start ``command``, with ``root`` in place of ``/opt/ml``, which lines name instead of it.

        :param prepared: has processes that can become the container.
        """
        self._root = root
        variables = {**all_variables(environment), "HOME": str(root), "SAGEMAKER_BASE_DIR": str(root)}
        taken = prepared.take(command, root, variables) if prepared else None
        self._process = taken or launch(command, root, variables)
        self._killed = False
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self._reader.start()

    def _read(self, on_line: Callable[[str], None]) -> None:
        stdout = cast("IO[bytes]", self._process.stdout)
        is_lost = False
        for line in split_lines(iter(lambda: os.read(stdout.fileno(), _PIECE), b"")):
            try:
                on_line(as_in_container(line.decode(errors="replace"), self._root))
            except Exception:  # the log stream may be deleted; and a pipe must be read, or its writer stops
                if not is_lost:
                    log.exception("lines of the output of process %d are lost", self.pid)
                is_lost = True

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative after a signal; None while the process runs."""
        return self._process.poll()

    @property
    def is_read(self) -> bool:
        """True once all of the output was passed on."""
        return not self._reader.is_alive()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and the last output; return the exit code, or None after ``timeout`` seconds."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(timeout=5)
        return code

    def terminate(self) -> None:
        """Ask the container to end (SIGTERM), as SageMaker does to stop a job."""
        if self.exit_code is None:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the container, with all processes of its group."""
        if self._killed:
            return  # another process may have its id by now
        self._killed = True
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it has ended


def all_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a container, apart from those of its directory.

    :param environment: those that the service and the request give it.
    """
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **inherited,
        "PYTHONUNBUFFERED": "1",
        # XGBoost's threads soon sleep while they wait for each other. Spinning threads take the cores from other
        # processes, and on a busy machine from each other: five times the CPU, four times the time. A thousand turns
        # cost nothing there, and on a quiet machine save a tenth of the time.
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "1000",
        # The pipe on standard input closes when this process ends, even by a crash.
        "HARNESS_DIE_WITH_STDIN": "1",
        **environment,
    }


def split_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of an output that arrives in pieces, none longer than :data:`LINE_BYTES`.

    A carriage return ends a line too, so that each state of a progress bar is a line. Two in a row make no empty line.
    """
    begun, after_return = b"", False
    for piece in pieces:
        text = begun + (_REST_OF_END.sub(b"", piece, count=1) if after_return else piece)
        after_return = piece.endswith(b"\r")
        *ended, begun = _LINE_END.split(text)
        for line, end in zip(ended[::2], ended[1::2], strict=True):
            if line or end.endswith(b"\n"):
                yield from _cut(line)
        *full, begun = _cut(begun)
        yield from full
    if begun:
        yield begun


def _cut(line: bytes) -> list[bytes]:
    return [line[start : start + LINE_BYTES] for start in range(0, len(line), LINE_BYTES)] or [b""]


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
