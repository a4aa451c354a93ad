"""Bodies of S3 objects in moto: immutable, shared, and deleted with the last reference to them.

moto holds each body in memory or in an open file, and releases neither. Here a body is a value that objects, versions,
parts and readers refer to. Small bodies are in memory. Larger ones are in files, open only while they are read. A copy
shares its source's body, and a completed upload shares its parts' bodies. So S3A's renames, which are copies, take no
disk. The functions here do the work of the moto methods that they replace, without copying bytes. An object has its
whole body as soon as it is visible, and a reader keeps the body while the object is replaced.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import moto.s3.models
from moto.core.common_models import BaseModel
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import FakeBucket, FakeKey, FakeMultipart, S3Backend
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from harness.localaws.s3.bodies import checksums
from harness.localaws.s3.bodies.body import Body
from harness.localaws.s3.bodies.checksums import Checksum


@dataclass
class _Beside:
    """Values that accompany a request to moto: what it stores, and what it found."""

    body: Body | None = None
    checksum: Checksum | None = None
    plan: Any = None
    found: _BodyKey | None = None


# moto answers in another thread, which runs in a copy of the caller's context.
_beside: ContextVar[_Beside | None] = ContextVar("beside", default=None)


@contextmanager
def beside_request(
    body: Body | None = None, checksum: Checksum | None = None, plan: object = None
) -> Iterator[_Beside]:
    """Make the request to moto inside this context store these, or report the object that it found.

    :param plan: that of the checksum of a new multipart upload.
    """
    beside = _Beside(body, checksum, plan)
    token = _beside.set(beside)
    try:
        yield beside
    finally:
        _beside.reset(token)
        # Timers of the connection keep a copy of the context, and so these bodies, until it is closed.
        beside.body = beside.found = None


def _complete_with_parts(multipart: FakeMultipart, wanted: Iterable[tuple[int, str]]) -> tuple[Any, str, Any]:
    """Do what ``FakeMultipart.complete`` does, without copying. Parts that the request does not name are forgotten.

    The checks and the ETag (the MD5 of the parts' MD5s) are those of
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    digests = hashlib.md5(usedforsecurity=False)
    parts: dict[int, FakeKey] = {}
    last: FakeKey | None = None
    for number, etag in wanted:
        part = multipart.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            raise InvalidPart
        if last is not None and last.contentsize < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall
        parts[number] = last = part
        digests.update(bytes.fromhex(part.etag.strip('"')))
    if not parts:
        raise MalformedXML
    multipart.parts, multipart.partlist = parts, sorted(parts)
    return Body.joined(part.body for part in parts.values()), f"{digests.hexdigest()}-{len(parts)}", None


class _BodyKey(FakeKey):  # type: ignore[misc]  # moto carries no types
    """moto's object, with a :class:`Body` in place of an open file."""

    body: Body
    _etag: str | None
    kept_checksum: Checksum | None = None
    """The checksum that was stored with the object."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        del self._value_buffer

    @property
    def value(self) -> bytes:
        """The whole body."""
        return b"".join(self.body.blocks(0, self.body.size))

    @value.setter
    def value(self, new: bytes | str | Body) -> None:
        data = new.encode() if isinstance(new, str) else new
        self.body = data if isinstance(data, Body) else Body.of(data)
        self.contentsize = self.body.size

    @property
    def etag(self) -> str:
        """The ETag, which is the MD5 of an object that was stored in one piece."""
        return f'"{self._etag or self.body.md5}"'

    @property
    def checksum(self) -> Checksum:
        """The checksum that was stored with the object, or else the one that S3 adds."""
        return self.kept_checksum or self.body.checksum(checksums.DEFAULT)

    @checksum.setter
    def checksum(self, new: Checksum) -> None:
        self.kept_checksum = new
        self.body.know(new)

    def dispose(self, garbage: bool = False) -> None:
        """Do nothing. A reader may still need the body, which is deleted with the last reference."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()


class _Shared:
    """An object whose copy shares its body."""

    def __init__(self, key: FakeKey) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    @property
    def value(self) -> Body:
        body: Body = self._key.body
        return body


_copy_object = S3Backend.copy_object
_delete_bucket = S3Backend.delete_bucket
_delete_object = S3Backend.delete_object
_head_object = S3Backend.head_object
_put_object = S3Backend.put_object
_set_delete_marker = S3Backend._set_delete_marker
_create_upload = S3Backend.create_multipart_upload
_upload_part = S3Backend.upload_part


def _body_or(value: Any) -> Any:
    beside = _beside.get()
    return beside.body if beside and beside.body else value


def _with_checksum(key: Any) -> Any:
    if beside := _beside.get():
        beside.found = key
        if beside.checksum:
            key.checksum = beside.checksum
    return key


def _put_with_body(backend: S3Backend, bucket_name: str, key_name: str, value: Any, *rest: Any, **named: Any) -> Any:
    return _with_checksum(_put_object(backend, bucket_name, key_name, _body_or(value), *rest, **named))


def _upload_with_body(backend: S3Backend, bucket_name: str, multipart_id: str, part_id: int, value: Any) -> Any:
    return _with_checksum(_upload_part(backend, bucket_name, multipart_id, part_id, _body_or(value)))


def _create_with_plan(backend: S3Backend, *arguments: Any, **named: Any) -> FakeMultipart:
    upload = _create_upload(backend, *arguments, **named)
    beside = _beside.get()
    upload.plan = beside.plan if beside else None
    return upload


def _head_and_tell(backend: S3Backend, *arguments: Any, **named: Any) -> Any:
    found = _head_object(backend, *arguments, **named)
    if (beside := _beside.get()) and found:
        beside.found = found
    return found


def _copy_sharing(backend: S3Backend, src_key: FakeKey, *arguments: Any, **named: Any) -> None:
    _copy_object(backend, _Shared(src_key), *arguments, **named)
    if (beside := _beside.get()) and (copy := beside.found):
        copy.multipart = None  # a copy is one piece, with one checksum of the whole
        copy.checksum = src_key.body.checksum(beside.plan.algorithm if beside.plan else src_key.checksum.algorithm)


def _copy_part_sharing(
    backend: S3Backend,
    dest_bucket_name: str,
    multipart_id: str,
    part_id: int,
    src_bucket_name: str,
    src_key_name: str,
    src_version_id: str | None,
    start_byte: int | None,
    end_byte: int | None,
) -> FakeKey:
    """Do what ``S3Backend.upload_part_copy`` does, without reading the whole source into memory."""
    source: Body = backend.get_object(src_bucket_name, src_key_name, version_id=src_version_id).body
    start, end = (0, source.size - 1) if start_byte is None or end_byte is None else (start_byte, end_byte)
    multipart = backend.get_bucket(dest_bucket_name).multiparts[multipart_id]
    part = multipart.set_part(part_id, source.part(start, end - start + 1))
    part.checksum = part.body.checksum(multipart.plan.algorithm)
    if beside := _beside.get():
        beside.found = part
    return part


def _mark_deleted(backend: S3Backend, bucket_name: str, key_name: str) -> Any:
    """Do what ``S3Backend._set_delete_marker`` does. The marker keeps the hidden object's type, but not its body."""
    marker = _set_delete_marker(backend, bucket_name, key_name)
    marker.key = object.__new__(type(marker.key))  # moto needs only its type
    return marker


def _delete_with_tags(backend: S3Backend, bucket_name: str, key_name: str, *rest: Any, **named: Any) -> Any:
    """Do what ``S3Backend.delete_object`` does, and forget the tags of deleted versions, which moto keeps."""
    keys = backend.get_bucket(bucket_name).keys
    before = list(keys.getlist(key_name, []))
    answer = _delete_object(backend, bucket_name, key_name, *rest, **named)
    left = {id(version) for version in keys.getlist(key_name, [])}
    for version in before:
        if isinstance(version, FakeKey) and id(version) not in left:
            backend.tagger.delete_all_tags_for_resource(version.arn)
    return answer


def _delete_bucket_with_tags(backend: S3Backend, bucket_name: str) -> FakeBucket | None:
    """Do what ``S3Backend.delete_bucket`` does, and forget the bucket's tags."""
    deleted = _delete_bucket(backend, bucket_name)
    if deleted:
        backend.tagger.delete_all_tags_for_resource(deleted.arn)
    return deleted


class _Tokens(dict[str, str]):
    """Tokens of the latest 10,000 truncated lists. moto keeps all tokens."""

    def __setitem__(self, token: str, value: str) -> None:
        super().__setitem__(token, value)
        if len(self) > _TOKENS:
            with suppress(StopIteration, RuntimeError, KeyError):  # another thread may do the same
                del self[next(iter(self))]


_TOKENS = 10_000
_init_backend = S3Backend.__init__


def _init_with_bounds(backend: S3Backend, *arguments: Any, **named: Any) -> None:
    _init_backend(backend, *arguments, **named)
    backend._pagination_tokens = _Tokens()


def _untracked(kind: type, *_: Any, **__: Any) -> Any:
    """Make an instance as ``BaseModel.__new__`` does, without its entry in the list for moto's dashboard."""
    return super(BaseModel, kind).__new__(kind)


def install() -> None:
    """Make moto keep bodies as described above, and nothing that is deleted, until this process ends."""
    BaseModel.__new__ = staticmethod(_untracked)
    moto.s3.models.FakeKey = _BodyKey
    FakeMultipart.complete = _complete_with_parts
    S3Backend.__init__ = _init_with_bounds
    S3Backend.put_object = _put_with_body
    S3Backend.upload_part = _upload_with_body
    S3Backend.create_multipart_upload = _create_with_plan
    S3Backend.head_object = _head_and_tell
    S3Backend.copy_object = _copy_sharing
    S3Backend.upload_part_copy = _copy_part_sharing
    S3Backend.delete_object = _delete_with_tags
    S3Backend.delete_bucket = _delete_bucket_with_tags
    S3Backend._set_delete_marker = _mark_deleted
