"""Kinds of resources that a run creates in AWS, and the janitor that describes them, deletes them and checks that."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from harness.regions import split_s3_uri
from harness.waiting import WaitTimeout, wait_until

Clients = Callable[[str], Any]
"""Function that returns a boto3 client for the name of a service."""

UNKNOWN = "unknown"
"""Start of a state that AWS did not report. Such a resource counts as left over."""

S3_KINDS = ("S3 prefix", "S3 staging")
_LONGEST_PAUSE, _LEAST_PATIENCE = 10.0, 10.0
_BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting", "Stopping")
"""States in which AWS refuses to delete, or is deleting."""
ENDED = ("Completed", "Failed", "Stopped")
"""States of a training job that has ended. AWS keeps its record forever."""
_GONE_CODES = ("NoSuchBucket", "NoSuchUpload", "ResourceNotFound", "ResourceNotFoundException")
_GONE_MESSAGES = ("Could not find", "Requested resource not found")
_BUSY_CODES = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "ResourceInUse", "OperationAborted")
_BUSY_MESSAGES = ("in-progress", "because the training job is in status", "Rate exceeded")


class Resource(NamedTuple):
    """Resource in AWS that a run creates."""

    kind: str
    """``training job``, ``model``, ``endpoint config``, ``endpoint``, ``S3 prefix``, ``S3 staging``, ``log group``."""
    name: str
    """The exact name. For an ``S3 prefix``, its URI with a slash at the end, for all objects below it.

    No character of it is special. Only an ``S3 staging`` is a pattern: ``s3://<bucket>/*/<training job>/`` is below any
    UUID, which the Spark SDK chooses at random. No description from AWS becomes such a pattern.
    """
    since: datetime | None = None
    """For an ``S3 prefix``: only objects last modified from then on, in whole seconds; otherwise all objects."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Remaining(NamedTuple):
    """A resource, or the objects of a bucket, that is in an AWS until a user deletes it."""

    text: str
    """The kind and name of a resource, or the objects of a bucket."""
    created: tuple[float, ...]
    """When it was created, or each of the objects: seconds since the epoch."""


class Leftover(NamedTuple):
    """Resource that should be gone and is not, or whose state AWS does not report."""

    resource: Resource
    state: str
    """AWS's term (``InService``), or ``unknown: …`` with the reason."""
    hourly_cost: float | None
    """USD an hour while it exists; None if no price is known."""
    command: str
    """AWS CLI command that deletes it."""


class _Kind(NamedTuple):
    """SageMaker's names for a kind of its resources."""

    operation: str
    """End of the operations' names: ``describe_…``, ``delete_…``."""
    parameter: str
    status: str
    """Member of a description that holds the state; empty if there is none."""
    arn: str
    """Start of an ARN's last part."""


SAGEMAKER_KINDS = {
    "training job": _Kind("training_job", "TrainingJobName", "TrainingJobStatus", "training-job"),
    "model": _Kind("model", "ModelName", "", "model"),
    "endpoint config": _Kind("endpoint_config", "EndpointConfigName", "", "endpoint-config"),
    "endpoint": _Kind("endpoint", "EndpointName", "EndpointStatus", "endpoint"),
}
"""In the order of creation."""


_JOB = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_BUCKET = r"[a-z0-9](?:(?!\.\.)[a-z0-9.-]){1,61}[a-z0-9]"
_STAGING = re.compile(rf"s3://({_BUCKET})/\*/({_JOB})/")
_NAMES = {
    **dict.fromkeys(SAGEMAKER_KINDS, re.compile(_JOB)),
    "S3 prefix": re.compile(rf"s3://{_BUCKET}/[^/].{{0,1022}}/", re.DOTALL),
    "S3 staging": _STAGING,
    "log group": re.compile(r"[.\-_/#A-Za-z0-9]{1,512}"),
}
"""Patterns of names, from the API references of SageMaker, S3 and CloudWatch Logs.

A prefix has at least one part after the bucket, and ends with a slash. So it is never a whole bucket, and ``im`` never
matches ``image/``.
"""
KINDS = tuple(_NAMES)
"""All kinds of resources that a ledger records and deletes."""
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_valid(resource: Resource) -> bool:
    """Return whether a resource is of a known kind and its name is one that AWS gives to that kind."""
    pattern = _NAMES.get(resource.kind)
    return pattern is not None and pattern.fullmatch(resource.name) is not None


