"""Fast reader of plain text, by Arrow.

The reader first finds the bounds of the tokens. Arrow then reads the numbers in place, so no token is copied. The
SageMaker Spark SDK sends dense vectors: every row holds all indices up to the same one. In such text the indices are
compared with the expected ones rather than read. Both ways return None for any other text.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy import sparse

from harness.libsvm.dataset import Array, LibSVM
from harness.libsvm.rules import LARGEST_INDEX, Rules

_BLANK, _COLON, _NEWLINE = b" :\n"
_LENIENT = (b"x", b"X", b" -")  # Arrow reads these in an index, the rules do not: hexadecimal, signed zero
_NOTHING: Array = np.empty(0, dtype=np.int64)


class Fast(NamedTuple):
    """Rows, and the numbers (from 0) of those whose indices had to be sorted."""

    rows: LibSVM
    unordered: Array


def read_fast(text: bytes, rules: Rules) -> Fast | None:
    """Return the rows of a plain text, or None if it is anything else."""
    if len(text) >= LARGEST_INDEX:
        return None
    if not text:
        return Fast(LibSVM(np.empty(0), np.empty((0, 0))), _NOTHING)
    dense = _read_in_place(text, rules)
    return _read_tokens(text, rules) if dense is None else Fast(dense, _NOTHING)


# ---- dense text


def _read_in_place(text: bytes, rules: Rules) -> LibSVM | None:
    """Return the rows if every row holds the same indices without a gap, else None.

    Colons mark the values, and the eight bytes up to each colon hold its index. Arrow reads the numbers in place. Each
    of these takes one pass, and no token is copied.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    first_line = text.partition(b"\n")[0]
    first = _first_index(first_line, rules)
    if not first_line.rpartition(b" ")[2].startswith(b"%d:" % (first_line.count(b":") - 1 + first)):
        return None
    colons = np.flatnonzero(data == _COLON)
    ends = np.flatnonzero(data == _NEWLINE)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    if not len(colons) or len(colons) % len(ends):
        return None
    colons = colons.reshape(len(ends), -1)
    names = [b" %d:" % index for index in range(first, colons.shape[1] + first)]
    if len(names[-1]) > 8 or not _has_names(text, colons, names):
        return None
    widths = np.array([len(name) for name in names], dtype=np.int32)
    numbers = _read_numbers(text, _number_bounds(colons, ends, widths), rules)
    if numbers is None:
        return None
    return LibSVM(numbers[:, 0], numbers[:, 1:]) if first == rules.base else _with_nan_column(numbers)


def _first_index(line: bytes, rules: Rules) -> int:
    """Return the index that a row is expected to begin with."""
    begins_with_1 = rules.nan_column_0 and line.partition(b" ")[2].startswith(b"1:")
    return 1 if begins_with_1 else rules.base


def _with_nan_column(numbers: Array) -> LibSVM:
    """Return the rows; the labels' column becomes column 0 of the features, all NaN, so that no value is copied."""
    labels = numbers[:, 0].copy()
    numbers[:, 0] = np.nan
    return LibSVM(labels, numbers)


def _has_names(text: bytes, colons: Array, names: list[bytes]) -> bool:
    """Report whether each colon of a row ends the expected name, such as `` 12:``."""
    words: Array = np.ndarray((len(text),), dtype="<u8", buffer=bytes(7) + text, strides=(1,))[colons]
    words >>= np.array([64 - 8 * len(name) for name in names], dtype=np.uint64)
    return bool((words == np.array([int.from_bytes(name, "little") for name in names], dtype=np.uint64)).all())


def _number_bounds(colons: Array, ends: Array, widths: Array) -> Array:
    """Return start and end of each row's label and values: int32, shape (n, 2(d + 1))."""
    bounds = np.empty((len(ends), 2 * (colons.shape[1] + 1)), dtype=np.int32)
    bounds[0, 0] = 0
    bounds[1:, 0] = ends[:-1] + 1
    bounds[:, 2::2] = colons
    bounds[:, 1:-1:2] = bounds[:, 2::2] - (widths - 1)
    bounds[:, 2::2] += 1
    bounds[:, -1] = ends
    return bounds


def _read_numbers(text: bytes, bounds: Array, rules: Rules) -> Array | None:
    """Return the numbers between the bounds, shape (n, d + 1), or None if one is not a plain number."""
    flat = np.append(bounds.ravel(), np.int32(len(text)))
    if not (flat[1:] >= flat[:-1]).all():
        return None
    values = _cast(text, flat, True, pa.float64())
    return None if values is None or not _is_plain(values, text, rules) else values.reshape(len(bounds), -1)


