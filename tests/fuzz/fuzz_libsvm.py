"""Any bytes into the LibSVM reader: it reads what the grammar allows, refuses the rest at the right line, never crashes.

Guided by coverage, for as long as you like::

    pip install -e '.[fuzz]'
    python tests/fuzz/fuzz_libsvm.py -runs=10000000 -timeout=10 CORPUS_DIRECTORY

``tests/unit/test_libsvm_fuzz.py`` replays the corpus that is kept beside this file.
"""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import grammar
import numpy as np

try:
    from atheris import instrument_imports as watched
except ImportError:  # replaying the corpus takes no atheris
    from contextlib import nullcontext as watched

with watched():
    from harness import libsvm
    from harness.errors import LibSVMError
    from harness.libsvm import letter, reading, rules, sources


def check(text):
    """Read a text in each way that there is, and compare."""
    if text.startswith(b"\x1f\x8b"):
        return
    strict = outcome(lambda: libsvm.parse(text))
    assert strict == expected(text), (text, strict, expected(text))
    for tolerate, base, non_finite in (
        (frozenset(), 1, "keep"),
        (libsvm.ODDITIES, 0, "refuse"),
        (libsvm.ODDITIES, 1, "keep"),
    ):
        asked = rules.make_rules(None, np.float64, tolerate, base, non_finite)
        part = sources.Part(text, 1, "")
        fast = full_outcome(lambda part=part, asked=asked: reading._read_part(part, asked).rows)
        slow = full_outcome(lambda part=part, asked=asked: letter.read_by_letter(part, asked)) if text else fast
        assert fast == slow, (text, tolerate, base, non_finite, fast, slow)
        if base == 1 and not isinstance(strict, int):
            assert fast == full_outcome(lambda: libsvm.parse(text)), (text, fast)


def outcome(read):
    """Return the rows in the grammar's shape, values as bits; or the number of the line that is refused."""
    try:
        rows = read()
    except LibSVMError as error:
        return error.line
    matrix = rows.widened(rows.features.shape[1] + 1).features
    bounds = zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True)
    fields = list(zip((matrix.indices + 1).tolist(), map(bits, matrix.data.tolist()), strict=True))
    return [(bits(label), fields[slice(*row)]) for label, row in zip(rows.labels.tolist(), bounds, strict=True)]


def full_outcome(read):
    """Return all that a reading gives: rows, qids and report; or the error in words."""
    try:
        rows = read()
    except LibSVMError as error:
        return str(error)
    matrix = rows.widened(rows.features.shape[1] + 1).features
    numbers = [part.tobytes() for part in (rows.labels, matrix.data)]
    places = [part.tolist() for part in (matrix.indices, matrix.indptr)]
    return numbers, places, None if rows.qids is None else rows.qids.tolist(), rows.report.changes


def expected(text):
    """Return what the grammar makes of a text, values as bits."""
    rows = grammar.read(text)
    if isinstance(rows, int):
        return rows
    return [(bits(label), [(index, bits(value)) for index, value in fields]) for label, fields in rows]


def bits(number):
    return struct.pack("<d", number)


if __name__ == "__main__":
    import atheris

    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
