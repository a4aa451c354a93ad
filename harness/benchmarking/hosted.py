"""Endpoints to put load on: one with a small model of the harness's own, one that answers constants.

Both are made with boto3, without Spark: its JVM would take the cores that are measured. Their names are the ledger's,
which deletes them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from harness import libsvm, mnist
from harness.aws import AWS
from harness.aws.ledger import Ledger, watch
from harness.aws.mock import MockAWS
from harness.aws.names import Names
from harness.aws.permissions import explain_denied
from harness.benchmarking.null_container import COMMAND
from harness.errors import HarnessError, SettingsError
from harness.localaws.images import xgboost_uri
from harness.settings import Settings
from harness.spark import HYPERPARAMETERS
from harness.waiting import wait_until

TRAIN_ROWS = 2000
"""Rows the small model is trained on: how fast it answers depends on its trees, which are as many with more rows."""
_NULL_IMAGE = "harness/null:1"
_CONTENT_TYPE = "text/libsvm"
_MOST_SECONDS = 1800.0
_LONGEST_LOOK = 10.0
_VOLUME_GB = 5

Tell = Callable[[str], None]
Container = dict[str, str]
"""A model as SageMaker's CreateModel takes it: an image, and where what was trained is."""


def bodies(rows: int, count: int) -> list[bytes]:
    """Return ``count`` bodies of ``rows`` of MNIST's test rows each, as LibSVM text with zeros left out."""
    lines = b"".join(mnist.libsvm("test")).splitlines(keepends=True)
    starts = range(0, rows * count, rows)
    return [b"".join(lines[(start + row) % len(lines)] for row in range(rows)) for start in starts]


def dense(rows: int) -> bytes:
    """Return MNIST's first training rows as LibSVM text with every zero written, as the Spark SDK writes them.

    To XGBoost a zero that is left out is a missing value: who asks with zeros written must have trained with them.
    """
    text = io.BytesIO()
    digits = mnist.load("train", rows)
    libsvm.write(text, digits.labels, digits.images)
    return text.getvalue()


def sparse(rows: int) -> bytes:
    """Return MNIST's first training rows as LibSVM text with zeros left out, as :func:`bodies` has them."""
    lines = (line for chunk in mnist.libsvm("train") for line in chunk.splitlines(keepends=True))
    return b"".join(islice(lines, rows))


@contextmanager
def explained() -> Iterator[None]:
    """Raise what AWS answers within as :class:`HarnessError`, with the permission that is missing if one is."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explain_denied(str(error)) or HarnessError(
            f"AWS did not do what was asked: {error}", fix="mend what it names, and run it again"
        ) from error


def host_model(aws: AWS, ledger: Ledger, settings: Settings, tell: Tell) -> str:
    """Train the reference program's XGBoost on MNIST's first rows, host it, and return the endpoint's name.

    :param tell: is told what is under way.
    :raises HarnessError: it cannot be trained or hosted.
    """
    names = ledger.names(settings)
    client = watch(aws.client("sagemaker"), ledger)
    tell(f"training on {TRAIN_ROWS:,} rows")
    model = _train(aws, ledger, settings, names, client, sparse(TRAIN_ROWS))
    tell("creating the endpoint")
    _create(aws, settings, names, client, model)
    _await_service(client, names.endpoint)
    return names.endpoint


def host_on_each(
    aws: AWS, ledger: Ledger, settings: Settings, instance_types: Sequence[str], tell: Tell
) -> dict[str, str]:
    """Train the reference program's XGBoost once, as its ``fit`` would, and host it on each of some instance types.

    All endpoints are created at once, and then waited for.

    :param settings: whose ``train_rows`` are trained on.
    :return: the endpoints' names, by instance type.
    :raises HarnessError: it cannot be trained, or not be hosted on all of them.
    """
    client = watch(aws.client("sagemaker"), ledger)
    tell(f"training on {settings.train_rows:,} rows")
    chosen = [replace(settings, endpoint_instance_type=instance_type) for instance_type in instance_types]
    first, *others = chosen
    names = [ledger.names(first)]
    model = _train(aws, ledger, settings, names[0], client, dense(settings.train_rows))
    tell(f"creating the endpoint on {', '.join(instance_types)}")
    names += [ledger.names(each, training=False) for each in others]
    for each, names_of_it in zip(chosen, names, strict=True):
        _create(aws, each, names_of_it, client, model)
    for names_of_it in names:
        _await_service(client, names_of_it.endpoint)
    return {each.endpoint_instance_type: its.endpoint for each, its in zip(chosen, names, strict=True)}


def host_nothing(aws: AWS, ledger: Ledger, settings: Settings) -> str | None:
    """Host the container that answers constants; return the endpoint's name, or None where no such image is."""
    if not hasattr(aws, "register_container"):
        return None
    cast("MockAWS", aws).register_container(_NULL_IMAGE, COMMAND)
    names = ledger.names(settings, training=False)
    client = watch(aws.client("sagemaker"), ledger)
    _create(aws, settings, names, client, {"Image": _NULL_IMAGE})
    _await_service(client, names.endpoint)
    return names.endpoint


