"""Result of reading: features and labels, and the error of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import DataError

if TYPE_CHECKING:
    from scipy import sparse

Array: TypeAlias = npt.NDArray[Any]
Matrix: TypeAlias = "npt.NDArray[Any] | sparse.csr_matrix"

LARGEST_WIDTH = (1 << 31) - 1
"""Most columns of a row: the largest index of a CSR matrix with 32-bit indices."""


@dataclass(frozen=True)
class Records:
    """Rows of a stream.

    :ivar features: float32, shape (n, d): an array if all records are dense, a CSR matrix otherwise. An array may be a
        view of the bytes that were read, which cannot be written to.
    :ivar labels: float32, shape (n,); None if no record has a label.
    """

    features: Matrix
    labels: Array | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])


class RecordError(DataError):
    """A record breaks a rule.

    :param number: number of the record in its file or stream, from 1.
    :param what: the broken rule, about the record ("its label is missing").
    :param source: file of the record, if known.
    :param widths: number of columns of the record and of those before it, if that is what is wrong.
    """

    def __init__(self, number: int, what: str, source: str = "", widths: tuple[int, int] | None = None) -> None:
        self.number = number
        self.rule = what
        self.source = source
        self.widths = widths
        super().__init__(f"{f'{source}, ' if source else ''}record {number}: {what}")

    def moved(self, records: int, source: str = "") -> RecordError:
        """Return the error of the same record in a stream that has this number of records before."""
        return RecordError(self.number + records, self.rule, source or self.source, self.widths)


def width_error(number: int, found: int, expected: int) -> RecordError:
    """Return the error for a record with another number of columns."""
    return RecordError(number, f"it has {found} columns, expected {expected}", widths=(found, expected))


def joined(parts: list[Records], width: int | None) -> Records:
    """Return the rows of all parts, which have the same width: a CSR matrix if one of them is.

    The list is empty afterwards: a part's memory is free once its rows are copied, so that all rows are held once.
    """
    if not parts:
        return Records(np.empty((0, width or 0), np.float32))
    if len(parts) == 1:
        return parts.pop()
    labels = None if parts[0].labels is None else np.concatenate([part.labels for part in parts])
    if all(isinstance(part.features, np.ndarray) for part in parts):
        return Records(_stacked(parts), labels)
    matrices = [_all_as_csr(part.features) for part in parts]
    counts = np.concatenate([np.diff(matrix.indptr) for matrix in matrices])
    columns = np.concatenate([matrix.indices for matrix in matrices])
    values = np.concatenate([matrix.data for matrix in matrices])
    return Records(csr(values, columns, np.concatenate([[0], np.cumsum(counts)]), matrices[0].shape[1]), labels)


def _stacked(parts: list[Records]) -> Array:
    features = np.empty((sum(map(len, parts)), parts[0].features.shape[1]), np.float32)
    start = 0
    while parts:
        part = parts.pop(0)
        features[start : start + len(part)] = part.features
        start += len(part)
    return features


def of_rows(values: Sequence[Array], keys: Sequence[Array | None], width: int) -> Matrix:
    """Return rows: an array if all are dense, which have no keys, and a CSR matrix otherwise."""
    if all(each is None for each in keys):
        return np.array(values, np.float32).reshape(len(values), width)
    columns = [np.arange(width) if each is None else each for each in keys]
    ends = np.cumsum([0, *map(len, values)])
    return csr(np.concatenate(values), np.concatenate(columns), ends, width)


def csr(values: Array, columns: Array, ends: Array, width: int) -> sparse.csr_matrix:
    """Return a matrix of ascending columns; ``ends`` has 0 and the number of values up to the end of each row."""
    from scipy import sparse  # noqa: PLC0415 - dense rows do not need it

    matrix = sparse.csr_matrix((len(ends) - 1, width), dtype=np.float32)
    kind = np.int32 if ends[-1] <= np.iinfo(np.int32).max else np.int64  # SciPy wants one type for both
    matrix.data, matrix.indices, matrix.indptr = values, columns.astype(kind, copy=False), ends.astype(kind)
    return matrix


def _all_as_csr(features: Matrix) -> sparse.csr_matrix:
    """Return a CSR matrix that holds every value of an array, zeros too, as records that mix both kinds do."""
    if not isinstance(features, np.ndarray):
        return features
    rows, width = features.shape
    columns = np.tile(np.arange(width), rows)
    return csr(np.ascontiguousarray(features).ravel(), columns, np.arange(rows + 1) * width, width)
