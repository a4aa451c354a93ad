"""Bodies of moto's S3 objects on disk, where moto would hold them whole in memory: joined uploads, copies, parts.

S3A renames by copying, so without this a training set would be held several times over. What replaces moto's methods
does what they do; only the bytes take another way.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from typing import IO, Any

import moto.s3.models
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.settings import S3_UPLOAD_PART_MIN_SIZE


def give_body(key: FakeKey, body: IO[bytes], size: int, md5: str | None) -> None:
    """Put ``body`` in the place of an object's own; without ``md5`` moto computes the ETag when it is asked for."""
    with key.lock:
        key._value_buffer.close()
        key._value_buffer = body
        key.contentsize = size
        key._etag = md5


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
    return _Joined(parts), f"{digests.hexdigest()}-{len(parts)}", None


class _Joined:
    """The parts of an upload, one after the other on disk: moto closes theirs before it stores the object."""

    def __init__(self, parts: Iterable[FakeKey]) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - the object closes it
        for part in parts:
            copy_range(part, self.file, 0, part.contentsize)
        self.size = self.file.tell()


class _Range(_Joined):
    """A range of an object, on disk."""

    def __init__(self, key: FakeKey, start: int, length: int) -> None:
        super().__init__([])
        copy_range(key, self.file, start, length)
        self.size = self.file.tell()


def copy_range(key: FakeKey, target: IO[bytes], start: int, length: int) -> None:
    """Copy ``length`` bytes of an object from ``start`` on, block by block."""
    with key.lock:
        key._value_buffer.seek(start)
        while length > 0 and (block := key._value_buffer.read(min(length, 1 << 20))):
            target.write(block)
            length -= len(block)


class _DiskKey(FakeKey):  # type: ignore[misc]  # moto carries no types
    """moto's object, which also takes the joined parts of an upload as its value."""

    @property
    def value(self) -> bytes:
        """The whole body."""
        return FakeKey.value.fget(self)  # type: ignore[no-any-return]

    @value.setter
    def value(self, new: bytes | _Joined) -> None:
        if isinstance(new, _Joined):
            self._value_buffer, self.contentsize = new.file, new.size
        else:
            FakeKey.value.fset(self, new)


class _OnDisk:
    """An object whose body is copied from disk to disk."""

    def __init__(self, key: FakeKey) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    @property
    def value(self) -> _Joined:
        return _Joined([self._key])


_copy_object = S3Backend.copy_object


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
    return multipart.set_part(part_id, _Range(source, start, end - start + 1))


def install() -> None:
    """Have moto keep and copy bodies on disk, for the life of this process."""
    moto.s3.models.FakeKey = _DiskKey
    FakeMultipart.complete = _complete_on_disk
    S3Backend.copy_object = _copy_on_disk
    S3Backend.upload_part_copy = _copy_part_on_disk
