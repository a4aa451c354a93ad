"""LibSVM text: ``<label> <index>:<value> ...``, one row a line, indices ascending from 1.

Reading is strict and exact. Every line gives exactly one row, every number is the 64-bit float nearest to its text, and
anything else is a :class:`~harness.errors.LibSVMError` that names the place: a reader that guesses would turn a broken
request into a wrong prediction.

Three readers share the work. Text whose every row holds the indices 1..d, which is what the SageMaker Spark SDK sends
for dense vectors, is checked against the separators it must have and its numbers are read in place. Other plain text
goes through Arrow's CSV reader, which reads ``index:value`` as two columns. What either finds odd (more blanks than
one, a tab, a broken rule) goes to a plain loop that reads it or says what is wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute, csv
from scipy import sparse

from harness.errors import DataError, LibSVMError

CHUNK = 16 << 20
"""Bytes of text read at a time from files and streams; memory beyond the result is a small multiple of it."""

_PART = 3 << 19  # bytes that a thread reads at a time: larger ones leave the cache, many small ones wait for each other
_LEAST_PART = 1 << 18
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_LARGEST_INDEX = 2**31 - 1  # column numbers of a sparse matrix are 32-bit

_LENIENT = (b"\r", b"\t", b"x", b"X")  # what Arrow reads and the plain form lacks: line ends, blanks, hexadecimal
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_FIELD = re.compile(rb"[^ \t]+")

Array: TypeAlias = npt.NDArray[Any]
Matrix: TypeAlias = "npt.NDArray[Any] | sparse.csr_matrix"


@dataclass(frozen=True)
class LibSVM:
    """Labelled rows.

    :ivar labels: float64, shape (n,).
    :ivar features: shape (n, d), column j being index j + 1: an array when every row holds all of 1..d, else a CSR
        matrix that keeps the zeros which were written (they are not missing values to XGBoost).
    """

    labels: npt.NDArray[np.float64]
    features: Matrix

    def __len__(self) -> int:
        return len(self.labels)

    def widened(self, features: int) -> LibSVM:
        """Return the rows with at least that many columns; columns that are added hold nothing."""
        if self.features.shape[1] >= features:
            return self
        return LibSVM(self.labels, _to_csr(self.features, features))


Source: TypeAlias = str | Path | BinaryIO
Sources: TypeAlias = Source | Iterable[Source]


def parse(
    text: bytes,
    *,
    features: int | None = None,
    source: str = "",
    dtype: npt.DTypeLike = np.float64,
    first_line: int = 1,
) -> LibSVM:
    """Return the rows of a LibSVM text.

    :param text: any number of lines; the last may lack its newline.
    :param features: how many columns there are; None takes the largest index.
    :param source: what errors call the text.
    :param dtype: float64 keeps every value exactly, float32 rounds each to the nearest in half the memory.
    :param first_line: the number that errors give the first line.
    :raises LibSVMError: a line breaks a rule, has an index above ``features`` or a number beyond ``dtype``.
    """
    rules = _Rules(features, source, np.dtype(dtype))
    parts = list(_parts(text, first_line))
    if len(parts) == 1:
        return _read_part(parts[0], rules)
    with ThreadPoolExecutor(_CORES) as pool:
        return _concatenate(list(pool.map(lambda part: _read_part(part, rules), parts)), rules)


def read(sources: Sources, features: int | None = None, dtype: npt.DTypeLike = np.float64) -> LibSVM:
    """Return the rows of files, of all files below directories (in order of path), and of binary streams.

    :param features: how many columns there are; None takes the largest index.
    :param dtype: as for :func:`parse`.
    :raises LibSVMError: as :func:`parse` does; the error names the file and the line in it.
    """
    chunks = [rows for stream, source in _streams(sources) for rows in _read_stream(stream, features, source, dtype)]
    return _concatenate(chunks, _Rules(features, "", np.dtype(dtype)))


def write(stream: BinaryIO, labels: npt.ArrayLike, features: Matrix) -> None:
    """Write rows so that they read back bit for bit; whole numbers are written short (``5 153:3 154:18``).

    :param labels: shape (n,).
    :param features: shape (n, d); an array writes every value, a CSR matrix those it stores.
    """
    label_array = np.asarray(labels, dtype=np.float64)
    step = max(1, (CHUNK // 64) // max(1, features.shape[1]))
    for start in range(0, len(label_array), step):
        rows = slice(start, start + step)
        stream.write(_format(label_array[rows], features[rows]))


# ---- parts of a text, read one by one and put together


class _Rules(NamedTuple):
    """What rows must obey beyond the form, and what errors call their source."""

    features: int | None
    source: str
    dtype: np.dtype[Any]

    @property
    def largest_index(self) -> int:
        return _LARGEST_INDEX if self.features is None else self.features


class _Part(NamedTuple):
    """Whole lines of a text, and the number of the first."""

    text: bytes
    first_line: int


def _parts(text: bytes, first_line: int) -> Iterator[_Part]:
    """Yield the text in parts of whole lines, at least one and as many for each core."""
    rounds = -(-len(text) // (_PART * _CORES))
    size = max(_LEAST_PART, len(text) // max(1, rounds * _CORES))
    start = 0
    while len(text) - start > size + _LEAST_PART // 4:
        end = text.find(b"\n", start + size) + 1 or len(text)
        part = text[start:end]
        yield _Part(part, first_line)
        first_line += part.count(b"\n")
        start = end
    if start < len(text) or not start:
        yield _Part(text[start:], first_line)


def _read_part(part: _Part, rules: _Rules) -> LibSVM:
    for reader in (_read_in_place, _read_as_csv):
        rows = reader(part.text) if len(part.text) < _LARGEST_INDEX else None
        fitted = None if rows is None else _fit(rows, rules)
        if fitted is not None:
            return fitted
    fitted = _fit(_read_line_by_line(part, rules), rules)
    assert fitted is not None, "what obeys the rules fits them"
    return fitted


def _fit(rows: LibSVM, rules: _Rules) -> LibSVM | None:
    """Return the rows with the width and type asked for, or None if that would lose something."""
    if rows.features.shape[1] > rules.largest_index:
        return None
    features = rows.widened(rules.features or 0).features
    with np.errstate(over="ignore"):
        fitted = features.astype(rules.dtype, copy=False)
    values = fitted if isinstance(fitted, np.ndarray) else fitted.data
    return LibSVM(rows.labels, fitted) if fitted is features or np.isfinite(values).all() else None


def _concatenate(parts: list[LibSVM], rules: _Rules) -> LibSVM:
    """Return the rows of all parts, emptying the list on the way so that memory holds little twice."""
    parts[:] = [part for part in parts if len(part)]
    if not parts:
        return LibSVM(np.empty(0), np.empty((0, rules.features or 0), dtype=rules.dtype))
    labels = np.concatenate([part.labels for part in parts])
    width = max(part.features.shape[1] for part in parts)
    if any(sparse.issparse(part.features) or part.features.shape[1] != width for part in parts):
        return LibSVM(labels, sparse.vstack([_to_csr(part.features, width) for part in parts], format="csr"))
    features = np.empty((len(labels), width), dtype=rules.dtype)
    start = 0
    while parts:
        part = parts.pop(0)
        features[start : start + len(part)] = part.features
        start += len(part)
    return LibSVM(labels, features)


def _to_csr(features: Matrix, width: int) -> sparse.csr_matrix:
    """Return the matrix as CSR of that width, with zeros kept."""
    if not isinstance(features, np.ndarray):
        return sparse.csr_matrix((features.data, features.indices, features.indptr), (features.shape[0], width))
    rows, columns = features.shape
    indices = np.tile(np.arange(columns, dtype=np.int32), rows)
    return sparse.csr_matrix((features.ravel(), indices, np.arange(rows + 1) * columns), (rows, width))


# ---- files and streams


def _streams(sources: Sources) -> Iterator[tuple[BinaryIO, str]]:
    """Yield each file or stream, open, and its name."""
    one = isinstance(sources, str | Path) or hasattr(sources, "read")
    for source in [cast("Source", sources)] if one else cast("Iterable[Source]", sources):
        if not isinstance(source, str | Path):
            yield source, str(getattr(source, "name", ""))
            continue
        path = Path(source)
        for file in sorted(below for below in path.rglob("*") if below.is_file()) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                yield stream, str(file)


def _read_stream(stream: BinaryIO, features: int | None, source: str, dtype: npt.DTypeLike) -> Iterator[LibSVM]:
    first_line = 1
    for text in _whole_lines(stream):
        rows = parse(text, features=features, source=source, dtype=dtype, first_line=first_line)
        first_line += len(rows)
        yield rows


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream in chunks that end with a line."""
    while text := stream.read(CHUNK):
        yield text + stream.readline() if not text.endswith(b"\n") else text


