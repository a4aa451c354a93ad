"""Plan of a run of ``harness bench endpoint``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.bench.load.scenarios import SCENARIOS, Load
from harness.errors import SettingsError

HIGHEST_RATE = 50_000
"""Most requests a second that a plan may ask for, and that a search tries."""


@dataclass(frozen=True)
class LoadPlan:
    """Options of a run."""

    scenario: str = "server"
    rate: float = 50.0
    """Requests a second in the server scenario; first rate of a search."""
    seconds: float = 60.0
    batch: int = 1
    """Rows of a request."""
    streams: int = 8
    seed: int = 1
    endpoint: str | None = None
    """Existing endpoint, which is kept; by default the harness hosts a model and deletes it."""
    p99_under: float | None = None
    """Bound on p99 in seconds."""
    find_rate: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("rate", self.rate, 0), ("duration", self.seconds, 0)):
            if not math.isfinite(value) or value <= least:
                raise SettingsError(f"--{name} is {value:g}.", fix="give a number above 0")
        for name, count in (("batch", self.batch), ("streams", self.streams)):
            if count < 1:
                raise SettingsError(f"--{name} is {count}.", fix="give a number from 1")
        if self.rate > HIGHEST_RATE:
            raise SettingsError(f"--rate is {self.rate:g}.", fix=f"give a number up to {HIGHEST_RATE:,}")
        if self.seed < 0:
            raise SettingsError(f"--seed is {self.seed}.", fix="give a number from 0")
        if self.p99_under is not None and not (math.isfinite(self.p99_under) and self.p99_under > 0):
            raise SettingsError(f"--p99-under is {self.p99_under:g} s.", fix="give a time above 0, such as 100ms")
        if self.find_rate and (self.p99_under is None or self.scenario != "server"):
            raise SettingsError(
                "--find-rate finds the highest rate of the server scenario that keeps a bound.",
                fix="give the bound, such as --p99-under 100ms, and omit --scenario",
            )
        if self.scenario == "server" and not self.find_rate and self.rate * self.seconds < 1:
            raise SettingsError(
                f"--rate {self.rate:g} for --duration {self.seconds:g} sends no request.", fix="raise one of them"
            )

    @property
    def load(self) -> Load:
        """Load of the plan's scenario."""
        return Load(SCENARIOS[self.scenario], self.seconds, self.rate, self.streams, self.seed)
