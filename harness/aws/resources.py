"""What a run creates in AWS: found by the prefix of its names, deleted in reverse order, and asked for again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws import AWS
from harness.waiting import WaitTimeout, wait_until


class Resource(NamedTuple):
    """Something in AWS that a run created."""

    kind: str
    """``training job``, ``model``, ``endpoint config``, ``endpoint`` or ``S3 object``."""
    name: str
    """The name, or the ``s3://`` URI."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def deletable(self) -> bool:
        """Whether AWS lets it be deleted: the record of a training job stays for ever."""
        return self.kind != "training job"


class _Kind(NamedTuple):
    operations: str
    """What the operations' names end in: ``describe_…``, ``delete_…``, ``list_…s``."""
    parameter: str
    listed: str
    """The member of the list operation's answer."""


_KINDS = {
    "endpoint": _Kind("endpoint", "EndpointName", "Endpoints"),
    "endpoint config": _Kind("endpoint_config", "EndpointConfigName", "EndpointConfigs"),
    "model": _Kind("model", "ModelName", "Models"),
    "training job": _Kind("training_job", "TrainingJobName", "TrainingJobSummaries"),
}
"""In the order in which they are deleted: what uses another comes before it."""


def find(aws: AWS, prefix: str) -> list[Resource]:
    """Return what exists whose name starts with ``prefix``, in the order of deletion.

    Objects are those below the directories that the SDK names after a job: the rows staged for it, and its model.
    """
    client = aws.client("sagemaker")
    found = [Resource(kind, name) for kind in _KINDS for name in _names(client, kind, prefix)]
    jobs = [resource.name for resource in found if resource.kind == "training job"]
    return [*found, *(Resource("S3 object", uri) for job in jobs for uri in _objects(aws, client, job))]


def _names(client: Any, kind: str, prefix: str) -> Iterator[str]:
    operations, parameter, listed = _KINDS[kind]
    for page in client.get_paginator(f"list_{operations}s").paginate(NameContains=prefix):
        yield from (item[parameter] for item in page[listed] if item[parameter].startswith(prefix))


def _objects(aws: AWS, client: Any, job: str) -> Iterator[str]:
    """Yield the URIs of what was staged for a training job and of what it wrote."""
    description = client.describe_training_job(TrainingJobName=job)
    channels = description.get("InputDataConfig", [])
    inputs = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels]
    output = f"{description['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job}"
    pages = aws.client("s3").get_paginator("list_objects_v2")
    for uri in {output, *(uri.rstrip("/") for uri in inputs if uri.rstrip("/").endswith(f"/{job}"))}:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{key}/"):
            yield from (f"s3://{bucket}/{item['Key']}" for item in page.get("Contents", []))


def delete(aws: AWS, resources: Iterable[Resource], timeout: float = 600.0) -> None:
    """Delete the resources that can be deleted, one after the other; what fails is left for :func:`find` to show.

    A training job that still runs is stopped; SageMaker keeps its record for ever.

    :param timeout: seconds to wait for an endpoint that is being created or deleted.
    """
    sagemaker, s3 = aws.client("sagemaker"), aws.client("s3")
    for resource in resources:
        try:
            _delete(sagemaker, s3, resource, timeout)
        except (ClientError, BotoCoreError, WaitTimeout):
            continue


def _delete(sagemaker: Any, s3: Any, resource: Resource, timeout: float) -> None:
    if resource.kind == "S3 object":
        bucket, _, key = resource.name.removeprefix("s3://").partition("/")
        s3.delete_object(Bucket=bucket, Key=key)
    elif resource.kind == "training job":
        status = sagemaker.describe_training_job(TrainingJobName=resource.name)["TrainingJobStatus"]
        if status in ("InProgress", "Stopping"):
            _stop(sagemaker, resource.name, timeout)
    else:
        kind = _KINDS[resource.kind]
        if resource.kind == "endpoint":
            _wait_while(sagemaker, resource, ("Creating", "Updating"), timeout)
        getattr(sagemaker, f"delete_{kind.operations}")(**{kind.parameter: resource.name})
        if resource.kind == "endpoint":
            _wait_while(sagemaker, resource, ("Deleting",), timeout)


def _stop(sagemaker: Any, job: str, timeout: float) -> None:
    sagemaker.stop_training_job(TrainingJobName=job)
    wait_until(
        lambda: sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"],
        f"training job {job} to stop",
        done=lambda status: status in ("Stopped", "Completed", "Failed"),
        timeout=timeout,
    )


def _wait_while(sagemaker: Any, endpoint: Resource, states: tuple[str, ...], timeout: float) -> None:
    what = f"{endpoint} to leave {'/'.join(states)}"
    wait_until(lambda: _state(sagemaker, endpoint), what, done=lambda state: state not in states, timeout=timeout)


def leftovers(aws: AWS, created: Iterable[Resource], *, timeout: float = 120.0) -> list[str]:
    """Return those of the resources that still exist, asking AWS for each, and those it gives no clear answer for.

    :param created: models, endpoint configs and endpoints.
    :param timeout: seconds to wait for endpoints that are being deleted, as AWS takes a while over that.
    """
    client = aws.client("sagemaker")
    found = {resource: _when_settled(client, resource, timeout) for resource in created}
    return [f"{resource} ({state})" for resource, state in found.items() if state is not None]


def _when_settled(client: Any, resource: Resource, timeout: float) -> str | None:
    what = f"{resource} to be deleted"
    try:
        return wait_until(
            lambda: _state(client, resource), what, done=lambda state: state != "Deleting", timeout=timeout
        )
    except WaitTimeout:
        return f"still Deleting after {timeout:g} s"


def _state(client: Any, resource: Resource) -> str | None:
    """Return a resource's status, or None when AWS says that it does not exist."""
    kind = _KINDS[resource.kind]
    try:
        answer = getattr(client, f"describe_{kind.operations}")(**{kind.parameter: resource.name})
    except ClientError as error:
        gone = error.response["Error"]["Message"].startswith("Could not find")
        return None if gone else f"unknown: {error}"
    except BotoCoreError as error:
        return f"unknown: {error}"
    return str(answer.get("EndpointStatus", "exists"))
