"""Result of reading: labelled rows, and the report of tolerated deviations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harness.libsvm.rules import Deviation

Array: TypeAlias = npt.NDArray[Any]
Matrix: TypeAlias = "npt.NDArray[Any] | sparse.csr_matrix"


class Change(NamedTuple):
    """Extent of a tolerated deviation."""

    lines: int
    """Number of lines with the deviation."""
    first_line: int
    """Number of the first such line, from 1."""
    source: str = ""
    """File or stream of that line, if known."""


@dataclass(frozen=True)
class Report:
    """Tolerated deviations in the order of their first lines; empty if the text obeys all rules."""

    changes: Mapping[Deviation, Change] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return "\n".join(
            f"{deviation}: {change.lines:,} {'line' if change.lines == 1 else 'lines'}, first "
            + (f"{change.source}, " if change.source else "")
            + f"line {change.first_line}"
            for deviation, change in self.changes.items()
        )

    def __add__(self, other: Report) -> Report:
        """Return the report of this text followed by the other."""
        changes = dict(self.changes)
        for deviation, change in other.changes.items():
            before = changes.get(deviation)
            changes[deviation] = before._replace(lines=before.lines + change.lines) if before else change
        return Report(changes)


def report_of(deviation: Deviation, lines: Iterable[int], source: str) -> Report:
    """Return the report of one deviation, found in these lines."""
    numbers = list(lines)
    return Report({deviation: Change(len(numbers), numbers[0], source)} if numbers else {})


@dataclass(frozen=True)
class LibSVM:
    """Labelled rows.

    :ivar labels: float64, shape (n,).
    :ivar features: shape (n, d); column j is index j + 1, or index j if indices count from 0. An array if every row
        holds all indices up to the largest, else a CSR matrix. The matrix keeps written zeros, because XGBoost treats
        absent values as missing.
    :ivar qids: int64, shape (n,): the query of each row, -1 if it names none; None if no row names one.
    :ivar report: the tolerated deviations.
    :ivar weights: float64, shape (n,): the weight of each row, NaN if it has none; None if no row has one.
    """

    labels: npt.NDArray[np.float64]
    features: Matrix
    qids: npt.NDArray[np.int64] | None = None
    report: Report = Report()
    weights: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def widened(self, features: int) -> LibSVM:
        """Return the rows with at least ``features`` columns; added columns hold no values."""
        if self.features.shape[1] >= features:
            return self
        return replace(self, features=to_csr(self.features, features))


def to_csr(features: Matrix, width: int) -> sparse.csr_matrix:
    """Return the matrix as CSR with ``width`` columns; stored zeros are kept."""
    if not isinstance(features, np.ndarray):
        return sparse.csr_matrix((features.data, features.indices, features.indptr), (features.shape[0], width))
    rows, columns = features.shape
    indices = np.tile(np.arange(columns, dtype=np.int32), rows)
    return sparse.csr_matrix((features.ravel(), indices, np.arange(rows + 1) * columns), (rows, width))


class Collector:
    """Joins rows as they arrive. Besides the result, memory holds only the rows being added.

    The arrays grow in place. For large arrays the system moves pages instead of copying them.
    """

    def __init__(self, dtype: np.dtype[Any], width: int) -> None:
        self._labels = np.empty(0)
        self._values = np.empty(0, dtype=dtype)
        self._indices: npt.NDArray[np.int32] | None = None  # None while all rows are dense and of one width
        self._counts = np.empty(0, dtype=np.int64)  # values of each row; empty while there are no indices
        self._qids = np.empty(0, dtype=np.int64)
        self._weights = np.empty(0)
        self._width = width
        self._report = Report()

    def add(self, rows: LibSVM) -> None:
        """Append rows."""
        self._report += rows.report
        if not len(rows):
            return
        if not self._stays_dense(rows) and self._indices is None:
            self._become_sparse()
        self._width = max(self._width, rows.features.shape[1])
        if self._indices is None:
            _extend(self._values, rows.features)
        else:
            self._add_sparse(to_csr(rows.features, self._width))
        _extend(self._labels, rows.labels)
        _extend(self._qids, np.full(len(rows), -1) if rows.qids is None else rows.qids)
        _extend(self._weights, np.full(len(rows), np.nan) if rows.weights is None else rows.weights)

    def result(self) -> LibSVM:
        """Return all rows."""
        qids = self._qids if (self._qids >= 0).any() else None
        weights = None if np.isnan(self._weights).all() else self._weights
        return LibSVM(self._labels, self._features(), qids, self._report, weights)

    def _features(self) -> Matrix:
        if self._indices is None:
            return self._values.reshape(len(self._labels), self._width)
        starts = np.append(0, np.cumsum(self._counts))
        return sparse.csr_matrix((self._values, self._indices, starts), (len(self._labels), self._width))

    def _stays_dense(self, rows: LibSVM) -> bool:
        same_width = not len(self._labels) or rows.features.shape[1] == self._width
        return isinstance(rows.features, np.ndarray) and same_width

    def _become_sparse(self) -> None:
        rows = len(self._labels)
        columns = self._width if rows else 0
        self._indices = np.empty(0, dtype=np.int32)
        _extend(self._indices, np.tile(np.arange(columns, dtype=np.int32), rows))
        _extend(self._counts, np.full(rows, columns))

    def _add_sparse(self, matrix: sparse.csr_matrix) -> None:
        assert self._indices is not None
        _extend(self._values, matrix.data)
        _extend(self._indices, matrix.indices)
        _extend(self._counts, np.diff(matrix.indptr))


def _extend(array: Array, values: Array) -> None:
    """Append values to an array, in place."""
    size = len(array)
    array.resize(size + values.size, refcheck=False)
    array[size:].reshape(values.shape)[...] = values
