"""Frames of a stream: where each record starts and ends."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from harness.recordio.dataset import Array, RecordError

MAGIC = 0xCED7230A
HEAD = struct.Struct("<II")
LENGTH_BITS = 29
"""Bits of the length. The three above them number the parts of a record, in MXNet's RecordIO."""


@dataclass(frozen=True)
class Frames:
    """Complete frames of a buffer.

    :ivar starts: where each record's message starts, int64.
    :ivar lengths: length of each message, int64.
    :ivar end: end of the last frame.
    """

    data: Array
    starts: Array
    lengths: Array
    end: int

    def __len__(self) -> int:
        return len(self.starts)

    def taken(self, first: int, last: int) -> Frames:
        """Return some of the frames."""
        starts, lengths = self.starts[first:last], self.lengths[first:last]
        end = int(starts[-1] + padded(int(lengths[-1]))) if len(starts) else self.end
        return Frames(self.data, starts, lengths, end)


def padded(length: int) -> int:
    """Return the length of a message with the zeros after it."""
    return -(-length // 4) * 4


def find(data: Array, *, whole: bool = True) -> Frames:
    """Return the frames of a stream.

    :param data: bytes of the stream, uint8.
    :param whole: False if the stream continues after the data. An incomplete frame at the end is then no error.
    :raises RecordError: a frame is truncated, has another magic number or is one part of several.
    """
    return _find_fast(data) or _walk(data, whole)


def _find_fast(data: Array) -> Frames | None:
    """Return the frames if each occurrence of the magic number starts one, and None otherwise."""
    if not len(data) or len(data) % 4:
        return None
    words = data.view("<u4")
    heads = np.flatnonzero(words == MAGIC)
    if not len(heads) or heads[0] != 0 or heads[-1] + 1 >= len(words):
        return None
    lengths = words[heads + 1].astype(np.int64)
    ends = heads + 2 + (lengths + 3) // 4
    if lengths.max() >> LENGTH_BITS or ends[-1] != len(words) or not np.array_equal(ends[:-1], heads[1:]):
        return None
    return Frames(data, heads * 4 + HEAD.size, lengths, len(data))


def _walk(data: Array, whole: bool) -> Frames:
    view, total = data.data, len(data)
    starts: list[int] = []
    lengths: list[int] = []
    at = 0
    while at < total:
        number = len(starts) + 1
        if total - at < HEAD.size:
            if whole:
                raise RecordError(number, f"the stream ends after {total - at} of the frame's first {HEAD.size} bytes")
            break
        magic, length = HEAD.unpack_from(view, at)
        if magic != MAGIC:
            raise RecordError(number, f"its frame starts with {magic:#010x}, not with {MAGIC:#010x}, at byte {at}")
        if length >> LENGTH_BITS:
            raise RecordError(number, f"it is one part of several (length {length:#010x}), which is not supported")
        end = at + HEAD.size + padded(length)
        if end > total:
            if whole:
                raise RecordError(number, f"its frame is truncated: {end - at} bytes, of which {total - at} are there")
            break
        starts.append(at + HEAD.size)
        lengths.append(length)
        at = end
    return Frames(data, np.array(starts, np.int64), np.array(lengths, np.int64), at)
