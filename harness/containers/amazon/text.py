"""CSV of numbers, in channels and in requests: commas only, no header, no missing values."""

from __future__ import annotations

import numpy as np

from harness.containers import csv_rows
from harness.errors import DataError
from harness.recordio import Array


def read_csv(text: bytes) -> Array:
    """Return the rows of CSV: float32, shape (n, columns). Blank lines are no rows.

    :raises DataError: a field is missing or not a finite number, or lines differ in their number of columns.
    """
    first = text.lstrip().partition(b"\n")[0]
    if b"," not in first:
        try:
            float(first)
        except ValueError:
            raise DataError("line 1: the fields are not numbers with commas between them") from None
    rows = csv_rows.parse(text.lstrip(b"\xef\xbb\xbf").strip(), skip_blank=True)
    missing = np.flatnonzero(np.isnan(rows).any(axis=1))
    if len(missing):
        raise DataError(f"row {missing[0] + 1}: a field is missing or not a number")
    return rows
