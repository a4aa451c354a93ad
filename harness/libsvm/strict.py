"""Strict reader of any text: slow, but its errors name the broken rule, the line and the column."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from harness.errors import LibSVMError
from harness.libsvm.dataset import Array, LibSVM, Report, report_of
from harness.libsvm.inputs import Part
from harness.libsvm.normalize import without_comment
from harness.libsvm.rules import LARGEST_QID, NUMBER, Deviation, Rules

_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_FIELD = re.compile(rb"[^ \t]+")
_FLOAT64 = np.dtype(np.float64)


class Row(NamedTuple):
    """Row of one line."""

    label: float
    weight: float
    """NaN if there is none."""
    qid: int
    """-1 if there is none."""
    features: list[tuple[int, float]]
    """Pairs of index and value; indices ascend."""


class Lines(NamedTuple):
    """Rows, and the line numbers of each deviation."""

    rows: list[Row]
    met: dict[Deviation, list[int]]

    def report(self, source: str) -> Report:
        """Return the report of the deviations."""
        return sum((report_of(deviation, lines, source) for deviation, lines in self.met.items()), Report())


def read_strictly(part: Part, rules: Rules) -> LibSVM:
    """Return the rows of a part.

    :raises LibSVMError: a line breaks a rule.
    """
    lines = Lines([], {})
    for number, text in enumerate(part.text.removesuffix(b"\n").split(b"\n"), part.first_line):
        line = _Line(number, text, rules)
        row = line.row()
        if row is not None:
            lines.rows.append(row)
        for deviation in line.met:
            lines.met.setdefault(deviation, []).append(number)
    return _assemble(lines.rows, rules.base, lines.report(part.source))


def _assemble(rows: list[Row], base: int, report: Report) -> LibSVM:
    counts = np.array([len(row.features) for row in rows], dtype=np.int64)
    columns = np.array([index - base for row in rows for index, _ in row.features], dtype=np.int32)
    values = np.array([value for row in rows for _, value in row.features], dtype=np.float64)
    labels = np.array([row.label for row in rows], dtype=np.float64)
    qids = np.array([row.qid for row in rows], dtype=np.int64)
    weights = np.array([row.weight for row in rows], dtype=np.float64)
    width = int(columns.max(initial=-1)) + 1
    return LibSVM(
        labels,
        _matrix(counts, columns, values, width),
        qids if (qids >= 0).any() else None,
        report,
        None if np.isnan(weights).all() else weights,
    )


def _matrix(counts: Array, columns: Array, values: Array, width: int) -> Array | sparse.csr_matrix:
    if (counts == width).all():
        return values.reshape(len(counts), width)
    return sparse.csr_matrix((values, columns, np.append(0, np.cumsum(counts))), (len(counts), width))


class _Line:
    """One line, read from left to right."""

    def __init__(self, number: int, text: bytes, rules: Rules) -> None:
        self.met: list[Deviation] = []
        self._number = number
        self._text = text
        self._rules = rules

    def row(self) -> Row | None:
        """Return the row, or None for a tolerated blank line or comment."""
        content = self._without_comment(self._text.removesuffix(b"\r"))
        fields = list(_FIELD.finditer(content))
        if not fields:
            self._skip(content)
            return None
        self._check_leading(fields[0].start())
        label, weight = self._label(fields[0].start(), fields[0][0])
        qid = self._qid(fields)
        features = self._features(content, fields, 1 if qid < 0 else 2)
        self._check_end(content, fields[-1].end())
        return Row(label, weight, qid, features)

    # ---- around the fields

    def _without_comment(self, text: bytes) -> bytes:
        if "comment" not in self._rules.tolerate or b"#" not in text:
            return text
        self.met.append("comment")
        return without_comment(text)

    def _skip(self, content: bytes) -> None:
        if "comment" not in self.met:
            self._tolerate("blank line", 0, "no line is blank", content)
        self._check_line_end()

    def _check_leading(self, start: int) -> None:
        if start:
            self._tolerate("leading blank", 0, "a line starts with a label", self._text[:start])

    def _check_end(self, content: bytes, end: int) -> None:
        if end < len(content):
            self._tolerate("trailing blank", end, "a line ends with its last field", content[end:])
        self._check_line_end()

    def _check_line_end(self) -> None:
        if self._text.endswith(b"\r"):
            self._tolerate("CRLF", len(self._text) - 1, "a line ends with a newline alone", b"\r")

    def _check_gap(self, start: int, gap: bytes) -> None:
        if b"\t" in gap:
            self._tolerate("tab", start, "one space separates two fields", gap)
        if len(gap) > 1:
            self._tolerate("repeated blank", start, "one space separates two fields", gap)

    # ---- the fields

    def _label(self, start: int, text: bytes) -> tuple[float, float]:
        """Return the label and its weight, NaN if it has none."""
        label, colon, weight = text.partition(b":")
        if not colon:
            return self._value(start, text, "a label"), math.nan
        self._tolerate("weight", start, "a line starts with a label", text)
        return self._value(start, label, "a label"), self._weight(start + len(label) + 1, weight)

    def _weight(self, start: int, text: bytes) -> float:
        if _NOT_FINITE.fullmatch(text):
            raise self._error(start, "a weight is finite", text)
        return self._value(start, text, "a weight")

    def _qid(self, fields: list[re.Match[bytes]]) -> int:
        """Return the query, or -1 if the second field is not one."""
        if "qid" not in self._rules.tolerate or len(fields) == 1 or not fields[1][0].startswith(b"qid:"):
            return -1
        self._check_gap(fields[0].end(), self._text[fields[0].end() : fields[1].start()])
        digits = fields[1][0].removeprefix(b"qid:")
        if not digits.isdigit() or int(digits.lstrip(b"0")[:20] or 0) > LARGEST_QID:
            raise self._error(fields[1].start() + 4, f"a qid is a whole number up to {LARGEST_QID}", digits)
        self.met.append("qid")
        return int(digits.lstrip(b"0") or 0)

    def _features(self, content: bytes, fields: list[re.Match[bytes]], first: int) -> list[tuple[int, float]]:
        features: dict[int, float] = {}
        previous = -1
        end = fields[first - 1].end()
        for field in fields[first:]:
            self._check_gap(end, content[end : field.start()])
            index, value = self._feature(field.start(), field[0], previous, features)
            features[index] = value
            previous, end = index, field.end()
        return sorted(features.items()) if "order" in self.met else list(features.items())

    def _feature(self, start: int, text: bytes, previous: int, earlier: dict[int, float]) -> tuple[int, float]:
        name, colon, value = text.partition(b":")
        if not colon:
            raise self._error(start, "a feature is written <index>:<value>", text)
        index = self._index(start, name)
        if index in earlier and (index == previous or "order" in self._rules.tolerate):
            raise self._error(start, "no index comes twice", name)
        if index < previous:
            self._tolerate("order", start, "indices ascend", name)
        return index, self._value(start + len(name) + 1, value, "a value")

    def _index(self, start: int, text: bytes) -> int:
        if not text.removeprefix(b"-").isdigit():
            raise self._error(start, "an index is a whole number", text)
        index = -1 if text.startswith(b"-") else int(text.lstrip(b"0")[:20] or 0)
        if index < self._rules.base:
            raise self._error(start, self._rules.count_rule, text)
        if index > self._rules.largest_index:
            raise self._error(start, f"no index is above {self._rules.largest_index}", text)
        return index

    def _value(self, start: int, text: bytes, what: str) -> float:
        if _NOT_FINITE.fullmatch(text):
            if self._rules.keeps:
                return float(text)
            raise self._error(start, f"{what} is finite", text)
        if not NUMBER.fullmatch(text):
            raise self._error(start, f"{what} is a number", text)
        number = float(text)
        dtype = self._rules.dtype if what == "a value" else _FLOAT64
        if not _fits(number, dtype):
            raise self._error(start, f"{what} fits a {dtype.itemsize * 8}-bit float", text)
        return number

    def _tolerate(self, deviation: Deviation, start: int, rule: str, text: bytes) -> None:
        """Record a tolerated deviation; raise an error for any other."""
        if deviation not in self._rules.tolerate:
            raise self._error(start, rule, text)
        if deviation not in self.met:
            self.met.append(deviation)

    def _error(self, start: int, rule: str, text: bytes) -> LibSVMError:
        return LibSVMError(self._number, start + 1, rule, text.decode("utf-8", "replace"), self._rules.source)


def _fits(number: float, dtype: np.dtype[Any]) -> bool:
    """Report whether a number is finite in a type."""
    if dtype == _FLOAT64:
        return math.isfinite(number)
    with np.errstate(over="ignore"):
        return bool(np.isfinite(dtype.type(number)))
