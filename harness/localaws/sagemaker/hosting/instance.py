"""Instances of an endpoint: a serving process each, its health checks, its restarts, its invocations.

A container must answer as https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html says.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from urllib3.util.wait import wait_for_read

from harness.localaws.sagemaker.container_process import ContainerProcess, free_port
from harness.localaws.sagemaker.images import Image

INVOCATION_SECONDS = 60
"""Seconds that a container may take to answer an invocation."""
PING_SECONDS = 120
"""Seconds that a container may take to answer its first ping."""
PING_EVERY_SECONDS = 5.0
"""Seconds between two pings of a container in service."""
_PING_TIMEOUT = 2.0  # AWS's, from the same page
_HEALTHY = 200
_FAILED_PINGS = 3  # in a row, until a container counts as hanging
_RESTART_PAUSE = 0.5
_STOP_SECONDS = 5
_LAST_LINES = 5
_QUOTED = 500  # characters of output that a failure reason quotes, which has 1,024


class DeploymentFailure(Exception):
    """The endpoint cannot be brought into service. The message is its failure reason."""


@dataclass(frozen=True)
class ContainerAnswer:
    """A container's answer to an invocation."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


class Instance:
    """One instance of a variant: a serving process, restarted if it dies or stops answering pings."""

    def __init__(
        self, image: Image, root: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._command = [*image.command, "serve"]
        self._prepared = image.prepared
        self.root = root
        self._environment = dict(environment)
        self._write = on_line
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._process: ContainerProcess | None = None
        self._stopped = threading.Event()
        self._deadline = 0.0
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._invocations = 0
        self._pinged = 0.0
        self._failed_pings = 0
        self._excused_pings = 0
        self._last_answer = 0.0
        self.port = 0
        self.ready = threading.Event()
        """Set while the container answers pings."""

    @property
    def pid(self) -> int | None:
        """Id of the serving process, or None if it does not run."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    @property
    def last_output(self) -> str:
        """The last lines of the container's output, for messages."""
        return " ".join(line.strip() for line in self._last_lines)[:_QUOTED]

    def _on_line(self, line: str) -> None:
        if line.strip():
            self._last_lines.append(line)
        self._write(line)

    @property
    def busy(self) -> bool:
        """True if this instance has an invocation."""
        return self._invocations > 0

    def hold(self, invocations: int) -> None:
        """Count invocations in (1) or out (-1)."""
        with self._lock:
            self._invocations += invocations

    def start(self) -> None:
        """Start the container, and wait until it answers a ping.

        :raises DeploymentFailure: it ended, or did not answer in time.
        """
        self._launch()
        if not self._wait_for_ping():
            self.stop()
            raise DeploymentFailure("did not pass the ping health check")
        threading.Thread(target=self._supervise, name=f"instance {self.root}", daemon=True).start()

    def _launch(self) -> None:
        with self._lock:
            if self._stopped.is_set():
                return  # else a container would start after stop()
            self.port = free_port()
            environment = {**self._environment, "SAGEMAKER_BIND_TO_PORT": str(self.port)}
            self._process = ContainerProcess(self._command, self.root, environment, self._on_line, self._prepared)

    def _wait_for_ping(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + PING_SECONDS
        while time.monotonic() < deadline and self._process.exit_code is None and not self._stopped.is_set():
            if self._ping() == _HEALTHY:
                self._record_health()
                return True
            time.sleep(0.03)
        return False

    def _ping(self) -> int | None:
        """Return the status of the answer to a ping, or None if there is no answer in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PING_TIMEOUT)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _supervise(self) -> None:
        """Start the container again whenever it ends or hangs, as SageMaker does."""
        while not self._stopped.is_set():
            assert self._process is not None
            if self._process.wait(0.2) is None:
                self._check_health()
                continue
            self.ready.clear()
            self._forget_connections()
            if self._stopped.wait(_RESTART_PAUSE):
                return
            self._on_line(f"container ended with exit code {self._process.exit_code}; starting it again")
            self._launch()
            self._wait_for_ping()

    def _check_health(self) -> None:
        """Kill a container that hangs or is not healthy.

        A container hangs if it fails several pings in a row, or if it has answered neither a ping nor an invocation
        for as long as an invocation may take. Until then it may be computing an answer in its only thread.
        """
        if time.monotonic() < self._pinged + PING_EVERY_SECONDS:
            return
        was_busy = self.busy
        status = self._ping()
        self._pinged = time.monotonic()
        if status == _HEALTHY:
            self._record_health()
        elif status is None and (was_busy or self.busy):
            self._excused_pings += 1
        else:
            self._failed_pings += 1
        if self._failed_pings >= _FAILED_PINGS:
            self._end_unhealthy(f"container failed {_FAILED_PINGS} pings in a row")
        elif self._excused_pings >= _FAILED_PINGS and self._pinged - self._last_answer > INVOCATION_SECONDS:
            self._end_unhealthy(f"container answered neither pings nor invocations for {INVOCATION_SECONDS} s")

    def _record_health(self) -> None:
        self._last_answer = time.monotonic()
        self._failed_pings = self._excused_pings = 0
        if not self._stopped.is_set():
            self.ready.set()

    def _end_unhealthy(self, reason: str) -> None:
        if not self._stopped.is_set():
            self._on_line(f"{reason}; ending it")
            self.kill()

    def ask_to_stop(self) -> None:
        """Ask the container to end, and do not start it again."""
        with self._lock:
            if not self._stopped.is_set():
                self._deadline = time.monotonic() + _STOP_SECONDS
            self._stopped.set()
        self.ready.clear()
        if self._process:
            self._process.terminate()

    def stop(self) -> None:
        """End the container. Kill it if it takes longer than :data:`_STOP_SECONDS` since it was asked to end."""
        self.ask_to_stop()
        self._forget_connections()
        if self._process:
            self._process.wait(max(0.0, self._deadline - time.monotonic()))
            self._process.kill()

    def kill(self) -> None:
        """Kill the serving process, as a crash would."""
        if self._process:
            self._process.kill()

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout: float, *, dies: bool = False) -> ContainerAnswer:
        """Send one invocation to the container. If it ``dies``, kill it while it has the request.

        :raises TimeoutError: no answer within ``timeout`` seconds.
        :raises OSError: the connection broke, probably because the container ended.
        """
        connection = self._connection(timeout)
        try:
            if dies:
                self.kill()  # before the request: it may answer before a signal arrives
            connection.request("POST", "/invocations", body, dict(headers))
            response = connection.getresponse()
            answer = ContainerAnswer(
                response.status, response.getheader("Content-Type", ""), response.read(), dict(response.headers)
            )
        except http.client.HTTPException as error:
            connection.close()
            raise ConnectionError(f"no HTTP answer: {error!r}") from None
        except OSError:
            connection.close()
            raise
        self._last_answer = time.monotonic()
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return answer

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        if idle is not None and wait_for_read(idle.sock, 0):
            idle.close()  # the container closed it: it may keep connections for a shorter time than we do
            idle = None
        connection = idle or http.client.HTTPConnection("127.0.0.1", self.port)
        connection.timeout = timeout
        if connection.sock is None:
            connection.connect()  # sets TCP_NODELAY
        connection.sock.settimeout(timeout)
        return connection

    def _forget_connections(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
