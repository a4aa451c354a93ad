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
    """Return what exists whose name starts with ``prefix``, in the order of deletion, with its training jobs' objects."""
    client = aws.client("sagemaker")
    found = [Resource(kind, name) for kind in _KINDS for name in _names(client, kind, prefix)]
    jobs = [resource.name for resource in found if resource.kind == "training job"]
    return [*found, *(Resource("S3 object", uri) for job in jobs for uri in _objects(aws, client, job))]


def _names(client: Any, kind: str, prefix: str) -> Iterator[str]:
    operations, parameter, listed = _KINDS[kind]
    for page in client.get_paginator(f"list_{operations}s").paginate(NameContains=prefix):
        yield from (item[parameter] for item in page[listed] if item[parameter].startswith(prefix))


def _objects(aws: AWS, client: Any, job: str) -> Iterator[str]:
    """Yield the URIs of what a training job was given and what it wrote."""
    description = client.describe_training_job(TrainingJobName=job)
    channels = description.get("InputDataConfig", [])
    sources = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels]
    output = f"{description['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job}/"
    # Only a directory named after this job's run is the run's: other inputs belong to whoever gave them.
    staged = [uri for uri in sources if job.partition("-")[0] in uri]
    pages = aws.client("s3").get_paginator("list_objects_v2")
    for uri in {output, *staged}:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        for page in pages.paginate(Bucket=bucket, Prefix=key):
            yield from (f"s3://{bucket}/{item['Key']}" for item in page.get("Contents", []))
