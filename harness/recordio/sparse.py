"""Fast reader of sparse rows: the fields of all frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.recordio.dataset import LARGEST_WIDTH, Array, Records, csr
from harness.recordio.frames import Frames
from harness.recordio.wire import FEATURES, KEY, KEYS, LABEL, SHAPE, TENSOR, VALUE, VALUES

_LONGEST = 5
"""Most bytes of a varint: those of 32 bits. Longer ones are left to the strict reader."""
_KEY = np.frombuffer(KEY, np.uint8)


class _Unusual(Exception):
    """A frame is not a sparse row as the SDK writes it."""


def read_sparse(frames: Frames) -> Records | None:
    """Return the rows of the frames, or None if they are not all sparse rows of one width as the SDK writes them."""
    try:
        return _Reader(frames).read()
    except _Unusual:
        return None


@dataclass
class _Span:
    """A part of each frame, from ``start`` up to ``end``."""

    start: Array
    end: Array

    @property
    def lengths(self) -> Array:
        return self.end - self.start


class _Reader:
    def __init__(self, frames: Frames) -> None:
        self.data = frames.data
        self.last = len(frames.data) - 1
        self.payload = _Span(frames.starts, frames.starts + frames.lengths)

    def read(self) -> Records:
        entry = self._content(self.payload, FEATURES)
        tensor = self._tensor(entry)
        values = self._optional(tensor, VALUES)
        keys = self._optional(_Span(values.end, tensor.end), KEYS)
        shape = self._content(_Span(keys.end, tensor.end), SHAPE)
        _demand(shape.end == tensor.end)
        width = self._width(shape)
        labels = self._labels(entry.end)
        counts, odd = np.divmod(values.lengths, 4)
        _demand(odd == 0)
        ends = np.concatenate([[0], np.cumsum(counts)])
        columns = self._keys(keys, counts, ends, width)
        return Records(csr(self._gather(values).view("<f4"), columns, ends, width), labels)

    # ---- fields of all frames

    def _tensor(self, entry: _Span) -> _Span:
        """Return the content of ``Value.float32_tensor``, which must end with the entry of the map."""
        found = _Span(entry.start + len(_KEY), entry.end)
        for offset, byte in enumerate(_KEY.tolist()):
            _demand(self._byte(entry.start + offset) == byte)
        for tag in (VALUE, TENSOR):
            found = self._content(found, tag)
            _demand(found.end == entry.end)
        return found

    def _content(self, span: _Span, tag: int) -> _Span:
        """Return the content of the field at the start of a span."""
        _demand(span.start < span.end)
        _demand(self._byte(span.start) == tag)
        length, start = self._varint(span.start + 1)
        _demand(start + length <= span.end)
        return _Span(start, start + length)

    def _optional(self, span: _Span, tag: int) -> _Span:
        """Return the content of the field at the start of a span; nothing in frames that lack it."""
        present = (span.start < span.end) & (self._byte(span.start) == tag)
        found = _Span(span.start.copy(), span.start.copy())
        part = self._content(_Span(span.start[present], span.end[present]), tag)
        found.start[present], found.end[present] = part.start, part.end
        return found

    def _labels(self, at: Array) -> Array | None:
        """Return the labels, None if all frames end here."""
        span = _Span(at, self.payload.end)
        if (span.lengths == 0).all():
            return None
        entry = self._content(span, LABEL)
        numbers = self._content(self._tensor(entry), VALUES)
        _demand(numbers.end == self.payload.end)
        _demand(numbers.lengths == 4)
        return self._gather(numbers).view("<f4")

    def _width(self, shape: _Span) -> int:
        width, end = self._varint(shape.start)
        _demand(end == shape.end)
        _demand(width == width[0])
        _demand((width > 0) & (width <= LARGEST_WIDTH))
        return int(width[0])

    def _keys(self, keys: _Span, counts: Array, ends: Array, width: int) -> Array:
        """Return the keys of all rows: as many as values, ascending in each row, inside the shape."""
        text = self._gather(keys)
        lasts = np.flatnonzero(text < 0x80)
        ends_in_text = np.cumsum(keys.lengths)
        _demand(np.searchsorted(lasts, ends_in_text) == ends[1:])
        used = ends_in_text[keys.lengths > 0]
        _demand(text[used - 1] < 0x80)
        found = _varints(text, lasts)
        _demand(found < width)
        rises = found[1:] > found[:-1]
        starts = ends[1:-1]
        rises[starts[(starts > 0) & (starts < len(found))] - 1] = True
        _demand(rises)
        _demand((counts != width) | (counts == 0) | (keys.lengths > 0))
        return found

    # ---- bytes

    def _byte(self, at: Array) -> Array:
        """Return the byte of each frame; beyond the data, its last one, which no check accepts by itself."""
        found: Array = self.data[np.minimum(at, self.last)]
        return found

    def _varint(self, at: Array) -> tuple[Array, Array]:
        """Return the number at a position of each frame, and the positions after it."""
        byte = self._byte(at)
        number = (byte & 0x7F).astype(np.int64)
        at = at + 1
        more = byte >= 0x80
        for shift in range(7, 7 * _LONGEST, 7):
            if not more.any():
                return number, at
            byte = self._byte(at)
            number += np.where(more, (byte & 0x7F).astype(np.int64) << shift, 0)
            at = at + more
            more = more & (byte >= 0x80)
        _demand(~more)
        return number, at

    def _gather(self, span: _Span) -> Array:
        """Return the bytes of a span of all frames, one after the other."""
        view = self.data.data
        pieces = [view[start:end] for start, end in zip(span.start.tolist(), span.end.tolist(), strict=True)]
        return np.frombuffer(bytearray().join(pieces), np.uint8)


def _varints(text: Array, lasts: Array) -> Array:
    """Return the numbers of a text of varints; ``lasts`` has the position of each one's last byte."""
    found: Array = text[lasts].astype(np.int32)
    longer = np.ones(len(lasts), np.bool_)
    for back in range(1, _LONGEST + 1):
        byte = text[lasts - back] if len(lasts) else text  # before the first byte is the last one, which ends a number
        longer &= byte >= 0x80
        if not longer.any():
            return found
        _demand(np.array(back < _LONGEST))
        if back == _LONGEST - 1:
            found = found.astype(np.int64)
        np.copyto(found, found << 7 | byte & 0x7F, where=longer)
    return found


def _demand(holds: Array) -> None:
    if not holds.all():
        raise _Unusual
