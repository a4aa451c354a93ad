"""Removal of tolerated deviations from a text, so that the fast readers can read it.

The result may still break a rule. :mod:`~harness.libsvm.strict` then finds the place in the original text.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.libsvm.dataset import Report, report_of
from harness.libsvm.inputs import Part
from harness.libsvm.rules import NUMBER, Deviation

_GAP = re.compile(rb"[ \t]+")
_QID = re.compile(rb"([^ ]+) qid:(\d{1,18})(?![^ ])")
_REPEATED = re.compile(rb"  +")
_DEVIATES = re.compile(rb"[\t\r#]|  |\A | \Z|\A\Z")
_BLANK = (b" ", b"\t")


class Normalized(NamedTuple):
    """A text without its tolerated deviations, and the report of them."""

    text: bytes
    lines: list[int]
    """Line number of each row."""
    qids: npt.NDArray[np.int64] | None
    weights: npt.NDArray[np.float64] | None
    report: Report


def normalize(part: Part, tolerate: frozenset[Deviation]) -> Normalized:
    """Return a part without its tolerated deviations; the order and base of indices stay."""
    normalizer = _Normalizer(tolerate)
    for number, line in enumerate(part.text.removesuffix(b"\n").split(b"\n"), part.first_line):
        normalizer.add(number, line)
    qids = np.array(normalizer.qids, dtype=np.int64)
    report = sum((report_of(deviation, lines, part.source) for deviation, lines in normalizer.met.items()), Report())
    text = b"".join([line + b"\n" for line in normalizer.rows])
    weights = np.array(normalizer.weights) if "weight" in normalizer.met else None
    return Normalized(text, normalizer.lines, qids if (qids >= 0).any() else None, weights, report)


def without_comment(line: bytes) -> bytes:
    """Return a line without its comment and the blanks before that."""
    content, mark, _ = line.partition(b"#")
    return content.rstrip(b" \t") if mark else line


class _Normalizer:
    """Collects normalized lines."""

    def __init__(self, tolerate: frozenset[Deviation]) -> None:
        self.rows: list[bytes] = []
        self.lines: list[int] = []
        self.qids: list[int] = []
        self.weights: list[float] = []
        self.met: dict[Deviation, list[int]] = {}
        self._tolerate = tolerate
        self._number = 0

    def add(self, number: int, line: bytes) -> None:
        """Append a line, unless it is a tolerated blank line or comment."""
        self._number = number
        content, qid = (self._normalized(line), -1) if _DEVIATES.search(line) else (line, -1)
        if content is None:
            return
        if b" qid:" in content:
            content, qid = self._without_qid(content)
        content, weight = self._without_weight(content)
        self.rows.append(content)
        self.lines.append(number)
        self.qids.append(qid)
        self.weights.append(weight)

    def _normalized(self, line: bytes) -> bytes | None:
        """Return a line without its CR, comment and extra blanks, or None if nothing remains."""
        if line.endswith(b"\r") and not self._meet("CRLF", True):
            return line
        content = line.removesuffix(b"\r")
        commented = self._meet("comment", b"#" in content)
        content = without_comment(content) if commented else content
        if not content.strip(b" \t"):
            return None if commented or self._meet("blank line", True) else content
        content = content.lstrip(b" \t") if self._meet("leading blank", content[:1] in _BLANK) else content
        content = content.rstrip(b" \t") if self._meet("trailing blank", content[-1:] in _BLANK) else content
        return self._without_gaps(content)

    def _without_gaps(self, content: bytes) -> bytes:
        gaps = set(_GAP.findall(content)) - {b" "}
        tabs = self._meet("tab", any(b"\t" in gap for gap in gaps))
        repeated = self._meet("repeated blank", any(len(gap) > 1 for gap in gaps))
        content = content.replace(b"\t", b" ") if tabs else content
        return _REPEATED.sub(b" ", content) if repeated else content

    def _without_qid(self, content: bytes) -> tuple[bytes, int]:
        """Return a line without its query, and the number of the query."""
        found = _QID.match(content)
        if not found or not self._meet("qid", True):
            return content, -1
        return found[1] + content[found.end() :], int(found[2])

    def _without_weight(self, content: bytes) -> tuple[bytes, float]:
        """Return a line without the weight after its label, and the weight; NaN if there is none."""
        first, blank, rest = content.partition(b" ")
        label, colon, weight = first.partition(b":")
        is_weight = bool(label and colon and NUMBER.fullmatch(weight)) and math.isfinite(float(weight))
        if not self._meet("weight", is_weight):
            return content, math.nan
        return label + blank + rest, float(weight)

    def _meet(self, deviation: Deviation, is_met: bool) -> bool:
        """Record a deviation if it is present and tolerated; report whether both hold."""
        if not is_met or deviation not in self._tolerate:
            return False
        self.met.setdefault(deviation, []).append(self._number)
        return True
