"""Endpoints for benchmarks: with the reference program's model, or with a container that answers constants.

boto3 creates both without Spark, because Spark's JVM would take the cores that are measured. Their names come from the
ledger, which deletes them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError

from harness import mnist, registries
from harness.aws import AWS
from harness.aws.account.permissions import explain_denied
from harness.aws.cleanup.hooks import watch
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import Names
from harness.bench.load.null_container import COMMAND
from harness.errors import HarnessError, SettingsError
from harness.mnist import HYPERPARAMETERS
from harness.regions import split_s3_uri
from harness.settings import Settings
from harness.waiting import WaitTimeout, wait_until

TRAIN_ROWS = 2000
"""Number of rows that the model for load tests is trained on. Its speed depends on its trees, whose number is fixed."""
_NULL_IMAGE = "harness/null:1"
_CONTENT_TYPE = "text/libsvm"
_MOST_SECONDS = 1800.0
_LONGEST_LOOK = 10.0
_VOLUME_GB = 5

Report = Callable[[str], None]
Container = dict[str, str]
"""Container, as SageMaker's CreateModel takes it: the image, and the S3 URI of the model if there is one."""


def bodies(rows: int, count: int) -> list[bytes]:
    """Return ``count`` bodies of ``rows`` of MNIST's test rows each, as LibSVM text without zeros."""
    lines = b"".join(mnist.libsvm("test")).splitlines(keepends=True)
    starts = range(0, rows * count, rows)
    return [b"".join(lines[(start + row) % len(lines)] for row in range(rows)) for start in starts]


def dense(rows: int) -> bytes:
    """Return MNIST's first training rows as LibSVM text with zeros, as the Spark SDK writes them.

    XGBoost takes a zero that is not written for a missing value. A model for requests with zeros must therefore be
    trained with zeros.
    """
    digits = mnist.load("train", rows)
    return dense_text(digits.images, digits.labels)


def dense_text(images: npt.NDArray[Any], labels: npt.NDArray[Any] | None = None) -> bytes:
    """Return images as LibSVM text with zeros, as the Spark SDK sends them. One request holds 815 MNIST images, 5.2 MB.

    :param images: shape (n, features).
    :param labels: shape (n,); by default 0 for all, as the SDK's ``transform`` always writes.
    """
    written = np.zeros(len(images)) if labels is None else labels
    return b"".join(_line(float(label), image) for label, image in zip(written, images, strict=True))


def _line(label: float, image: npt.NDArray[Any]) -> bytes:
    numbers = enumerate(image.astype(float).tolist(), 1)
    return (str(label) + "".join(f" {number}:{value}" for number, value in numbers) + "\n").encode()


def sparse(rows: int) -> bytes:
    """Return MNIST's first training rows as LibSVM text without zeros, as :func:`bodies` does."""
    lines = (line for chunk in mnist.libsvm("train") for line in chunk.splitlines(keepends=True))
    return b"".join(islice(lines, rows))