# ---- reading dense text in place


def _read_in_place(text: bytes) -> LibSVM | None:
    """Return the rows of a text whose every row holds the indices 1..d, or None if it is anything else.

    Colons say where the values are; the eight bytes up to each colon say whether its index is the one due; Arrow reads
    the numbers where they stand. That is one pass for each of the three, and no token is copied.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    colons = np.flatnonzero(data == ord(":"))
    ends = np.flatnonzero(data == ord("\n"))
    if text and not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    if not len(ends) or not len(colons) or len(colons) % len(ends):
        return None
    colons = colons.reshape(len(ends), -1)
    names = [b" %d:" % index for index in range(1, colons.shape[1] + 1)]
    if len(names[-1]) > 8 or not _has_names(text, colons, names):
        return None
    numbers = _read_numbers(text, _number_bounds(colons, ends, np.array([len(name) for name in names], dtype=np.int32)))
    return None if numbers is None else LibSVM(np.ascontiguousarray(numbers[:, 0]), numbers[:, 1:])


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


def _read_numbers(text: bytes, bounds: Array) -> Array | None:
    """Return the numbers between the bounds, shape (n, d + 1), or None if one is no plain finite number.

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
    return values if np.isfinite(values).all() else None


# ---- reading other plain text with Arrow's CSV reader