# ---- other text


def _read_tokens(text: bytes, rules: Rules) -> Fast | None:
    """Return the rows of a text with single blanks and plain numbers, or None for any other text.

    A token ends at a blank, a colon or a newline. A token is an index exactly if it follows a blank, and exactly then
    a colon ends it.
    """
    if any(odd in text for odd in _LENIENT):
        return None
    text = text if text.endswith(b"\n") else text + b"\n"
    data = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero((data == _BLANK) | (data == _COLON) | (data == _NEWLINE))
    enders = data[ends]
    is_index = enders == _COLON
    if is_index[0] or (is_index[1:] != (enders[:-1] == _BLANK)).any():
        return None
    bounds = _token_bounds(ends)
    indices = _cast(text, bounds, is_index, pa.int32())
    numbers = None if indices is None else _cast(text, bounds, ~is_index, pa.float64())
    if indices is None or numbers is None:
        return None
    at = np.flatnonzero(is_index)
    labels = np.append(0, np.flatnonzero(enders == _NEWLINE)[:-1] + 1)
    starts = np.append((labels - np.arange(len(labels))) // 2, len(at))
    found = _Numbers(numbers[labels], starts, indices[at] - rules.base, numbers[at + 1])
    is_plain = _is_plain(np.append(found.labels, found.values), text, rules)
    return _in_order(found, rules) if is_plain else None


def _token_bounds(ends: Array) -> Array:
    """Return start and end of each token, and the end of the text: int32, shape (2n + 1,)."""
    bounds = np.empty(2 * len(ends) + 1, dtype=np.int32)
    bounds[0] = 0
    bounds[1::2] = ends
    bounds[2::2] = ends
    bounds[2::2] += 1
    return bounds


def _cast(text: bytes, bounds: Array, wanted: Array | bool, numbers: pa.DataType) -> Array | None:
    """Return the wanted tokens as numbers and undefined values for the others, or None if a token is not a number.

    Arrow sees the text as strings: tokens and separators alternate. Unwanted strings are marked null.
    """
    count = len(bounds) - 1
    valid = np.zeros(count, dtype=bool)
    valid[::2] = wanted
    bits = np.packbits(valid, bitorder="little")
    try:
        strings = pa.Array.from_buffers(pa.string(), count, list(map(pa.py_buffer, (bits, bounds, text))))
        read = strings.cast(numbers)
    except pa.ArrowInvalid:
        return None
    return np.frombuffer(read.buffers()[1], dtype=numbers.to_pandas_dtype(), count=count)[::2]


def _is_plain(values: Array, text: bytes, rules: Rules) -> bool:
    """Report whether all values are finite, or are kept and written as infinite or NaN, so that none is an overflow."""
    if np.isfinite(values).all():
        return True
    if not rules.keeps or b"(" in text:  # Arrow reads nan(1)
        return False
    return bool(np.count_nonzero(np.isinf(values)) == text.lower().count(b"inf"))


class _Numbers(NamedTuple):
    """Numbers of a text; row i has the columns and values from ``starts[i]`` up to ``starts[i + 1]``."""

    labels: Array
    starts: Array
    columns: Array
    values: Array


def _in_order(found: _Numbers, rules: Rules) -> Fast | None:
    """Return the rows if the columns of each ascend or may be sorted, else None."""
    _, starts, columns, values = found
    ascends = np.ones(len(columns) + 1, dtype=bool)
    ascends[1:-1] = columns[1:] > columns[:-1]
    ascends[starts] = True
    if columns.min(initial=0) < 0:
        return None
    if ascends.all():
        return Fast(_assemble(found), _NOTHING)
    if "order" not in rules.tolerate:
        return None
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((columns, row))
    columns, values = columns[order], values[order]
    twice = (columns[1:] == columns[:-1]) & (row[1:] == row[:-1])
    ordered = found._replace(columns=columns, values=values)
    return None if twice.any() else Fast(_assemble(ordered), np.unique(row[~ascends[:-1]]))


def _assemble(found: _Numbers) -> LibSVM:
    """Return the numbers of a text as rows."""
    labels, starts, columns, values = found
    shape = len(labels), int(columns.max(initial=-1)) + 1
    if len(values) == shape[0] * shape[1]:
        return LibSVM(labels, values.reshape(shape))
    return LibSVM(labels, sparse.csr_matrix((values, columns, starts), shape))