def delete_command(resource: Resource, region: str) -> str:
    """Return the AWS CLI command that deletes a resource, or stops a training job."""
    kind = SAGEMAKER_KINDS.get(resource.kind)
    if kind:
        verb = "stop" if resource.kind == "training job" else "delete"
        words = ["sagemaker", f"{verb}-{kind.arn}", f"--{kind.arn}-name", resource.name]
    elif resource.kind == "log group":
        words = ["logs", "delete-log-group", "--log-group-name", resource.name]
    elif resource.since:
        return _delete_objects_command(*split_s3_uri(resource.name), resource.since, region)
    else:
        words = ["s3", "rm", "--recursive", *_prefix_words(resource)]
    return _shell(["aws", *words, "--region", region])


def _prefix_words(resource: Resource) -> list[str]:
    staging = _STAGING.fullmatch(resource.name) if resource.kind == "S3 staging" else None
    if staging is None:
        return [resource.name]
    uuid = "-".join("?" * length for length in (8, 4, 4, 4, 12))  # the CLI's * would match any number of folders
    return [f"s3://{staging[1]}/", "--exclude", "*", "--include", f"{uuid}/{staging[2]}/*"]


def _delete_objects_command(bucket: str, prefix: str, since: datetime, region: str) -> str:
    """Return a command for objects that are new enough, which ``aws s3 rm`` cannot select.

    Times are compared as text without the end, which the CLI's versions 1 and 2 print differently.
    """
    query = f'{{Objects: Contents[?LastModified>=`"{since:%Y-%m-%dT%H:%M:%S}"`].{{Key: Key}}}}'
    where = ["--bucket", bucket, "--prefix", prefix, "--query", query, "--output", "json", "--region", region]
    found = _shell(["aws", "s3api", "list-objects-v2", *where])
    return f'{_shell(["aws", "s3api", "delete-objects", "--bucket", bucket, "--region", region])} --delete "$({found})"'


def _shell(words: list[str]) -> str:
    """Return a command of these words. Unprintable characters are escaped for bash and zsh."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    encoded = word.encode(errors="surrogateescape")
    return (
        "$'" + "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}" for byte in encoded) + "'"
    )


def is_gone(error: ClientError) -> bool:
    """Return whether AWS says that the resource does not exist."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return code in _GONE_CODES or message.startswith(_GONE_MESSAGES)


def is_passing(error: Exception) -> bool:
    """Return whether to retry: AWS throttled the request, was busy, failed inside, or was not reached."""
    if not isinstance(error, ClientError):
        return isinstance(error, BotoCoreError)
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    busy = any(part in code for part in _BUSY_CODES) or any(part in message for part in _BUSY_MESSAGES)
    return busy or int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500


