"""Hypothesis strategies for LibSVM: rows, datasets, text that breaks a rule, and text with common deviations.

.. code-block:: python

    from hypothesis import given
    from harness import libsvm
    from harness.libsvm import strategies

    @given(strategies.datasets(["sparse", "trailing empty rows"]))
    def test_my_writer_keeps_every_row(data):
        assert len(libsvm.parse(my_writer(data.labels, data.features))) == len(data)

    @given(strategies.malformed())
    def test_my_pipeline_names_the_rule(broken):
        with pytest.raises(LibSVMError, match=re.escape(broken.rule)):
            my_pipeline(broken.text)

Values and texts are drawn and shrunk one by one. One drawn seed determines the positions of a dataset's values, so
that hundreds of rows cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy import sparse

from harness.libsvm import Array, Deviation, LibSVM

Shape: TypeAlias = Literal[
    "dense", "sparse", "empty rows", "trailing empty rows", "one row", "784 features", "100,000 features"
]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""Names of all shapes of datasets."""

_SPELLINGS = ["0", "-0.0", "+1", "1.", ".5", "-.5e1", "007", "1E5", "4.9E-324", "1.7976931348623157E308", "1e-400"]


class Malformed(NamedTuple):
    """A text with one fault, and the attributes of the :class:`~harness.errors.LibSVMError` for it."""

    text: bytes
    line: int
    column: int
    rule: str
    found: str
    """The offending text."""


class Decorated(NamedTuple):
    """A text with deviations, and the expected result of reading it with all of them tolerated."""

    text: bytes
    plain: bytes
    """The same rows without deviations."""
    qids: list[int]
    """The query of each row, -1 for none."""
    changes: dict[Deviation, tuple[int, int]]
    """Expected report: the number of lines with the deviation, and the first of them."""
    weights: list[float | None]
    """The weight of each row, None for none."""


@cache
def numbers() -> SearchStrategy[float]:
    """Return a strategy for finite 64-bit floats: including whole, -0.0 and denormal ones."""
    whole = st.integers(-(2**53), 2**53).map(float)
    any_finite = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(any_finite, whole, st.sampled_from([0.0, -0.0, 5e-324, -2.2e-308, 255.0, 2.0**53, 1e22]))


@cache
def spellings() -> SearchStrategy[str]:
    """Return a strategy for numbers that the rules permit, as Python, Java, C or people write them."""
    return st.one_of(numbers().map(repr), st.integers(-999, 999).map(str), st.sampled_from(_SPELLINGS))


@cache
def rows(max_features: int = 8, largest_index: int = 784) -> SearchStrategy[str]:
    """Return a strategy for lines that obey the rules, without line ends."""
    return _fields(max_features, largest_index).map(" ".join)


@cache
def _fields(max_features: int, largest_index: int) -> SearchStrategy[list[str]]:
    """Return a strategy for the fields of a row: the label, then each feature."""

    @st.composite
    def drawn(draw: st.DrawFn) -> list[str]:
        indices = sorted(draw(st.sets(st.integers(1, largest_index), max_size=max_features)))
        return [draw(spellings()), *(f"{index}:{draw(spellings())}" for index in indices)]

    return drawn()


# ---- datasets


