"""What a run creates in AWS: found by the prefix of its names, deleted in reverse order, and asked for again."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws import AWS
from harness.waiting import WaitTimeout, wait_until

UNKNOWN = "unknown"
"""The kind of what AWS gave no answer for, which counts as left over."""

_CLOCK_SKEW = timedelta(minutes=5)
_LONGEST_PAUSE = 5.0
_NO_ANSWER = "unknown for now: "
_DENIED = ("AccessDenied", "UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken")
"""Beginnings of errors that asking again does not mend."""


class Resource(NamedTuple):
    """Something in AWS that a run created."""

    kind: str
    """``training job``, ``model``, ``endpoint config``, ``endpoint``, ``S3 object`` or ``unknown``."""
    name: str
    """The name, or the ``s3://`` URI; of ``unknown``, what could not be found out and why."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def is_leftover(self) -> bool:
        """Whether it is one if it is there after the clean-up: the record of a training job stays for ever."""
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


class Run(NamedTuple):
    """What tells the resources of one run from all others of the account."""

    prefix: str
    """What their names begin with."""
    since: datetime
    """Nothing older can be of this run, whatever it is called."""


def new_run() -> Run:
    """Return a run that begins now.

    The SDK adds up to 57 characters to a prefix, and names may have 63: that leaves six.
    """
    letters, all_characters = string.ascii_lowercase, string.ascii_lowercase + string.digits
    name = secrets.choice(letters) + "".join(secrets.choice(all_characters) for _ in range(4))
    return Run(f"{name}-", datetime.now(timezone.utc) - _CLOCK_SKEW)


def find(aws: AWS, run: Run) -> list[Resource]:
    """Return what exists of a run, in the order of deletion.

    Objects are those below the directories that the SDK names after a job: the rows staged for it, and its model.
    What AWS does not answer for is there as a resource of the kind ``unknown``, which says why.
    """
    client = aws.client("sagemaker")
    found = [resource for kind in _KINDS for resource in _resources(client, kind, run)]
    jobs = [resource.name for resource in found if resource.kind == "training job"]
    return [*found, *(resource for job in jobs for resource in _objects(aws, client, job))]


def remove(aws: AWS, run: Run) -> tuple[list[Resource], list[Resource]]:
    """Delete all that a run created; return what that was, and what of it is or may be left over."""
    found = find(aws, run)
    delete(aws, found)
    return [each for each in found if each.kind != UNKNOWN], [each for each in find(aws, run) if each.is_leftover]


def _resources(client: Any, kind: str, run: Run) -> Iterator[Resource]:
    try:
        yield from (Resource(kind, name) for name in _names(client, kind, run))
    except (ClientError, BotoCoreError) as error:
        yield Resource(UNKNOWN, f"whether there are {kind}s called {run.prefix}…: {error}")


def _names(client: Any, kind: str, run: Run) -> Iterator[str]:
    operations, parameter, listed = _KINDS[kind]
    pages = client.get_paginator(f"list_{operations}s")
    for page in pages.paginate(NameContains=run.prefix, CreationTimeAfter=run.since):
        yield from (item[parameter] for item in page[listed] if item[parameter].startswith(run.prefix))


def _objects(aws: AWS, client: Any, job: str) -> Iterator[Resource]:
    """Yield what was staged for a training job and what it wrote."""
    try:
        yield from (Resource("S3 object", uri) for uri in _uris(aws, client, job))
    except (ClientError, BotoCoreError) as error:
        if "NoSuchBucket" not in str(error):
            yield Resource(UNKNOWN, f"which S3 objects there are of training job {job}: {error}")


def _uris(aws: AWS, client: Any, job: str) -> Iterator[str]:
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
    elif resource.kind == "endpoint":
        _delete_endpoint(sagemaker, resource, timeout)
    elif resource.kind != UNKNOWN:
        kind = _KINDS[resource.kind]
        getattr(sagemaker, f"delete_{kind.operations}")(**{kind.parameter: resource.name})


def _delete_endpoint(sagemaker: Any, endpoint: Resource, timeout: float) -> None:
    with suppress(WaitTimeout):  # AWS refuses to delete one that changes; if it never settles, that is the last try
        _wait_while(sagemaker, endpoint, ("Creating", "Updating"), timeout)
    sagemaker.delete_endpoint(EndpointName=endpoint.name)
    _wait_while(sagemaker, endpoint, ("Deleting",), timeout)


def _stop(sagemaker: Any, job: str, timeout: float) -> None:
    sagemaker.stop_training_job(TrainingJobName=job)
    wait_until(
        lambda: sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"],
        f"training job {job} to stop",
        done=lambda status: status in ("Stopped", "Completed", "Failed"),
        timeout=timeout,
        longest=_LONGEST_PAUSE,
    )


def _wait_while(sagemaker: Any, resource: Resource, states: tuple[str, ...], timeout: float) -> str | None:
    """Wait until AWS says that a resource is in another state, or that this caller may not know; return the answer."""

    def has_left(state: str | None) -> bool:
        return state is None or not state.startswith((*states, _NO_ANSWER))

    what = f"{resource} to leave {'/'.join(states)}"
    return wait_until(lambda: _state(sagemaker, resource), what, done=has_left, timeout=timeout, longest=_LONGEST_PAUSE)


def leftovers(aws: AWS, created: Iterable[Resource], *, timeout: float = 120.0) -> list[str]:
    """Return those of the resources that still exist, asking AWS for each, and those it gives no clear answer for.

    :param created: models, endpoint configs and endpoints.
    :param timeout: seconds to wait in all for endpoints that are being deleted, as AWS takes a while over that.
    """
    client = aws.client("sagemaker")
    deadline = time.monotonic() + timeout
    found = {resource: _when_settled(client, resource, deadline) for resource in created}
    return [f"{resource} ({state})" for resource, state in found.items() if state is not None]


def _when_settled(client: Any, resource: Resource, deadline: float) -> str | None:
    try:
        return _wait_while(client, resource, ("Deleting",), deadline - time.monotonic())
    except WaitTimeout:
        return _state(client, resource)


def _state(client: Any, resource: Resource) -> str | None:
    """Return a resource's status, or None when AWS says that it does not exist."""
    kind = _KINDS[resource.kind]
    try:
        answer = getattr(client, f"describe_{kind.operations}")(**{kind.parameter: resource.name})
    except ClientError as error:
        if error.response["Error"]["Message"].startswith("Could not find"):
            return None
        denied = error.response["Error"]["Code"].startswith(_DENIED)
        return f"unknown: {error}" if denied else f"{_NO_ANSWER}{error}"
    except BotoCoreError as error:
        return f"{_NO_ANSWER}{error}"
    return str(answer.get("EndpointStatus", "exists"))