@contextmanager
def explained() -> Iterator[None]:
    """Raise errors of AWS as :class:`HarnessError`, which names the permission if one is missing."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explain_denied(str(error)) or HarnessError(
            f"AWS request failed: {error}", fix="fix the problem named above, and run it again"
        ) from error


def host_model(aws: AWS, ledger: Ledger, settings: Settings, report: Report) -> str:
    """Train the reference program's XGBoost on MNIST's first rows, host it, and return the endpoint's name.

    :param report: reports progress.
    :raises HarnessError: it cannot be trained or hosted.
    """
    names = ledger.names(settings)
    client = watch(aws.client("sagemaker"), ledger)
    report(f"training on {TRAIN_ROWS:,} rows")
    model = _train(aws, ledger, settings, names, client, sparse(TRAIN_ROWS))
    report("creating the endpoint")
    _create(aws, settings, names, client, model)
    _await_service(client, names.endpoint, settings.endpoint_instance_type)
    return names.endpoint


def host_on_each(
    aws: AWS,
    ledger: Ledger,
    settings: Settings,
    instance_types: Sequence[str],
    report: Report,
    deadline: float = math.inf,
    model: str | None = None,
) -> tuple[dict[str, str], dict[str, HarnessError]]:
    """Host a model on each of some instance types. It creates all endpoints first, and then waits for them.

    :param settings: give ``train_rows``, the number of rows to train on; one instance trains.
    :param deadline: the end of all waiting, as a time of :func:`time.time`.
    :param model: name of a model in SageMaker, which is kept; by default the reference program's XGBoost is trained
        once, as its ``fit`` would, and deleted with the endpoints.
    :return: by instance type, the names of the endpoints, and the errors of those that were not created.
    :raises HarnessError: training failed, or no endpoint was created.
    """
    client = watch(aws.client("sagemaker"), ledger)
    chosen = {kind: replace(settings, endpoint_instance_type=kind) for kind in instance_types}
    first, trains = instance_types[0], model is None
    names = {kind: ledger.names(chosen[kind], training=trains and kind == first) for kind in instance_types}
    container = None
    if trains:
        report(f"training the harness's model of MNIST on {settings.train_rows:,} rows (--model NAME hosts yours)")
        container = _train(aws, ledger, settings, names[first], client, dense(settings.train_rows), deadline)
    report(f"creating the endpoint of {model or 'that model'} on {', '.join(instance_types)}")
    failed: dict[str, HarnessError] = {}
    for kind in instance_types:
        with _collected(failed, kind):
            if container is not None:
                _create(aws, chosen[kind], names[kind], client, container)
            elif model is not None:
                _create_endpoint(chosen[kind], names[kind], client, model)
    for kind in [kind for kind in instance_types if kind not in failed]:
        with _collected(failed, kind):
            _await_service(client, names[kind].endpoint, kind, deadline)
    if len(failed) == len(instance_types):
        raise failed[instance_types[0]]
    return {kind: names[kind].endpoint for kind in instance_types if kind not in failed}, failed


@contextmanager
def _collected(failed: dict[str, HarnessError], instance_type: str) -> Iterator[None]:
    """Keep an error and continue: AWS may lack capacity for one type, and have it for others."""
    try:
        with explained():
            yield
    except HarnessError as error:
        failed[instance_type] = error


def host_nothing(aws: AWS, ledger: Ledger, settings: Settings) -> str | None:
    """Host the container that answers constants; return the endpoint's name, or None in AWS, which lacks its image."""
    return host_image(aws, ledger, settings, _NULL_IMAGE, COMMAND)


def host_image(aws: AWS, ledger: Ledger, settings: Settings, image: str, command: list[str]) -> str | None:
    """Host a command as an image; return the endpoint's name, or None in AWS, which runs images only."""
    if not aws.runs_registered_containers:
        return None
    aws.register_container(image, command)
    names = ledger.names(settings, training=False)
    client = watch(aws.client("sagemaker"), ledger)
    _create(aws, settings, names, client, {"Image": image})
    _await_service(client, names.endpoint, settings.endpoint_instance_type)
    return names.endpoint


def require_endpoint(aws: AWS, name: str) -> None:
    """Raise :class:`HarnessError` unless the endpoint is in service."""
    client = aws.client("sagemaker")
    try:
        status = client.describe_endpoint(EndpointName=name)["EndpointStatus"]
    except ClientError as error:
        raise explain_denied(str(error)) or HarnessError(
            f"The endpoint {name} cannot be described: {error.response['Error']['Message']}",
            checked=f"SageMaker DescribeEndpoint in account {aws.account}, region {aws.region}",
            fix="check the name and the region ('aws sagemaker list-endpoints')",
        ) from error
    if status not in ("InService", "Updating"):
        raise HarnessError(f"The endpoint {name} is {status}.", fix="wait until it is InService")


def _image(region: str) -> str:
    try:
        return registries.image("xgboost", region)
    except KeyError:
        raise SettingsError(
            f"AWS has no XGBoost 1 image in {region}.",
            checked="the regions that the SageMaker Spark SDK knows",
            fix="choose another region, or name what you have: 'harness bench --model NAME', "
            "'harness bench endpoint --endpoint NAME'",
        ) from None


