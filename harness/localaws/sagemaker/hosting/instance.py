"""Endpoints: one process for each instance, health checks, restarts, and invocations.

States and messages follow https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html, and
what a container must answer https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import http.client
import itertools
import logging
import random
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from urllib3.util.wait import wait_for_read

from harness.localaws.exceptions import AWSError, ModelError, ServiceUnavailable, ValidationError
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services, split_uri
from harness.localaws.sagemaker.container_process import ContainerProcess, free_port
from harness.localaws.sagemaker.execution_role import image_refusal, log_writer, model_data_refusal
from harness.localaws.sagemaker.hosting.archives import ArchiveError, unpack
from harness.localaws.sagemaker.images import Image, Images

INVOCATION_SECONDS = 60
"""How long a container may take to answer an invocation."""
PING_SECONDS = 120
"""How long a container may take to answer its first ping."""
PING_EVERY_SECONDS = 5.0
"""How often a container in service is pinged."""
DRAIN_SECONDS = 60
"""How long an update waits for the invocations that the old containers have."""
_PING_TIMEOUT = 2.0  # as on AWS, whose page says so
_HEALTHY = 200
_FAILED_PINGS = 3  # in a row, until a container counts as hanging
_RESTART_PAUSE = 0.5
_STOP_SECONDS = 5
log = logging.getLogger(__name__)


class HostingFailure(Exception):
    """The endpoint cannot be brought into service; the message is its failure reason."""


@dataclass(frozen=True)
class Answer:
    """A container's answer to an invocation."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


