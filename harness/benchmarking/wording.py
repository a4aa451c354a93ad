"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.benchmarking.statistics import Estimate

JOINED = "\u00a0"
"""Between a number and its unit, which no line's end may part."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def unit_of(seconds: float) -> tuple[float, str]:
    """Return the unit in which a time is best told, as seconds and by name."""
    return next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])


def digits(number: float) -> str:
    """Return a number to three digits, with thousands apart: ``1,240``, ``12.4``, ``0.0124``."""
    if not number or not math.isfinite(number):
        return "0" if number == 0 else "–"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    rounded = round(number, 2 - math.floor(math.log10(abs(number))))
    return f"{rounded:,.{decimals}f}"


def duration(seconds: float) -> str:
    """Return a time in the unit it is best told in: ``12.4 ms``."""
    unit, name = unit_of(seconds)
    return f"{digits(seconds / unit)}{JOINED}{name}"


def rough_time(seconds: float) -> str:
    """Return a time as it is said of what is to come: ``90 s``, ``12 minutes``, ``2.5 hours``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def percent(ratio: float) -> str:
    """Return how much more or less a ratio is than 1: ``+12 %``; twice and more as ``2.4 times``."""
    return f"{digits(ratio)} times" if ratio >= 2 else f"{(ratio - 1) * 100:+.3g}{JOINED}%".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def between(figure: Estimate, shown: Callable[[float], str] = digits) -> str:
    """Return a figure with its interval, if it has one: ``12.4 (11.9 to 13.0)``."""
    return shown(figure.value) + (f" ({shown(figure.low)} to {shown(figure.high)})" if figure.is_known else "")
