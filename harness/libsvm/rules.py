"""The rules that hold for one reading, and the oddities that it may tolerate."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Oddity: TypeAlias = Literal[
    "CRLF",
    "tab",
    "leading blank",
    "repeated blank",
    "trailing blank",
    "blank line",
    "comment",
    "qid",
    "order",
    "zero-based",
]
"""What is commonly met in LibSVM text although it breaks the rules."""

NonFinite: TypeAlias = Literal["refuse", "keep"]

ODDITIES: frozenset[Oddity] = frozenset(get_args(Oddity))
"""All that can be tolerated."""

BLANKS: frozenset[Oddity] = frozenset({"CRLF", "tab", "leading blank", "repeated blank", "trailing blank"})
"""Line ends and blanks of other tools: tolerating them cannot change what a line says."""

LARGEST_INDEX = 2**31 - 1  # column numbers of a sparse matrix are 32-bit
LARGEST_QID = 2**63 - 1


class Rules(NamedTuple):
    """What rows must obey, and what errors call their source."""

    features: int | None = None
    source: str = ""
    dtype: np.dtype[Any] = np.dtype(np.float64)
    tolerate: frozenset[Oddity] = frozenset()
    base: Literal[0, 1] = 1
    non_finite: NonFinite = "refuse"

    @property
    def largest_index(self) -> int:
        """The largest index that a row may have."""
        return (LARGEST_INDEX if self.features is None else self.features) - 1 + self.base

    @property
    def count_rule(self) -> str:
        """The rule on the smallest index."""
        return f"indices count from {self.base}"

    @property
    def keeps(self) -> bool:
        """Whether NaN and infinities are kept."""
        return self.non_finite == "keep"


def make_rules(
    features: int | None,
    dtype: npt.DTypeLike,
    tolerate: Collection[Oddity],
    base: Literal[0, 1],
    non_finite: NonFinite,
) -> Rules:
    """Return the rules that a caller asks for.

    :raises ValueError: a name or number is none that there is.
    """
    unknown = set(tolerate) - ODDITIES
    if isinstance(tolerate, str) or unknown:
        raise ValueError(f"tolerate is a collection of {sorted(ODDITIES)}, not {tolerate!r}")
    if base not in (0, 1):
        raise ValueError(f"indices count from 0 or 1, not {base!r}")
    if non_finite not in get_args(NonFinite):
        raise ValueError(f"non_finite is one of {get_args(NonFinite)}, not {non_finite!r}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is float64 or float32, not {dtype!r}")
    return Rules(features, "", np.dtype(dtype), frozenset(tolerate), base, non_finite)
