"""Container instances as processes: SageMaker's container contract without Docker.

Each instance has a directory that stands for ``/opt/ml`` (``SAGEMAKER_BASE_DIR``, as in SageMaker's toolkits). See
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")


class ContainerProcess:
    """A running container: a process in its own process group whose output goes, line by line, to ``on_line``."""

    def __init__(
        self,
        command: Sequence[str],
        root: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> None:
        """Start ``command`` with ``root`` as its ``/opt/ml``."""
        inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(
            list(command),
            cwd=root,
            env={
                **inherited,
                "HOME": str(root),
                "PYTHONUNBUFFERED": "1",
                # XGBoost's threads sleep while they wait for each other. Spinning, they take the cores from all else on
                # this machine, and on a busy one from each other: five times the CPU, four times as long.
                "OMP_WAIT_POLICY": "passive",
                "SAGEMAKER_BASE_DIR": str(root),
                # The pipe on standard input closes when this process ends, however it ends.
                "HARNESS_DIE_WITH_STDIN": "1",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._killed = False
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self._reader.start()

    def _read(self, on_line: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            on_line(line.decode(errors="replace").rstrip("\n"))

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and its last output; return the exit code, or None after ``timeout`` seconds."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(timeout=5)
        return code

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), as SageMaker does when a job is stopped."""
        if self.exit_code is None:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self._killed:
            return  # its id may be another's by now
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


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
