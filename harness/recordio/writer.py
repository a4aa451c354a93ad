"""Writer of rows as frames, byte for byte as the SDK's own writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.recordio.dataset import Array, Matrix
from harness.recordio.frames import HEAD, LENGTH_BITS, MAGIC, padded
from harness.recordio.wire import FEATURES, KEY, KEYS, LABEL, SHAPE, TENSOR, VALUE, VALUES, varint

if TYPE_CHECKING:
    from scipy import sparse

_VALUES = 1 << 17
"""Values of sparse rows that are written at a time: what is computed with then stays in the cache."""


def encode(features: Matrix, labels: Array | None = None) -> bytes:
    """Return one frame for each row, as the SDK writes them: dense rows of an array, sparse ones of a CSR matrix.

    :param features: float32, shape (n, d), d at least 1.
    :param labels: float32, shape (n,).
    :raises ValueError: the shapes or types are others.
    """
    _check(features, labels)
    if isinstance(features, np.ndarray):
        return _encode_dense(features, labels)
    step = max(1, _VALUES * features.shape[0] // max(features.nnz, features.shape[0], 1))
    parts = [
        _encode_sparse(features[start : start + step], None if labels is None else labels[start : start + step])
        for start in range(0, features.shape[0], step)
    ]
    return b"".join(parts)


def encode_answers(columns: Mapping[str, Array]) -> bytes:
    """Return one frame for each row of an answer, with ``label[<key>]`` for each column.

    :param columns: shape (n,), or (n, m) for a vector in each row; numbers are rounded to float32.
    """
    arrays = {key: np.asarray(column, np.float32) for key, column in columns.items()}
    arrays = {key: column.reshape(len(column), -1) for key, column in arrays.items()}
    return _fill([_entry(LABEL, key, column.shape[1]) for key, column in arrays.items()], list(arrays.values()))


def _check(features: Matrix, labels: Array | None) -> None:
    if features.ndim != 2 or not features.shape[1] or features.dtype != np.float32:
        raise ValueError(f"features are float32 with two dimensions, not {features.dtype} of shape {features.shape}")
    if labels is not None and (labels.shape != features.shape[:1] or labels.dtype != np.float32):
        raise ValueError(f"labels are float32, one for each row, not {labels.dtype} of shape {labels.shape}")


# ---- frames of equal length


class _Entry(NamedTuple):
    """The bytes of a map's entry before its floats, and their number."""

    head: bytes
    floats: int


def _entry(tag: int, key: str, floats: int) -> _Entry:
    name = key.encode()
    head = b""
    for inner in (VALUES, TENSOR, VALUE):
        head = bytes([inner]) + varint(len(head) + floats * 4) + head
    head = b"\x0a" + varint(len(name)) + name + head
    return _Entry(bytes([tag]) + varint(len(head) + floats * 4) + head, floats)


def _encode_dense(features: Array, labels: Array | None) -> bytes:
    entries, arrays = [_entry(FEATURES, "values", features.shape[1])], [features]
    if labels is not None:
        entries.append(_entry(LABEL, "values", 1))
        arrays.append(labels[:, None])
    return _fill(entries, arrays)


def _fill(entries: list[_Entry], arrays: list[Array]) -> bytes:
    """Return a frame for each row: the bytes of the entries, and the numbers of the arrays."""
    length = sum(len(entry.head) + entry.floats * 4 for entry in entries)
    _check_length(length)
    out = np.empty((len(arrays[0]), HEAD.size + padded(length)), np.uint8)
    _put(out, 0, HEAD.pack(MAGIC, length))
    at = HEAD.size
    for entry, array in zip(entries, arrays, strict=True):
        _put(out, at, entry.head)
        at += len(entry.head)
        out[:, at : at + entry.floats * 4].view("<f4")[:] = array
        at += entry.floats * 4
    out[:, at:] = 0
    return out.tobytes()


def _put(out: Array, at: int, text: bytes) -> None:
    out[:, at : at + len(text)] = np.frombuffer(text, np.uint8)


def _check_length(length: int) -> None:
    if length >> LENGTH_BITS:
        raise ValueError(f"a row takes {length:,} bytes; a frame holds less than {1 << LENGTH_BITS:,}")


# ---- frames of sparse rows


