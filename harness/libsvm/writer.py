"""Writer of rows as text."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute
from scipy import sparse

from harness.errors import DataError
from harness.libsvm.dataset import Array, Matrix
from harness.libsvm.parallel import in_order
from harness.libsvm.rules import NonFinite

_BLOCK = 1 << 17  # numbers that a thread writes at a time
_LOOKED_UP = 1 << 12  # whole numbers below this are looked up in a table


def write(
    target: str | Path | BinaryIO,
    labels: npt.ArrayLike,
    features: Matrix,
    *,
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
) -> None:
    """Write rows that read back bit for bit; whole numbers are written without a point (``5 153:3 154:18``).

    :param target: a stream to append rows to, or a file to replace; gzip if its name ends in ``.gz``.
    :param labels: shape (n,).
    :param features: shape (n, d); all values of an array are written, or the stored ones of a sparse matrix.
    :param base: first index, 0 or 1.
    :param non_finite: ``refuse`` NaN and infinities, or ``keep`` them, written as in Java (``NaN``, ``-Infinity``).
    :raises DataError: a number is refused or does not fit a 64-bit float, shapes do not match, or a sparse matrix
        stores a value twice. Rows before a refused number may have been written.
    """
    rows = _Rows(_exact(np.asarray(labels)), _checked(features), base, non_finite == "keep")
    if rows.labels.shape != (features.shape[0],):
        raise DataError(
            f"Labels of shape {rows.labels.shape} do not match features of shape {features.shape}.",
            fix="give one label for each row",
        )
    if not isinstance(target, str | Path):
        _write_blocks(target, rows)
        return
    path = Path(target)
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as stream:
        _write_blocks(cast("BinaryIO", stream), rows)


class _Rows(NamedTuple):
    labels: Array
    features: Matrix
    base: int
    keeps: bool

    def block(self, rows: slice) -> _Rows:
        return self._replace(labels=self.labels[rows], features=self.features[rows])


def _checked(features: Matrix) -> Matrix:
    """Return the features as a two-dimensional array or as CSR with ascending columns."""
    if not sparse.issparse(features):
        array = np.asarray(features)
        if array.ndim != 2:
            raise DataError(f"Features of shape {array.shape} are not rows.", fix="pass a two-dimensional array")
        return array
    matrix = sparse.csr_matrix(features)
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    if not matrix.has_canonical_format:
        raise DataError("A sparse matrix stores one element twice.", fix="call its sum_duplicates() first")
    return matrix


def _exact(numbers: Array) -> Array:
    """Return numbers as 64-bit floats."""
    if numbers.dtype == np.float64:
        return numbers
    if numbers.dtype.kind not in "biuf":
        raise DataError(f"Values of type {numbers.dtype} are not real numbers.", fix="convert them to float64")
    with np.errstate(over="ignore", invalid="ignore"):
        exact: Array = numbers.astype(np.float64)
        same = exact.astype(numbers.dtype) == numbers
    if not (same | np.isnan(exact)).all():
        raise DataError(
            f"A number of type {numbers.dtype} has more digits than a 64-bit float, so it would not read back.",
            fix="round the numbers to float64",
        )
    return exact


def _write_blocks(stream: BinaryIO, rows: _Rows) -> None:
    for text in in_order(_text, map(rows.block, _blocks(rows.features))):
        stream.write(text)


def _blocks(features: Matrix) -> Iterator[slice]:
    """Yield slices of rows, each with about one block of numbers."""
    count, width = features.shape
    numbers = np.arange(count + 1) * (width + 1) if isinstance(features, np.ndarray) else _numbers_before(features)
    start = 0
    while start < count:
        end = max(start + 1, int(np.searchsorted(numbers, numbers[start] + _BLOCK)))
        yield slice(start, end)
        start = end


def _numbers_before(matrix: sparse.csr_matrix) -> Array:
    """Return the number of labels and values before each row, then the total."""
    return cast("Array", matrix.indptr + np.arange(matrix.shape[0] + 1, dtype=np.int64))


# ---- one block


def _text(rows: _Rows) -> memoryview:
    """Return the text of some rows.

    Numbers (labels and values) alternate with their followers (the next index, or the end of the line). Arrow takes all
    of them from a table of strings into adjacent memory: that is the text.
    """
    numbers, followers, names = _dense_fields(rows) if isinstance(rows.features, np.ndarray) else _csr_fields(rows)
    if not rows.keeps and not np.isfinite(numbers).all():
        raise DataError(
            "A number to be written as LibSVM is NaN or infinite.",
            fix='omit missing values from the row, or pass non_finite="keep"',
        )
    places, texts = _number_texts(numbers)
    order = np.empty((len(numbers), 2), dtype=np.int32)
    order[:, 0] = places
    order[:, 1] = followers
    order[:, 1] += len(texts)
    taken = pa.concat_arrays([texts, names]).take(pa.array(order.ravel()))
    end = np.frombuffer(taken.buffers()[1], dtype=np.int32)[len(taken)]
    return memoryview(taken.buffers()[2])[:end]


def _dense_fields(rows: _Rows) -> tuple[Array, Array, pa.StringArray]:
    """Return the numbers, the place of the name after each, and the names; the last name ends the line."""
    count, width = rows.features.shape
    numbers = np.empty((count, width + 1))
    numbers[:, 0] = rows.labels
    numbers[:, 1:] = _exact(rows.features)
    return numbers.ravel(), np.tile(np.arange(width + 1, dtype=np.int32), count), _names(np.arange(width), rows.base)


def _csr_fields(rows: _Rows) -> tuple[Array, Array, pa.StringArray]:
    """Return the same as :func:`_dense_fields`."""
    matrix = cast("Any", rows.features)
    numbers = np.insert(_exact(matrix.data), matrix.indptr[:-1], rows.labels)
    few = matrix.shape[1] <= matrix.nnz
    columns = np.arange(matrix.shape[1]) if few else matrix.indices
    name_of = matrix.indices if few else np.arange(matrix.nnz, dtype=np.int32)
    return numbers, np.insert(name_of, matrix.indptr[1:], len(columns)), _names(columns, rows.base)


def _names(columns: Array, base: int) -> pa.StringArray:
    """Return each index as text with its blank and colon, and the end of a line."""
    indices = pa.array(columns.astype(np.int64) + base).cast(pa.string())
    names = compute.binary_join_element_wise(pa.scalar(" "), indices, pa.scalar(":"), "")
    return pa.concat_arrays([names, pa.array(["\n"])])


def _number_texts(numbers: Array) -> tuple[Array, pa.StringArray]:
    """Return the place of each number in a table of texts, and the table; small whole numbers are their own place."""
    with np.errstate(invalid="ignore"):
        places = numbers.astype(np.int32)
    is_short = (places == numbers) & (places >= 0) & (places < _LOOKED_UP) & ~np.signbit(numbers)
    if is_short.all():
        return places, _short_texts()
    others = numbers[~is_short]
    places[~is_short] = np.arange(_LOOKED_UP, _LOOKED_UP + len(others))
    return places, pa.concat_arrays([_short_texts(), _shortest(others)])


@lru_cache(maxsize=1)
def _short_texts() -> pa.StringArray:
    return pa.array(np.arange(_LOOKED_UP)).cast(pa.string())


def _shortest(numbers: Array) -> pa.StringArray:
    """Return the shortest texts that read back as the numbers: whole ones without a point, others as in Java."""
    finite = np.isfinite(numbers)
    whole = finite & (np.abs(numbers) < 2**53) & (numbers != 0) & (numbers == np.trunc(numbers))
    short = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    if whole.all():
        return short
    texts = compute.if_else(pa.array(whole), short, pa.array(numbers).cast(pa.string()))
    if finite.all():
        return texts
    names = pa.array(np.where(np.isnan(numbers), "NaN", np.where(numbers > 0, "Infinity", "-Infinity")))
    return compute.if_else(pa.array(finite), texts, names)
