"""Run of one training job: channels are downloaded, containers train, the model is uploaded.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
import random
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from harness.caches.models import ModelCache, Trained
from harness.localaws.iam.asked import Need
from harness.localaws.iam.authorization import Authorization
from harness.localaws.iam.s3_actions import bucket_arn, object_arn
from harness.localaws.moto_backend import Services, StoredObject
from harness.localaws.s3.bodies.body import Body
from harness.localaws.sagemaker.container_paths import as_in_container
from harness.localaws.sagemaker.container_process import ContainerProcess, free_port
from harness.localaws.sagemaker.execution_role import image_refusal, log_writer
from harness.localaws.sagemaker.images import Image
from harness.localaws.sagemaker.training.cache_key import cache_key
from harness.localaws.sagemaker.training.channels import (
    Input,
    download,
    files_on,
    find_objects,
    input_configuration,
    path_inside,
)
from harness.localaws.sagemaker.training.checkpoints import Checkpoints
from harness.localaws.sagemaker.training.job import Job, TrainingFailure
from harness.localaws.sagemaker.training.metrics import Metrics
from harness.localaws.sagemaker.training.rules import checkpoint_directory, input_mode, max_runtime
from harness.regions import split_s3_uri

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
STOP_GRACE_SECONDS = 120
"""Seconds that a container may take to save its model after SIGTERM (page of StopTrainingJob)."""
REASON_LENGTH = 1024
"""Characters of a failure reason."""
FROM_CACHE = "Not trained again: model, log and metrics are from the cache"
"""In the first line of the log of a job that was not trained."""
_USER_ERROR = 2  # exit code of a container that blames its input, as SageMaker's built-in algorithms have it
_QUOTED = 500  # characters of a line of output, so that a failure reason has room for the rest


class TrainingRun:
    """Run of one job, through all its states."""

    def __init__(
        self,
        job: Job,
        image: Image,
        services: Services,
        directory: Path,
        environment: Mapping[str, str],
        authorization: Authorization,
        cache: ModelCache | None = None,
    ) -> None:
        """Run a job in a directory.

        :param environment: variables of its containers.
        :param cache: of trained models, None to train in any case.
        """
        self._job = job
        self._image = image.for_request(job.request.get("Environment", {}))
        self._services = services
        self._environment = environment
        self._authorization = authorization
        self._role = job.request["RoleArn"]
        count = job.request["ResourceConfig"].get("InstanceCount", 1)
        self._hosts = [f"algo-{number}" for number in range(1, count + 1)]
        self._roots = {host: directory / host for host in self._hosts}
        self._last_lines = dict.fromkeys(self._hosts, "")
        self._metrics = Metrics([], directory, lambda _: None)
        self._checkpoints: Checkpoints | None = None
        self._inputs: list[Input] = []
        self._lines: list[tuple[str, str]] = []
        self._log_is_whole = False
        self._seconds = 0.0
        self._cache = cache if image.is_built_in and not checkpoint_directory(job.request) else None

    def run(self) -> None:
        """Train, and upload what was trained.

        :raises TrainingFailure: the job cannot continue.
        """
        self._job.started = time.time()
        self._check_image()
        self._job.move("Downloading")
        for host in self._hosts:
            self._prepare(host)
        self._restore_checkpoints()
        for channel in self._job.request.get("InputDataConfig", []):
            self._locate(channel)
        key = self._key() if self._cache else ""
        found = self._find(key)
        if found:
            outcome = self._repeat(found)
        else:
            self._image.prepare("train", self._variables)
            download(self._inputs, self._roots)
            self._inputs.clear()  # deleted objects take disk as long as their bodies are kept
            outcome = "Stopped" if self._job.status == "Stopping" else self._train()
        if self._job.discarded:
            raise TrainingFailure("InternalServerError: the local AWS was reset")
        if outcome == "Completed":
            self._job.move("Uploading")
        archives = found.archives if found else self._pack()
        self._upload(archives)
        if self._cache and self._log_is_whole and outcome == "Completed":
            self._store(self._cache, key, archives)
        self._job.move(outcome, "Completed" if outcome == "Completed" else "Stopped")

    @property
    def _uri(self) -> str:
        """The image."""
        return str(self._job.request["AlgorithmSpecification"]["TrainingImage"])

    def _check_image(self) -> None:
        if reason := image_refusal(self._authorization, self._role, self._uri):
            raise TrainingFailure(f"ClientError: Cannot pull algorithm container. {reason}")

    def _check_may(self, what: str, action: str, resource: str, prefix: str = "") -> None:
        context = {"s3:prefix": [prefix]} if action == "s3:ListBucket" else {}
        if reason := self._authorization.refusal(self._role, Need(action, resource, context)):
            raise TrainingFailure(f"ClientError: {what} failed:AccessDenied (403): {reason}")

    def _prepare(self, host: str) -> None:
        root = self._roots[host]
        for part in ("input/config", "input/data", "model", "output/data"):
            (root / part).mkdir(parents=True)
        if directory := checkpoint_directory(self._job.request):
            (root / directory).mkdir(parents=True)
        for name, value in self._configuration(host).items():
            (root / "input/config" / f"{name}.json").write_text(json.dumps(value))

    def _configuration(self, host: str) -> dict[str, Any]:
        """Return the contents of the files in ``input/config``, by name."""
        channels = self._job.request.get("InputDataConfig", [])
        configuration: dict[str, Any] = {
            "hyperparameters": self._job.request.get("HyperParameters", {}),
            "resourceconfig": {"current_host": host, "hosts": self._hosts, "network_interface_name": "lo"},
            "inputdataconfig": {
                channel["ChannelName"]: input_configuration(channel, input_mode(self._job.request, channel))
                for channel in channels
            },
        }
        if directory := checkpoint_directory(self._job.request):
            # as https://github.com/aws/sagemaker-xgboost-container/pull/32 reads it
            configuration["checkpointconfig"] = {"LocalPath": str(self._roots[host] / directory)}
        return configuration

    def _restore_checkpoints(self) -> None:
        if directory := checkpoint_directory(self._job.request):
            directories = [root / directory for root in self._roots.values()]
            uri, region = self._job.request["CheckpointConfig"]["S3Uri"], self._job.region
            self._checkpoints = Checkpoints(self._services, uri, directories, region, self._check_may)
            self._checkpoints.restore()

    def _locate(self, channel: dict[str, Any]) -> None:
        """Find the objects of a channel that each host gets, and check that the role may read them."""
        source = channel["DataSource"]["S3DataSource"]
        bucket, prefix = split_s3_uri(source["S3Uri"])
        self._check_may("Data download", "s3:ListBucket", bucket_arn(self._job.region, bucket), prefix)
        found = list(find_objects(self._services, source))
        if not found:
            raise TrainingFailure(
                f'ClientError: Data download failed: No S3 objects found under S3 URL "{source["S3Uri"]}" given in '
                f"input data source of channel {channel['ChannelName']}. Please ensure that objects exist under that "
                "S3 prefix."
            )
        if "ShuffleConfig" in channel:
            # AWS's order is not documented. It shows in the shards only: a directory has no order.
            random.Random(channel["ShuffleConfig"]["Seed"]).shuffle(found)
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        for number, host in enumerate(self._hosts):
            for path, stored in found[number :: len(self._hosts)] if sharded else found:
                body = self._body(stored)
                self._inputs.append(Input(host, channel["ChannelName"], path_inside(path, stored), body))

    def _body(self, stored: StoredObject) -> Body:
        resource = object_arn(self._job.region, stored.bucket, stored.key)
        self._check_may("Data download", "s3:GetObject", resource)
        try:
            return self._services.body_of(stored.bucket, stored.key)
        except KeyError as error:
            raise TrainingFailure(f"ClientError: Data download failed: {error} does not exist") from None

    def _key(self) -> str:
        """Return the job's key in the cache."""
        hosts = {host: (self._configuration(host), files_on(host, self._inputs)) for host in self._hosts}
        return cache_key(self._uri, self._image.command, self._job.request.get("Environment", {}), hosts)

    def _find(self, key: str) -> Trained | None:
        """Return what the cache has for a job that is not to be stopped, and would not be by its time limit."""
        if not self._cache or self._job.status == "Stopping":
            return None
        found = self._cache.find(key, self._roots[self._hosts[0]])
        return found if found and time.monotonic() + found.seconds < self._deadline()[0] else None

    def _repeat(self, found: Trained) -> str:
        """Write the log and set the metrics of the job that was trained; return the outcome."""
        self._job.move("Training")
        for name, value in found.metrics.items():
            self._set_metric(name, value)
        when = datetime.fromtimestamp(found.at, timezone.utc)
        note = f"[harness] {FROM_CACHE}, of a job with the same input at {when:%Y-%m-%d %H:%M:%S} UTC."
        write = {host: self._line_writer(host, [], note) for host in self._hosts}
        try:
            for host, line in found.lines:
                write[host](line)
        finally:
            self._metrics.close()
        if self._cache:
            self._cache.served.append(self._job.name)
        return "Completed"

    def _store(self, cache: ModelCache, key: str, archives: Sequence[Path]) -> None:
        metrics = {name: metric["Value"] for name, metric in self._job.metrics.items()}
        cache.store(key, Trained(self._uri, time.time(), self._seconds, self._lines, metrics, archives))

    def _train(self) -> str:
        """Run the containers; return the outcome as a secondary status."""
        self._job.move("Training")
        began = time.monotonic()
        tracker = str(free_port())
        processes: list[ContainerProcess] = []
        try:
            processes += (self._start(host, tracker) for host in self._hosts)
            self._image.prepare("serve", self._environment)  # most models that are trained are hosted then
            outcome = self._watch(processes)
        finally:
            for process in processes:
                process.kill()
        try:
            if self._checkpoints and not self._job.discarded:
                self._checkpoints.save()
            if outcome == "Completed":
                self._check(processes)
                self._log_is_whole = all(process.is_read for process in processes)
        finally:
            self._metrics.close()
        self._seconds = time.monotonic() - began
        return outcome

    @property
    def _variables(self) -> dict[str, str]:
        """Variables of each container of the job."""
        job = {"TRAINING_JOB_NAME": self._job.name, "TRAINING_JOB_ARN": self._job.arn}
        return {**self._environment, **job, **self._job.request.get("Environment", {})}

    def _start(self, host: str, tracker: str) -> ContainerProcess:
        environment = {"HARNESS_TRACKER_PORT": tracker, **self._variables}
        write = self._line_writer(host, self._metric_definitions())

        def on_line(line: str) -> None:
            self._last_lines[host] = line[:_QUOTED] or self._last_lines[host]
            if self._cache:
                self._lines.append((host, line))
            write(line)

        command = [*self._image.command, "train"]
        return ContainerProcess(command, self._roots[host], environment, on_line, self._image.prepared)

    def _line_writer(self, host: str, metrics: Sequence[tuple[str, str]], note: str = "") -> Callable[[str], None]:
        """Return a function that writes a line to the log of a host, and finds metrics in it on the first host.

        :param metrics: their names and expressions.
        :param note: line of the harness at the start of the log, in which no metrics are searched.
        """
        stream = f"{self._job.name}/{host}-{int(time.time())}"
        write = log_writer(self._services, self._authorization, self._role, self._job.region, LOG_GROUP, stream)
        if note:
            write(note)
        if host != self._hosts[0]:
            return write
        self._metrics = Metrics(metrics, self._roots[host], write)

        def write_and_measure(line: str) -> None:
            write(line)
            self._measure(line)

        return write_and_measure

    def _metric_definitions(self) -> list[tuple[str, str]]:
        given = self._job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        return [(item["Name"], item["Regex"]) for item in given] or list(self._image.metrics)

    def _measure(self, line: str) -> None:
        for name, value in self._metrics.find(line).items():
            self._set_metric(name, value)

    def _set_metric(self, name: str, value: float) -> None:
        with self._job.changed:
            self._job.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": time.time()}

    def _watch(self, processes: list[ContainerProcess]) -> str:
        """Wait until every container has ended, or stop them; return the outcome."""
        deadline, outcome = self._deadline()
        while any(process.exit_code is None for process in processes):
            if any(process.exit_code for process in processes):
                return "Completed"  # one has failed, and the others would wait for it forever
            if self._job.discarded:
                return "Stopped"
            if self._checkpoints:
                self._checkpoints.save_if_due()
            if self._job.status == "Stopping":
                return self._end(processes, "Stopped")
            if time.monotonic() >= deadline:
                return self._end(processes, outcome)
            processes[0].wait(0.05) if processes[0].exit_code is None else time.sleep(0.05)
        return "Completed"

    def _deadline(self) -> tuple[float, str]:
        """Return the time at which training is stopped, and the outcome then."""
        deadline = time.monotonic() + max_runtime(self._job.request)
        wait = self._job.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        if wait is None:
            return deadline, "MaxRuntimeExceeded"
        waited = time.time() - self._job.created
        return min((deadline, "MaxRuntimeExceeded"), (time.monotonic() + wait - waited, "MaxWaitTimeExceeded"))

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
        root = self._roots[host]
        text = as_in_container(_beginning(root / "output" / "failure").strip(), root)
        shown = 128 - code if code < 0 else code  # as a shell and Docker show a signal
        if not text:
            text = (
                f"the container on {host} ended without a message; its last output was {self._last_lines[host]!r}; "
                f"its log is in {LOG_GROUP} under {self._job.name}/{host}"
            )
        return f"{'ClientError' if code == _USER_ERROR else 'AlgorithmError'}: {text}, exit code: {shown}"

    def _pack(self) -> list[Path]:
        """Return the archives of what the first host wrote."""
        root = self._roots[self._hosts[0]]
        archives = []
        for part, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
            if part == "model" or any((root / part).iterdir()):
                archives.append(root / name)
                with tarfile.open(root / name, "w:gz", compresslevel=6) as tar:
                    for path in sorted((root / part).iterdir()):
                        tar.add(path, path.name)
        return archives

    def _upload(self, archives: Sequence[Path]) -> None:
        bucket, key = split_s3_uri(self._job.artifact)
        if not self._services.has_bucket(bucket):
            raise TrainingFailure(f"ClientError: Artifact upload failed: S3 bucket {bucket} does not exist")
        self._check_may("Artifact upload", "s3:PutObject", object_arn(self._job.region, bucket, key))
        for archive in archives:
            self._services.write_object(bucket, str(PurePosixPath(key).with_name(archive.name)), archive)


def _beginning(path: Path) -> str:
    """Return the beginning of a file that a container wrote, or '' if there is no regular file."""
    if not path.is_file():
        return ""
    with path.open(errors="replace") as file:
        return file.read(REASON_LENGTH)
