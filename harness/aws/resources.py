"""The kinds of resources that a run creates in AWS: how each is looked at, deleted, and proved gone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from harness.waiting import WaitTimeout, wait_until

Clients = Callable[[str], Any]
"""Returns a boto3 client of the service that it is given the name of."""

UNKNOWN = "unknown"
"""What a state begins with that AWS did not tell: such a resource counts as left over."""

_LONGEST_PAUSE = 10.0
_BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting", "Stopping")
"""States in which AWS refuses to delete, or is at it."""
ENDED = ("Completed", "Failed", "Stopped")
"""States of a training job that is over: AWS keeps its record for ever."""
_GONE_CODES = ("NoSuchBucket", "NoSuchUpload", "ResourceNotFound", "ResourceNotFoundException")
_GONE_MESSAGES = ("Could not find", "Requested resource not found")
_BUSY_CODES = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "ResourceInUse", "OperationAborted")
_BUSY_MESSAGES = ("in-progress", "because the training job is in status", "Rate exceeded")


class Resource(NamedTuple):
    """Something in AWS that a run creates."""

    kind: str
    """``training job``, ``model``, ``endpoint config``, ``endpoint``, ``S3 prefix`` or ``log group``."""
    name: str
    """The exact name; of an ``S3 prefix`` its URI with a slash at the end, which stands for all objects below it.

    ``s3://bucket/*/name/`` is below whatever first part a key has: the SDK puts a random one there.
    """

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Leftover(NamedTuple):
    """A resource that should be gone and is not, or of which AWS does not say."""

    resource: Resource
    state: str
    """AWS's word for it (``InService``), or ``unknown: …`` and why."""
    hourly_cost: float | None
    """USD an hour while it is there; None where no price is known."""
    command: str
    """The AWS CLI's command that deletes it."""


class _Kind(NamedTuple):
    """How SageMaker calls a kind of its resources."""

    operation: str
    """What the operations' names end in: ``describe_…``, ``delete_…``."""
    parameter: str
    status: str
    """The member of a description that tells the state, if there is one."""
    arn: str
    """How an ARN's last part begins."""


SAGEMAKER_KINDS = {
    "training job": _Kind("training_job", "TrainingJobName", "TrainingJobStatus", "training-job"),
    "model": _Kind("model", "ModelName", "", "model"),
    "endpoint config": _Kind("endpoint_config", "EndpointConfigName", "", "endpoint-config"),
    "endpoint": _Kind("endpoint", "EndpointName", "EndpointStatus", "endpoint"),
}
"""In the order in which they are created."""


def delete_command(resource: Resource, region: str) -> str:
    """Return the AWS CLI's command that deletes (of a training job: stops) a resource."""
    kind = SAGEMAKER_KINDS.get(resource.kind)
    if kind:
        verb = "stop" if resource.kind == "training job" else "delete"
        words = ["sagemaker", f"{verb}-{kind.arn}", f"--{kind.arn}-name", resource.name]
    elif resource.kind == "log group":
        words = ["logs", "delete-log-group", "--log-group-name", resource.name]
    else:
        words = ["s3", "rm", "--recursive", *_prefix_words(resource.name)]
    return shlex.join(["aws", *words, "--region", region])


def _prefix_words(uri: str) -> list[str]:
    if "*" not in uri:
        return [uri]
    bucket, pattern = _split(uri)
    return [f"s3://{bucket}/", "--exclude", "*", "--include", f"{pattern}*"]


