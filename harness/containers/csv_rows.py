"""CSV of numbers, as the containers read it in channels and requests: no header, one row in each line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from harness.errors import DataError
from harness.libsvm import Array
from harness.libsvm.rules import NUMBER

COLUMNS = 100_000
"""Most columns of CSV, where every row writes all columns. Reading takes 5 KB for each."""

_SNIFFED = 512
_FIELD = re.compile(rb"[ \t]*(%b|[+-]?(nan|inf|infinity))[ \t]*" % NUMBER.pattern, re.IGNORECASE)


class CSVError(DataError):
    """A line of CSV cannot be read.

    :ivar is_text: a field of the line is not a number.
    """

    def __init__(self, line: int, words: str, is_text: bool = False) -> None:
        self.line = line
        self.is_text = is_text
        super().__init__(f"line {line}: {words}", fix="write each row as numbers with commas, no header")


class _Format(NamedTuple):
    """Form of a CSV text, by its first line."""

    delimiter: str
    width: int


def parse(text: bytes, first_line: int = 1, *, skip_blank: bool = False) -> Array:
    """Return the rows of CSV without a header: float32, shape (n, columns); empty fields are missing values (NaN).

    The first line determines the delimiter, as in the container: a comma, or the one that Python's ``csv.Sniffer``
    finds. Each line is a row.

    :param first_line: number of the first line in errors.
    :param skip_blank: blank lines are no rows, as in dmlc-core's parser, which reads channels.
    :raises DataError: the text has more than :data:`COLUMNS` columns, lines differ in their number of columns,
        or a field is not a number or not finite as a 32-bit float.
    """
    form = _format_of(text, first_line)
    columns = [str(number) for number in range(form.width)]
    try:
        if _misleads_arrow(text, form, skip_blank):
            raise _fault(text, form, first_line, skip_blank)
        table = arrow_csv.read_csv(
            pa.BufferReader(text),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=columns),
            parse_options=arrow_csv.ParseOptions(
                delimiter=form.delimiter, quote_char=False, ignore_empty_lines=skip_blank
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.float64()), null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        raise _fault(text, form, first_line, skip_blank) from None
    with np.errstate(over="ignore"):
        rows = np.column_stack([column.to_numpy().astype(np.float32) for column in table.columns])
    infinite = np.flatnonzero(np.isinf(rows).any(axis=1))
    if len(infinite):
        numbers = [number for number, _ in lines(text, skip_blank)]
        raise CSVError(first_line - 1 + numbers[infinite[0]], "a value is not a finite 32-bit float")
    return rows


def _format_of(text: bytes, first_line: int) -> _Format:
    line = text.partition(b"\n")[0]
    delimiter = _delimiter(line)
    width = line.count(delimiter.encode()) + 1
    if width > COLUMNS:
        raise CSVError(first_line, f"{width:,} columns; the limit is {COLUMNS:,}")
    return _Format(delimiter, width)


def _delimiter(line: bytes) -> str:
    """Return the delimiter of a line: a comma, unless the line has none and the sniffer finds another character."""
    if b"," in line:
        return ","
    try:
        found = csv.Sniffer().sniff(line[:_SNIFFED].decode("utf-8", "replace")).delimiter
    except csv.Error:
        return ","
    return "," if found.isalnum() else found


def _misleads_arrow(text: bytes, form: _Format, skip_blank: bool) -> bool:
    """Report whether Arrow would end a row at a CR alone, or read a blank line as a row without values."""
    blank = not skip_blank and form.width > 1 and (b"\n\n" in text or b"\n\r\n" in text)
    return blank or text.count(b"\r") != text.count(b"\r\n")


def _fault(text: bytes, form: _Format, first_line: int, skip_blank: bool) -> CSVError:
    """Return the error for the first line that cannot be read."""
    used = "" if form.delimiter == "," else f", with {form.delimiter!r} between fields"
    for number, line in lines(text, skip_blank):
        at = number + first_line - 1
        fields = line.split(form.delimiter.encode())
        odd = next((field for field in fields if field and not _FIELD.fullmatch(field)), None)
        if odd is not None:
            return CSVError(at, f"{shown(odd.decode('utf-8', 'replace'))} is not a number{used}", is_text=True)
        if len(fields) != form.width:
            has = f"{len(fields)} columns" if line else "no column"
            return CSVError(at, f"{has}, but the first line has {form.width}{used}")
    return CSVError(first_line, f"the text is not CSV of numbers{used}")


def lines(text: bytes, skip_blank: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the number and text of each line that is a row."""
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), 1):
        content = line.removesuffix(b"\r")
        if content or not skip_blank:
            yield number, content


def shown(text: str) -> str:
    """Return a text for an error, shortened."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
