"""Bodies of moto's S3 objects on disk, where moto would hold them whole in memory: uploads, copies, parts.

S3A renames by copying, so without this a training set would be held several times over. What replaces moto's methods
does what they do; only the bytes take another way. An object has its whole body from when it can first be seen, and
keeps it for those who read it while it is replaced.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO, Any

import moto.s3.models
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.settings import S3_UPLOAD_PART_MIN_SIZE


@dataclass
class Body:
    """A body on disk, given to moto as an object's value; without ``md5`` moto computes the ETag when it is asked."""

    file: IO[bytes]
    size: int = 0
    md5: str | None = None
    taken: bool = False
    """Whether it is an object's now, which closes it."""

    def close_unless_taken(self) -> None:
        """Close the file that has become no object's body."""
        if not self.taken:
            self.file.close()


@dataclass
class _Beside:
    """What goes beside a request to moto: the body of what it stores, and the object that its HEAD found."""

    body: Body | None = None
    found: FakeKey | None = None


# moto answers in another thread, which runs in a copy of the context of who asks.
_beside: ContextVar[_Beside | None] = ContextVar("beside", default=None)


@contextmanager
def beside_request(body: Body | None = None) -> Iterator[_Beside]:
    """Let the request to moto that is made meanwhile store ``body`` as its own, and tell the object it found."""
    beside = _Beside(body)
    token = _beside.set(beside)
    try:
        yield beside
    finally:
        _beside.reset(token)


def _complete_on_disk(multipart: FakeMultipart, wanted: Iterable[tuple[int, str]]) -> tuple[Any, str, Any]:
    """Do what ``FakeMultipart.complete`` does, without its copies of the whole object in memory.

    The checks and the ETag (the MD5 of the parts' MD5s) are those of
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    digests = hashlib.md5(usedforsecurity=False)
    parts: list[FakeKey] = []
    for number, etag in wanted:
        part = multipart.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            raise InvalidPart
        if parts and parts[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall
        parts.append(part)
        digests.update(bytes.fromhex(part.etag.strip('"')))
    if not parts:
        raise MalformedXML
    return _copied((part, 0, part.contentsize) for part in parts), f"{digests.hexdigest()}-{len(parts)}", None


def _copied(ranges: Iterable[tuple[FakeKey, int, int]]) -> Body:
    """Return a copy of ranges of objects, each from a start with a length, one after the other."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the object closes it
    for key, start, length in ranges:
        copy_range(key, file, start, length)
    return Body(file, file.tell())


def copy_range(key: FakeKey, target: IO[bytes], start: int, length: int) -> None:
    """Copy ``length`` bytes of an object from ``start`` on, block by block."""
    with key.lock:
        key._value_buffer.seek(start)
        while length > 0 and (block := key._value_buffer.read(min(length, 1 << 20))):
            target.write(block)
            length -= len(block)


class _DiskKey(FakeKey):  # type: ignore[misc]  # moto carries no types
    """moto's object, which also takes a body on disk as its value."""

    _value_buffer: IO[bytes]
    _etag: str | None

    @property
    def value(self) -> bytes:
        """The whole body."""
        return FakeKey.value.fget(self)  # type: ignore[no-any-return]

    @value.setter
    def value(self, new: bytes | Body) -> None:
        if not isinstance(new, Body):
            FakeKey.value.fset(self, new)
            return
        self._value_buffer.close()
        self._value_buffer, self.contentsize = new.file, new.size
        self._etag = self._etag or new.md5
        new.taken = True

    def dispose(self, garbage: bool = False) -> None:
        """Close a part. An object's body stays for those who read it just now, and is closed with the last of them."""
        if garbage or self.bucket_name is None:
            super().dispose()
        elif self.multipart:
            self.multipart.dispose()


class _OnDisk:
    """An object whose body is copied from disk to disk."""

    def __init__(self, key: FakeKey) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    @property
    def value(self) -> Body:
        return _copied([(self._key, 0, self._key.contentsize)])


_copy_object = S3Backend.copy_object
_put_object = S3Backend.put_object
_upload_part = S3Backend.upload_part
_head_object = S3Backend.head_object


def _body_or(value: Any) -> Any:
    beside = _beside.get()
    return beside.body if beside and beside.body else value


def _put_from_disk(backend: S3Backend, bucket_name: str, key_name: str, value: Any, *rest: Any, **named: Any) -> Any:
    return _put_object(backend, bucket_name, key_name, _body_or(value), *rest, **named)


def _upload_from_disk(backend: S3Backend, bucket_name: str, multipart_id: str, part_id: int, value: Any) -> Any:
    return _upload_part(backend, bucket_name, multipart_id, part_id, _body_or(value))


def _head_and_tell(backend: S3Backend, *arguments: Any, **named: Any) -> Any:
    found = _head_object(backend, *arguments, **named)
    if beside := _beside.get():
        beside.found = found
    return found


def _copy_on_disk(backend: S3Backend, src_key: FakeKey, *arguments: Any, **named: Any) -> None:
    _copy_object(backend, _OnDisk(src_key), *arguments, **named)


def _copy_part_on_disk(
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
    """Do what ``S3Backend.upload_part_copy`` does, without the whole source in memory."""
    source = backend.get_object(src_bucket_name, src_key_name, version_id=src_version_id)
    start, end = (0, source.contentsize - 1) if start_byte is None or end_byte is None else (start_byte, end_byte)
    multipart = backend.get_bucket(dest_bucket_name).multiparts[multipart_id]
    return multipart.set_part(part_id, _copied([(source, start, end - start + 1)]))


def install() -> None:
    """Have moto keep and copy bodies on disk, for the life of this process."""
    moto.s3.models.FakeKey = _DiskKey
    FakeMultipart.complete = _complete_on_disk
    S3Backend.put_object = _put_from_disk
    S3Backend.upload_part = _upload_from_disk
    S3Backend.head_object = _head_and_tell
    S3Backend.copy_object = _copy_on_disk
    S3Backend.upload_part_copy = _copy_part_on_disk
