"""Bodies of S3 objects, streamed from the socket to disk and back.

moto holds whole objects in memory while it answers. Here bodies are read and written block by block, and moto answers
everything except the body. Small bodies take the same way as a training set of hundreds of megabytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.localaws.exceptions import IncompleteBody

_BLOCK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNKED = "aws-chunked"
LARGEST_LINES = 8 << 10
"""Most bytes of a chunk's header, and of all trailers together. It is S3's limit for a request's headers, see
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html. The SDKs' have about 100."""
_CHUNK_HEADER = re.compile(rb"([0-9a-fA-F]{1,16})(?:;.*)?")
_SHOWN = 40


@dataclass(frozen=True)
class Upload:
    """A received body: its size, its MD5, and its trailing headers."""

    size: int
    md5: str
    trailers: dict[str, str]


class Writable(Protocol):
    """A target of bytes."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take bytes."""


class Measured:
    """A target that counts and digests the bytes that pass through it."""

    def __init__(self, *targets: Writable) -> None:
        """Hand the bytes on to ``targets``."""
        self._targets = targets
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0

    @property
    def md5(self) -> str:
        """The MD5 of all bytes so far, in hexadecimal digits."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview, /) -> None:
        """Take bytes."""
        for target in self._targets:
            target.write(data)
        self._digest.update(data)
        self.size += len(data)


async def receive_body(blocks: AsyncIterator[bytes], headers: Mapping[str, str], *targets: Writable) -> Upload:
    """Write a body to ``targets``, and decode AWS's chunks if the request has them.

    :raises IncompleteBody: the chunks do not have the form that
        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html describes.
    """
    decoder = ChunkDecoder() if is_aws_chunked(headers) else None
    target = Measured(*targets)
    async for block in blocks:
        for data in decoder.feed(block) if decoder else (block,):
            target.write(data)
    if decoder and not decoder.complete:
        raise _incomplete("the last chunk, or the empty line after it, is missing")
    return Upload(target.size, target.md5, decoder.trailers if decoder else {})


def is_aws_chunked(headers: Mapping[str, str]) -> bool:
    """Return whether a request says that its body is in AWS's chunks."""
    return _CHUNKED in headers.get("content-encoding", "") or "STREAMING" in headers.get("x-amz-content-sha256", "")


class ChunkDecoder:
    """Decodes the ``aws-chunked`` encoding: ``<hex size>[;chunk-signature=…]CRLF data CRLF … 0 CRLF trailers CRLF``.

    It is as strict as S3, and holds at most :data:`LARGEST_LINES` bytes of lines.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._left = 0
        self._after_data = False
        self._last = False
        self._trailing = 0
        self.complete = False
        """True once the end of the body was read."""
        self.trailers: dict[str, str] = {}
        """Headers after the last chunk, such as a checksum, by lower-case name."""

    def feed(self, block: bytes) -> list[memoryview]:
        """Return the data in ``block``.

        :raises IncompleteBody: the body is not in this encoding.
        """
        found: list[memoryview] = []
        view, position = memoryview(block), 0
        while position < len(view):
            if self.complete:
                raise _incomplete("there are bytes after the end")
            if self._left:
                data = view[position : position + self._left]
                found.append(data)
                position += len(data)
                self._left -= len(data)
                self._after_data = not self._left
            else:
                position = self._read_line(block, position)
        return found

    def _read_line(self, block: bytes, position: int) -> int:
        end = block.find(b"\n", position)
        self._line += block[position : end + 1 if end >= 0 else len(block)]
        if len(self._line) + self._trailing > LARGEST_LINES:
            raise _incomplete(f"a chunk's header, or the trailers, are longer than {LARGEST_LINES:,} bytes")
        if end < 0:
            return len(block)
        line, self._line = bytes(self._line), bytearray()
        if not line.endswith(b"\r\n"):
            raise _incomplete("a line does not end with CRLF")
        self._take_line(line[:-2])
        return end + 1

    def _take_line(self, line: bytes) -> None:
        if self._after_data:
            if line:
                raise _incomplete("a chunk's data is not followed by CRLF")
            self._after_data = False
        elif self._last:
            self._take_trailer(line)
        else:
            header = _CHUNK_HEADER.fullmatch(line)
            if header is None:
                raise _incomplete(f"{line[:_SHOWN]!r} is not the header of a chunk")
            self._left = int(header[1], 16)
            self._last = self._left == 0

    def _take_trailer(self, line: bytes) -> None:
        self._trailing += len(line) + 2
        name, colon, value = line.decode("latin-1").partition(":")
        if line and not colon:
            raise _incomplete(f"{line[:_SHOWN]!r} is not a trailing header")
        if line:
            self.trailers[name.strip().lower()] = value.strip()
        else:
            self.complete = True


def _incomplete(reason: str) -> IncompleteBody:
    return IncompleteBody(f"The request body terminated unexpectedly: in its aws-chunked coding {reason}.")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for, or None if it asks for no range.

    :param size: bytes of the object.
    Whatever is no single range is ignored, as S3 does: see the table measured on AWS at
    https://mushanshitiancai.github.io/2018/05/09/network/AWS-S3-Range%E4%B8%8B%E8%BD%BD%E5%93%8D%E5%BA%94%E6%B5%8B%E8%AF%95

    :raises IndexError: the range is outside.
    """
    match = _RANGE.fullmatch(header.strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size - 1), size - 1)
    if start > end:
        raise IndexError(f"{header} of {size} bytes")
    return start, end


async def send_body(
    read_at: Callable[[int, int], bytes],
    in_thread: Callable[..., Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
    start: int,
    length: int,
) -> None:
    """Send ``length`` bytes from offset ``start``, block by block."""
    end = start + length
    while start < end:
        block = await in_thread(read_at, start, min(_BLOCK, end - start))
        start += len(block)
        await send({"type": "http.response.body", "body": block, "more_body": start < end})
