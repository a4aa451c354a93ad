"""Worst-case cost of all that a run creates, held to the setting ``max_cost`` before each part is created.

A training job may use its instances until its longest runtime, but no longer than ``max_hours``. An endpoint may use
them until ``max_hours`` is over, since the run's end deletes it. Both are counted in full beforehand. Once a ``fit``
has succeeded, its training is known to have ended, and counts with the duration of the ``fit``.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.aws.pricing import Instances, PriceSource, prices_of
from harness.errors import SettingsError
from harness.settings import Settings, option_name

_ROUNDING = 1e-9
"""USD by which sums of the same numbers in another order may differ."""


@dataclass(frozen=True)
class Use:
    """Use of some instances for a time."""

    instances: Instances
    seconds: float = math.inf
    """Longest time; it never counts for longer than the run may last."""


@dataclass(frozen=True)
class _Charge:
    use: Use
    hours: float
    usd: float

    def __str__(self) -> str:
        instances = self.use.instances
        return f"{instances.count} × {instances} for {self.hours:.2f} h, USD {self.usd:.2f}"


class Spending:
    """The worst-case cost of a run so far, and its bound."""

    def __init__(self, prices: PriceSource, settings: Settings, bound: float) -> None:
        """Begin with nothing. The run ends ``max_hours`` from now.

        :param bound: the most that all of the run may cost, in USD.
        """
        self._prices = prices
        self._settings = settings
        self._bound = bound
        self._ends = time.time() + settings.max_hours * 3600
        self._lock = threading.RLock()
        self._fits = 0
        self._commitments: list[tuple[str, list[_Charge]]] = []

    @classmethod
    def of(cls, prices: PriceSource | None, settings: Settings) -> Spending | None:
        """Return what a run has spent: nothing yet; None if nothing costs money, or if there is no bound."""
        if prices is None or settings.max_cost is None:
            return None
        return cls(prices, settings, settings.max_cost)

    @property
    def total(self) -> float:
        """USD that all committed to so far may cost."""
        with self._lock:
            return sum(charge.usd for _, charges in self._commitments for charge in charges)

    def check(self, name: str, uses: Sequence[Use]) -> list[_Charge]:
        """Return the charges of what is about to be created, if the bound allows them.

        :param name: names it in the error, such as ``endpoint mine``. It counts again if it is created again.
        :raises SettingsError: the bound does not allow it, or a price is unknown.
        """
        charges = self._charged(uses)
        total = self.total + sum(charge.usd for charge in charges)
        if total > self._bound + _ROUNDING:
            raise self._too_much(name, charges, total)
        return charges

    def commit(self, name: str, uses: Sequence[Use]) -> None:
        """Add what is about to be created to the run's cost, as :meth:`check` does and raises."""
        with self._lock:
            self._commitments.append((name, self.check(name, uses)))

    def strike(self, name: str) -> None:
        """Take off what AWS refused to create: the last commitment of this name."""
        with self._lock:
            last = next((each for each in reversed(self._commitments) if each[0] == name), None)
            if last:
                self._commitments.remove(last)

    @contextmanager
    def fit(self, uses: Sequence[Use]) -> Iterator[None]:
        """Commit to one ``fit``, which the block does. If it succeeds, its training has ended.

        :raises SettingsError: as :meth:`check`. The block is not entered.
        """
        with self._lock:
            name = f"fit {self._fits + 1}"
            self.commit(name, uses)
            self._fits += 1
        began = time.time()
        yield
        took = max(time.time() - began, 0.0)
        with self._lock:
            self._commitments = [
                (each, [_shortened(charge, took) for charge in charges] if each == name else charges)
                for each, charges in self._commitments
            ]

    def _charged(self, uses: Sequence[Use]) -> list[_Charge]:
        left = max(self._ends - time.time(), 0.0)
        try:
            prices = prices_of(self._prices, [use.instances for use in uses], self._settings.region)
        except SettingsError as error:
            bound = option_name("max_cost")
            error.what += f" So it cannot be held to {bound} {self._bound:g}."
            error.fix += f", or leave {bound} out"
            raise
        hourly = [prices[use.instances.usage, use.instances.instance_type].hourly for use in uses]
        return [_charge(use, left, price, self._settings.max_hours) for use, price in zip(uses, hourly, strict=True)]

    def _too_much(self, name: str, charges: Sequence[_Charge], total: float) -> SettingsError:
        committed = [f"{other}: {_listed(known)}" for other, known in self._commitments] or ["nothing"]
        lines = ["the worst case, with endpoints until the session's end. Committed so far:", *committed]
        return SettingsError(
            f"{name[0].upper()}{name[1:]} could bring this session's cost to USD {_up(total):.2f}, above "
            f"{option_name('max_cost')} {self._bound:g}. Nothing of it was created.",
            checked="\n           ".join([*lines, f"it adds: {_listed(charges)}"]),
            fix=f"give {option_name('max_cost')} {_up(total):.2f} or more, lower {option_name('max_hours')} or the "
            "longest runtime of the job (trainingMaxRuntimeInSeconds), or use smaller or fewer instances",
        )


def _charge(use: Use, seconds_left: float, hourly: float, max_hours: float) -> _Charge:
    """Return the charge of a use. A job may outlast the run if the machine is lost, an endpoint's time is the run's."""
    longest = seconds_left if use.instances.usage == "hosting" else max_hours * 3600
    hours = min(use.seconds, longest) / 3600
    return _Charge(use, hours, hourly * use.instances.count * hours)


def _shortened(charge: _Charge, seconds: float) -> _Charge:
    """Return the charge of a ``fit`` that took some seconds: its training took no longer."""
    hours = seconds / 3600
    if charge.use.instances.usage == "hosting" or hours >= charge.hours:
        return charge
    return replace(charge, hours=hours, usd=charge.usd * hours / charge.hours)


def _listed(charges: Sequence[_Charge]) -> str:
    return "; ".join(map(str, charges))


def _up(usd: float) -> float:
    """Return an amount in full cents, which is no less."""
    return math.ceil(usd * 100 - _ROUNDING) / 100
