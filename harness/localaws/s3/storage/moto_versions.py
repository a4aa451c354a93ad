"""Corrections to moto's versions, uploads and tags, made in place of its methods.

moto makes no delete marker for a key that does not exist, replaces all versions of a key while versions are suspended,
and reports a deleted marker as an object. See https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectsfromVersioningSuspendedBuckets.html.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from moto.core.utils import utcnow
from moto.s3.exceptions import AccessDeniedByLock, MissingKey, NoSuchUpload, PreconditionFailed
from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, FakeMultipart, MultipartDict, S3Backend
from moto.s3.responses import S3Response

from harness.localaws.s3.rules.conditions import WriteConditions, spelled
from harness.localaws.s3.rules.refusals import S3Refusal
from harness.localaws.s3.storage.stored import NULL, Bucket, backend_of

_LETTERS = string.ascii_letters + string.digits + "._"
_ID_LENGTH = 32
_conditions: ContextVar[WriteConditions | None] = ContextVar("conditions", default=None)
_writing = threading.RLock()
"""Held while a condition is checked and the object is written, so that no other write comes between."""
_moto: dict[str, Any] = {}
"""The methods that those of this module call, by name."""
_begin = FakeMultipart.__init__
_read_tags = S3Response._tagging_from_xml


@contextmanager
def conditions_of_write(conditions: WriteConditions) -> Iterator[None]:
    """Make writes to moto inside this context check these conditions when they are made."""
    token = _conditions.set(conditions)
    try:
        yield
    finally:
        _conditions.reset(token)


def new_id() -> str:
    """Return a new id of a version. AWS's are as long, and as opaque."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH))


def is_id(text: str) -> bool:
    """Return whether a text has the form of a version's id."""
    return text == NULL or (len(text) == _ID_LENGTH and set(text) <= set(_LETTERS))


class _Marker(FakeDeleteMarker):  # type: ignore[misc]  # moto carries no types
    """A delete marker, also of a key that never had an object."""

    def __init__(self, name: str, version_id: str) -> None:
        self.name = name
        self.last_modified = utcnow()
        self.key = None
        self._version_id = version_id


def _check_conditions(bucket: FakeBucket, key_name: str) -> None:
    conditions = _conditions.get()
    if conditions is None:
        return
    current = Bucket(bucket).current(key_name)
    etag = current.etag if current else None
    if failed := conditions.failed(etag):
        raise MissingKey(key=key_name) if conditions.needs_object(etag) else PreconditionFailed(spelled(failed))


def _put_object(backend: S3Backend, bucket_name: str, key_name: str, *rest: Any, **named: Any) -> FakeKey:
    """Do what ``S3Backend.put_object`` does. While versions are suspended, replace the null version only."""
    with _writing:
        bucket = backend.get_bucket(bucket_name)
        _check_conditions(bucket, key_name)
        new: FakeKey = _moto["put_object"](backend, bucket_name, key_name, *rest, **named)
        if bucket.versioning_status == "Enabled":
            new._version_id = new_id()
        elif bucket.versioning_status:
            new._version_id = NULL
            _keep(bucket, key_name, [each for each in _stored(bucket, key_name) if each is new or _id(each) != NULL])
    return new


def _copy_object(
    backend: S3Backend, src_key: FakeKey, dest_bucket_name: str, dest_key_name: str, *rest: Any, **named: Any
) -> None:
    """Do what ``S3Backend.copy_object`` does. A copy is one part, and has no tags of the object that it replaces."""
    tags = backend.tagger.get_tag_dict_for_resource(src_key.arn)
    _moto["copy_object"](backend, src_key, dest_bucket_name, dest_key_name, *rest, **named)
    new = backend.get_bucket(dest_bucket_name).keys[dest_key_name]
    new.multipart = None
    backend.tagger.delete_all_tags_for_resource(new.arn)
    backend.tagger.tag_resource(new.arn, backend.tagger.convert_dict_to_tags_input(tags))