def require_endpoint(aws: AWS, name: str) -> None:
    """Raise :class:`HarnessError` unless the endpoint is in service."""
    client = aws.client("sagemaker")
    try:
        status = client.describe_endpoint(EndpointName=name)["EndpointStatus"]
    except ClientError as error:
        raise explain_denied(str(error)) or HarnessError(
            f"The endpoint {name} cannot be looked at: {error.response['Error']['Message']}",
            checked=f"SageMaker DescribeEndpoint in account {aws.account}, region {aws.region}",
            fix="check the name and the region ('aws sagemaker list-endpoints')",
        ) from error
    if status not in ("InService", "Updating"):
        raise HarnessError(f"The endpoint {name} is {status}.", fix="wait until it is InService")


def _image(region: str) -> str:
    try:
        return xgboost_uri(region)
    except KeyError:
        raise SettingsError(
            f"AWS has no XGBoost 1 image in {region} to train with.",
            checked="the regions of the SageMaker Spark SDK",
            fix="choose another region, or name an endpoint of yours with --endpoint",
        ) from None


def _train(aws: AWS, ledger: Ledger, settings: Settings, names: Names, client: Any, rows: bytes) -> Container:
    """Train on rows, and return the model."""
    image = _image(aws.region)
    ledger.make_bucket()
    bucket, _, prefix = names.data.removeprefix("s3://").partition("/")
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
        StoppingCondition={"MaxRuntimeInSeconds": int(_MOST_SECONDS)},
    )
    job = wait_until(
        lambda: client.describe_training_job(TrainingJobName=names.training_job),
        f"training job {names.training_job} to end",
        done=lambda job: job["TrainingJobStatus"] not in ("InProgress", "Stopping"),
        timeout=_MOST_SECONDS,
        interval=0.1,
        longest=_LONGEST_LOOK,
    )
    if job["TrainingJobStatus"] != "Completed":
        raise HarnessError(f"The model was not trained: {job.get('FailureReason', job['TrainingJobStatus'])}")
    return {"Image": image, "ModelDataUrl": str(job["ModelArtifacts"]["S3ModelArtifacts"])}


def _create(aws: AWS, settings: Settings, names: Names, client: Any, container: Container) -> None:
    """Create model, config and endpoint."""
    client.create_model(ModelName=names.model, ExecutionRoleArn=aws.role, PrimaryContainer=container)
    variant = {
        "VariantName": "all",
        "ModelName": names.model,
        "InitialInstanceCount": settings.endpoint_instance_count,
        "InstanceType": settings.endpoint_instance_type,
    }
    client.create_endpoint_config(EndpointConfigName=names.endpoint_config, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=names.endpoint, EndpointConfigName=names.endpoint_config)


def _await_service(client: Any, name: str) -> None:
    """Wait until an endpoint is in service.

    :raises HarnessError: it was not created.
    """
    endpoint = wait_until(
        lambda: client.describe_endpoint(EndpointName=name),
        f"endpoint {name} to be in service",
        done=lambda endpoint: endpoint["EndpointStatus"] != "Creating",
        timeout=_MOST_SECONDS,
        interval=0.05,
        longest=_LONGEST_LOOK,
    )
    if endpoint["EndpointStatus"] != "InService":
        raise HarnessError(f"The endpoint was not created: {endpoint.get('FailureReason', endpoint['EndpointStatus'])}")