class Janitor:
    """Describes and deletes resources, with the clients that it is given."""

    def __init__(self, client: Clients) -> None:
        self._client = client
        self.deleted: dict[Resource, None] = {}
        """Resources for which a deletion was sent and not refused."""

    @cached_property
    def _sagemaker(self) -> Any:
        return self._client("sagemaker")

    @cached_property
    def _s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def _logs(self) -> Any:
        return self._client("logs")

    # --- states -------------------------------------------------------------------------------------------------------

    def state(self, resource: Resource) -> str | None:
        """Return a resource's state (``InService``, ``exists``, ``7 objects``), None if it is gone.

        If AWS does not report the state, it is ``unknown: …``, which does not mean gone.
        """
        try:
            return self._look(resource)
        except (ClientError, BotoCoreError) as error:
            return f"{UNKNOWN}: {error}"

    def _look(self, resource: Resource) -> str | None:
        try:
            if resource.kind in S3_KINDS:
                return self._look_into(resource)
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

    def _look_into(self, resource: Resource) -> str | None:
        objects = sum(len(keys) for keys in self._keys(resource))
        uploads = len(list(self._uploads(resource)))
        counts = ((objects, "object"), (uploads, "unfinished upload"))
        state = ", ".join(f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count)
        return f"{state} since {resource.since:%Y-%m-%dT%H:%M:%SZ}" if state and resource.since else state or None

    def _look_for_log_group(self, name: str) -> str | None:
        groups = self._logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return "exists" if any(group["logGroupName"] == name for group in groups) else None

    def last_modified(self, resource: Resource) -> datetime | None:
        """Return the time at which the newest object of an ``S3 prefix`` was written. Return None if there is none.

        :raises ClientError: AWS does not report it.
        """
        return max((item["LastModified"] for items in self._objects(resource) for item in items), default=None)

    def _objects(self, resource: Resource) -> Iterator[list[dict[str, Any]]]:
        """Yield a resource's objects, a page (up to 1,000) at a time. Empty pages are skipped."""
        bucket, prefix = _listed(resource)
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            if items := [item for item in page.get("Contents", []) if _is_meant(resource, item, "LastModified")]:
                yield items

    def _keys(self, resource: Resource) -> Iterator[list[str]]:
        for items in self._objects(resource):
            yield [item["Key"] for item in items]

    def _uploads(self, resource: Resource) -> Iterator[dict[str, str]]:
        """Yield unfinished multipart uploads, which no list of objects contains."""
        bucket, prefix = _listed(resource)
        for page in self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            for upload in page.get("Uploads", []):
                if _is_meant(resource, upload, "Initiated"):
                    yield {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}

    def data_of(self, job: Resource, *, named_by_harness: bool) -> list[Resource]:
        """Return the S3 prefixes that belong to a training job alone: its model and the rows staged for it.

        The caller who made a job wrote its description. If the harness named the job, a prefix has to end with that
        name. Under another name, a prefix may hold objects that are not the job's: a job ``churn`` with the output path
        ``s3://models/v7`` may find ``v7/churn/output/model.tar.gz`` there. Then only objects that SageMaker writes are
        the job's (``<S3OutputPath>/<job>/output/``), and only those newer than the job.

        :param named_by_harness: True if the name has a run's check characters.
        :raises ClientError: AWS does not describe the job. A job that does not exist has no prefixes.
        """
        try:
            described = self._describe(job)
        except ClientError as error:
            if is_gone(error):
                return []
            raise
        name = str(described["TrainingJobName"])  # the resource may come from an ARN, which has the name in lower case
        output = f"{described.get('OutputDataConfig', {}).get('S3OutputPath', '').rstrip('/')}/{name}/"
        if not named_by_harness:
            found = {Resource("S3 prefix", f"{output}output/", _next_second(described["CreationTime"]))}
        else:
            sources = [
                channel["DataSource"].get("S3DataSource", {}) for channel in described.get("InputDataConfig", [])
            ]
            uris = {source.get("S3Uri", "").rstrip("/") for source in sources}
            found = {Resource("S3 prefix", f"{uri}/") for uri in uris if uri.endswith(f"/{name}")}
            found.add(Resource("S3 prefix", output))
        return sorted(prefix for prefix in found if is_valid(prefix))

    # --- tags ---------------------------------------------------------------------------------------------------------

    def _arn(self, resource: Resource) -> str:
        """Return the ARN from AWS, which may have the name in lower case."""
        member = SAGEMAKER_KINDS[resource.kind].parameter.removesuffix("Name") + "Arn"
        return str(self._describe(resource)[member])

    def tags(self, resource: Resource) -> dict[str, str]:
        """Return the tags of a SageMaker resource.

        :raises ClientError: the resource does not exist, or AWS refuses.
        """
        pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=self._arn(resource))
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def add_tags(self, resource: Resource, tags: dict[str, str]) -> None:
        """Add tags to a SageMaker resource.

        :raises ClientError: the resource does not exist, or AWS refuses.
        """
        self._sagemaker.add_tags(ResourceArn=self._arn(resource), Tags=as_list(tags))

    # --- deleting -----------------------------------------------------------------------------------------------------

    def delete(self, resource: Resource, timeout: float) -> str | None:
        """Delete a resource, or stop a training job. Wait while AWS is busy with it, or too busy to answer.

        Another process may delete it at the same time.

        :param timeout: seconds after which to give up. At least one attempt is made.
        :return: None if AWS says that it is gone, or that the training job has ended; otherwise its state.
        """
        return self._until_over(lambda: self.attempt(resource), f"{resource} to go", timeout)

    def delete_all(self, resources: list[Resource], patience: float) -> dict[Resource, str]:
        """Delete resources in their order, each even when another fails. Return the states of those that are left.

        :param patience: seconds for all of them together.
        """
        deadline = time.monotonic() + patience
        for resource in resources:  # deletions that take long, and cost money, begin before any wait
            if resource.kind in ("endpoint", "training job"):
                self.attempt(resource)
        states = {each: self.delete(each, max(deadline - time.monotonic(), _LEAST_PATIENCE)) for each in resources}
        return {resource: state for resource, state in states.items() if state is not None}

    @staticmethod
    def _until_over(step: Callable[[], tuple[bool, str | None]], what: str, timeout: float) -> str | None:
        """Take steps until one says that it is the last, or the time is up. Return the state from the last step."""
        states: list[str | None] = []

        def over() -> bool:
            last, state = step()
            states.append(state)
            return last

        with suppress(WaitTimeout):
            wait_until(over, what, timeout=timeout, interval=0.1, longest=_LONGEST_PAUSE)
        return states[-1]

    def settled(self, resource: Resource, timeout: float) -> str | None:
        """Return a resource's :meth:`state` once it is not being deleted and AWS reports it, or after ``timeout`` s."""

        def step() -> tuple[bool, str | None]:
            try:
                state = self._look(resource)
            except (ClientError, BotoCoreError) as error:
                return not is_passing(error), f"{UNKNOWN}: {error}"
            return state != "Deleting", state

        return self._until_over(step, f"{resource} to go", timeout)

    def attempt(self, resource: Resource) -> tuple[bool, str | None]:
        """Describe a resource and try to delete it. Return whether this was the last step, and the state found."""
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
        """Try to delete a resource that AWS refuses to describe. The result stays unknown."""
        try:
            self._delete(resource)
        except (ClientError, BotoCoreError):
            return

    def _delete(self, resource: Resource) -> None:
        if resource.kind in S3_KINDS:
            self._empty(resource)
        elif resource.kind == "log group":
            self._logs.delete_log_group(logGroupName=resource.name)
        else:
            kind = SAGEMAKER_KINDS[resource.kind]
            verb = "stop" if resource.kind == "training job" else "delete"
            getattr(self._sagemaker, f"{verb}_{kind.operation}")(**{kind.parameter: resource.name})
        self.deleted[resource] = None

    def _empty(self, resource: Resource) -> None:
        """Delete a resource's objects and abort its uploads. If AWS refuses one, the others are still deleted."""
        bucket, _ = split_s3_uri(resource.name)
        refused: list[dict[str, str]] = []
        keeps_versions = False
        for keys in self._keys(resource):
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
            refused += answer.get("Errors", [])
            keeps_versions = keeps_versions or any(each.get("DeleteMarker") for each in answer.get("Deleted", []))
        if keeps_versions:
            self._delete_versions(resource)
        for upload in self._uploads(resource):
            self._s3.abort_multipart_upload(**upload)
        if refused:
            error = {name: refused[0].get(name, "") for name in ("Code", "Message")}
            raise ClientError({"Error": error}, "DeleteObjects")

    def _delete_versions(self, resource: Resource) -> None:
        """Delete all versions of a resource's objects, and their markers, if the caller may."""
        bucket, prefix = _listed(resource)
        with suppress_denial():
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
                found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                versions = [
                    {"Key": each["Key"], "VersionId": each["VersionId"]}
                    for each in found
                    if _is_meant(resource, each, "LastModified")
                ]
                if versions:
                    self._s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})