def is_gone(error: ClientError) -> bool:
    """Return whether AWS says that there is no such thing."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return code in _GONE_CODES or message.startswith(_GONE_MESSAGES)


def is_passing(error: Exception) -> bool:
    """Return whether it is worth asking again: throttled, busy, failed inside AWS, or AWS not reached."""
    if not isinstance(error, ClientError):
        return isinstance(error, BotoCoreError)
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    busy = any(part in code for part in _BUSY_CODES) or any(part in message for part in _BUSY_MESSAGES)
    return busy or int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500


class Janitor:
    """Looks at resources and deletes them, with the clients that it is given."""

    def __init__(self, client: Clients) -> None:
        self._client = client
        self.deleted: dict[Resource, None] = {}
        """What a deletion was sent for, and not refused."""

    @cached_property
    def _sagemaker(self) -> Any:
        return self._client("sagemaker")

    @cached_property
    def _s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def _logs(self) -> Any:
        return self._client("logs")

    # --- what there is ------------------------------------------------------------------------------------------------

    def state(self, resource: Resource) -> str | None:
        """Return AWS's word for a resource's state (``InService``, ``exists``, ``7 objects``), None if it is gone.

        What AWS does not tell is ``unknown: …``, which is not gone.
        """
        try:
            return self._look(resource)
        except (ClientError, BotoCoreError) as error:
            return f"{UNKNOWN}: {error}"

    def _look(self, resource: Resource) -> str | None:
        try:
            if resource.kind == "S3 prefix":
                return self._look_into(resource.name)
            if resource.kind == "log group":
                return self._look_for_log_group(resource.name)
            return str(self._describe(resource).get(SAGEMAKER_KINDS[resource.kind].status, "exists"))
        except ClientError as error:
            if is_gone(error):
                return None
            raise

    def _describe(self, resource: Resource) -> dict[str, Any]:
        kind = SAGEMAKER_KINDS[resource.kind]
        describe = getattr(self._sagemaker, f"describe_{kind.operation}")
        answer: dict[str, Any] = describe(**{kind.parameter: resource.name})
        return answer

    def _look_into(self, uri: str) -> str | None:
        objects = sum(len(keys) for keys in self._keys(uri))
        uploads = len(list(self._uploads(uri)))
        counts = ((objects, "object"), (uploads, "unfinished upload"))
        return ", ".join(f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count) or None

    def _look_for_log_group(self, name: str) -> str | None:
        groups = self._logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return "exists" if any(group["logGroupName"] == name for group in groups) else None

    def _keys(self, uri: str) -> Iterator[list[str]]:
        """Yield the keys below a prefix, a page (up to 1,000) at a time; of pages without any, nothing."""
        bucket, prefix = _split(uri)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix.partition("*")[0])
        for page in pages:
            keys = [item["Key"] for item in page.get("Contents", []) if _is_below(item["Key"], prefix)]
            if keys:
                yield keys

    def _uploads(self, uri: str) -> Iterator[dict[str, str]]:
        """Yield the multipart uploads below a prefix that were begun and not finished: no list of objects has them."""
        bucket, prefix = _split(uri)
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, Prefix=prefix.partition("*")[0]
        )
        for page in pages:
            for upload in page.get("Uploads", []):
                if _is_below(upload["Key"], prefix):
                    yield {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}

    def data_of(self, job: Resource, *, named_by_harness: bool) -> list[Resource]:
        """Return the prefixes in S3 that are a training job's alone: of its model and of rows staged for it.

        :param named_by_harness: whether nobody else can have chosen its name. What lies below another's is left but for
            what SageMaker itself writes: a job ``mnist`` may read ``s3://bucket/mnist``, which was there before.
        :raises ClientError: AWS does not tell. A job that does not exist has none.
        """
        try:
            described = self._describe(job)
        except ClientError as error:
            if is_gone(error):
                return []
            raise
        name = described["TrainingJobName"]  # an ARN, from which it may be known, has it in lower case
        output = f"{described['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/"
        if not named_by_harness:
            return [Resource("S3 prefix", f"{output}output/")]
        sources = [channel["DataSource"].get("S3DataSource", {}) for channel in described.get("InputDataConfig", [])]
        uris = {output}
        for uri in (source.get("S3Uri", "").rstrip("/") for source in sources):
            uris |= {f"{uri}/"} if uri.endswith(f"/{name}") else set()
        return [Resource("S3 prefix", uri) for uri in sorted(uris)]

    # --- tags ---------------------------------------------------------------------------------------------------------

    def _arn(self, resource: Resource) -> str:
        """Return the ARN as AWS tells it: whether it has the name in lower case is AWS's affair."""
        member = SAGEMAKER_KINDS[resource.kind].parameter.removesuffix("Name") + "Arn"
        return str(self._describe(resource)[member])

    def tags(self, resource: Resource) -> dict[str, str]:
        """Return the tags of one of SageMaker's resources.

        :raises ClientError: there is no such resource, or AWS does not tell.
        """
        pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=self._arn(resource))
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def add_tags(self, resource: Resource, tags: dict[str, str]) -> None:
        """Add tags to one of SageMaker's resources.

        :raises ClientError: there is no such resource, or AWS refuses.
        """
        self._sagemaker.add_tags(ResourceArn=self._arn(resource), Tags=as_list(tags))

    # --- deleting -----------------------------------------------------------------------------------------------------

    def delete(self, resource: Resource, timeout: float) -> str | None:
        """Delete a resource, waiting while AWS is busy with it or too busy to answer; stop a training job.

        That another deletes it at the same time does not matter.

        :param timeout: seconds after which to give up; it is tried once in any case.
        :return: None if AWS says that it is gone (a training job: that it has ended), else the state it is in.
        """
        return self._until_over(lambda: self.attempt(resource), f"{resource} to go", timeout)

    @staticmethod
    def _until_over(step: Callable[[], tuple[bool, str | None]], what: str, timeout: float) -> str | None:
        """Take steps until one says that it was the last, or the time is up; return the state of the last one."""
        states: list[str | None] = []

        def over() -> bool:
            last, state = step()
            states.append(state)
            return last

        with suppress(WaitTimeout):
            wait_until(over, what, timeout=timeout, interval=0.1, longest=_LONGEST_PAUSE)
        return states[-1]

    def settled(self, resource: Resource, timeout: float) -> str | None:
        """Return a resource's :meth:`state` once it is not being deleted and AWS tells it, or after ``timeout`` s."""

        def step() -> tuple[bool, str | None]:
            try:
                state = self._look(resource)
            except (ClientError, BotoCoreError) as error:
                return not is_passing(error), f"{UNKNOWN}: {error}"
            return state != "Deleting", state

        return self._until_over(step, f"{resource} to go", timeout)

    def attempt(self, resource: Resource) -> tuple[bool, str | None]:
        """Look at a resource and try to delete it; return whether that settles it, and the state it was found in."""
        try:
            state = self._look(resource)
        except (ClientError, BotoCoreError) as error:
            if not is_passing(error):
                self._delete_unseen(resource)
            return not is_passing(error), f"{UNKNOWN}: {error}"
        if state is None or (resource.kind == "training job" and state in ENDED):
            return True, None
        if state in _BUSY:
            return False, state
        try:
            self._delete(resource)
        except (ClientError, BotoCoreError) as error:
            return not _settles_later(error), f"{state}: {error}"
        return False, state

    def _delete_unseen(self, resource: Resource) -> None:
        """Try to delete what may not be looked at; that it is gone cannot be proved either way."""
        try:
            self._delete(resource)
        except (ClientError, BotoCoreError):
            return

    def _delete(self, resource: Resource) -> None:
        if resource.kind == "S3 prefix":
            self._empty(resource.name)
        elif resource.kind == "log group":
            self._logs.delete_log_group(logGroupName=resource.name)
        else:
            kind = SAGEMAKER_KINDS[resource.kind]
            verb = "stop" if resource.kind == "training job" else "delete"
            getattr(self._sagemaker, f"{verb}_{kind.operation}")(**{kind.parameter: resource.name})
        self.deleted[resource] = None

    def _empty(self, uri: str) -> None:
        """Delete all objects below a prefix and abort its uploads; what AWS refuses keeps nothing else from going."""
        bucket, _ = _split(uri)
        refused: list[dict[str, str]] = []
        for keys in self._keys(uri):
            wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            refused += self._s3.delete_objects(Bucket=bucket, Delete=wanted).get("Errors", [])
        for upload in self._uploads(uri):
            self._s3.abort_multipart_upload(**upload)
        if refused:
            error = {name: refused[0].get(name, "") for name in ("Code", "Message")}
            raise ClientError({"Error": error}, "DeleteObjects")


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _settles_later(error: Exception) -> bool:
    return is_passing(error) or (isinstance(error, ClientError) and is_gone(error))


def _split(uri: str) -> tuple[str, str]:
    """Return the bucket and the prefix of ``s3://bucket/prefix/``."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, prefix


def _is_below(key: str, prefix: str) -> bool:
    """Return whether a key is below a prefix, whose first part may be ``*``."""
    if not prefix.startswith("*/"):
        return key.startswith(prefix)
    _, _, rest = key.partition("/")
    return rest.startswith(prefix[2:])
