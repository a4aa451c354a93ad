"""Reader of the parts of a text: the fast readers first, then the strict one if they find a deviation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.errors import LibSVMError
from harness.libsvm.arrow import read_fast
from harness.libsvm.dataset import Array, Change, Collector, LibSVM, Matrix, Report, report_of
from harness.libsvm.inputs import CHUNK, Part, Rereadable, Sources, as_list, parts_of_text
from harness.libsvm.normalize import normalize
from harness.libsvm.parallel import in_order
from harness.libsvm.rules import LARGEST_INDEX, Deviation, NonFinite, Rules, make_rules
from harness.libsvm.strict import read_strictly


def parse(
    text: bytes,
    *,
    features: int | None = None,
    source: str = "",
    dtype: npt.DTypeLike = np.float64,
    first_line: int = 1,
    tolerate: Collection[Deviation] = (),
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
    nan_column_0: bool = False,
) -> LibSVM:
    """Return the rows of a LibSVM text.

    :param text: any number of lines, plain or gzip; the last may lack its newline.
    :param features: number of columns; None uses the largest index.
    :param source: name of the text in errors and the report.
    :param dtype: float64 keeps every value exactly; float32 rounds each to the nearest in half the memory.
    :param first_line: number of the first line in errors.
    :param tolerate: deviations to read, such as :data:`DEVIATIONS`; the report lists those found. ``zero-based``
        counts indices from 0 if an index 0 is found anywhere in the text.
    :param base: first index, 0 or 1.
    :param non_finite: ``refuse`` or ``keep`` NaN and infinities.
    :param nan_column_0: with ``base=0``, return rows that hold every index from 1 as an array whose column 0 is NaN,
        which XGBoost takes for missing. As a CSR matrix, which is the default, they need twice the memory.
    :raises LibSVMError: a line breaks a rule, has an index too large or a number beyond ``dtype``.
    :raises DataError: gzip is broken.
    """
    rules = make_rules(features, dtype, tolerate, base, non_finite, nan_column_0)
    return _read_detecting(lambda: parts_of_text(text, first_line, source), rules)


def read(
    sources: Sources,
    features: int | None = None,
    dtype: npt.DTypeLike = np.float64,
    *,
    tolerate: Collection[Deviation] = (),
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
    nan_column_0: bool = False,
) -> LibSVM:
    """Return the rows of files, of all files below directories (in order of path), and of binary streams.

    Each may be plain or gzip; its content decides. In a directory, files that Hadoop hides (``_SUCCESS``,
    ``.part-00000.crc``) are skipped. The parameters are those of :func:`parse`. With ``zero-based`` tolerated, an index
    0 in one source means that the indices of all sources count from 0.

    :raises LibSVMError: as :func:`parse` does; the error names the file and its line.
    :raises DataError: gzip is broken, or a zero-based stream cannot be read again.
    """
    rules = make_rules(features, dtype, tolerate, base, non_finite, nan_column_0)
    given = Rereadable(as_list(sources))
    return _read_detecting(given.parts, rules, given.rewind)


def batches(
    sources: Sources,
    features: int | None = None,
    dtype: npt.DTypeLike = np.float64,
    *,
    size: int = CHUNK,
    tolerate: Collection[Deviation] = (),
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
) -> Iterator[LibSVM]:
    """Yield the rows of :func:`read` in batches; memory depends on the size of a batch, not of the sources.

    :param features: number of columns; None uses the largest index of each batch.
    :param size: smallest size of a batch in bytes of text; the last one may be smaller.
    :param tolerate: deviations except ``zero-based``, which needs the whole text: pass ``base=0`` instead.
    :raises LibSVMError: as :func:`read` does, when the line is reached.
    :raises ValueError: ``tolerate`` contains ``zero-based``.
    """
    rules = make_rules(features, dtype, tolerate, base, non_finite)
    if "zero-based" in rules.tolerate:
        raise ValueError("batches cannot detect zero-based indices: do not tolerate zero-based, pass base=0 or base=1")
    return _batches(Rereadable(as_list(sources)).parts(), rules, size)


# ---- all parts


class _Read(NamedTuple):
    """The rows of a part."""

    rows: LibSVM
    length: int
    """Size of the text in bytes."""


def _read_detecting(
    parts: Callable[[], Iterator[Part]], rules: Rules, rewind: Callable[[], None] = lambda: None
) -> LibSVM:
    """Return the rows of all parts; read them again with base 0 if an index 0 is found and tolerated."""
    try:
        return _collect(parts(), rules)
    except LibSVMError as error:
        is_index_0 = error.rule == rules.count_rule and rules.base == 1 and set(error.text) == {"0"}
        if not is_index_0 or "zero-based" not in rules.tolerate:
            raise
        found = Change(0, error.line, error.source)
    rewind()
    rows = _collect(parts(), rules._replace(base=0))
    return replace(rows, report=rows.report + Report({"zero-based": found._replace(lines=len(rows))}))


def _collect(parts: Iterable[Part], rules: Rules) -> LibSVM:
    collector = Collector(rules.dtype, rules.features or 0)
    for read_part in _read_parts(parts, rules):
        collector.add(read_part.rows)
    return collector.result()


def _batches(parts: Iterable[Part], rules: Rules, size: int) -> Iterator[LibSVM]:
    collector, length = Collector(rules.dtype, rules.features or 0), 0
    for read_part in _read_parts(parts, rules):
        collector.add(read_part.rows)
        length += read_part.length
        if length >= size:
            yield collector.result()
            collector, length = Collector(rules.dtype, rules.features or 0), 0
    if length:
        yield collector.result()


def _read_parts(parts: Iterable[Part], rules: Rules) -> Iterator[_Read]:
    """Yield the rows of each part in order, read by one thread for each core."""
    return in_order(partial(_read_part, rules=rules), parts)


# ---- one part


def _read_part(part: Part, rules: Rules) -> _Read:
    rules = rules._replace(source=part.source)
    rows = _read_plain(part.text, range(part.first_line, part.first_line + len(part.text)), rules)
    if rows is None and rules.tolerate:
        rows = _read_normalized(part, rules)
    if rows is None:
        rows = _fit(read_strictly(part, rules), rules)
    assert rows is not None, "rows that obey the rules fit them"
    return _Read(rows, len(part.text))


def _read_plain(text: bytes, lines: Sequence[int], rules: Rules) -> LibSVM | None:
    """Return the rows of a plain text, or None; ``lines`` are the line numbers of the rows."""
    found = read_fast(text, rules)
    rows = None if found is None else _fit(found.rows, rules)
    if found is None or rows is None:
        return None
    return replace(rows, report=report_of("order", [lines[row] for row in found.unordered.tolist()], rules.source))


def _read_normalized(part: Part, rules: Rules) -> LibSVM | None:
    normalized = normalize(part, rules.tolerate)
    rows = _read_plain(normalized.text, normalized.lines, rules)
    if rows is None:
        return None
    report = normalized.report + rows.report
    return replace(rows, qids=normalized.qids, weights=normalized.weights, report=report)


def _fit(rows: LibSVM, rules: Rules) -> LibSVM | None:
    """Return the rows with the requested width and type, or None if a value would be lost."""
    if rows.features.shape[1] > (LARGEST_INDEX if rules.features is None else rules.features):
        return None
    features = rows.widened(rules.features or 0).features
    with np.errstate(over="ignore"):
        fitted = features.astype(rules.dtype, copy=False)
    if fitted is not features and np.isfinite(_values(features)).sum() != np.isfinite(_values(fitted)).sum():
        return None
    return replace(rows, features=fitted)


def _values(features: Matrix) -> Array:
    return features if isinstance(features, np.ndarray) else features.data
