"""Local AWS as an :class:`harness.aws.AWS`: a process that is started here and stopped with its owner."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from harness.aws.cleanup.resources import SAGEMAKER_KINDS, Remaining
from harness.aws.faults import FaultInjection
from harness.caches.directory import cache_directory
from harness.errors import LocalAWSError, SetupError
from harness.kept.lease import Lease
from harness.localaws.client import Connection
from harness.localaws.memory import frugal_environment
from harness.processes import kill_processes_with
from harness.regions import split_s3_uri
from harness.settings import Settings

if TYPE_CHECKING:
    import boto3

Existing: TypeAlias = "Mapping[str, Sequence[tuple[str, float]]]"
"""Resources by kind: name, and seconds since the epoch when each was created."""

_START_SECONDS = 60
_STOP_SECONDS = 15
_ASK_SECONDS = 5
"""Seconds in which a local AWS must confirm that it will stop. A busy or stopped one is killed."""
_LEAST_DISK = 128 << 20
"""Bytes. The sample data takes 77 MiB."""
_SHOWN_KEYS = 3
"""Keys of a bucket that are named, of those that would remain."""
_OUTPUT_BYTES = 4096
_OUTPUT_LINES = 10


class MockAWS:
    """A local AWS that this process started. See :class:`harness.aws.AWS` for the members that both AWS's share."""

    mode = "mock"
    is_local = True
    outlives_process = False
    """False: the local AWS ends with its owner, and all that is in it too."""
    prices = None
    runs_registered_containers = True
    lease: Lease | None = None

    def __init__(self, connection: Connection) -> None:
        """Use a local AWS that runs. :meth:`start` starts one."""
        self.connection = connection
        self.region = connection.region
        self.account = connection.account
        self.role = connection.role
        self.hourly_prices: Mapping[str, Mapping[str, float]] = {}
        self.faults = FaultInjection(self._control)
        self.notes: list[str] = []

    _process: subprocess.Popen[bytes]
    _errors: IO[bytes]

    @classmethod
    def start(
        cls,
        settings: Settings,
        port: int = 0,
        *,
        enforce_iam: bool = False,
        caches_models: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> MockAWS:
        """Start a local AWS and wait until it is ready.

        :param enforce_iam: True to allow callers only what the policies in its IAM allow.
        :param caches_models: True to use the cache of trained models, unless the settings turn it off.
        :param meanwhile: called while it starts.
        :raises SetupError: another process uses the port, or the disk is full.
        :raises LocalAWSError: it did not start.
        """
        _check_port(port)
        _check_disk()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - read for as long as there is this local AWS
        process = subprocess.Popen(
            _command(settings.region, port, enforce_iam),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=frugal_environment(os.environ),
            start_new_session=True,  # its owner handles a Ctrl-C in the terminal
        )
        try:
            if meanwhile:
                meanwhile()
        except BaseException:
            process.kill()
            process.wait()
            raise
        line = _first_line(cast("IO[bytes]", process.stdout))
        if not line.startswith(b'{"port"'):
            raise _start_failure(process, line, errors, port)
        started = cls(Connection.from_json(line.decode()))
        started._process, started._errors = process, errors
        if caches_models:
            started.use_model_cache(model_cache(settings))
        return started

    @property
    def running(self) -> bool:
        """True if the process runs."""
        return self._process.poll() is None

    @property
    def ledger_directory(self) -> Path:
        """The directory for the ledgers of runs. It is deleted with the local AWS."""
        return Path(self.connection.directory) / "ledger"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that configure AWS clients to use this local AWS. Unset the empty ones."""
        return self.connection.environment()

    def redirected(self, environment: Mapping[str, str]) -> dict[str, str]:
        """See :meth:`harness.aws.AWS.redirected`."""
        return self.connection.redirected(environment)

    def jvm_options(self) -> list[str]:
        """Return the options that configure a JVM's AWS clients to use this local AWS."""
        return self.connection.jvm_options()

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """Return a boto3 client of a service.

        :param credentials: of another caller than the role, as environment variables.
        """
        from botocore.config import Config  # noqa: PLC0415 - imported while the process starts, or never

        credentials = credentials or self.connection.credentials
        return self._session.client(
            service,
            region_name=self.region,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
            verify=self.connection.pem,
            config=Config(proxies={"https": self.connection.client_proxy}, ignore_configured_endpoint_urls=True),
        )

    @cached_property
    def _session(self) -> boto3.Session:
        """A session that does not read the user's profile and does not affect the user's later clients."""
        import boto3  # noqa: PLC0415 - see above
        import botocore.session  # noqa: PLC0415

        nothing = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
        session = botocore.session.Session({**nothing, "profile": (None, None, None, None)})
        return boto3.Session(botocore_session=session)

    def last_output(self) -> str:
        """Return the last lines that the process wrote to its standard error, or ''."""
        return last_lines(self._errors)

    def _control(self, method: str, path: str, content: Any = None) -> Any:
        """Call the control API. If it does not answer, the error has the process's last output."""
        try:
            return self.connection.control(method, path, content)
        except LocalAWSError as error:
            if error.checked and (output := self.last_output()):  # a refusal has nothing checked
                error.checked += f"; its last output:\n{output}"
            raise

    def register_container(self, image: str, command: list[str]) -> None:
        """Have ``command`` (run with ``train`` or ``serve`` appended) back a container image.

        :raises LocalAWSError: the command is not a list of words.
        """
        self._control("POST", "/containers", {"image": image, "command": command})

    def use_model_cache(self, directory: Path | None) -> None:
        """Take models from the cache in a directory from now on, and store them there; None trains each job."""
        self._control("POST", "/model-cache", {"directory": directory and str(directory)})

    def jobs_from_cache(self) -> list[str]:
        """See :meth:`harness.aws.AWS.jobs_from_cache`. They are counted since :meth:`use_model_cache`."""
        return cast("list[str]", self._control("GET", "/model-cache/jobs")) if self.running else []

    def calls(self) -> dict[str, Any]:
        """Return the recorded ``calls``, their ``counts`` by operation, and the hosts ``refused``."""
        return cast("dict[str, Any]", self._control("GET", "/calls"))

    def recorded_calls(self) -> list[dict[str, Any]]:
        """See :meth:`harness.aws.AWS.recorded_calls`. The members are those of a call in :meth:`calls`."""
        return cast("list[dict[str, Any]]", self.calls()["calls"])

    def refused_hosts(self) -> list[str]:
        """See :meth:`harness.aws.AWS.refused_hosts`."""
        return sorted(set(self.calls()["refused"])) if self.running else []

    def status(self) -> dict[str, Any]:
        """Return the process's ``memory`` and ``peak_memory`` in bytes, and the ``endpoints`` with their processes."""
        return cast("dict[str, Any]", self._control("GET", "/status"))

    def remaining(self) -> list[Remaining]:
        """See :meth:`harness.aws.AWS.remaining`."""
        if not self.running:
            return []
        found = self.existing()
        objects = (each._replace(text=f"S3 objects: {each.text}") for each in objects_by_bucket(found))
        return [*named_resources(found), *objects]

    def resources(self) -> dict[str, list[str]]:
        """Return the names of all resources by kind."""
        return {kind: [name for name, _ in of_one] for kind, of_one in self.existing().items()}

    def existing(self) -> Existing:
        """See :meth:`harness.localaws.server.LocalAWS.resources`."""
        return cast("Existing", self._control("GET", "/resources"))

    def cut_network(self, cut: bool = True) -> None:
        """Drop every connection of AWS clients and refuse new ones. ``cut=False`` accepts them again."""
        self._control("POST", "/network", {"cut": cut})

    def reset(self) -> None:
        """Delete all resources, objects, logs, faults and calls. The role and the credentials stay."""
        self._control("POST", "/reset")

    def renew(self) -> None:
        """Make it as good as new for another run.

        It is reset, and forgets users, other roles, policies, registered containers and refused hosts too.
        """
        self._control("POST", "/renew")

    def close(self) -> None:
        """Stop the local AWS and all that runs in it."""
        if self._process.poll() is None:
            asking = threading.Thread(target=self._ask_to_stop, daemon=True)
            asking.start()
            asking.join(_ASK_SECONDS)
            self._wait_or_kill(0 if asking.is_alive() else _STOP_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _ask_to_stop(self) -> None:
        try:
            self.connection.control("POST", "/shutdown")
        except LocalAWSError:
            self._process.terminate()

    def _wait_or_kill(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            kill_processes_with("SAGEMAKER_BASE_DIR", f"{self.connection.directory}{os.sep}")
            shutil.rmtree(self.connection.directory, ignore_errors=True)

    def __enter__(self) -> MockAWS:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def model_cache(settings: Settings) -> Path | None:
    """Return the directory of the cache of trained models, or None if the settings turn it off."""
    return cache_directory("models", os.environ) if settings.model_cache == "on" else None


def named_resources(found: Existing) -> list[Remaining]:
    """Return the SageMaker resources among those of :meth:`MockAWS.existing`."""
    return [Remaining(f"{kind} {name}", (created,)) for kind in SAGEMAKER_KINDS for name, created in found[kind]]


def objects_by_bucket(found: Existing, known: Collection[str] = ()) -> list[Remaining]:
    """Return for each bucket the number of S3 objects and unfinished uploads, and the first keys.

    :param known: URIs that are not counted.
    """
    buckets: dict[str, list[tuple[str, float]]] = {}
    for uri, created in (*found["S3 object"], *found["S3 upload"]):
        if uri not in known:
            bucket, key = split_s3_uri(uri)
            buckets.setdefault(bucket, []).append((key, created))
    remaining = []
    for bucket, of_one in sorted(buckets.items()):
        keys, times = zip(*of_one, strict=True)
        remaining.append(Remaining(f"{len(keys):,} in s3://{bucket} ({_first(keys)})", times))
    return remaining


def _first(keys: Sequence[str]) -> str:
    return ", ".join([*keys[:_SHOWN_KEYS], *(["…"] if len(keys) > _SHOWN_KEYS else [])])


def _command(region: str, port: int, enforce_iam: bool) -> list[str]:
    command = [sys.executable, "-m", "harness.localaws", "--region", region, "--port", str(port)]
    return [*command, "--enforce-iam"] if enforce_iam else command


def _first_line(stream: IO[bytes]) -> bytes:
    """Return the first line, or b'' if none comes within the time limit."""
    lines: deque[bytes] = deque(maxlen=1)
    reader = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(_START_SECONDS)
    return lines[0] if lines else b""


def last_lines(file: IO[bytes]) -> str:
    """Return the last lines of a file. Its position stays: the process that writes the file shares it."""
    start = max(0, os.fstat(file.fileno()).st_size - _OUTPUT_BYTES)
    text = os.pread(file.fileno(), _OUTPUT_BYTES, start).decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-_OUTPUT_LINES:])


def _check_port(port: int) -> None:
    """Raise :class:`SetupError` if the port cannot be used. The process would notice seconds later."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise _unusable_port(port, os.strerror(error.errno or 0)) from error


def _unusable_port(port: int, reason: str) -> SetupError:
    return SetupError(
        f"Port {port} cannot be used: {reason}.",
        checked="listening on 127.0.0.1",
        fix="choose another --port, or 0 for any free one",
    )


def _check_disk() -> None:
    """Raise :class:`SetupError` if a local AWS would start on a disk that is too full for it."""
    directory = tempfile.gettempdir()
    free = shutil.disk_usage(directory).free
    if free < _LEAST_DISK:
        raise SetupError(
            f"{directory} has {free / 2**20:.1f} MiB free, and a local AWS needs {_LEAST_DISK >> 20} MiB to start.",
            checked="the temporary directory, where SageMaker's sample data is written",
            fix="free some disk, or point TMPDIR to a disk that has some",
        )


def _start_failure(process: subprocess.Popen[bytes], line: bytes, errors: IO[bytes], port: int) -> Exception:
    try:
        process.communicate(timeout=_STOP_SECONDS if line else 0)  # it has printed the reason, and deletes its files
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if b'"errno": 98' in line or b'"errno": 48' in line:
        return _unusable_port(port, os.strerror(errno.EADDRINUSE))
    last = last_lines(errors).splitlines()[-1:]
    return LocalAWSError(
        "The local AWS did not start.",
        checked=f"its output: {line.decode(errors='replace').strip() or '; '.join(last) or 'none'}",
        fix="run 'harness doctor'",
    )