def _delete_object(
    backend: S3Backend, bucket_name: str, key_name: str, version_id: str | None = None, bypass: Any = False
) -> tuple[bool, dict[str, str]]:
    """Do what ``S3Backend.delete_object`` does, with markers as S3 makes and reports them."""
    with _writing:
        bucket = backend.get_bucket(bucket_name)
        _check_conditions(bucket, key_name)
        if version_id is not None:
            return _delete_version(backend, bucket, key_name, version_id, bypass)
        if bucket.versioning_status is None:
            answer: tuple[bool, dict[str, str]] = _moto["delete_object"](backend, bucket_name, key_name)
            return answer
        marker = _Marker(key_name, new_id() if bucket.versioning_status == "Enabled" else NULL)
        kept = [each for each in _stored(bucket, key_name) if _id(each) != marker.version_id]
        _forget_tags(backend, [each for each in _stored(bucket, key_name) if each not in kept])
        _keep(bucket, key_name, [*kept, marker])
    return True, {"version-id": marker.version_id, "delete-marker": "true"}


def _delete_version(
    backend: S3Backend, bucket: FakeBucket, key_name: str, version_id: str, bypass: Any
) -> tuple[bool, dict[str, str]]:
    found = [each for each in _stored(bucket, key_name) if _id(each) == version_id]
    if any(isinstance(each, FakeKey) and each.is_locked(governance_bypass=bypass) for each in found):
        raise AccessDeniedByLock
    _forget_tags(backend, found)
    _keep(bucket, key_name, [each for each in _stored(bucket, key_name) if each not in found])
    marked = {"delete-marker": "true"} if any(isinstance(each, FakeDeleteMarker) for each in found) else {}
    return True, {"version-id": version_id, **marked}


class Deleted(NamedTuple):
    """A deletion that was made."""

    marker: str
    """Id of the delete marker that it made, or that it deleted; '' for none."""


def delete(bucket: str, key: str, version: str, etag: str, *, bypass: bool) -> Deleted:
    """Delete a key, or one of its versions.

    :param version: '' for the key.
    :param etag: that the current object must have; '' for any.
    :raises S3Refusal: the object has another ETag, or is locked.
    """
    try:
        with conditions_of_write(WriteConditions(etag, deletes=True)):
            backend = backend_of(bucket)
            _, done = backend.delete_object(bucket, key, version_id=version or None, bypass=bypass)
    except (PreconditionFailed, MissingKey) as error:
        raise S3Refusal("PreconditionFailed" if isinstance(error, PreconditionFailed) else "NoSuchKey") from None
    except AccessDeniedByLock:
        raise S3Refusal("AccessDenied", "Access Denied because object protected by object lock.") from None
    return Deleted(done["version-id"] if "delete-marker" in done else "")


def _forget_tags(backend: S3Backend, versions: list[Any]) -> None:
    for each in versions:
        if isinstance(each, FakeKey):
            backend.tagger.delete_all_tags_for_resource(each.arn)


def _stored(bucket: FakeBucket, key_name: str) -> list[Any]:
    """Return the versions of a key, the oldest first."""
    return list(bucket.keys.getlist(key_name, []))


def _keep(bucket: FakeBucket, key_name: str, versions: list[Any]) -> None:
    if versions:
        dict.__setitem__(bucket.keys, key_name, versions)
    else:
        dict.pop(bucket.keys, key_name, None)  # moto's own pop needs objects


def _id(stored: Any) -> str:
    return str(stored.version_id or NULL)


def _begin_upload(upload: FakeMultipart, *arguments: Any, **named: Any) -> None:
    _begin(upload, *arguments, **named)
    upload.begun = utcnow()


def _no_such_upload(_: MultipartDict, upload_id: str) -> FakeMultipart:
    raise NoSuchUpload(upload_id=upload_id)


def _tags(response: S3Response) -> dict[str, str]:
    """Return the tags in a body, which may be none."""
    if b"Tag>" not in response.body.replace(b"TagSet", b""):
        return {}
    found: dict[str, str] = _read_tags(response)
    return found


def install() -> None:
    """Make moto keep versions and uploads as S3 does, until this process ends.

    It comes after :func:`harness.localaws.s3.disk_bodies.install`, whose methods these ones call.
    """
    for name, method in (("put_object", _put_object), ("copy_object", _copy_object), ("delete_object", _delete_object)):
        if getattr(S3Backend, name) is not method:
            _moto[name] = getattr(S3Backend, name)
            setattr(S3Backend, name, method)
    FakeBucket.is_versioned = property(lambda bucket: bucket.versioning_status is not None)
    FakeMultipart.__init__ = _begin_upload
    S3Response._tagging_from_xml = _tags
    MultipartDict.__missing__ = _no_such_upload
