"""moto's services: S3, STS, IAM, CloudWatch Logs, and SageMaker operations that the control plane does not have.

Only this module, :mod:`harness.localaws.s3.disk_bodies`, :mod:`harness.localaws.s3.storage`,
:mod:`harness.localaws.iam.buckets` and :mod:`harness.localaws.iam.identities` use moto's internals. All other modules
use the methods here.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import IO, Any

import moto.backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.resource_tagging import TaggedResource
from moto.core.utils import utcnow
from moto.iam import models as iam_models
from moto.iam.models import get_account_id_from, iam_backends
from moto.logs.models import logs_backends
from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeKey, s3_backends
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sts.models import sts_backends

from harness import mnist, regions
from harness.localaws.s3 import disk_bodies
from harness.localaws.s3.bodies.body import Body, BodyWriter
from harness.localaws.s3.storage import moto_versions, stored
from harness.localaws.s3.streaming import Measured
from harness.regions import region_of_sample_bucket

WSGIApp = Callable[..., Iterable[bytes]]

ACCOUNT: str = DEFAULT_ACCOUNT_ID
"""The account that every caller belongs to."""
_SAMPLE_ACCOUNT = "000000000001"
"""Owner of the buckets of sample data: SageMaker, so that ListBuckets does not list them."""
ROLE_NAME = "HarnessSageMakerRole"
"""The execution role that exists in the local IAM, in every partition."""
_TRUST_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_TAGGING = "resourcegroupstaggingapi"
MOTO_SERVICES = ("s3", "sts", "iam", "logs", "sagemaker", "service-quotas", _TAGGING)
"""The services that moto answers for, wholly or in part."""
_SESSION_SECONDS = 12 * 3600
LOG_LINES = 100_000
"""Lines that a log stream keeps. The oldest are deleted first."""


@dataclass(frozen=True)
class StoredObject:
    """An object in the local S3."""

    bucket: str
    key: str
    size: int


class Services:
    """moto's services, with an execution role, credentials and SageMaker's sample data."""

    def __init__(self, directory: Path, *, enforce_iam: bool = False) -> None:
        """Keep objects' bodies in ``directory``.

        :param enforce_iam: True if policies decide calls. Otherwise the role may do everything, and IAM says so.
        """
        disk_bodies.install()
        moto_versions.install()
        iam_models.generate_access_key_id_from_account_id = _access_key_id
        werkzeug_app.DISABLE_GLOBAL_CORS = True  # it would allow every origin everything
        tempfile.tempdir = str(directory)  # the directory of bodies
        self.directory = directory
        self._lock = threading.Lock()
        self._providing = threading.Lock()
        self._provided: set[str] = set()
        self._sessions: dict[tuple[str, str, str], Any] = {}
        self._samples: dict[str, Body] = {}
        self._policies = [] if enforce_iam else [_EVERYTHING]
        for partition in regions.PARTITIONS:
            sts_backends[ACCOUNT][partition].assumed_roles = _Sessions(iam_backends[ACCOUNT][partition].access_keys)
        self._identities = {each: _contents(iam_backends[ACCOUNT][each]) for each in regions.PARTITIONS}
        self._put_role()

    def wsgi(self) -> WSGIApp:
        """Return moto's services as one WSGI application.

        The entry ``service`` of a request's ASGI scope says which of :data:`MOTO_SERVICES` answers. moto's own server
        would choose by path, target and signature, among all services that moto has.
        """
        applications: dict[str, WSGIApp] = {}

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            scope = environ["asgi.scope"]
            # As the client sent it: moto decodes the path itself, and would decode ``%25`` twice.
            environ["RAW_URI"] = scope["raw_path"].decode("latin-1")
            service = scope["service"]
            with self._lock:
                if service not in applications:
                    if service == _TAGGING:
                        sagemaker_backends[ACCOUNT]  # moto searches accounts that were used
                    applications[service] = create_backend_app(service)
            return applications[service](environ, start_response)

        return answer

    def reset(self) -> None:
        """Forget every bucket, object and log; keep the role and the credentials."""
        with self._providing:
            self._provided.clear()
            for name in ("s3", "logs", "sagemaker"):
                # Not reset() of all accounts together, which resets all other services too.
                for backends in list(moto.backends.get_backend(name).values()):
                    backends.reset()

    def reset_identities(self, kept: str) -> None:
        """Forget every user, group, policy and other role, and what was changed in the role.

        Sessions of roles end, except those whose credentials the harness has given out.

        :param kept: access key of the run's own session.
        """
        with self._lock:
            ours = {kept, *(session.access_key_id for session in self._sessions.values())}
            for partition, contents in self._identities.items():
                sessions = sts_backends[ACCOUNT][partition].assumed_roles
                sessions[:] = [session for session in sessions if session.access_key_id in ours]
                backend = iam_backends[ACCOUNT][partition]
                keys = {name: key for name, key in backend.access_keys.items() if name in ours}
                for name, content in contents.items():
                    _refill(getattr(backend, name), content)
                backend.access_keys.update(keys)
            self._put_role()

    def keeps_tags(self, region: str, arn: str) -> bool:
        """Return whether moto keeps the tags of a resource of SageMaker, such as a model card."""
        try:
            found = sagemaker_backends[ACCOUNT][region]._get_resource_from_arn(arn)
        except Exception:  # moto has no single error for an ARN that it cannot read
            return False
        return isinstance(getattr(found, "tags", None), list)

    def share_tags(self, tagged: Callable[[str], dict[str, dict[str, str]]]) -> None:
        """Let the Resource Groups Tagging API find SageMaker's resources.

        :param tagged: returns the tags of every resource of a region, by ARN.
        """

        def resources(backend: SageMakerModelBackend) -> Iterator[TaggedResource]:
            for arn, tags in tagged(backend.region_name).items():
                yield TaggedResource(arn, tags, f"sagemaker:{arn.split(':', 5)[-1].partition('/')[0]}")

        SageMakerModelBackend.iter_tagged_resources = resources

    # --- identity -------------------------------------------------------------------------------------------------

    def _put_role(self) -> None:
        for partition in regions.PARTITIONS:
            iam_backends[ACCOUNT][partition].create_role(
                ROLE_NAME, json.dumps(_TRUST_POLICY), "/", None, "Assumed by SageMaker in the local AWS", [], "3600"
            )
            for policy in self._policies:
                iam_backends[ACCOUNT][partition].put_role_policy(ROLE_NAME, "everything", json.dumps(policy))

    def assume_role(self, region: str, arn: str, session: str) -> dict[str, str]:
        """Return a role's credentials, as from ``AssumeRole``: access key, secret, session token.

        Sessions of the same name share credentials until half of their lifetime has passed.
        """
        backend = sts_backends[ACCOUNT][regions.partition(region)]
        with self._lock:
            self._sessions = {name: role for name, role in self._sessions.items() if _lasts(role)}
            name = (backend.partition, arn, session)
            if name not in self._sessions:
                self._sessions[name] = backend.assume_role(region, session, arn, None, _SESSION_SECONDS, None)
            role = self._sessions[name]
        return {
            "AWS_ACCESS_KEY_ID": role.access_key_id,
            "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
            "AWS_SESSION_TOKEN": role.session_token,
        }

    def account_of(self, access_key: str) -> str:
        """Return the account that an access key belongs to."""
        account: str = get_account_id_from(access_key)
        return account

    def partition_of_key(self, access_key: str) -> str | None:
        """Return the partition that an access key belongs to, or None if it is not known."""
        found = (each for each in regions.PARTITIONS if access_key in iam_backends[ACCOUNT][each].access_keys)
        return next(found, None)

    def trusts_sagemaker(self, arn: str) -> bool:
        """Return whether the role exists and trusts SageMaker."""
        _, partition, _, _, account, resource = arn.split(":", 5)
        name = resource.rpartition("/")[2]
        roles = iam_backends[account][partition].roles.values() if partition in regions.PARTITIONS else ()
        documents = [role.assume_role_policy_document for role in roles if role.name == name]
        return bool(documents) and "sagemaker.amazonaws.com" in str(documents[0])

    # --- objects --------------------------------------------------------------------------------------------------

    def has_bucket(self, bucket: str) -> bool:
        """Return whether the bucket exists (sample data counts as existing)."""
        self.provide_sample_data(bucket)
        return bucket in s3_backends.bucket_accounts

    def bucket_region(self, bucket: str) -> str | None:
        """Return the region of a bucket, or None if it does not exist."""
        return str(self._bucket(bucket).region_name) if self.has_bucket(bucket) else None

    def list_objects(self, bucket: str, prefix: str) -> list[StoredObject]:
        """Return the current objects whose key starts with ``prefix``, sorted by key."""
        found = stored.find_bucket(bucket) if self.has_bucket(bucket) else None
        return [StoredObject(bucket, each.key, each.size) for each in found.objects(prefix)] if found else []

    def read_object(self, bucket: str, name: str, target: IO[bytes]) -> None:
        """Copy an object's body to ``target``, block by block.

        :raises KeyError: there is no such object, or it is deleted.
        """
        body = self.body_of(bucket, name)
        target.writelines(body.blocks(0, body.size))

    def body_of(self, bucket: str, name: str) -> Body:
        """Return an object's body, which stays the same when the object is replaced or deleted.

        :raises KeyError: there is no such object, or it is deleted.
        """
        key = self._bucket(bucket).keys.get(name)
        if not isinstance(key, FakeKey):
            raise KeyError(f"s3://{bucket}/{name}")
        body: Body = key.body
        return body

    def write_object(self, bucket: str, name: str, source: Path) -> None:
        """Store a file as an object."""
        with source.open("rb") as file:
            body = _written(iter(partial(file.read, 1 << 20), b""))
        stored.backend_of(bucket).put_object(bucket, name, body)

    def delete_object(self, bucket: str, name: str) -> None:
        """Delete an object, if it exists."""
        stored.backend_of(bucket).delete_object(bucket, name)

    def allows_origin(self, bucket: str, origin: str, method: str, headers: Iterable[str]) -> bool:
        """Return whether a bucket's CORS rules allow a page of ``origin`` this method and these headers.

        See https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
        """
        try:
            rules = self._bucket(bucket).cors
        except KeyError:
            return False
        return any(
            _matches(rule.allowed_origins, origin)
            and method in (rule.allowed_methods or ())
            and all(_matches(map(str.lower, rule.allowed_headers or ()), header.lower()) for header in headers)
            for rule in rules
        )

    def object_size(self, bucket: str, name: str) -> int | None:
        """Return an object's size in bytes, or None if there is no such object."""
        try:
            key = self._bucket(bucket).keys.get(name)
        except KeyError:
            return None
        return getattr(key, "size", None)  # a delete marker has none

    def has_object(self, bucket: str, name: str) -> bool:
        """Return whether the object exists."""
        return self.has_bucket(bucket) and self.object_size(bucket, name) is not None

    def upload(self, bucket: str, upload: str) -> Any | None:
        """Return a multipart upload under way, or None. Its ``plan`` is that of its checksum."""
        try:
            return self._bucket(bucket).multiparts.get(upload)
        except KeyError:
            return None

    def has_completed(self, bucket: str, name: str, upload: str) -> bool:
        """Return whether an object is the one that a multipart upload became."""
        try:
            key = self._bucket(bucket).keys.get(name)
        except KeyError:
            return False
        return getattr(getattr(key, "multipart", None), "id", None) == upload

    def _bucket(self, bucket: str) -> Any:
        partition, account = s3_backends.bucket_accounts.get(bucket, ("aws", ACCOUNT))
        try:
            return s3_backends[account][partition].get_bucket(bucket)
        except MissingBucket:
            raise KeyError(f"s3://{bucket}") from None

    def lacks_sample_data(self, bucket: str) -> bool:
        """Return whether the bucket is SageMaker's sample bucket of a region and does not exist yet."""
        return bucket not in self._provided and region_of_sample_bucket(bucket) is not None

    def provide_sample_data(self, bucket: str) -> None:
        """Make SageMaker's sample bucket of a region, with MNIST as LibSVM, unless it exists."""
        region = region_of_sample_bucket(bucket)
        if not region or bucket in self._provided:
            return
        with self._providing:
            if bucket in self._provided:
                return
            bodies = {split: self._sample(split) for split in mnist.ROWS}
            backend = s3_backends[_SAMPLE_ACCOUNT][regions.partition(region)]
            backend.create_bucket(bucket, region)
            for split, body in bodies.items():
                backend.put_object(bucket, f"spark/mnist/{split}/mnist_{split}.libsvm", body)
            self._provided.add(bucket)

    def _sample(self, split: mnist.Split) -> Body:
        """Return a split of MNIST, which is written once: the buckets of all regions share it, also after a reset."""
        body = self._samples.get(split)
        if body is None:
            body = self._samples[split] = _written(mnist.libsvm(split))
        return body

    def resources(self) -> dict[str, list[tuple[str, float]]]:
        """Return objects and unfinished uploads (URIs), except sample data, and log groups, with their creation times.

        An object whose latest version is a delete marker is none.
        """
        buckets = [each for each in stored.all_buckets() if not region_of_sample_bucket(each.name)]
        regions = [backend for account in list(logs_backends.values()) for backend in list(account.values())]
        groups = [each for backend in regions for each in list(backend.groups.values())]
        found = {
            "S3 object": [(_uri(bucket, each.key), each.written) for bucket in buckets for each in bucket.objects()],
            "S3 upload": [(_uri(bucket, each.key), each.begun) for bucket in buckets for each in bucket.uploads()],
            "log group": [(each.name, each.creation_time) for each in groups],
        }
        return {kind: sorted((name, _since_epoch(moment)) for name, moment in of_one) for kind, of_one in found.items()}

    # --- logs -----------------------------------------------------------------------------------------------------

    def has_log_group(self, region: str, group: str) -> bool:
        """Return whether the log group exists."""
        return group in logs_backends[ACCOUNT][region].groups

    def log_streams(self, region: str, group: str) -> list[str]:
        """Return the names of a log group's streams; none if there is no such group."""
        found = logs_backends[ACCOUNT][region].groups.get(group)
        return list(found.streams) if found else []

    def log_writer(self, region: str, group: str, stream: str) -> Callable[[str], None]:
        """Make a log stream, and its group if needed; return a function that appends a line to it."""
        backend = logs_backends[ACCOUNT][region]
        with self._lock:
            if group not in backend.groups:
                backend.create_log_group(group, {})
            backend.ensure_log_stream(group, stream)
        log_group = backend.groups[group]

        def write(line: str) -> None:
            log_group.put_log_events(stream, [{"timestamp": int(time.time() * 1000), "message": line}])
            events = log_group.streams[stream].events
            if len(events) > LOG_LINES:
                del events[: LOG_LINES // 10]

        return write


def _refill(collection: Any, content: Any) -> None:
    """Replace the content of a dictionary or list, which other objects hold too."""
    collection.clear()
    if isinstance(collection, dict):
        collection.update(content)
    else:
        collection.extend(content)


def _contents(backend: Any) -> dict[str, Any]:
    """Return copies of the collections of a backend of moto, by attribute."""
    return {name: type(each)(each) for name, each in vars(backend).items() if type(each) in (dict, list)}


def _matches(patterns: Iterable[str] | None, text: str) -> bool:
    """Return whether one of a CORS rule's patterns, each with at most one ``*``, matches a text."""
    return any(_like(pattern, text) for pattern in patterns or ())


def _like(pattern: str, text: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)


_awss_access_key_id = iam_models.generate_access_key_id_from_account_id


def _access_key_id(account_id: str, prefix: str, total_length: int = 20) -> str:
    """Return an access key id that cannot be one of AWS, so that it means nothing outside this machine.

    It ends with a digit that Base32 does not have, in which AWS's are written. Documentation only: observations in
    https://awsteele.com/blog/2020/09/26/aws-access-key-format.html and, of 3,000 keys, in
    https://labs.withsecure.com/publications/a-bitwise-analysis-of-aws-access-key-identifiers
    """
    return f"{_awss_access_key_id(account_id, prefix, total_length)[:-1]}0"


class _Sessions(list[Any]):
    """Sessions of roles in moto's STS, until they expire. moto itself keeps them and their keys for ever."""

    def __init__(self, keys: dict[str, Any]) -> None:
        """Start empty. ``keys`` are the access keys in moto's IAM."""
        super().__init__()
        self._keys = keys
        self._lock = threading.Lock()

    def append(self, session: Any) -> None:
        """Add a session, and forget expired ones."""
        now = utcnow()
        with self._lock:
            for over in [known for known in self if known.expiration <= now]:
                self._keys.pop(over.access_key_id, None)
            self[:] = [*(known for known in self if known.expiration > now), session]


def _uri(bucket: stored.Bucket, key: str) -> str:
    return f"s3://{bucket.name}/{key}"


def _since_epoch(utc: datetime) -> float:
    return utc.replace(tzinfo=timezone.utc).timestamp()


def _lasts(session: Any) -> bool:
    return bool(session.expiration > utcnow() + timedelta(seconds=_SESSION_SECONDS / 2))


def _written(chunks: Iterable[bytes]) -> Body:
    with BodyWriter() as writer:
        target = Measured(writer)
        for chunk in chunks:
            target.write(chunk)
        return writer.finish(target.md5)


def role_arn(region: str) -> str:
    """Return the ARN of the execution role in the partition of ``region``."""
    return f"arn:{regions.partition(region)}:iam::{ACCOUNT}:role/{ROLE_NAME}"