class Instance:
    """One instance of a variant: a serving process, restarted when it dies or no longer answers pings."""

    def __init__(
        self, image: Image, root: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._command = [*image.command, "serve"]
        self._root = root
        self._environment = dict(environment)
        self._on_line = on_line
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
        """The serving process's id, while it runs."""
        return self._process.pid if self._process and self._process.exit_code is None else None

    @property
    def busy(self) -> bool:
        """Whether an invocation is held for this instance."""
        return self._invocations > 0

    def hold(self, invocations: int) -> None:
        """Count invocations in (1) or out (-1)."""
        with self._lock:
            self._invocations += invocations

    def start(self) -> None:
        """Start the container and wait for its first good ping.

        :raises HostingFailure: it ended or did not answer in time.
        """
        self._launch()
        if not self._wait_for_ping():
            self.stop()
            raise HostingFailure("did not pass the ping health check")
        threading.Thread(target=self._supervise, name=f"instance {self._root}", daemon=True).start()

    def _launch(self) -> None:
        with self._lock:
            if self._stopped.is_set():
                return  # else it would be started behind the back of stop()
            self.port = free_port()
            environment = {**self._environment, "SAGEMAKER_BIND_TO_PORT": str(self.port)}
            self._process = ContainerProcess(self._command, self._root, environment, self._on_line)

    def _wait_for_ping(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + PING_SECONDS
        while time.monotonic() < deadline and self._process.exit_code is None and not self._stopped.is_set():
            if self._ping() == _HEALTHY:
                self._note_health()
                return True
            time.sleep(0.03)
        return False

    def _ping(self) -> int | None:
        """Return the status of the answer to a ping, or None if there is none in time."""
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

        It fails several pings in a row; or it has answered neither ping nor invocation for as long as an invocation may
        take. Until then it may be computing, if it has an invocation, in the one thread that it answers pings with.
        """
        if time.monotonic() < self._pinged + PING_EVERY_SECONDS:
            return
        was_busy = self.busy
        status = self._ping()
        self._pinged = time.monotonic()
        if status == _HEALTHY:
            self._note_health()
        elif status is None and (was_busy or self.busy):
            self._excused_pings += 1
        else:
            self._failed_pings += 1
        if self._failed_pings >= _FAILED_PINGS:
            self._end_unhealthy(f"container failed {_FAILED_PINGS} pings in a row")
        elif self._excused_pings >= _FAILED_PINGS and self._pinged - self._last_answer > INVOCATION_SECONDS:
            self._end_unhealthy(f"container answered neither pings nor invocations for {INVOCATION_SECONDS} s")

    def _note_health(self) -> None:
        self._last_answer = time.monotonic()
        self._failed_pings = self._excused_pings = 0
        if not self._stopped.is_set():
            self.ready.set()

    def _end_unhealthy(self, reason: str) -> None:
        if not self._stopped.is_set():
            self._on_line(f"{reason}; ending it")
            self.kill()

    def ask_to_stop(self) -> None:
        """Tell the container to end, and do not start it again."""
        with self._lock:
            if not self._stopped.is_set():
                self._deadline = time.monotonic() + _STOP_SECONDS
            self._stopped.set()
        self.ready.clear()
        if self._process:
            self._process.terminate()

    def stop(self) -> None:
        """End the container, by force if it takes too long from when it was asked."""
        self.ask_to_stop()
        self._forget_connections()
        if self._process:
            self._process.wait(max(0.0, self._deadline - time.monotonic()))
            self._process.kill()

    def kill(self) -> None:
        """Kill the serving process, as a crash would."""
        if self._process:
            self._process.kill()

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout: float, *, dies: bool = False) -> Answer:
        """Send one invocation to the container; if it ``dies``, kill it while it has the request.

        :raises TimeoutError: no answer within ``timeout`` seconds.
        :raises OSError: the connection broke; the container has probably ended.
        """
        connection = self._connection(timeout)
        try:
            if dies:
                self.kill()  # now rather than later: it may answer before a signal comes
            connection.request("POST", "/invocations", body, dict(headers))
            response = connection.getresponse()
            answer = Answer(
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
            idle.close()  # by the container, which need not keep connections for as long as we do
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


@dataclass
class Variant:
    """A production variant in service: its part of the endpoint config, and its instances."""

    name: str
    weight: float
    image_uri: str
    instances: list[Instance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turn = itertools.count()

    def next_instance(self) -> Instance | None:
        """Return the instance whose turn it is among those that are ready, or None."""
        ready = [instance for instance in self.instances if instance.ready.is_set() and instance.pid]
        return ready[next(self._turn) % len(ready)] if ready else None

    def ask_to_stop(self) -> None:
        """Tell every instance to end."""
        for instance in self.instances:
            instance.ask_to_stop()

    def stop(self) -> None:
        """End every instance."""
        self.ask_to_stop()
        for instance in self.instances:
            instance.stop()


@dataclass
class Endpoint:
    """An endpoint: what it was made from, how it is, and what serves it."""

    name: str
    config_name: str
    region: str
    arn: str
    config: dict[str, Any]
    status: str = "Creating"
    failure: str = ""
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    variants: list[Variant] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def settled(self) -> bool:
        """Whether no creation, update or deletion is under way."""
        return self.status in ("InService", "Failed")

    def move(self, status: str, failure: str = "") -> None:
        """Enter a status."""
        with self.changed:
            self.status, self.failure, self.modified = status, failure, time.time()
            self.changed.notify_all()

    def wait_settled(self, timeout: float) -> None:
        """Wait until nothing is under way, at most ``timeout`` seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.settled, timeout)

    def describe(self) -> dict[str, Any]:
        """Return DescribeEndpoint's answer."""
        answer: dict[str, Any] = self.summary() | {"EndpointConfigName": self.config_name}
        if self.failure:
            answer["FailureReason"] = self.failure
        settings = {variant["VariantName"]: variant for variant in self.config["ProductionVariants"]}
        answer["ProductionVariants"] = [
            {
                "VariantName": variant.name,
                "DeployedImages": [{"SpecifiedImage": variant.image_uri, "ResolvedImage": variant.image_uri}],
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
                "CurrentInstanceCount": len(variant.instances),
                "DesiredInstanceCount": settings[variant.name].get("InitialInstanceCount", 1),
            }
            for variant in self.variants
            if variant.name in settings
        ]
        return answer

    def summary(self) -> dict[str, Any]:
        """Return the endpoint as ListEndpoints shows it."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }


class Host:
    """Brings endpoints into service, updates and ends them, and passes invocations on."""

    def __init__(
        self,
        services: Services,
        images: Images,
        directory: Path,
        environment: Callable[[str, str], Mapping[str, str]],
        authorization: Authorization,
    ) -> None:
        """Work under ``directory``; ``environment`` gives containers of a region and a role their way here."""
        self._services = services
        self._images = images
        self._directory = directory
        self._environment = environment
        self._authorization = authorization
        self._numbers = itertools.count(1)

    def create(self, endpoint: Endpoint, models: Mapping[str, dict[str, Any]], stuck: float = 0.0) -> None:
        """Bring the endpoint into service, beside the caller.

        :param models: CreateModel requests by name.
        :param stuck: seconds that it stays in ``Creating`` before anything is done.
        """

        def work() -> None:
            with endpoint.changed:
                endpoint.changed.wait_for(lambda: endpoint.status == "Deleting", stuck)
            self._deploy(endpoint, endpoint.config, models)

        self._beside(endpoint, work, "Failed")

    def update(self, endpoint: Endpoint, config: dict[str, Any], models: Mapping[str, dict[str, Any]]) -> None:
        """Move the endpoint to another config; if that fails the old one goes on serving."""
        endpoint.move("Updating")
        self._beside(endpoint, lambda: self._deploy(endpoint, config, models), "InService")

    def delete(self, endpoint: Endpoint) -> None:
        """End what serves the endpoint."""
        endpoint.move("Deleting")
        self._retire(endpoint.variants)

    def _beside(self, endpoint: Endpoint, work: Callable[[], None], otherwise: str) -> None:
        def run() -> None:
            try:
                work()
            except (HostingFailure, AWSError) as failure:
                endpoint.move(otherwise, str(failure))
            except Exception as error:
                log.exception("endpoint %s", endpoint.name)
                endpoint.move(otherwise, f"InternalServerError: the local AWS failed: {error!r}")

        threading.Thread(target=run, name=endpoint.name, daemon=True).start()

    def _deploy(self, endpoint: Endpoint, config: dict[str, Any], models: Mapping[str, dict[str, Any]]) -> None:
        variants: list[Variant] = []
        try:
            for settings in config["ProductionVariants"]:
                variants.append(self._variant(endpoint, settings, models))
        except BaseException:
            self._retire(variants)
            raise
        old = endpoint.variants
        with endpoint.changed:
            if endpoint.status == "Deleting":
                old = variants
            else:
                endpoint.variants, endpoint.config = variants, config
                endpoint.config_name = config["EndpointConfigName"]
                endpoint.move("InService")
        _drain(endpoint, old)
        self._retire(old)

    def _variant(self, endpoint: Endpoint, settings: dict[str, Any], models: Mapping[str, dict[str, Any]]) -> Variant:
        model = models.get(settings["ModelName"])
        if model is None:
            raise HostingFailure(f'Could not find model "{settings["ModelName"]}".')
        container = model.get("PrimaryContainer") or model["Containers"][0]
        image = self._images.find(container["Image"])
        variant = Variant(settings["VariantName"], settings.get("InitialVariantWeight", 1.0), container["Image"])
        directory = self._directory / f"{next(self._numbers)}-{endpoint.name}-{variant.name}"
        try:
            self._check_role(container, model, endpoint.region)
            model_directory = self._fetch_model(container, model, directory)
            for number in range(settings.get("InitialInstanceCount", 1)):
                root = directory / str(number)
                root.mkdir(parents=True)
                (root / "model").symlink_to(model_directory)
                role = model["ExecutionRoleArn"]
                variant.instances.append(self._instance(endpoint, variant, number, image, container, role, root))
            self._start(variant)
        except BaseException:
            variant.stop()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return variant

    def _check_role(self, container: dict[str, Any], model: dict[str, Any], region: str) -> None:
        role = model["ExecutionRoleArn"]
        reason = image_refusal(self._authorization, role, container["Image"])
        if reason := reason or model_data_refusal(self._authorization, role, container.get("ModelDataUrl"), region):
            raise HostingFailure(reason)

    def _fetch_model(self, container: dict[str, Any], model: dict[str, Any], directory: Path) -> Path:
        """Download and unpack the artifact once for all instances; return the directory."""
        target = directory / "model"
        url = container.get("ModelDataUrl")
        if not url:
            target.mkdir(parents=True)
            return target
        archive = directory / "model.tar.gz"
        directory.mkdir(parents=True)
        try:
            with archive.open("wb") as file:
                self._services.read_object(*split_uri(url), file)
        except KeyError:
            raise HostingFailure(
                f'Failed to download model data for container "{container.get("ContainerHostname", "container_1")}" '
                f'from URL: "{url}". Please ensure that there is an object located at the URL and that the role passed '
                f'to CreateModel has permissions to download the model. Model: "{model["ModelName"]}".'
            ) from None
        try:
            unpack(archive, target)
        except (ArchiveError, OSError) as error:
            raise HostingFailure(
                f'Failed to extract model data archive from URL "{url}" for model "{model["ModelName"]}": {error}. '
                "The model data archive must be a valid tar.gz file."
            ) from None
        return target

    def _instance(
        self,
        endpoint: Endpoint,
        variant: Variant,
        number: int,
        image: Image,
        container: dict[str, Any],
        role: str,
        root: Path,
    ) -> Instance:
        group, stream = f"/aws/sagemaker/Endpoints/{endpoint.name}", f"{variant.name}/i-{number:017x}"
        write = log_writer(self._services, self._authorization, role, endpoint.region, group, stream)
        environment = {**self._environment(endpoint.region, role), **container.get("Environment", {})}
        return Instance(image, root, environment, write)

    def _start(self, variant: Variant) -> None:
        for instance in variant.instances:
            try:
                instance.start()
            except HostingFailure as failure:
                raise HostingFailure(
                    f"The primary container for production variant {variant.name} {failure}. "
                    "Please check CloudWatch logs for this endpoint."
                ) from None

    def _retire(self, variants: list[Variant]) -> None:
        for variant in variants:
            variant.stop()
        for instance in (instance for variant in variants for instance in variant.instances):
            shutil.rmtree(instance._root.parent, ignore_errors=True)

    def invoke(
        self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str], target: str | None, dies: bool = False
    ) -> tuple[Answer, Variant]:
        """Pass one invocation on to an instance; return its answer and the variant that gave it.

        :param dies: whether the instance is to be killed while it has the request.
        :raises AWSError: no instance is up, none answered, or the answer is an error.
        """
        variant, instance = _take(endpoint, target)
        try:
            answer = instance.invoke(body, headers, INVOCATION_SECONDS, dies=dies)
        except TimeoutError:
            raise model_error(
                endpoint,
                0,
                "Your invocation timed out while waiting for a response from container primary. Review the latency "
                "metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
            ) from None
        except OSError as error:
            raise model_error(endpoint, 0, f"The container ended before it answered ({error}).") from None
        finally:
            instance.hold(-1)
        if answer.status >= 400:
            raise model_error(endpoint, answer.status, answer.body.decode(errors="replace"))
        return answer, variant


def _drain(endpoint: Endpoint, variants: list[Variant]) -> None:
    """Wait for the invocations that variants out of service still have, unless the endpoint is deleted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    instances = [instance for variant in variants for instance in variant.instances]
    while any(instance.busy for instance in instances) and time.monotonic() < deadline:
        if endpoint.status == "Deleting":
            return
        time.sleep(0.02)


def _take(endpoint: Endpoint, target: str | None) -> tuple[Variant, Instance]:
    """Return the instance for an invocation, which is held for it from now on.

    :raises ServiceUnavailable: no instance is up.
    """
    with endpoint.changed:  # no update comes between the choice and the hold
        variant = _choose(endpoint, target)
        instance = variant.next_instance()
        if instance is None:
            raise ServiceUnavailable(
                f"No instance of endpoint {endpoint.name} can take the request: "
                "its container ended and is being started again."
            )
        instance.hold(1)
    return variant, instance


def _choose(endpoint: Endpoint, target: str | None) -> Variant:
    if target:
        named = [variant for variant in endpoint.variants if variant.name == target]
        if not named:
            raise ValidationError(f"Variant {target} of endpoint {endpoint.name} not found.")
        return named[0]
    if len(endpoint.variants) == 1:
        return endpoint.variants[0]
    return random.choices(endpoint.variants, [variant.weight for variant in endpoint.variants])[0]


def model_error(endpoint: Endpoint, status: int, message: str) -> ModelError:
    """Return the error that SageMaker makes of a container's error answer (0 where there was none)."""
    account = endpoint.arn.split(":")[4]
    group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
    kind = "client" if 400 <= status < 500 else "server"
    return ModelError(
        f'Received {kind} error ({status}) from primary with message "{message}". See '
        f"https://{endpoint.region}.console.aws.amazon.com/cloudwatch/home?region={endpoint.region}"
        f"#logEventViewer:group={group} in account {account} for more information.",
        ErrorCode="CLIENT_ERROR_FROM_MODEL" if kind == "client" else "INTERNAL_FAILURE_FROM_MODEL",
        LogStreamArn=f"{':'.join(endpoint.arn.split(':')[:2])}:logs:{endpoint.region}:{account}:log-group:{group}",
        OriginalMessage=message,
        OriginalStatusCode=status,
    )
