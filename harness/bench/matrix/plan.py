"""Plan of ``harness bench``: cells, which differ in the compared settings, each run once in every round.

This module reads, writes and runs nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from harness.errors import SettingsError
from harness.settings import Settings, has_effect, option_name

PYTEST = ("benchmarks",)
"""Arguments of pytest by default: the directory of benchmarks in the working directory."""

_SAME_FOR_ALL = (
    "mode",
    "region",
    "training_instance_type",
    "endpoint_instance_count",
    "train_rows",
    "test_rows",
)
"""Settings that affect results and are equal in all cells."""
_NO_DIRECTORY = re.compile(r"[^\w.]+")


@dataclass(frozen=True)
class Cell:
    """One combination of the axes."""

    name: str
    """Name of its directory: the values that distinguish it from other cells (``ml.c5.xlarge_local-2``)."""
    settings: Settings


@dataclass(frozen=True)
class Plan:
    """A matrix of benchmarks. A session is one pytest run of one cell."""

    base: Settings
    """Settings of all cells."""
    endpoint_instance_types: Sequence[str]
    spark_masters: Sequence[str]
    rounds: int
    batches: Sequence[int] = ()
    """Values of pytest's option ``--batch`` (``partitions``: ``--partitions``), which parametrize benchmarks."""
    partitions: Sequence[int] = ()
    pytest: Sequence[str] = PYTEST
    """Arguments of pytest that select the benchmarks."""
    commit: str = ""
    """Commit of the measured code, followed by ``+`` and a hash if there are uncommitted changes."""
    model: str | None = None
    """Name of the model in SageMaker to host in real mode; by default one of MNIST is trained."""

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise SettingsError(f"--rounds is {self.rounds}.", fix="give 1 or more; a verdict needs 8")
        if self.model is not None and not self.base.in_aws:
            raise SettingsError(
                f"--model {self.model} has no effect in mock mode: each session has its own local AWS, without models.",
                fix="remove it, or use --mode real",
            )
        if len(self.endpoint_instance_types) > 1 and not self.base.in_aws:
            raise SettingsError(
                f"--endpoint-instance-type names {len(self.endpoint_instance_types)} types, but the local AWS runs all "
                "of them on this machine.",
                fix="name one type, or use --mode real",
            )
        names = [cell.name for cell in self.cells]
        if alike := sorted({name for name in names if names.count(name) > 1}):
            raise SettingsError(
                f"Two cells would write their results into one directory, {alike[0]}.",
                checked=f"--spark-master, which is {'; '.join(self.spark_masters)}",
                fix="remove one of the two",
            )

    @property
    def cells(self) -> list[Cell]:
        """All combinations of the axes."""
        return [
            Cell(
                self._name(instance_type, master),
                dataclasses.replace(self.base, endpoint_instance_type=instance_type, spark_master=master),
            )
            for instance_type, master in product(self.endpoint_instance_types, self.spark_masters)
        ]

    def _name(self, instance_type: str, master: str) -> str:
        """Return the values of the axes with several values; without any, the master."""
        parts = [instance_type] if len(self.endpoint_instance_types) > 1 else []
        if len(self.spark_masters) > 1 or not parts:
            parts.append(_NO_DIRECTORY.sub("-", master.replace("*", "all")).strip("-"))
        return "_".join(parts)

    @property
    def own_arguments(self) -> list[str]:
        """Arguments of pytest other than settings."""
        axes = {"--batch": self.batches, "--partitions": self.partitions}
        return [*self.pytest, *(f"{option}={','.join(map(str, axes[option]))}" for option in axes if axes[option])]

    def arguments(self, cell: Cell, endpoint: str | None = None, max_cost: float | None = None) -> list[str]:
        """Return the arguments of pytest for one session.

        :param endpoint: name of the endpoint to use; by default the session creates one.
        :param max_cost: limit for resources of the benchmarks; by default the plan's whole limit.
        """
        limit = cell.settings.max_cost if max_cost is None else max_cost
        settings = dataclasses.replace(cell.settings, endpoint=endpoint, max_cost=limit)
        return ["-p", "harness.plugin", *_options(settings), *self.own_arguments]

    def described(self) -> dict[str, Any]:
        """Return everything that affects the results, and the number of rounds, for JSON."""
        shared = {name: getattr(self.base, name) for name in _SAME_FOR_ALL} | {"spark_conf": [*self.base.spark_conf]}
        axes = {name: list(getattr(self, name)) for name in ("endpoint_instance_types", "spark_masters")}
        passed_on = {name: list(getattr(self, name)) for name in ("batches", "partitions", "pytest")}
        return {**axes, **passed_on, **shared, "model": self.model, "commit": self.commit, "rounds": self.rounds}


_ABOUT_REUSE = ("fresh", "model_cache")


def _options(settings: Settings) -> Iterator[str]:
    """Yield the options that give a pytest these settings and override its environment.

    Not those about what earlier sessions left: one with benchmarks never uses it, and an older checkout has no such
    options.
    """
    for setting in dataclasses.fields(settings):
        value = getattr(settings, setting.name)
        if value is not None and has_effect(settings, setting.name) and setting.name not in _ABOUT_REUSE:
            values = value if isinstance(value, tuple) else (value,)
            yield from (f"{option_name(setting.name)}={each}" for each in values)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the differences of two described plans, other than the number of rounds."""
    names = [name for name in now if name != "rounds" and before.get(name) != now[name]]
    return [f"{name.replace('_', ' ')} {_shown(before.get(name))}, now {_shown(now[name])}" for name in names]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value in (None, "") else str(value)


def axis(option: str, text: str, separator: str = ",") -> list[str]:
    """Return the values of an axis from the text of its option.

    :raises SettingsError: the text has no value, an empty one, or one twice.
    """
    values = [value.strip() for value in text.split(separator)]
    if not all(values):
        what = "is empty" if not any(values) else f"is {text!r}, which has an empty value"
        raise SettingsError(f"{option} {what}.", fix=f"give values with '{separator}' between them")
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise SettingsError(f"{option} is {text!r}, which has {twice[0]} twice.", fix="give each value once")
    return values


def counts(option: str, text: str) -> list[int]:
    """Return the whole numbers of an axis.

    :raises SettingsError: as :func:`axis` does, or a value is not a whole number from 1.
    """
    values = axis(option, text)
    for value in values:
        if not (value.isascii() and value.isdigit() and int(value)):
            raise SettingsError(f"{option} is {text!r}.", fix="give whole numbers from 1, such as 1,100")
    return [int(value) for value in values]


def expected_seconds(sessions: int, measured: Iterable[float], guess: float) -> float:
    """Return the expected duration of sessions: by the mean of the measured ones, or by the guess without any."""
    known = list(measured)
    return sessions * (sum(known) / len(known) if known else guess)