@contextmanager
def suppress_denial() -> Iterator[None]:
    """Ignore that AWS denies the caller access."""
    try:
        yield
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the API's form."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _settles_later(error: Exception) -> bool:
    return is_passing(error) or (isinstance(error, ClientError) and is_gone(error))


def _listed(resource: Resource) -> tuple[str, str]:
    """Return the bucket and the prefix to list. For a staging, whose UUID is unknown, that is the whole bucket."""
    if not is_valid(resource):
        raise ValueError(f"{resource} has no name of its kind")
    bucket, prefix = split_s3_uri(resource.name)
    return bucket, "" if resource.kind == "S3 staging" else prefix


def _is_meant(resource: Resource, item: dict[str, Any], changed: str) -> bool:
    """Return whether an object or upload belongs to a resource.

    :param changed: member of the item that holds its time of writing.
    """
    _, prefix = split_s3_uri(resource.name)
    if resource.kind == "S3 staging":
        uuid, _, rest = item["Key"].partition("/")
        return _UUID.fullmatch(uuid) is not None and rest.startswith(prefix[2:])
    return item["Key"].startswith(prefix) and (resource.since is None or item[changed] >= resource.since)


def _next_second(moment: datetime) -> datetime:
    """Return the first whole second from a moment on, in UTC. S3 rounds the time of writing down."""
    return (moment + timedelta(microseconds=999_999)).astimezone(timezone.utc).replace(microsecond=0)
