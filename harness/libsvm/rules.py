"""Rules for reading a text, and the deviations that a caller may tolerate."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Deviation: TypeAlias = Literal[
    "CRLF",
    "tab",
    "leading blank",
    "repeated blank",
    "trailing blank",
    "blank line",
    "comment",
    "weight",
    "qid",
    "order",
    "zero-based",
]
"""Name of a common deviation from the rules."""

NonFinite: TypeAlias = Literal["refuse", "keep"]

DEVIATIONS: frozenset[Deviation] = frozenset(get_args(Deviation))
"""All deviations that can be tolerated."""

BLANKS: frozenset[Deviation] = frozenset({"CRLF", "tab", "leading blank", "repeated blank", "trailing blank"})
"""Line ends and blanks that other tools write. Tolerating them cannot change the values of a line."""

NUMBER = re.compile(rb"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")  # digits match in one way only: no backtracking
LARGEST_INDEX = 2**31 - 1  # column numbers of a sparse matrix are 32-bit
LARGEST_QID = 2**63 - 1


class Rules(NamedTuple):
    """Rules for the rows of one source, and its name in errors."""

    features: int | None = None
    source: str = ""
    dtype: np.dtype[Any] = np.dtype(np.float64)
    tolerate: frozenset[Deviation] = frozenset()
    base: Literal[0, 1] = 1
    non_finite: NonFinite = "refuse"
    nan_column_0: bool = False

    @property
    def largest_index(self) -> int:
        """Largest index that a row may have."""
        return (LARGEST_INDEX if self.features is None else self.features) - 1 + self.base

    @property
    def count_rule(self) -> str:
        """Rule for the smallest index, as errors name it."""
        return f"indices count from {self.base}"

    @property
    def keeps(self) -> bool:
        """True if NaN and infinities are kept."""
        return self.non_finite == "keep"


def make_rules(
    features: int | None,
    dtype: npt.DTypeLike,
    tolerate: Collection[Deviation],
    base: Literal[0, 1],
    non_finite: NonFinite,
    nan_column_0: bool = False,
) -> Rules:
    """Return the rules for a caller's parameters.

    :raises ValueError: a parameter has an unknown name or value.
    """
    unknown = set(tolerate) - DEVIATIONS
    if isinstance(tolerate, str) or unknown:
        raise ValueError(f"tolerate must be a collection of {sorted(DEVIATIONS)}, not {tolerate!r}")
    if base not in (0, 1):
        raise ValueError(f"base must be 0 or 1, not {base!r}")
    if non_finite not in get_args(NonFinite):
        raise ValueError(f"non_finite must be one of {get_args(NonFinite)}, not {non_finite!r}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float64 or float32, not {dtype!r}")
    if nan_column_0 and base != 0:
        raise ValueError("nan_column_0 requires base=0: with base=1, column 0 is index 1")
    return Rules(features, "", np.dtype(dtype), frozenset(tolerate), base, non_finite, nan_column_0)
