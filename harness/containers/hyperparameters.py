"""Hyperparameters as SageMaker's algorithms take them: strings, checked against a table before any training.

The messages are those of the algorithms' own toolkit ("Hyperparameter eta: 2.0 is not in [0, 1]").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.containers.runtime import UserError


@dataclass(frozen=True)
class Interval:
    """The numbers from ``low`` to ``high``; an open end is not one of them."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, number: float) -> bool:
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below

    def __str__(self) -> str:
        left = "(" if self.low_open or self.low == -math.inf else "["
        right = ")" if self.high_open or self.high == math.inf else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True)
class Hyperparameter:
    """How a value is read from its text, and which values are allowed.

    :ivar parse: returns the value, or raises ValueError.
    :ivar allowed: what the value must be in; for a sequence value, what each of its items must be in.
    """

    parse: Callable[[str], Any]
    allowed: Interval | Sequence[str] | None = None
    required: bool = False

    def read(self, name: str, text: str) -> Any:
        """Return the value that the text gives.

        :raises UserError: it cannot be parsed, or is not allowed.
        """
        try:
            value = self.parse(text)
        except (ValueError, SyntaxError):
            raise UserError(f"Hyperparameter {name}: could not parse value") from None
        for item in value if isinstance(value, list) else [value]:
            if self.allowed is not None and item not in self.allowed:
                raise UserError(f"Hyperparameter {name}: {item} is not in {self.allowed}")
        return value


def validate(given: Mapping[str, str], table: Mapping[str, Hyperparameter]) -> dict[str, Any]:
    """Return the hyperparameters as values of their own types.

    :raises UserError: one is unknown, missing, or has a value that is not allowed.
    """
    for name in given:
        if name not in table:
            raise UserError(f"Extraneous hyperparameter found: {name}")
    for name, hyperparameter in table.items():
        if hyperparameter.required and name not in given:
            raise UserError(f"Missing required hyperparameter: {name}")
    return {name: table[name].read(name, text) for name, text in given.items()}


def integer(low: float = -math.inf, high: float = math.inf, *, required: bool = False) -> Hyperparameter:
    """Return a whole number within bounds that belong to the range."""
    return Hyperparameter(int, Interval(low, high), required)


def number(low: float, high: float = math.inf, *, low_open: bool = False, high_open: bool = False) -> Hyperparameter:
    """Return a finite number within bounds."""
    return Hyperparameter(_finite, Interval(low, high, low_open, high_open))


def choice(*names: str) -> Hyperparameter:
    """Return one of some names."""
    return Hyperparameter(str.strip, list(names))


def choices(*names: str) -> Hyperparameter:
    """Return a list of some names, written with commas between them."""
    return Hyperparameter(lambda text: [name.strip() for name in text.split(",")], list(names))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
