"""Hyperparameters of the built-in algorithms: strings, checked against a table before training.

The messages are copied from their toolkit ("Hyperparameter eta: 2.0 is not in [0, 1]").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.containers.runtime import UserError


@dataclass(frozen=True)
class Interval:
    """Numbers from ``low`` to ``high``; an open end is excluded."""

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
    """Parser and allowed values of a hyperparameter.

    :ivar parse: returns the value of a text, or raises ValueError.
    :ivar allowed: allowed values; for a list, the allowed values of its items.
    """

    parse: Callable[[str], Any]
    allowed: Interval | Sequence[Any] | None = None
    required: bool = False

    def read(self, name: str, text: str) -> Any:
        """Return the value of the text.

        :raises UserError: the text cannot be parsed, or the value is not allowed.
        """
        try:
            value = self.parse(text)
        except (ValueError, SyntaxError):
            raise UserError(f"Hyperparameter {name}: could not parse value") from None
        if self.allowed is None:
            return value
        if isinstance(value, list | tuple):
            if not all(item in self.allowed for item in value):
                raise UserError(f"Hyperparameter {name}: value {value} not in range {self.allowed}")
        elif value not in self.allowed:
            raise UserError(f"Hyperparameter {name}: {value} is not in {self.allowed}")
        return value


def validate(given: Mapping[str, str], table: Mapping[str, Hyperparameter]) -> dict[str, Any]:
    """Return the hyperparameters as typed values.

    :raises UserError: a hyperparameter is unknown, missing, or has a value that is not allowed.
    """
    for name in given:
        if name not in table:
            raise UserError(f"Extraneous hyperparameter found: {name}")
    for name, hyperparameter in table.items():
        if hyperparameter.required and name not in given:
            raise UserError(f"Missing required hyperparameter: {name}")
    return {name: table[name].read(name, text) for name, text in given.items()}


def integer(low: float = -math.inf, high: float = math.inf, *, required: bool = False) -> Hyperparameter:
    """Return a hyperparameter for whole numbers from ``low`` to ``high``."""
    return Hyperparameter(int, Interval(low, high), required)


def number(low: float, high: float = math.inf, *, low_open: bool = False, high_open: bool = False) -> Hyperparameter:
    """Return a hyperparameter for finite numbers within bounds."""
    return Hyperparameter(_finite, Interval(low, high, low_open, high_open))


def choice(*names: str) -> Hyperparameter:
    """Return a hyperparameter for one of the names. The toolkit does not strip blanks."""
    return Hyperparameter(str, list(names))


def choices(*names: str) -> Hyperparameter:
    """Return a hyperparameter for a list of the names, separated by commas."""
    return Hyperparameter(comma_separated, list(names))


def comma_separated(text: str) -> list[str]:
    """Return the names in a list. The toolkit does not strip blanks."""
    return text.split(",")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
