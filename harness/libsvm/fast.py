"""Plain text, read by Arrow.

Text whose every row holds all indices up to the same, which is what the SageMaker Spark SDK sends for dense vectors, is
checked against the separators it must have and its numbers are read in place. Other plain text goes through Arrow's
CSV reader, which reads ``index:value`` as two columns. What either finds odd is left to others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv
from scipy import sparse

from harness.libsvm.rows import Array, LibSVM
from harness.libsvm.rules import LARGEST_INDEX, Rules

_LENIENT = (b"\r", b"\t", b"x", b"X")  # what Arrow reads and the rules lack: line ends, blanks, hexadecimal
_NOTHING: Array = np.empty(0, dtype=np.int64)


class Fast(NamedTuple):
    """Rows, and which of them had to be sorted (their numbers, from 0)."""

    rows: LibSVM
    unordered: Array


def read_fast(text: bytes, rules: Rules) -> Fast | None:
    """Return the rows of a plain text, or None if it is anything else."""
    if len(text) >= LARGEST_INDEX:
        return None
    if not text:
        return Fast(LibSVM(np.empty(0), np.empty((0, 0))), _NOTHING)
    dense = _read_in_place(text, rules)
    return _read_as_csv(text, rules) if dense is None else Fast(dense, _NOTHING)


# ---- dense text, in place


def _read_in_place(text: bytes, rules: Rules) -> LibSVM | None:
    """Return the rows of a text whose every row holds the same indices without a gap, or None if it is anything else.

    Colons say where the values are; the eight bytes up to each colon say whether its index is the one due; Arrow reads
    the numbers where they stand. That is one pass for each of the three, and no token is copied.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    first_line = text.partition(b"\n")[0]
    if not first_line.rpartition(b" ")[2].startswith(b"%d:" % (first_line.count(b":") - 1 + rules.base)):
        return None
    colons = np.flatnonzero(data == ord(":"))
    ends = np.flatnonzero(data == ord("\n"))
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    if not len(colons) or len(colons) % len(ends):
        return None
    colons = colons.reshape(len(ends), -1)
    names = [b" %d:" % index for index in range(rules.base, colons.shape[1] + rules.base)]
    if len(names[-1]) > 8 or not _has_names(text, colons, names):
        return None
    widths = np.array([len(name) for name in names], dtype=np.int32)
    numbers = _read_numbers(text, _number_bounds(colons, ends, widths), rules)
    return None if numbers is None else LibSVM(numbers[:, 0], numbers[:, 1:])


def _has_names(text: bytes, colons: Array, names: list[bytes]) -> bool:
    """Say whether the text before each colon of a row is the name due there, such as `` 12:``."""
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
    """Return the numbers between the bounds, shape (n, d + 1), or None if one is no plain number.

    The text is seen as strings that are in turn a number and what stands between two; the latter are marked null.
    """
    flat = np.append(bounds.ravel(), np.int32(len(text)))
    if not (flat[1:] >= flat[:-1]).all():
        return None
    count = len(flat) - 1
    every_other = np.full(count // 8 + 1, 0b01010101, dtype=np.uint8)
    buffers = [pa.py_buffer(every_other), pa.py_buffer(flat), pa.py_buffer(text)]
    try:
        numbers = pa.Array.from_buffers(pa.string(), count, buffers).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.frombuffer(numbers.buffers()[1], dtype=np.float64, count=count)[::2].reshape(len(bounds), -1)
    return values if _is_plain(values, text, rules) else None


# ---- other text, with Arrow's CSV reader


def _read_as_csv(text: bytes, rules: Rules) -> Fast | None:
    """Return the rows of a text with single blanks and plain numbers, or None if it is anything else.

    With ``0:`` put before each label and a newline for each blank, every line is ``index:value``. Arrow refuses lines
    that are not; what else it lets pass is looked for before and after.
    """
    rows = text.removesuffix(b"\n")
    if any(odd in text for odd in _LENIENT) or rows.endswith((b" ", b"\n")) or (rules.base == 0 and b" -" in text):
        return None
    label = b"%d:" % (rules.base - 1)
    lines = label + rows.replace(b"\n", b"\n" + label).replace(b" ", b"\n")
    try:
        table = csv.read_csv(
            pa.BufferReader(lines),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(lines), column_names=["index", "value"]),
            parse_options=csv.ParseOptions(delimiter=":", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={"index": pa.int32(), "value": pa.float64()}, null_values=[], check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns, values = table["index"].to_numpy() - rules.base, table["value"].to_numpy()
    if np.count_nonzero(columns < 0) != 1 + rows.count(b"\n") or not _is_plain(values, text, rules):
        return None
    return _in_order(columns, values, rules)


def _is_plain(values: Array, text: bytes, rules: Rules) -> bool:
    """Say whether the values are finite; if others are kept, whether these are written so and none is an overflow."""
    if np.isfinite(values).all():
        return True
    if not rules.keeps or b"(" in text:  # Arrow reads nan(1)
        return False
    return bool(np.count_nonzero(np.isinf(values)) == text.lower().count(b"inf"))


def _in_order(columns: Array, values: Array, rules: Rules) -> Fast | None:
    """Return the rows if columns ascend in each, or can be sorted so; a label has column -1, and so starts a row."""
    if ((columns[1:] > columns[:-1]) | (columns[1:] < 0)).all():
        return Fast(_assemble(columns, values), _NOTHING)
    if "order" not in rules.tolerate:
        return None
    row = np.cumsum(columns < 0) - 1
    unordered = np.unique(row[1:][(columns[1:] < columns[:-1]) & (columns[1:] >= 0)])
    order = np.lexsort((columns, row))
    columns, values = columns[order], values[order]
    twice = (columns[1:] == columns[:-1]) & (columns[1:] >= 0)
    return None if twice.any() else Fast(_assemble(columns, values), unordered)


def _assemble(columns: Array, values: Array) -> LibSVM:
    """Return the rows that a text's numbers make, in order."""
    labels = np.flatnonzero(columns < 0)
    width = int(columns.max(initial=-1)) + 1
    if len(columns) == len(labels) * (width + 1) and (columns.reshape(-1, width + 1) == np.arange(-1, width)).all():
        numbers = values.reshape(-1, width + 1)
        return LibSVM(numbers[:, 0], numbers[:, 1:])
    is_feature = columns >= 0
    offsets = np.append(labels, len(columns)) - np.arange(len(labels) + 1)
    matrix = sparse.csr_matrix((values[is_feature], columns[is_feature], offsets), (len(labels), width))
    return LibSVM(values[labels], matrix)