def _train(
    aws: AWS, ledger: Ledger, settings: Settings, names: Names, client: Any, rows: bytes, deadline: float = math.inf
) -> Container:
    """Train on rows of LibSVM text, and return the model's container."""
    image = _image(aws.region)
    ledger.make_bucket()
    bucket, prefix = split_s3_uri(names.data)
    aws.client("s3").put_object(Bucket=bucket, Key=f"{prefix}train/rows.libsvm", Body=rows)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{names.data}train/", "S3DataDistributionType": "FullyReplicated"}
    client.create_training_job(
        TrainingJobName=names.training_job,
        RoleArn=aws.role,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={name: str(value) for name, value in HYPERPARAMETERS.items()},
        InputDataConfig=[
            {"ChannelName": "train", "ContentType": _CONTENT_TYPE, "DataSource": {"S3DataSource": source}}
        ],
        OutputDataConfig={"S3OutputPath": f"{names.data}model"},
        ResourceConfig={
            "InstanceType": settings.training_instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": _VOLUME_GB,
        },
        StoppingCondition={"MaxRuntimeInSeconds": max(1, int(min(_MOST_SECONDS, deadline - time.time())))},
    )
    job = _awaited(
        lambda: client.describe_training_job(TrainingJobName=names.training_job),
        f"training job {names.training_job} to end",
        lambda job: job["TrainingJobStatus"] not in ("InProgress", "Stopping"),
        deadline,
    )
    if job["TrainingJobStatus"] != "Completed":
        raise HarnessError(f"Training failed: {job.get('FailureReason', job['TrainingJobStatus'])}")
    return {"Image": image, "ModelDataUrl": str(job["ModelArtifacts"]["S3ModelArtifacts"])}


def _create(aws: AWS, settings: Settings, names: Names, client: Any, container: Container) -> None:
    """Create model, config and endpoint."""
    client.create_model(ModelName=names.model, ExecutionRoleArn=aws.role, PrimaryContainer=container)
    _create_endpoint(settings, names, client, names.model)


def _create_endpoint(settings: Settings, names: Names, client: Any, model: str) -> None:
    """Create config and endpoint of an existing model."""
    variant = {
        "VariantName": "all",
        "ModelName": model,
        "InitialInstanceCount": settings.endpoint_instance_count,
        "InstanceType": settings.endpoint_instance_type,
    }
    client.create_endpoint_config(EndpointConfigName=names.endpoint_config, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=names.endpoint, EndpointConfigName=names.endpoint_config)


def _await_service(client: Any, name: str, instance_type: str, deadline: float = math.inf) -> None:
    """Wait until an endpoint is in service.

    :raises HarnessError: it was not created.
    """
    endpoint = _awaited(
        lambda: client.describe_endpoint(EndpointName=name),
        f"endpoint {name} on {instance_type} to be in service",
        lambda endpoint: endpoint["EndpointStatus"] != "Creating",
        deadline,
    )
    if endpoint["EndpointStatus"] != "InService":
        why = endpoint.get("FailureReason", endpoint["EndpointStatus"])
        raise HarnessError(f"The endpoint {name} on {instance_type} was not created: {why}")


def _awaited(
    look: Callable[[], dict[str, Any]], what: str, done: Callable[[dict[str, Any]], bool], deadline: float
) -> dict[str, Any]:
    """Return the description that ``done`` accepts; wait until the deadline, at most half an hour.

    The deadline is a time of day, because a monotonic clock may stop while a laptop sleeps.

    :raises WaitTimeout: no description was accepted by then.
    """
    seen = wait_until(
        look,
        what,
        done=lambda seen: done(seen) or time.time() >= deadline,
        timeout=_MOST_SECONDS,
        interval=0.05,
        longest=_LONGEST_LOOK,
    )
    if not done(seen):
        raise WaitTimeout(
            f"Timed out waiting for {what}: the run's time is over.", checked=f"the last state seen was {seen!r}"
        )
    return seen
