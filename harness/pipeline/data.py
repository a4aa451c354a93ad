"""Source of the digits of the reference program."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import DataError
from harness.mnist import CLASSES, FEATURES, Split


@dataclass(frozen=True)
class Data:
    """Source of the digits: the sample bucket, or the user's LibSVM files."""

    train: Path | None = None
    test: Path | None = None
    validation_fraction: float = 0.0
    """Fraction of the training rows that is held back for validation."""

    def __post_init__(self) -> None:
        if not 0 <= self.validation_fraction < 1:
            raise DataError(
                f"The validation fraction is {self.validation_fraction:g}.",
                fix="give a fraction from 0 to below 1",
            )

    @cached_property
    def rows(self) -> dict[Split, int]:
        """Number of rows in each user file, which are checked here. The sample bucket is not counted.

        :raises DataError: a file is missing or empty, or has a row that is not a digit.
        """
        files: list[tuple[Split, Path | None]] = [("train", self.train), ("test", self.test)]
        return {split: _check_digits(path) for split, path in files if path is not None}


def _check_digits(path: Path) -> int:
    """Return the number of rows in a LibSVM file.

    :raises DataError: the path is not a file, or :func:`~harness.spark.validation.check_libsvm` refuses it.
    """
    if path.is_dir():
        raise DataError(f"{path} cannot be read: {os.strerror(errno.EISDIR)}.", fix="name a LibSVM file")
    from harness.spark.validation import check_libsvm  # noqa: PLC0415 - imports pyspark, which takes a second

    return check_libsvm(path, features=FEATURES, classes=CLASSES)
