"""Training jobs: channels are downloaded, a container trains, the model is uploaded, and each step can be seen.

States and messages follow https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.localaws.iam.authorization import Authorization
from harness.localaws.iam.required_actions import Need, bucket_arn, object_arn
from harness.localaws.moto_backend import Services, StoredObject, split_uri
from harness.localaws.sagemaker.container_process import ContainerProcess, free_port
from harness.localaws.sagemaker.execution_role import image_refusal, log_writer
from harness.localaws.sagemaker.images import Image
from harness.localaws.sagemaker.training.metrics import Metrics

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
STOP_GRACE_SECONDS = 120
"""How long a container may take to save its model after SIGTERM (StopTrainingJob's page)."""
_DISCARD_SECONDS = 10
_USER_ERROR = 2  # the exit code of a container that blames its input, as SageMaker's built-in algorithms have it
_REASON_LENGTH = 1024
_QUOTED = 500  # characters of a line of output, so that a failure reason has room for the rest
_TERMINAL = ("Completed", "Failed", "Stopped")
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
log = logging.getLogger(__name__)


class TrainingFailure(Exception):
    """The job cannot go on; the message is its failure reason."""


@dataclass
class TrainingJob:
    """One training job: what was asked for, and how far it is."""

    request: dict[str, Any]
    region: str
    arn: str
    created: float = field(default_factory=time.time)
    status: str = "InProgress"
    secondary: str = ""
    failure: str = ""
    started: float | None = None
    ended: float | None = None
    modified: float = field(default_factory=time.time)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    discarded: bool = False
    """True once no one wants the job's outcome: its containers are killed."""

    @property
    def name(self) -> str:
        """TrainingJobName."""
        return str(self.request["TrainingJobName"])

    @property
    def artifact(self) -> str:
        """The URI that the model is uploaded to."""
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output/model.tar.gz"

    @property
    def done(self) -> bool:
        """Whether the job has reached its last state."""
        return self.status in _TERMINAL

    def move(self, secondary: str, status: str | None = None) -> None:
        """Enter a secondary status, and a status with it."""
        with self.changed:
            now = time.time()
            if self.transitions:
                self.transitions[-1]["EndTime"] = now
            self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]})
            self.secondary, self.modified = secondary, now
            if status:
                self.status = status
            if self.done:
                self.ended = self.transitions[-1]["EndTime"] = now
            self.changed.notify_all()

    def ask_to_stop(self) -> None:
        """Begin to stop, unless that has begun or the job is done."""
        with self.changed:
            if self.status == "InProgress":
                self.move("Stopping", "Stopping")

    def wait_done(self, timeout: float | None) -> bool:
        """Wait for the last state; return whether it was reached."""
        with self.changed:
            return self.changed.wait_for(lambda: self.done, timeout)

    def describe(self) -> dict[str, Any]:
        """Return DescribeTrainingJob's answer."""
        with self.changed:
            answer = {
                **self.request,
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "SecondaryStatusTransitions": [dict(transition) for transition in self.transitions],
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
                "FinalMetricDataList": list(self.metrics.values()),
                "TrainingStartTime": self.started,
                "TrainingEndTime": self.ended,
                "FailureReason": self.failure or None,
            }
            if self.ended and self.started:
                seconds = max(1, round(self.ended - self.started))
                answer.update(TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
            if self.status in ("Completed", "Stopped"):
                answer["ModelArtifacts"] = {"S3ModelArtifacts": self.artifact}
        answer.pop("Tags", None)
        return {name: value for name, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """Return the job as ListTrainingJobs shows it."""
        whole = self.describe()
        members = (
            "TrainingJobName",
            "TrainingJobArn",
            "CreationTime",
            "TrainingEndTime",
            "LastModifiedTime",
            "TrainingJobStatus",
        )
        return {name: whole[name] for name in members if name in whole}


class Trainer:
    """Runs training jobs, each in a thread of its own."""

    def __init__(
        self,
        services: Services,
        directory: Path,
        environment: Callable[[str, str], Mapping[str, str]],
        authorization: Authorization,
    ) -> None:
        """Work under ``directory``; ``environment`` gives containers of a region and a role their way here."""
        self._services = services
        self._directory = directory
        self._environment = environment
        self._authorization = authorization
        self._threads: list[tuple[TrainingJob, threading.Thread]] = []
        self._lock = threading.Lock()

    def start(self, job: TrainingJob, image: Image) -> None:
        """Begin the job and return at once."""
        job.move("Starting")
        thread = threading.Thread(target=self._run, args=(job, image), name=job.name, daemon=True)
        with self._lock:
            thread.start()
            self._threads = [(known, worker) for known, worker in self._threads if worker.is_alive()] + [(job, thread)]

    def stop(self, job: TrainingJob) -> None:
        """Ask the job to stop (StopTrainingJob)."""
        job.ask_to_stop()

    def discard_all(self) -> None:
        """End every job at once and wait, not for long, until none runs."""
        with self._lock:
            running = list(self._threads)
        for job, _ in running:
            job.discarded = True
        deadline = time.monotonic() + _DISCARD_SECONDS
        for _, thread in running:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _run(self, job: TrainingJob, image: Image) -> None:
        directory = self._directory / job.region / job.name
        try:
            environment = self._environment(job.region, job.request["RoleArn"])
            _Run(job, image, self._services, directory, environment, self._authorization).run()
        except TrainingFailure as failure:
            self._fail(job, str(failure))
        except OSError as error:
            self._fail(job, f"InternalServerError: the local AWS failed: {error}")
        except Exception as error:
            log.exception("training job %s", job.name)
            self._fail(job, f"InternalServerError: the local AWS failed: {error!r}")
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _fail(self, job: TrainingJob, reason: str) -> None:
        job.failure = reason[:_REASON_LENGTH]
        job.move("Failed", "Failed")


class _Run:
    """One job on its way through the states."""

    def __init__(
        self,
        job: TrainingJob,
        image: Image,
        services: Services,
        directory: Path,
        environment: Mapping[str, str],
        authorization: Authorization,
    ) -> None:
        self._job = job
        self._image = image
        self._services = services
        self._environment = environment
        self._authorization = authorization
        self._role = job.request["RoleArn"]
        count = job.request["ResourceConfig"].get("InstanceCount", 1)
        self._hosts = [f"algo-{number}" for number in range(1, count + 1)]
        self._roots = {host: directory / host for host in self._hosts}
        self._last_lines = dict.fromkeys(self._hosts, "")
        self._metrics = Metrics([], directory, lambda _: None)

    def run(self) -> None:
        self._job.started = time.time()
        self._check_image()
        self._job.move("Downloading")
        for host in self._hosts:
            self._prepare(host)
        for channel in self._job.request.get("InputDataConfig", []):
            self._download(channel)
        outcome = "Stopped" if self._job.status == "Stopping" else self._train()
        if self._job.discarded:
            raise TrainingFailure("InternalServerError: the local AWS was reset")
        if outcome == "Completed":
            self._job.move("Uploading")
        self._upload()
        self._job.move(outcome, "Completed" if outcome == "Completed" else "Stopped")

    def _check_image(self) -> None:
        uri = self._job.request["AlgorithmSpecification"]["TrainingImage"]
        if reason := image_refusal(self._authorization, self._role, uri):
            raise TrainingFailure(f"ClientError: Cannot pull algorithm container. {reason}")

    def _check_may(self, what: str, action: str, resource: str, prefix: str = "") -> None:
        context = {"s3:prefix": [prefix]} if action == "s3:ListBucket" else {}
        if reason := self._authorization.refusal(self._role, Need(action, resource, context)):
            raise TrainingFailure(f"ClientError: {what} failed:AccessDenied (403): {reason}")

    def _prepare(self, host: str) -> None:
        root = self._roots[host]
        for part in ("input/config", "input/data", "model", "output/data", "checkpoints"):
            (root / part).mkdir(parents=True)
        channels = self._job.request.get("InputDataConfig", [])
        configuration: dict[str, Any] = {
            "hyperparameters": self._job.request.get("HyperParameters", {}),
            "resourceconfig": {"current_host": host, "hosts": self._hosts, "network_interface_name": "lo"},
            "inputdataconfig": {channel["ChannelName"]: _input_configuration(channel) for channel in channels},
        }
        for name, value in configuration.items():
            (root / "input/config" / f"{name}.json").write_text(json.dumps(value))

    def _download(self, channel: dict[str, Any]) -> None:
        source = channel["DataSource"]["S3DataSource"]
        bucket, prefix = split_uri(source["S3Uri"])
        self._check_may("Data download", "s3:ListBucket", bucket_arn(self._job.region, bucket), prefix)
        found = list(find_objects(self._services, source))
        if not found:
            raise TrainingFailure(
                f'ClientError: Data download failed: No S3 objects found under S3 URL "{source["S3Uri"]}" given in '
                f"input data source of channel {channel['ChannelName']}. Please ensure that objects exist under that "
                "S3 prefix."
            )
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        for number, host in enumerate(self._hosts):
            part = found[number :: len(self._hosts)] if sharded else found
            for path, stored in part:
                self._fetch(stored, self._roots[host] / "input/data" / channel["ChannelName"] / _inside(path, stored))

    def _fetch(self, stored: StoredObject, target: Path) -> None:
        resource = object_arn(self._job.region, stored.bucket, stored.key)
        self._check_may("Data download", "s3:GetObject", resource)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            try:
                self._services.read_object(stored.bucket, stored.key, file)
            except KeyError as error:
                raise TrainingFailure(f"ClientError: Data download failed: {error} does not exist") from None

    def _train(self) -> str:
        """Run the containers; return the outcome as a secondary status."""
        self._job.move("Training")
        tracker = str(free_port())
        processes: list[ContainerProcess] = []
        try:
            processes += (self._start(host, tracker) for host in self._hosts)
            outcome = self._watch(processes)
        finally:
            for process in processes:
                process.kill()
        try:
            if outcome == "Completed":
                self._check(processes)
        finally:
            self._metrics.close()
        return outcome

    def _start(self, host: str, tracker: str) -> ContainerProcess:
        environment = {
            **self._environment,
            "TRAINING_JOB_NAME": self._job.name,
            "TRAINING_JOB_ARN": self._job.arn,
            "HARNESS_TRACKER_PORT": tracker,
            **self._job.request.get("Environment", {}),
        }
        stream = f"{self._job.name}/{host}-{int(time.time())}"
        write = log_writer(self._services, self._authorization, self._role, self._job.region, LOG_GROUP, stream)
        first = host == self._hosts[0]
        if first:
            self._metrics = Metrics(self._metric_definitions(), self._roots[host], write)

        def on_line(line: str) -> None:
            write(line)
            self._last_lines[host] = line[:_QUOTED] or self._last_lines[host]
            if first:
                self._measure(line)

        return ContainerProcess([*self._image.command, "train"], self._roots[host], environment, on_line)

    def _metric_definitions(self) -> list[tuple[str, str]]:
        given = self._job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        return [(item["Name"], item["Regex"]) for item in given] or list(self._image.metrics)

    def _measure(self, line: str) -> None:
        for name, value in self._metrics.find(line).items():
            with self._job.changed:
                self._job.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": time.time()}

    def _watch(self, processes: list[ContainerProcess]) -> str:
        """Wait until every container has ended, or stop them; return the outcome."""
        limit = self._job.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        deadline = time.monotonic() + limit
        while any(process.exit_code is None for process in processes):
            if any(process.exit_code for process in processes):
                return "Completed"  # one has failed: the others wait for it in vain
            if self._job.discarded:
                return "Stopped"
            if self._job.status == "Stopping":
                return self._end(processes, "Stopped")
            if time.monotonic() >= deadline:
                return self._end(processes, "MaxRuntimeExceeded")
            processes[0].wait(0.05) if processes[0].exit_code is None else time.sleep(0.05)
        return "Completed"

    def _end(self, processes: list[ContainerProcess], outcome: str) -> str:
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        for process in processes:
            process.terminate()
        while any(process.exit_code is None for process in processes) and time.monotonic() < deadline:
            if self._job.discarded:
                break
            time.sleep(0.05)
        return outcome

    def _check(self, processes: list[ContainerProcess]) -> None:
        for host, process in zip(self._hosts, processes, strict=True):
            code = process.wait(5)
            if code and code != -9:
                raise TrainingFailure(self._reason(host, code))
        codes = [process.exit_code or 0 for process in processes]
        if any(codes):
            raise TrainingFailure(self._reason(self._hosts[codes.index(-9)], -9))

    def _reason(self, host: str, code: int) -> str:
        text = _beginning(self._roots[host] / "output" / "failure").strip()
        shown = 128 - code if code < 0 else code  # as a shell and Docker show a signal
        if not text:
            text = (
                f"the container on {host} ended without a message; its last output was {self._last_lines[host]!r}; "
                f"its log is in {LOG_GROUP} under {self._job.name}/{host}"
            )
        return f"{'ClientError' if code == _USER_ERROR else 'AlgorithmError'}: {text}, exit code: {shown}"

    def _upload(self) -> None:
        root = self._roots[self._hosts[0]]
        bucket, key = split_uri(self._job.artifact)
        if not self._services.has_bucket(bucket):
            raise TrainingFailure(f"ClientError: Artifact upload failed: S3 bucket {bucket} does not exist")
        self._check_may("Artifact upload", "s3:PutObject", object_arn(self._job.region, bucket, key))
        for part, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
            if part == "model" or any((root / part).iterdir()):
                archive = root / name
                with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
                    for path in sorted((root / part).iterdir()):
                        tar.add(path, path.name)
                self._services.write_object(bucket, str(PurePosixPath(key).with_name(name)), archive)


def _beginning(path: Path) -> str:
    """Return the beginning of a file that a container wrote, or '' if there is no regular file."""
    if not path.is_file():
        return ""
    with path.open(errors="replace") as file:
        return file.read(_REASON_LENGTH)


def _inside(path: str, stored: StoredObject) -> str:
    """Return the path below a channel's directory where an object goes, whatever its key holds.

    :raises TrainingFailure: it would leave the directory.
    """
    if ".." in path.split("/"):
        raise TrainingFailure(
            f"ClientError: Data download failed: the key of s3://{stored.bucket}/{stored.key} leads out of the channel"
        )
    return path.lstrip("/")


def _input_configuration(channel: dict[str, Any]) -> dict[str, str]:
    """Return a channel's entry of ``inputdataconfig.json``."""
    source = channel["DataSource"]["S3DataSource"]
    configuration = {
        "TrainingInputMode": "File",
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if channel.get("ContentType"):
        configuration["ContentType"] = channel["ContentType"]
    return configuration


def find_objects(services: Services, source: dict[str, Any]) -> Iterator[tuple[str, StoredObject]]:
    """Yield the objects of an S3DataSource, each with its path below the channel's directory."""
    if source["S3DataType"] == "ManifestFile":
        yield from _manifest_objects(services, source["S3Uri"])
        return
    bucket, prefix = split_uri(source["S3Uri"])
    parent = prefix[: prefix.rfind("/") + 1]
    for stored in services.list_objects(bucket, prefix):
        if not stored.key.endswith("/"):
            base = f"{prefix}/" if stored.key.startswith(f"{prefix}/") else parent
            yield stored.key.removeprefix(base), stored


def _manifest_objects(services: Services, uri: str) -> Iterator[tuple[str, StoredObject]]:
    """Yield what a manifest names: ``[{"prefix": "s3://bucket/dir/"}, "path", …]``."""
    entries = _read_json(services, uri)
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict) or "prefix" not in entries[0]:
        raise TrainingFailure(
            f'ClientError: Manifest {uri} must be a JSON list that begins with {{"prefix": "s3://…"}}'
        )
    bucket, prefix = split_uri(entries[0]["prefix"])
    for path in entries[1:]:
        found = [stored for stored in services.list_objects(bucket, prefix + path) if stored.key == prefix + path]
        if not found:
            raise TrainingFailure(
                f"ClientError: Data download failed: s3://{bucket}/{prefix}{path} of manifest {uri} does not exist"
            )
        yield path, found[0]


def _read_json(services: Services, uri: str) -> Any:
    buffer = io.BytesIO()
    try:
        services.read_object(*split_uri(uri), buffer)
        return json.loads(buffer.getvalue())
    except KeyError:
        raise TrainingFailure(f"ClientError: Manifest {uri} does not exist") from None
    except ValueError as error:
        raise TrainingFailure(f"ClientError: Manifest {uri} is no JSON: {error}") from None