def _encode_sparse(features: sparse.csr_matrix, labels: Array | None) -> bytes:
    """Return the frames of sparse rows. A row without values has its shape only, as the SDK writes it."""
    if not features.has_canonical_format:
        features = features.copy()
        features.sum_duplicates()
    counts = np.diff(features.indptr).astype(np.int64)
    keys, key_lengths = _varints(features.indices[: features.indptr[-1]], features.indptr)
    shape = varint(features.shape[1])
    tail = bytes([SHAPE]) + varint(len(shape)) + shape
    label = b"" if labels is None else _entry(LABEL, "values", 1).head
    sizes = _Sizes(counts * 4, key_lengths, len(tail), len(label) + 4 if label else 0)
    _check_length(int(sizes.payload.max(initial=0)))
    ends = np.cumsum(HEAD.size + -(-sizes.payload // 4) * 4)
    out = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    values_at, keys_at, at = _write_heads(out, np.append(0, ends)[:-1], sizes)
    _copy(out, values_at, counts * 4, features.data[: features.indptr[-1]].astype("<f4", copy=False).view(np.uint8))
    _copy(out, keys_at, key_lengths, keys)
    at = _write(out, at, tail)
    if labels is not None:
        at = _write(out, at, label)
        _write_columns(out, at, np.ascontiguousarray(labels, "<f4").view(np.uint8).reshape(-1, 4))
    return out.tobytes()


class _Sizes:
    """Lengths of the parts of each message, from the inside out."""

    def __init__(self, values: Array, keys: Array, tail: int, label: int) -> None:
        self.values, self.keys = values, keys
        self.tensor = _field(values) + _field(keys) + tail
        self.value = 1 + _varint_lengths(self.tensor) + self.tensor
        self.entry = len(KEY) + 1 + _varint_lengths(self.value) + self.value
        self.payload = 1 + _varint_lengths(self.entry) + self.entry + label


def _field(lengths: Array) -> Array:
    """Return the size of a field of each row; rows without content lack the field."""
    return np.where(lengths > 0, 1 + _varint_lengths(lengths) + lengths, 0)


def _write_heads(out: Array, at: Array, sizes: _Sizes) -> tuple[Array, Array, Array]:
    """Write all up to the shape; return where the values, the keys and the shape of each row start."""
    at = _write(out, at, HEAD.pack(MAGIC, 0)[:4])
    _write_columns(out, at, sizes.payload.astype("<u4").view(np.uint8).reshape(-1, 4))
    at = _write_length(out, at + 4, FEATURES, sizes.entry)
    at = _write(out, at, KEY)
    at = _write_length(out, at, VALUE, sizes.value)
    at = _write_length(out, at, TENSOR, sizes.tensor)
    values_at = at.copy()
    some = sizes.values > 0
    values_at[some] = _write_length(out, at[some], VALUES, sizes.values[some])
    keys_at = values_at + sizes.values
    keys_at[some] = _write_length(out, keys_at[some], KEYS, sizes.keys[some])
    return values_at, keys_at, keys_at + sizes.keys


def _write(out: Array, at: Array, text: bytes) -> Array:
    """Write a text at a position of each row; return the positions after it."""
    for offset, byte in enumerate(text):
        out[at + offset] = byte
    return at + len(text)


def _write_columns(out: Array, at: Array, columns: Array) -> None:
    for offset in range(columns.shape[1]):
        out[at + offset] = columns[:, offset]


def _write_length(out: Array, at: Array, tag: int, numbers: Array) -> Array:
    """Write a tag and a varint at a position of each row; return the positions after them."""
    out[at] = tag
    lengths = _varint_lengths(numbers)
    for index in range(int(lengths.max(initial=0))):
        some = lengths > index
        more = np.where(lengths[some] > index + 1, 0x80, 0)
        out[at[some] + 1 + index] = (numbers[some] >> (7 * index)) & 0x7F | more
    return at + 1 + lengths


def _copy(out: Array, at: Array, lengths: Array, source: Array) -> None:
    """Copy a piece of the source into each row."""
    target, given = out.data, np.ascontiguousarray(source).data
    start = 0
    for position, length in zip(at.tolist(), lengths.tolist(), strict=True):
        if length:
            target[position : position + length] = given[start : start + length]
            start += length


def _varint_lengths(numbers: Array) -> Array:
    found = np.ones(len(numbers), np.int64)
    for bits in (7, 14, 21, 28):
        found += numbers >= 1 << bits
    return found


def _varints(numbers: Array, ends: Array) -> tuple[Array, Array]:
    """Return the bytes of all numbers, which are below 2³¹, and their length in each row.

    :param ends: 0, and the count of numbers up to the end of each row.
    """
    columns, used = [], []
    more, rest = np.ones(len(numbers), np.bool_), numbers
    lengths = np.zeros(len(ends) - 1, np.int64)
    while more.any():
        lengths += np.diff(np.searchsorted(np.flatnonzero(more), ends))
        used.append(more)
        more = rest > 0x7F
        columns.append((rest & 0x7F).astype(np.uint8) | more.view(np.uint8) << 7)
        rest = rest >> 7
    return (np.column_stack(columns)[np.column_stack(used)] if columns else np.empty(0, np.uint8)), lengths
