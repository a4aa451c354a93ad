"""Reader of the input for XGBoost: LibSVM and CSV, in training channels and in requests."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from harness import libsvm
from harness.containers.runtime import Channel, UserError
from harness.errors import DataError
from harness.libsvm import Array, LibSVM

LIBSVM_TYPES = ("text/libsvm", "text/x-libsvm", "libsvm")
CSV_TYPES = ("text/csv", "csv")

COLUMNS = 1 << 22
"""Most columns of LibSVM data, and so the largest index. XGBoost needs 360 bytes for each column and a second a round
for a million columns (measured), used or not. Without a limit one index could fill the memory of a machine."""
CSV_COLUMNS = 100_000
"""Most columns of CSV, where every row writes all columns. Reading takes 5 KB for each."""


def media_type(content_type: str | None) -> str:
    """Return the type without its parameters: ``text/csv; label_size=1`` → ``text/csv``. The default is text/libsvm.

    :raises UserError: XGBoost does not read the type.
    """
    name = (content_type or "text/libsvm").split(";")[0].strip().lower()
    if name not in LIBSVM_TYPES + CSV_TYPES:
        accepted = ", ".join(LIBSVM_TYPES + CSV_TYPES)
        raise UserError(f"{name} is not an accepted ContentType: {accepted}.", fix="set the channel's content type")
    return name


def read_channel(channel: Channel) -> LibSVM:
    """Return the rows of all files of a channel; values are rounded to 32-bit floats, as XGBoost uses them.

    :raises UserError: the channel has hidden files.
    :raises DataError: a line cannot be read.
    """
    files = sorted(path for path in channel.path.rglob("*") if path.is_file())
    if any(part.startswith(".") for file in files for part in file.relative_to(channel.path).parts):
        raise UserError("Hidden file found in the data path! Remove that before training.")
    if media_type(channel.content_type) in LIBSVM_TYPES:
        rows = libsvm.read(files, dtype=np.float32, tolerate=libsvm.BLANKS)
        if rows.features.shape[1] > COLUMNS:  # read again for an error that names file, line and index
            libsvm.read(files, COLUMNS, np.float32, tolerate=libsvm.BLANKS)
        return rows
    return _read_csv_files(files)


def _read_csv_files(files: list[Path]) -> LibSVM:
    tables = [parse_csv(file.read_bytes(), str(file)) for file in files if file.stat().st_size]
    if len({table.shape[1] for table in tables}) > 1:
        raise UserError("The CSV files of a channel differ in their number of columns.")
    table = np.concatenate(tables or [np.empty((0, 1), dtype=np.float32)])
    if np.isnan(table[:, 0]).any():
        raise UserError("A CSV row lacks its label, which is the first column.")
    return LibSVM(table[:, 0].astype(np.float64), table[:, 1:])


def parse_csv(text: bytes, source: str = "") -> Array:
    """Return the rows of CSV without a header: float32, shape (n, columns); empty fields are missing values (NaN).

    :raises DataError: the text has more than :data:`CSV_COLUMNS` columns, lines differ in their number of columns,
        or a field is not a finite number.
    """
    width = text.partition(b"\n")[0].count(b",") + 1
    if width > CSV_COLUMNS:
        raise DataError(
            _with_line(f"Row #1: {width:,} columns; the limit is {CSV_COLUMNS:,}", source), fix="write LibSVM instead"
        )
    columns = [str(number) for number in range(width)]
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=columns),
            parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.float64()), null_values=[""]),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            _with_line(str(error), source), fix="write each row as numbers with commas, no header"
        ) from None
    with np.errstate(over="ignore"):
        rows = np.column_stack([column.to_numpy().astype(np.float32) for column in table.columns])
    infinite = np.flatnonzero(np.isinf(rows).any(axis=1))
    if len(infinite):
        raise DataError(_with_line(f"Row #{infinite[0] + 1}: a value is not a finite 32-bit float", source))
    return rows


def _with_line(message: str, source: str) -> str:
    return (f"{source}: " if source else "") + re.sub(r"Row #(\d+)", r"line \1", message)