def _read_as_csv(text: bytes) -> LibSVM | None:
    """Return the rows of a text with single blanks and plain numbers, or None if it is anything else.

    With ``0:`` put before each label and a newline for each blank, every line is ``index:value``. Arrow refuses lines
    that are not; what else it lets pass is looked for before and after.
    """
    if any(odd in text for odd in _LENIENT):
        return None
    if not text:
        return _assemble(np.empty(0, dtype=np.int32), np.empty(0))
    rows = text.removesuffix(b"\n").replace(b"\n", b"\n0:")
    lines = b"0:" + rows.replace(b" ", b"\n")
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
    index, value = table["index"].to_numpy(), table["value"].to_numpy()
    return _assemble(index, value) if _obeys(index, value, 1 + rows.count(b"\n")) else None


def _obeys(index: Array, value: Array, rows: int) -> bool:
    """Say whether only labels have index 0, indices ascend, and all numbers are finite."""
    starts = index == 0
    ascends = (index[1:] > index[:-1]) | starts[1:]
    return bool(np.count_nonzero(starts) == rows and ascends.all() and np.isfinite(value).all())


def _assemble(index: Array, value: Array) -> LibSVM:
    """Return the rows that a text's numbers make, in order; a label has index 0, and so each 0 starts a row."""
    labels = np.flatnonzero(index == 0)
    width = int(index.max(initial=0))
    if len(index) == len(labels) * (width + 1) and (index.reshape(-1, width + 1) == np.arange(width + 1)).all():
        numbers = value.reshape(-1, width + 1)
        return LibSVM(np.ascontiguousarray(numbers[:, 0]), numbers[:, 1:])
    is_feature = index != 0
    offsets = np.append(labels, len(index)) - np.arange(len(labels) + 1)
    matrix = sparse.csr_matrix((value[is_feature], index[is_feature] - 1, offsets), (len(labels), width))
    return LibSVM(value[labels], matrix)


# ---- reading line by line


