"""Reader of parts of a text: the fast readers first, the strict one where these find anything unusual."""

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
from harness.libsvm.normalize import tidy
from harness.libsvm.parallel import in_order
from harness.libsvm.rules import LARGEST_INDEX, NonFinite, Oddity, Rules, make_rules
from harness.libsvm.strict import read_strictly


def parse(
    text: bytes,
    *,
    features: int | None = None,
    source: str = "",
    dtype: npt.DTypeLike = np.float64,
    first_line: int = 1,
    tolerate: Collection[Oddity] = (),
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
) -> LibSVM:
    """Return the rows of a LibSVM text.

    :param text: any number of lines, plain or gzip; the last may lack its newline.
    :param features: how many columns there are; None takes the largest index.
    :param source: what errors and the report call the text.
    :param dtype: float64 keeps every value exactly, float32 rounds each to the nearest in half the memory.
    :param first_line: the number that errors give the first line.
    :param tolerate: what to read although it breaks the rules, such as :data:`ODDITIES`; the report says what was met.
        ``zero-based`` counts indices from 0 if an index 0 is found anywhere in the text.
    :param base: what indices count from.
    :param non_finite: whether NaN and infinities are refused, or kept as they are written.
    :raises LibSVMError: a line breaks a rule, has an index too large or a number beyond ``dtype``.
    :raises DataError: gzip is broken.
    """
    rules = make_rules(features, dtype, tolerate, base, non_finite)
    return _read_detecting(lambda: parts_of_text(text, first_line, source), rules)


def read(
    sources: Sources,
    features: int | None = None,
    dtype: npt.DTypeLike = np.float64,
    *,
    tolerate: Collection[Oddity] = (),
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
) -> LibSVM:
    """Return the rows of files, of all files below directories (in order of path), and of binary streams.

    Each may be plain or gzip, which is told by its content. In a directory, files are left out that Hadoop hides
    (``_SUCCESS``, ``.part-00000.crc``). The parameters are those of :func:`parse`; an index 0 in one source says that
    all of them count from 0.

    :raises LibSVMError: as :func:`parse` does; the error names the file and the line in it.
    :raises DataError: gzip is broken, or a stream that counts from 0 cannot be read again.
    """
    rules = make_rules(features, dtype, tolerate, base, non_finite)
    given = Rereadable(as_list(sources))
    return _read_detecting(given.parts, rules, given.rewind)


def batches(
    sources: Sources,
    features: int | None = None,
    dtype: npt.DTypeLike = np.float64,
    *,
    size: int = CHUNK,
    tolerate: Collection[Oddity] = (),
    base: Literal[0, 1] = 1,
    non_finite: NonFinite = "refuse",
) -> Iterator[LibSVM]:
    """Yield the rows of :func:`read` in batches, in memory that depends on the batch and not on the sources.

    :param features: how many columns there are; None gives each batch as many as its own largest index.
    :param size: the least bytes of text that make a batch, but for the last one.
    :param tolerate: all but ``zero-based``, which takes all of the text to find out: say ``base=0``.
    :raises LibSVMError: as :func:`read` does, when it comes to the line.
    :raises ValueError: ``zero-based`` is to be tolerated.
    """
    rules = make_rules(features, dtype, tolerate, base, non_finite)
    if "zero-based" in rules.tolerate:
        raise ValueError("whether indices count from 0 cannot be found out batch by batch: say base=0 or base=1")
    return _batches(Rereadable(as_list(sources)).parts(), rules, size)


# ---- all parts


class _Read(NamedTuple):
    """The rows of a part."""

    rows: LibSVM
    length: int
    """Bytes of the part's text."""


def _read_detecting(
    parts: Callable[[], Iterator[Part]], rules: Rules, rewind: Callable[[], None] = lambda: None
) -> LibSVM:
    """Return the rows of all parts, read again from base 0 if that is tolerated and an index 0 is found."""
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
    """Yield the rows of each part, in order, read by as many threads as there are cores."""
    return in_order(partial(_read_part, rules=rules), parts)


# ---- one part


def _read_part(part: Part, rules: Rules) -> _Read:
    rules = rules._replace(source=part.source)
    rows = _read_plain(part.text, range(part.first_line, part.first_line + len(part.text)), rules)
    if rows is None and rules.tolerate:
        rows = _read_tidied(part, rules)
    if rows is None:
        rows = _fit(read_strictly(part, rules), rules)
    assert rows is not None, "what obeys the rules fits them"
    return _Read(rows, len(part.text))


def _read_plain(text: bytes, lines: Sequence[int], rules: Rules) -> LibSVM | None:
    """Return the rows of a plain text, or None; ``lines`` are the numbers of their lines."""
    found = read_fast(text, rules)
    rows = None if found is None else _fit(found.rows, rules)
    if found is None or rows is None:
        return None
    return replace(rows, report=report_of("order", [lines[row] for row in found.unordered.tolist()], rules.source))


def _read_tidied(part: Part, rules: Rules) -> LibSVM | None:
    tidied = tidy(part, rules.tolerate)
    rows = _read_plain(tidied.text, tidied.lines, rules)
    return None if rows is None else replace(rows, qids=tidied.qids, report=tidied.report + rows.report)


def _fit(rows: LibSVM, rules: Rules) -> LibSVM | None:
    """Return the rows with the width and type asked for, or None if that would lose something."""
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
