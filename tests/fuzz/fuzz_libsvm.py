"""Any bytes into the LibSVM reader: what the grammar allows is read, the rest refused at the right line.

Guided by coverage, for as long as you like::

    pip install -e '.[fuzz]'
    tests/fuzz/run DIRECTORY 20 500000

``tests/unit/libsvm/test_libsvm_fuzz.py`` replays the corpus next to this file.
"""

import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))

import grammar
import numpy as np

try:
    from atheris import instrument_imports

    watched = instrument_imports(include=["harness"])
except ImportError:  # replaying the corpus takes no atheris
    watched = nullcontext()

with watched:
    from harness import libsvm
    from harness.errors import LibSVMError
    from harness.libsvm import inputs, reader, rules
    from harness.libsvm.strict import read_strictly


MODES = [
    rules.make_rules(None, np.float64, tolerate, base, non_finite)
    for tolerate, base, non_finite in (
        ((), 1, "refuse"),
        ((), 1, "keep"),
        (libsvm.DEVIATIONS, 0, "refuse"),
        (libsvm.DEVIATIONS, 1, "keep"),
        (libsvm.DEVIATIONS - {"CRLF", "tab", "order"}, 1, "refuse"),
    )
]


def check(text):
    """Read a text strictly and compare with the grammar; in one mode, compare the fast readers with the strict one.

    The text's length decides the mode. The strict reader runs once for each set of rules: where the fast readers leave
    a text to it, they are given its result.
    """
    if not text:
        return
    part = inputs.Part(text, 1, "")
    strict = Reading(part, MODES[0])
    assert outcome(strict) == expected(text), (text, outcome(strict), expected(text))
    mode = MODES[len(text) % len(MODES)]
    slow = strict if mode is MODES[0] else Reading(part, mode)
    with mock.patch.object(reader, "read_strictly", slow):
        fast = full_outcome(lambda: reader._read_part(part, mode).rows)
    assert fast == full_outcome(slow), (text, mode, fast, full_outcome(slow))
    if mode.base == 1 and strict.error is None:
        assert outcome(slow) == outcome(strict), (text, mode)


class Reading:
    """A text, read once by the strict reader."""

    def __init__(self, part, rules):
        self.given = part, rules
        self.error = None
        try:
            self.rows = read_strictly(part, rules)
        except LibSVMError as error:
            self.error = error

    def __call__(self, *given, **named):
        assert (given or self.given, named) == (self.given, {})
        if self.error:
            raise self.error
        return self.rows


def outcome(read):
    """Return the rows in the grammar's shape, values as bits; or the number of the line that is refused."""
    try:
        rows = read()
    except LibSVMError as error:
        return error.line
    indices, starts, values = parts(rows.features)
    fields = list(zip((indices + 1).tolist(), bits(values), strict=True))
    features = [fields[start:end] for start, end in pairwise(starts.tolist())]
    return list(zip(bits(rows.labels), features, strict=True))


def full_outcome(read):
    """Return all that a reading gives: rows, qids, weights and report; or the error in words."""
    try:
        rows = read()
    except LibSVMError as error:
        return str(error)
    indices, starts, values = parts(rows.features)
    numbers = rows.labels.tobytes(), values.tobytes()
    shape = type(rows.features), rows.features.shape, indices.tolist(), starts.tolist()
    weights = None if rows.weights is None else bits(rows.weights)
    return numbers, shape, None if rows.qids is None else rows.qids.tolist(), weights, rows.report.changes


def parts(features):
    """Return columns, where each row starts, and values."""
    if not isinstance(features, np.ndarray):
        return features.indices, features.indptr, features.data
    rows, columns = features.shape
    return np.tile(np.arange(columns), rows), np.arange(rows + 1) * columns, features.ravel()


def expected(text):
    """Return what the grammar makes of a text, values as bits."""
    rows = grammar.read(text)
    if isinstance(rows, int):
        return rows
    numbers = bits(np.array([number for label, fields in rows for number in (label, *(value for _, value in fields))]))
    numbers = iter(numbers)
    return [(next(numbers), [(index, next(numbers)) for index, _ in fields]) for _, fields in rows]


def bits(numbers):
    """Return 64-bit floats as whole numbers, which distinguish -0.0 from 0.0."""
    return numbers.view(np.int64).tolist()


if __name__ == "__main__":
    import atheris

    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