@st.composite
def datasets(
    draw: st.DrawFn,
    shapes: Collection[Shape] = SHAPES,
    *,
    max_rows: int = 12,
    values: SearchStrategy[float] | None = None,
) -> LibSVM:
    """Draw labelled rows.

    :param shapes: shapes to choose from, out of :data:`SHAPES`. ``dense`` gives an array, ``784 features`` an array or
        a CSR matrix, the others CSR matrices that may store zeros.
    :param max_rows: largest number of rows.
    :param values: strategy for labels and values; None uses :func:`numbers`.
    """
    shape = draw(st.sampled_from([*shapes]))
    count = 1 if shape == "one row" else draw(st.integers(1, max_rows))
    width = {"784 features": 784, "100,000 features": 100_000}.get(shape) or draw(st.integers(1, 30))
    pool = np.array(draw(st.lists(numbers() if values is None else values, min_size=1, max_size=8)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = random.choice(pool, count)
    if shape == "dense" or (shape == "784 features" and draw(st.booleans())):
        return LibSVM(labels, random.choice(pool, (count, width)))
    return LibSVM(labels, _sparse(random, pool, _row_sizes(draw, random, shape, count, width), width))


def _row_sizes(draw: st.DrawFn, random: np.random.Generator, shape: Shape, count: int, width: int) -> Array:
    """Return the number of stored values of each row."""
    sizes = random.integers(1, min(width, 40) + 1, count)
    if shape == "empty rows":
        sizes[random.random(count) < 0.5] = 0
        sizes[random.integers(count)] = 0
    if shape == "trailing empty rows":
        sizes[-draw(st.integers(1, count)) :] = 0
    return sizes


def _sparse(random: np.random.Generator, pool: Array, sizes: Array, width: int) -> sparse.csr_matrix:
    columns = [np.sort(random.choice(width, size, replace=False)) for size in sizes.tolist()]
    starts = np.append(0, np.cumsum(sizes))
    data = random.choice(pool, starts[-1])
    return sparse.csr_matrix((data, np.concatenate(columns).astype(np.int32), starts), (len(sizes), width))


# ---- text that breaks a rule


class _Fault(NamedTuple):
    """A line in three pieces; the middle one breaks the rule."""

    rule: str
    before: str
    found: str
    after: str


_Break: TypeAlias = Callable[[st.DrawFn, list[str], list[str]], _Fault]

_NO_NUMBERS = ["abc", "0x10", "1_0", "1,5", "--1", "1e", ".", "e5", "1d", "½"]


@st.composite
def malformed(draw: st.DrawFn, max_lines: int = 6) -> Malformed:
    """Draw text with exactly one line that breaks a rule; base is 1 and the width is not fixed."""
    lines = draw(st.lists(rows(), min_size=1, max_size=max_lines))
    number = draw(st.integers(0, len(lines) - 1))
    fields = draw(_fields(6, 784))
    place = draw(st.integers(1, len(fields)))
    broken = draw(st.sampled_from(draw(st.sampled_from(_BREAKS))))
    fault = broken(draw, fields[:place], fields[place:])
    lines[number] = fault.before + fault.found + fault.after
    text = "".join(f"{line}\n" for line in lines).encode()
    return Malformed(text, number + 1, len(fault.before.encode()) + 1, fault.rule, fault.found)


def _feature(index: str, value: str, rule: str, found: Literal["index", "value"]) -> _Break:
    """Break a rule with a feature; ``found`` names which of ``index`` and ``value`` is at fault."""

    def broken(_: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
        start, rest = " ".join(before) + " ", "".join(f" {field}" for field in after)
        if found == "index":
            return _Fault(rule, start, index, f":{value}{rest}")
        return _Fault(rule, f"{start}{_next_index(before)}:", value, rest)

    return broken


def _next_index(before: list[str]) -> int:
    return _last_index(before) + 1


def _last_index(before: list[str]) -> int:
    return int(before[-1].partition(":")[0]) if len(before) > 1 else 0


def _twice(_: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
    before = before if len(before) > 1 else [*before, "1:1"]
    again = str(_last_index(before))
    return _Fault("no index comes twice", " ".join(before) + " ", again, ":1" + "".join(f" {field}" for field in after))


def _descending(draw: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
    before = before if _last_index(before) > 1 else [before[0], "9:1"]
    lower = str(draw(st.integers(1, _last_index(before) - 1)))
    return _Fault("indices ascend", " ".join(before) + " ", lower, ":1" + "".join(f" {field}" for field in after))


def _no_feature(draw: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
    found = draw(st.sampled_from(["7", "#", "x", "-"]))
    rest = "".join(f" {field}" for field in after)
    return _Fault("a feature is written <index>:<value>", " ".join(before) + " ", found, rest)


def _label(text: str, rule: str) -> _Break:
    def broken(_: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
        return _Fault(rule, "", text, "".join(f" {field}" for field in before[1:] + after))

    return broken


def _wide_gap(draw: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
    gap = draw(st.sampled_from(["  ", "\t", " \t", "   "]))
    return _Fault("one space separates two fields", " ".join(before), gap, " ".join(after or ["1000:1"]))


def _around(rule: str, start: str, end: str) -> _Break:
    """Break a rule with text before or after a line."""

    def broken(_: st.DrawFn, before: list[str], after: list[str]) -> _Fault:
        line = " ".join(before + after)
        return _Fault(rule, "", start, line) if start else _Fault(rule, line, end, "")

    return broken


def _blank(draw: st.DrawFn, *_: list[str]) -> _Fault:
    return _Fault("no line is blank", "", draw(st.sampled_from(["", " ", "\t  "])), "")


_BREAKS: list[list[_Break]] = [  # all rules are broken equally often
    [_twice],
    [_descending],
    [_no_feature],
    [_wide_gap],
    [_blank],
    [_feature(text, "1", "indices count from 1", "index") for text in ("0", "00", "-1")],
    [_feature(text, "1", "no index is above 2147483647", "index") for text in ("2147483648", "9" * 30)],
    [_feature(text, "1", "an index is a whole number", "index") for text in ("", "x", "1.0", "0x1", "qid", "+1")],
    [_feature("", text, "a value is finite", "value") for text in ("NaN", "-inf", "Infinity", "+nan")],
    [_feature("", text, "a value is a number", "value") for text in ("", "2:3", *_NO_NUMBERS)],
    [_feature("", text, "a value fits a 64-bit float", "value") for text in ("1e400", "-1.8e308")],
    [_label(text, "a label is finite") for text in ("nan", "-Infinity")],
    [_label(text, "a label is a number") for text in _NO_NUMBERS],
    [_label("1e400", "a label fits a 64-bit float")],
    [_label("1:2", "a line starts with a label"), _around("a line starts with a label", " ", "")],
    [_around("a line ends with its last field", "", end) for end in (" ", "\t ")],
    [_around("a line ends with a newline alone", "", "\r")],
]


# ---- text with common deviations


@st.composite
def decorated(draw: st.DrawFn, max_lines: int = 8) -> Decorated:
    """Draw text with deviations, each in some lines."""
    drawn = draw(st.lists(_fields(5, 12), min_size=1, max_size=max_lines))
    chosen = draw(st.sets(st.sampled_from(sorted(get_args(Deviation)))))
    decorator = _Decorator(draw, chosen - {"zero-based"})
    is_zero_based = "zero-based" in chosen and any(_first_index(fields) == 1 for fields in drawn)
    for fields in drawn:
        decorator.add(_from_zero(fields) if is_zero_based else fields)
        if is_zero_based and _first_index(fields) == 1:
            decorator.changes.setdefault("zero-based", (len(drawn), len(decorator.lines)))
    plain = "".join(" ".join(fields) + "\n" for fields in drawn)
    return Decorated(
        "".join(decorator.lines).encode(), plain.encode(), decorator.qids, decorator.changes, decorator.weights
    )


def _first_index(fields: list[str]) -> int:
    return int(fields[1].partition(":")[0]) if len(fields) > 1 else 0


def _from_zero(fields: list[str]) -> list[str]:
    pairs = [field.split(":") for field in fields[1:]]
    return [fields[0], *(f"{int(index) - 1}:{value}" for index, value in pairs)]


class _Decorator:
    """Collects lines with deviations."""

    def __init__(self, draw: st.DrawFn, chosen: set[Any]) -> None:
        self.lines: list[str] = []
        self.qids: list[int] = []
        self.weights: list[float | None] = []
        self.changes: dict[Deviation, tuple[int, int]] = {}
        self._draw = draw
        self._chosen = chosen

    def add(self, fields: list[str]) -> None:
        """Append a row, possibly after a blank line."""
        if self._meets("blank line"):
            self.lines.append(self._draw(st.sampled_from(["\n", "  \n", "\t\n"])))
        line = " ".join(self._with_qid(self._with_weight(self._shuffled(fields))))
        line = " " + line if self._meets("leading blank") else line
        if self._meets("comment"):
            line += self._draw(st.sampled_from([" # seen", "#", "# 1:2 qid:3\t "]))
        elif self._meets("trailing blank"):
            line += " \t"
        self.lines.append(line + ("\r\n" if self._meets("CRLF") else "\n"))

    def _meets(self, deviation: Deviation, possible: bool = True) -> bool:
        """Decide whether the next line has a deviation, and record it."""
        if not possible or deviation not in self._chosen or not self._draw(st.booleans()):
            return False
        lines, first = self.changes.get(deviation, (0, len(self.lines) + 1))
        self.changes[deviation] = (lines + 1, first)
        return True

    def _shuffled(self, fields: list[str]) -> list[str]:
        return [fields[0], *fields[:0:-1]] if self._meets("order", len(fields) > 2) else fields

    def _with_weight(self, fields: list[str]) -> list[str]:
        weight = self._draw(st.integers(0, 99)) / 4 if self._meets("weight") else None
        self.weights.append(weight)
        return fields if weight is None else [f"{fields[0]}:{weight}", *fields[1:]]

    def _with_qid(self, fields: list[str]) -> list[str]:
        """Return the fields with a query, and with a tab or repeated blanks before the second field."""
        qid = self._draw(st.integers(0, 2**63 - 1)) if self._meets("qid") else -1
        self.qids.append(qid)
        fields = [fields[0], f"qid:{qid}", *fields[1:]] if qid >= 0 else fields
        several = len(fields) > 1
        gap = ("\t" if self._meets("tab", several) else " ") + (" " if self._meets("repeated blank", several) else "")
        return [fields[0] + gap + fields[1], *fields[2:]] if several else fields
