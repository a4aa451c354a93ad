"""Oddities taken out of a text, so that the fast readers can read it.

What is left may still break a rule; :mod:`~harness.libsvm.strict` then says where, from the text as it was.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.libsvm.dataset import Report, report_of
from harness.libsvm.inputs import Part
from harness.libsvm.rules import Oddity

_GAP = re.compile(rb"[ \t]+")
_QID = re.compile(rb"([^ ]+) qid:(\d{1,18})(?![^ ])")
_REPEATED = re.compile(rb"  +")
_ODD = re.compile(rb"[\t\r#]|  |\A | \Z|\A\Z")
_BLANK = (b" ", b"\t")


class Tidied(NamedTuple):
    """A text without the oddities, and what it had of them."""

    text: bytes
    lines: list[int]
    """The number of the line of each row."""
    qids: npt.NDArray[np.int64] | None
    report: Report


def tidy(part: Part, tolerate: frozenset[Oddity]) -> Tidied:
    """Return a part without the oddities that are tolerated, but for indices' order and base."""
    tidier = _Tidier(tolerate)
    for number, line in enumerate(part.text.removesuffix(b"\n").split(b"\n"), part.first_line):
        tidier.add(number, line)
    qids = np.array(tidier.qids, dtype=np.int64)
    report = sum((report_of(oddity, lines, part.source) for oddity, lines in tidier.met.items()), Report())
    text = b"".join([line + b"\n" for line in tidier.rows])
    return Tidied(text, tidier.lines, qids if (qids >= 0).any() else None, report)


def without_comment(line: bytes) -> bytes:
    """Return what stands before a line's comment and the blanks in front of it."""
    content, mark, _ = line.partition(b"#")
    return content.rstrip(b" \t") if mark else line


class _Tidier:
    """Gathers tidy lines."""

    def __init__(self, tolerate: frozenset[Oddity]) -> None:
        self.rows: list[bytes] = []
        self.lines: list[int] = []
        self.qids: list[int] = []
        self.met: dict[Oddity, list[int]] = {}
        self._tolerate = tolerate
        self._number = 0

    def add(self, number: int, line: bytes) -> None:
        """Append a line, unless it is a blank or a comment that is tolerated."""
        self._number = number
        content, qid = (self._tidied(line), -1) if _ODD.search(line) else (line, -1)
        if content is None:
            return
        if b" qid:" in content:
            content, qid = self._without_qid(content)
        self.rows.append(content)
        self.lines.append(number)
        self.qids.append(qid)

    def _tidied(self, line: bytes) -> bytes | None:
        """Return a line without its end, comment and odd blanks, or None if nothing is left."""
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
        """Return a line without its query, and the query's number."""
        found = _QID.match(content)
        if not found or not self._meet("qid", True):
            return content, -1
        return found[1] + content[found.end() :], int(found[2])

    def _meet(self, oddity: Oddity, is_met: bool) -> bool:
        """Note an oddity that is met and tolerated, and say whether it is."""
        if not is_met or oddity not in self._tolerate:
            return False
        self.met.setdefault(oddity, []).append(self._number)
        return True
