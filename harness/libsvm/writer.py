"""Rows to text."""

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
_LOOKED_UP = 1 << 12  # whole numbers below are written by looking them up


def write(
    target: str | Path | BinaryIO,
    labels: npt.ArrayLike,
    features: Matrix,
    *,
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
) -> None:
    """Write rows so that they read back bit for bit; whole numbers are written short (``5 153:3 154:18``).

    :param target: a stream, to which rows are added, or a file, which is replaced; gzip if its name ends in ``.gz``.
    :param labels: shape (n,).
    :param features: shape (n, d); an array writes every value, a sparse matrix those it stores.
    :param base: what indices count from.
    :param non_finite: whether NaN and infinities are refused, or written as Java does (``NaN``, ``-Infinity``).
    :raises DataError: a number is refused or is none that a 64-bit float holds, shapes do not fit each other, or a
        sparse matrix stores a value twice. Rows before a refused number may be written by then.
    """
    rows = _Rows(_exact(np.asarray(labels)), _checked(features), base, non_finite == "keep")
    if rows.labels.shape != (features.shape[0],):
        raise DataError(
            f"Labels of shape {rows.labels.shape} do not fit features of shape {features.shape}.",
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
    """Return the features as an array of two dimensions or as CSR with ascending columns."""
    if not sparse.issparse(features):
        array = np.asarray(features)
        if array.ndim != 2:
            raise DataError(f"Features of shape {array.shape} are no rows.", fix="give an array of two dimensions")
        return array
    matrix = sparse.csr_matrix(features)
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    if not matrix.has_canonical_format:
        raise DataError("A sparse matrix stores a value of a row twice.", fix="call its sum_duplicates() first")
    return matrix


def _exact(numbers: Array) -> Array:
    """Return numbers as 64-bit floats."""
    if numbers.dtype == np.float64:
        return numbers
    if numbers.dtype.kind not in "biuf":
        raise DataError(f"Values of type {numbers.dtype} are no real numbers.", fix="convert them to float64")
    with np.errstate(over="ignore", invalid="ignore"):
        exact: Array = numbers.astype(np.float64)
        same = exact.astype(numbers.dtype) == numbers
    if not (same | np.isnan(exact)).all():
        raise DataError(
            f"A number of type {numbers.dtype} has more digits than a 64-bit float, as which it would be read back.",
            fix="round the numbers to float64",
        )
    return exact


def _write_blocks(stream: BinaryIO, rows: _Rows) -> None:
    for text in in_order(_text, map(rows.block, _blocks(rows.features))):
        stream.write(text)


def _blocks(features: Matrix) -> Iterator[slice]:
    """Yield slices of rows, each of about as many numbers as a block has."""
    count, width = features.shape
    numbers = np.arange(count + 1) * (width + 1) if isinstance(features, np.ndarray) else _numbers_before(features)
    start = 0
    while start < count:
        end = max(start + 1, int(np.searchsorted(numbers, numbers[start] + _BLOCK)))
        yield slice(start, end)
        start = end


def _numbers_before(matrix: sparse.csr_matrix) -> Array:
    """Return how many labels and values stand before each row, and how many there are."""
    return cast("Array", matrix.indptr + np.arange(matrix.shape[0] + 1, dtype=np.int64))


# ---- one block


def _text(rows: _Rows) -> memoryview:
    """Return the text of some rows.

    It alternates between numbers (a label or a value) and what follows them (the next index, or the line's end). All
    are taken from a table of strings, and what Arrow takes lies together in memory: it is the text.
    """
    numbers, followers, names = _dense_fields(rows) if isinstance(rows.features, np.ndarray) else _csr_fields(rows)
    if not rows.keeps and not np.isfinite(numbers).all():
        raise DataError(
            "A number to be written as LibSVM is NaN or infinite.",
            fix='leave missing values out of the row, or say non_finite="keep"',
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
    """Return the numbers, which name follows each, and the names, of which the last ends the line."""
    count, width = rows.features.shape
    numbers = np.empty((count, width + 1))
    numbers[:, 0] = rows.labels
    numbers[:, 1:] = _exact(rows.features)
    return numbers.ravel(), np.tile(np.arange(width + 1, dtype=np.int32), count), _names(np.arange(width), rows.base)


def _csr_fields(rows: _Rows) -> tuple[Array, Array, pa.StringArray]:
    """Return what :func:`_dense_fields` does."""
    matrix = cast("Any", rows.features)
    numbers = np.insert(_exact(matrix.data), matrix.indptr[:-1], rows.labels)
    few = matrix.shape[1] <= matrix.nnz
    columns = np.arange(matrix.shape[1]) if few else matrix.indices
    name_of = matrix.indices if few else np.arange(matrix.nnz, dtype=np.int32)
    return numbers, np.insert(name_of, matrix.indptr[1:], len(columns)), _names(columns, rows.base)


def _names(columns: Array, base: int) -> pa.StringArray:
    """Return the text of each index with what stands around it, and the end of a line."""
    indices = pa.array(columns.astype(np.int64) + base).cast(pa.string())
    names = compute.binary_join_element_wise(pa.scalar(" "), indices, pa.scalar(":"), "")
    return pa.concat_arrays([names, pa.array(["\n"])])


def _number_texts(numbers: Array) -> tuple[Array, pa.StringArray]:
    """Return a table of texts, and which of them each number has; small whole numbers stand at their own place."""
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
    """Return the shortest texts that read back as these numbers; whole ones without a point, the others as Java's."""
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
