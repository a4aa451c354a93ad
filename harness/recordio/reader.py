"""Reader of bytes, files and streams: the fast readers first, then the strict one if they find a deviation."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from harness.recordio.dataset import RecordError, Records, joined, width_error
from harness.recordio.dense import read_dense
from harness.recordio.frames import Frames, find
from harness.recordio.sparse import read_sparse

CHUNK = 1 << 22
"""Bytes that :func:`batches` reads at a time."""
_PART = 1 << 20
"""Bytes of frames that the readers of sparse rows take at a time: what they compute with then stays in the cache."""


def parse(data: bytes | memoryview, *, width: int | None = None) -> Records:
    """Return the rows of a whole body or file.

    :param width: number of columns; None takes that of the first record.
    :raises RecordError: a record is not exactly one row, or differs from those before it.
    """
    return _rows(find(np.frombuffer(data, np.uint8)), width)


def read(files: Iterable[Path], *, width: int | None = None) -> Records:
    """Return the rows of files, in their order. The arrays are the caller's own.

    :param width: number of columns; None takes that of the first record.
    :raises RecordError: as :func:`parse` does; the error names the file and the number of the record in it.
    """
    parts: list[Records] = []
    for file in files:
        part = _read_file(file, parts[0].features.shape[1] if parts else width)
        if len(part):
            _check_labels(part, parts[0] if parts else part, str(file))
            parts.append(part)
    return joined(parts, width)


def batches(stream: BinaryIO, rows: int) -> Iterator[Records]:
    """Yield the rows of a stream in batches; memory depends on the size of a batch, not of the stream.

    :param rows: rows of each batch; the last one may have fewer.
    :raises RecordError: as :func:`parse` does, when the record is reached.
    """
    done, first = 0, None
    for frames in _batches_of_frames(stream, rows):
        try:
            batch = _rows(frames, first.features.shape[1] if first else None)
            _check_labels(batch, first or batch)
        except RecordError as error:
            raise error.moved(done) from None
        first = first or Records(batch.features[:1], batch.labels)
        done += len(batch)
        yield batch


def _batches_of_frames(stream: BinaryIO, rows: int) -> Iterator[Frames]:
    rest = np.empty(0, np.uint8)
    done = 0
    while True:
        chunk = stream.read(max(CHUNK, len(rest)))  # doubling: a long record is not copied once for each chunk
        rest = np.concatenate([rest, np.frombuffer(chunk, np.uint8)])
        try:
            frames = find(rest, whole=not chunk)
        except RecordError as error:
            raise error.moved(done) from None
        complete = len(frames) if not chunk else len(frames) // rows * rows
        for start in range(0, complete, rows):
            yield frames.taken(start, start + rows)
        done += complete
        if not chunk:
            return
        if complete:
            rest = rest[frames.taken(0, complete).end :]


def _read_file(file: Path, width: int | None) -> Records:
    with file.open("rb") as stream:
        if not stream.seek(0, 2):
            return joined([], width)
        try:
            return _own(parse(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)), width=width))
        except RecordError as error:
            raise error.moved(0, str(file)) from None


def _own(rows: Records) -> Records:
    """Return the rows without the file below them."""
    features = rows.features
    return Records(features.copy() if isinstance(features, np.ndarray) else features, rows.labels)


def _rows(frames: Frames, width: int | None) -> Records:
    """Return the rows of frames: dense ones at once, others some at a time."""
    dense = read_dense(frames) if len(frames) else joined([], width)
    if dense is not None:
        return _fitting(dense, width) if len(frames) else dense
    parts: list[Records] = []
    step = max(1, _PART * len(frames) // len(frames.data))
    for start in range(0, len(frames), step):
        try:
            part = _read_frames(frames.taken(start, start + step), parts[0].features.shape[1] if parts else width)
            _check_labels(part, parts[0] if parts else part)
        except RecordError as error:
            raise error.moved(start) from None
        parts.append(part)
    return joined(parts, width)


def _read_frames(frames: Frames, width: int | None) -> Records:
    found = read_dense(frames) or read_sparse(frames)
    if found is None:
        from harness.recordio.strict import read_strictly  # noqa: PLC0415 - most streams do not need protobuf

        return read_strictly(frames, width)
    return _fitting(found, width)


def _fitting(rows: Records, width: int | None) -> Records:
    if width is not None and rows.features.shape[1] != width:
        raise width_error(1, rows.features.shape[1], width)
    return rows


def _check_labels(rows: Records, before: Records, source: str = "") -> None:
    if len(rows) and len(before) and (rows.labels is None) != (before.labels is None):
        has = "no" if rows.labels is None else "a"
        raise RecordError(1, f"it has {has} label, unlike those before it", source)
