"""Sources of text: bytes, files, directories, gzip and streams, cut into parts of whole lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias, cast

from harness.errors import DataError
from harness.libsvm.parallel import CORES

CHUNK = 16 << 20
"""Default size of a batch, in bytes of text."""

PART = 3 << 19  # bytes that a thread reads at a time: larger parts exceed the cache, smaller ones cause contention
LEAST_PART = 1 << 18

_GZIP = b"\x1f\x8b"  # no LibSVM text starts with these bytes

Source: TypeAlias = str | Path | BinaryIO
Sources: TypeAlias = Source | Iterable[Source]


class Part(NamedTuple):
    """Whole lines of a text, the number of the first one, and the name of the text."""

    text: bytes
    first_line: int
    source: str


def parts_of_text(text: bytes, first_line: int, source: str) -> Iterator[Part]:
    """Yield a text in parts, the same number for each core; gzip is unpacked."""
    if text.startswith(_GZIP):
        text = _unpacked(text, source)
    rounds = -(-len(text) // (PART * CORES))
    size = max(LEAST_PART, len(text) // max(1, rounds * CORES))
    start = 0
    while len(text) - start > size + LEAST_PART // 4:
        end = text.find(b"\n", start + size) + 1 or len(text)
        part = text[start:end]
        yield Part(part, first_line, source)
        first_line += part.count(b"\n")
        start = end
    if start < len(text):
        yield Part(text[start:], first_line, source)


class Rereadable:
    """Files, all files below directories (in order of path) and streams."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources
        self._starts = [None if isinstance(source, str | Path) else _position(source) for source in sources]

    def parts(self) -> Iterator[Part]:
        """Yield all sources in parts.

        :raises DataError: gzip is broken.
        """
        for stream, source in _streams(self._sources):
            yield from _parts_of_stream(stream, source)

    def rewind(self) -> None:
        """Return streams to their initial positions.

        :raises DataError: a stream is not seekable.
        """
        for source, start in zip(self._sources, self._starts, strict=True):
            if isinstance(source, str | Path):
                continue
            if start is None:
                raise DataError(
                    "The indices of a stream count from 0, but it cannot be read again: it is not seekable.",
                    fix="pass base=0",
                )
            source.seek(start)


def _position(stream: BinaryIO) -> int | None:
    return stream.tell() if hasattr(stream, "seekable") and stream.seekable() else None


def as_list(sources: Sources) -> list[Source]:
    """Return one or more sources as a list."""
    one = isinstance(sources, str | Path) or hasattr(sources, "read")
    return [cast("Source", sources)] if one else list(cast("Iterable[Source]", sources))


def _streams(sources: Iterable[Source]) -> Iterator[tuple[BinaryIO, str]]:
    """Yield each file or stream, open, and its name."""
    for source in sources:
        if not isinstance(source, str | Path):
            yield source, str(getattr(source, "name", ""))
            continue
        path = Path(source)
        for file in _files_below(path) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                yield stream, str(file)


def _files_below(directory: Path) -> list[Path]:
    """Return the files of a directory except those that Hadoop hides: ``_SUCCESS``, ``.part-00000.crc``."""
    paths = sorted(directory.rglob("*"))
    return [path for path in paths if path.is_file() and not path.name.startswith((".", "_"))]


def _parts_of_stream(stream: BinaryIO, source: str) -> Iterator[Part]:
    first_line = 1
    head = stream.read(len(_GZIP))
    whole = cast("BinaryIO", _Rejoined(head, stream))
    lines = _whole_lines(cast("BinaryIO", gzip.GzipFile(fileobj=whole)) if head == _GZIP else whole)
    try:
        for text in lines:
            yield Part(text, first_line, source)
            first_line += text.count(b"\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _broken(source, error) from error


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream in parts that end with a line."""
    begun: list[bytes] = []  # pieces of a line whose end is still to be read
    while text := stream.read(PART):
        end = text.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, text[:end]])
            begun.clear()
        begun.append(text[end:])
    if any(begun):
        yield b"".join(begun)


class _Rejoined:
    """A stream with its first bytes put back."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not self._head:
            return self._stream.read(size)
        head, self._head = self._head[:size], self._head[size:]
        return head + self._stream.read(size - len(head))


def _unpacked(text: bytes, source: str) -> bytes:
    try:
        return gzip.decompress(text)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _broken(source, error) from error


def _broken(source: str, error: Exception) -> DataError:
    return DataError(
        f"{source or 'The text'} starts like gzip but cannot be unpacked: {error}.", fix="compress or copy it again"
    )