def _read_line_by_line(part: _Part, rules: _Rules) -> LibSVM:
    """Return the rows, allowing any blanks between fields and CRLF, or raise the error that names the first fault."""
    index: list[int] = []
    value: list[float] = []
    for number, line in enumerate(part.text.removesuffix(b"\n").split(b"\n"), part.first_line):
        for found_index, found_value in _Line(number, line.removesuffix(b"\r"), rules).numbers():
            index.append(found_index)
            value.append(found_value)
    return _assemble(np.array(index, dtype=np.int32), np.array(value))


class _Line(NamedTuple):
    """One line, read by the letter of the rules."""

    number: int
    text: bytes
    rules: _Rules

    def numbers(self) -> Iterator[tuple[int, float]]:
        """Yield (0, label) and then (index, value) of each feature."""
        fields = list(_FIELD.finditer(self.text))
        if not fields:
            raise self._error(0, "no line is blank", self.text)
        if b":" in fields[0][0]:
            raise self._error(fields[0].start(), "a line starts with a label", fields[0][0])
        yield 0, self._value(fields[0].start(), fields[0][0], "a label")
        previous = 0
        for field in fields[1:]:
            previous, value = self._feature(field.start(), field[0], previous)
            yield previous, value

    def _feature(self, start: int, text: bytes, previous: int) -> tuple[int, float]:
        name, colon, value = text.partition(b":")
        if not colon:
            raise self._error(start, "a feature is written <index>:<value>", text)
        return self._index(start, name, previous), self._value(start + len(name) + 1, value, "a value")

    def _index(self, start: int, text: bytes, previous: int) -> int:
        digits = text.removeprefix(b"-")
        if not digits.isdigit():
            raise self._error(start, "an index is a whole number", text)
        index = 0 if text.startswith(b"-") else int(digits.lstrip(b"0")[:20] or 0)
        if index < 1:
            raise self._error(start, "indices count from 1", text)
        if index > self.rules.largest_index:
            raise self._error(start, f"no index is above {self.rules.largest_index}", text)
        if index <= previous:
            raise self._error(start, "no index comes twice" if index == previous else "indices ascend", text)
        return index

    def _value(self, start: int, text: bytes, what: str) -> float:
        if _NOT_FINITE.fullmatch(text):
            raise self._error(start, f"{what} is finite", text)
        if not _NUMBER.fullmatch(text):
            raise self._error(start, f"{what} is a number", text)
        number = float(text)
        dtype = self.rules.dtype if what == "a value" else np.dtype(np.float64)
        with np.errstate(over="ignore"):
            fits = np.isfinite(dtype.type(number))
        if not fits:
            raise self._error(start, f"{what} fits a {dtype.itemsize * 8}-bit float", text)
        return number

    def _error(self, start: int, rule: str, text: bytes) -> LibSVMError:
        return LibSVMError(self.number, start + 1, rule, text.decode("utf-8", "replace"), self.rules.source)


# ---- writing


def _format(labels: Array, features: Matrix) -> bytes:
    """Return the text of some rows."""
    matrix = _to_csr(features, features.shape[1])
    pairs = compute.binary_join_element_wise(pa.array(matrix.indices + 1).cast(pa.string()), _texts(matrix.data), ":")
    fields = pa.concat_arrays([_texts(labels), pairs])
    starts = matrix.indptr + np.arange(len(labels) + 1)
    order = np.insert(np.arange(len(labels), len(fields)), matrix.indptr[:-1], np.arange(len(labels)))
    rows = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), fields.take(pa.array(order)))
    return "".join(f"{row}\n" for row in compute.binary_join(rows, " ").to_pylist()).encode()


def _texts(numbers: Array) -> pa.StringArray:
    """Return the shortest texts that read back as these numbers; whole ones without a point."""
    if not np.isfinite(numbers).all():
        raise DataError(
            "A number to be written as LibSVM is NaN or infinite.", fix="leave missing values out of the row"
        )
    exact = numbers.astype(np.float64)
    whole = (exact == np.trunc(exact)) & (np.abs(exact) < 2**53) & ~((exact == 0) & np.signbit(exact))
    short = pa.array(np.where(whole, exact, 0).astype(np.int64)).cast(pa.string())
    return short if whole.all() else compute.if_else(pa.array(whole), short, pa.array(exact).cast(pa.string()))
