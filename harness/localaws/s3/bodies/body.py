"""Bodies of S3 objects as values: immutable, shared, and deleted with the last reference to them.

Small bodies are in memory. Larger ones are in files, open only while they are read.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO

from harness.localaws.s3.bodies import checksums
from harness.localaws.s3.bodies.checksums import Checksum

IN_MEMORY = 1 << 20
"""Bytes from which a body is a file."""
_BLOCK = 1 << 20


class _File:
    """A file that is deleted with the last reference to it."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self._size = size
        # Not at exit: then the whole directory is deleted.
        weakref.finalize(self, _remove, path).atexit = False

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, length: int) -> bytes:
        with open(self.path, "rb", buffering=0) as file:
            return os.pread(file.fileno(), length, start)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


class Body:
    """Bytes that never change, in one or more pieces."""

    def __init__(
        self, pieces: Iterable[bytes | _File], md5: str | None = None, joined_from: tuple[Body, ...] = ()
    ) -> None:
        self._pieces = tuple(pieces)
        self._ends = list(itertools.accumulate(len(piece) for piece in self._pieces))
        self._md5 = md5
        self._joined_from = joined_from
        self._checksums: dict[str, Checksum] = {}

    @classmethod
    def of(cls, data: bytes) -> Body:
        """Return a body of these bytes."""
        with BodyWriter() as writer:
            writer.write(data)
            return writer.finish()

    @classmethod
    def joined(cls, bodies: Iterable[Body]) -> Body:
        """Return the concatenation of bodies. It shares their bytes."""
        parts = tuple(bodies)
        return cls((piece for body in parts for piece in body._pieces), joined_from=parts)

    @property
    def size(self) -> int:
        """Bytes."""
        return self._ends[-1] if self._ends else 0

    @property
    def md5(self) -> str:
        """The MD5 in hexadecimal digits, computed when first asked for."""
        if self._md5 is None:
            digest = hashlib.md5(usedforsecurity=False)
            for block in self.blocks(0, self.size):
                digest.update(block)
            self._md5 = digest.hexdigest()
        return self._md5

    def digests(self) -> list[str]:
        """Return digests that identify the bytes: the MD5, or those of the bodies that it was joined from.

        They are known from the upload. A body with the same bytes in other parts has others.
        """
        if self._joined_from:
            return [digest for part in self._joined_from for digest in (str(part.size), *part.digests())]
        return [self.md5]

    def checksum(self, algorithm: str) -> Checksum:
        """Return the checksum of the whole, computed when first asked for."""
        if algorithm not in self._checksums:
            self._checksums[algorithm] = checksums.of_body(self, algorithm)
        return self._checksums[algorithm]

    def know(self, checksum: Checksum) -> None:
        """Keep a checksum that was computed while the body was received, unless it is one of the parts' checksums."""
        if checksum.kind == checksums.FULL_OBJECT:
            self._checksums[checksum.algorithm] = checksum

    def part(self, start: int, length: int) -> Body:
        """Return a range as a body: a copy, unless the range is the whole or consists of bodies that were joined.

        A copy does not keep the other bytes on disk. S3A renames an object by copying the ranges in which it sent it.
        """
        if (start, length) == (0, self.size):
            return self
        inside, position = [], 0
        for body in self._joined_from:
            if start <= position and position + body.size <= start + length:
                inside.append(body)
            position += body.size
        if inside and sum(body.size for body in inside) == length:
            return inside[0] if len(inside) == 1 else Body.joined(inside)
        with BodyWriter() as writer:
            for block in self.blocks(start, length):
                writer.write(block)
            return writer.finish()

    def read(self, start: int, length: int) -> bytes:
        """Return up to ``length`` bytes from offset ``start``: fewer at the end of a piece, none at the end."""
        number = bisect_right(self._ends, start)
        if number == len(self._pieces):
            return b""
        piece, offset = self._pieces[number], start - (self._ends[number - 1] if number else 0)
        return piece.read(offset, length) if isinstance(piece, _File) else piece[offset : offset + length]

    def blocks(self, start: int, length: int) -> Iterator[bytes]:
        """Yield up to ``length`` bytes from offset ``start``, in blocks of at most 1 MiB."""
        end = start + length
        while start < end and (block := self.read(start, min(_BLOCK, end - start))):
            yield block
            start += len(block)

    def __deepcopy__(self, memo: object) -> Body:
        """Return the same body: moto copies whole objects to list their versions."""
        return self


class BodyWriter:
    """Receives a body block by block, first in memory, and in a file once it is large. Deletes it if unfinished."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._path = ""
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes to the end.

        :raises OSError: the disk is full.
        """
        self._size += len(data)
        if self._file is None and self._size < IN_MEMORY:
            self._memory += data
            return
        if self._file is None:
            descriptor, self._path = tempfile.mkstemp(prefix="body-")
            self._file = os.fdopen(descriptor, "wb")
            self._file.write(self._memory)
            self._memory.clear()
        self._file.write(data)

    def finish(self, md5: str | None = None) -> Body:
        """Return the body that was written.

        :param md5: its MD5, if known.
        """
        if self._file is None:
            return Body([bytes(self._memory)] if self._memory else [], md5)
        self._file.close()
        path, self._path = self._path, ""
        return Body([_File(path, self._size)], md5)

    def __enter__(self) -> BodyWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            with suppress(OSError):  # the disk is full: the rest of its buffer is lost
                self._file.close()
        if self._path:
            _remove(self._path)
