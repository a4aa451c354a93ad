"""Series of results: each benchmark with all of its runs that measured the same thing.

Pure: it reads no file and draws nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from harness.bench.results.extra_info import INSTANCE_TYPES, SETTINGS
from harness.bench.results.reader import Benchmark, Result

_SETTING = (*SETTINGS, "cores", "dataset", "rows", "bytes")
"""Keys of ``extra_info`` that split a benchmark into several series. Versions do not: their effect is its history."""
_SHORT = 9  # digits of a commit's id
_SIZES = ("medium", "large", "xlarge")  # of instance types, in ascending order; 2xlarge and more follow

_DIRECTORY = "results"
"""Name of the directory among the parts of a setting."""

Setting = Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """One benchmark in one file of results."""

    result: Result
    benchmark: Benchmark

    @property
    def commit(self) -> str:
        """Short id of the commit, with ``+`` if there were changes beyond it; the run's date if it is unknown."""
        known = self.result.commit_id
        if not known:
            return f"{self.result.date:%Y-%m-%d %H:%M:%S}"
        return known[:_SHORT] + "+" * known.endswith("+")

    @property
    def commit_date(self) -> datetime:
        """Time of the commit; of the run, if the commit is unknown."""
        try:
            date = datetime.fromisoformat(self.result.commit["time"])
        except (KeyError, TypeError, ValueError):
            return self.result.date
        return date if date.tzinfo else date.astimezone()


class Series:
    """Runs of a benchmark in one setting, from the oldest commit to the newest."""

    def __init__(self, name: str, setting: Setting, runs: Iterable[Run]) -> None:
        self.name = name
        self.setting = setting
        found = list(runs)
        self.label = found[-1].benchmark.label if found else name
        """Name to show next to other series; :func:`arrange` adds the setting if names would be equal."""
        first: dict[str, tuple[datetime, datetime]] = {}
        for run in found:
            when = (run.commit_date, run.result.date)
            first[run.commit] = min(first.get(run.commit, when), when)
        self.runs: Sequence[Run] = sorted(found, key=lambda run: (*first[run.commit], run.commit, run.result.date))
        self.commits = sorted(first, key=lambda commit: (*first[commit], commit))

    @property
    def group(self) -> str:
        """Group of the benchmark; its file if it has no group."""
        return self.runs[-1].benchmark.group or self.name.partition("::")[0]

    @property
    def of_known_commits(self) -> Series:
        """The runs whose commit is known; the order of others says nothing about code."""
        known = Series(self.name, self.setting, [run for run in self.runs if run.result.commit_id])
        known.label = self.label
        return known

    @cached_property
    def newest(self) -> list[Run]:
        """Runs of the newest commit, or all runs without a commit if the newest run has none."""
        if not self.runs[-1].result.commit_id:
            return [run for run in self.runs if not run.result.commit_id]
        return [run for run in self.runs if run.commit == self.commits[-1]]

    @cached_property
    def spread(self) -> Spread:
        """Seconds a round at the newest commit: of its runs' medians, or of the rounds of a single run."""
        medians = [run.benchmark.median for run in self.newest]
        rounds = self.newest[0].benchmark.times if len(medians) == 1 else ()
        return Spread.of(rounds or medians, len(medians), len(rounds))

    @property
    def noted(self) -> Mapping[str, Any]:
        """Metadata of the newest run."""
        return self.newest[-1].benchmark.extra_info

    def work(self, amount: str) -> float | None:
        """Return the number of ``rows`` or ``bytes`` of a round; None if it was not recorded."""
        return self.newest[-1].benchmark.work(amount)


@dataclass(frozen=True)
class Spread:
    """Five numbers of a sample, in seconds."""

    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float
    runs: int
    """Number of runs. If there are several, the sample is their medians."""
    rounds: int
    """Number of rounds of a single run, which are the sample; 0 for several runs, or if rounds were not saved."""

    @classmethod
    def of(cls, seconds: Sequence[float], runs: int, rounds: int) -> Spread:
        """Return the five numbers of a non-empty sample."""
        low, quarter, median, three_quarters, high = np.percentile(seconds, [0, 25, 50, 75, 100]).tolist()
        return cls(low, quarter, median, three_quarters, high, runs, rounds)

    @property
    def is_known(self) -> bool:
        """True if the sample has more than one value."""
        return self.runs > 1 or self.rounds > 0


def arrange(results: Iterable[Result]) -> list[Series]:
    """Return all series of some results, in the order their benchmarks first appear, each with its own label.

    A file that was given twice counts once. A benchmark whose median is not a positive number is skipped.
    """
    found: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, Run]] = {}
    for result in results:
        for benchmark in result.benchmarks.values():
            if math.isfinite(benchmark.median) and benchmark.median > 0:
                key = (benchmark.name, tuple(setting(result, benchmark).items()))
                found.setdefault(key, {})[str(result.path.resolve())] = Run(result, benchmark)
    series = [Series(name, dict(parts), runs.values()) for (name, parts), runs in found.items()]
    tell_apart(series)
    return series


def in_order(series: Sequence[Series]) -> list[Series]:
    """Return the series of each benchmark next to each other, in the order of their settings.

    Numbers in values count as such (``local[2]`` comes before ``local[10]``), and sizes of instance types as sizes.
    """
    place = {name: number for number, name in enumerate(dict.fromkeys(one.name for one in series))}
    return sorted(series, key=lambda one: (place[one.name], *_to_sort(one.setting)))


def _to_sort(parts: Setting) -> Iterator[list[str | int]]:
    """Yield each value of a setting as alternating text and numbers."""
    for name in ("processor", *_SETTING, _DIRECTORY):
        size = re.sub(rf"\.({'|'.join(_SIZES)})$", lambda found: f".{_SIZES.index(found[1])}", parts.get(name, ""))
        yield [int(part) if number % 2 else part for number, part in enumerate(re.split("([0-9]+)", size))]


def setting(result: Result, benchmark: Benchmark) -> Setting:
    """Return the setting in which a time was measured; instance types only if AWS provided them."""
    unreal = () if benchmark.info.in_aws else INSTANCE_TYPES
    parts = {name: text for name in _SETTING if name not in unreal and (text := benchmark.recorded(name))}
    return {"processor": processor(result.machine), **parts} | (
        {_DIRECTORY: result.directory} if result.directory else {}
    )


def apart(results: Iterable[Result], paths: Sequence[Path]) -> list[Result]:
    """Return results whose runs are not mixed with those of other directories.

    Several directories that were named are kept apart. Below a single one, those of runs without a commit are: nothing
    else says which runs belong together. Runs with commits are one history, however they are stored.
    """
    named = [path for path in paths if path.is_dir()]
    return [replace(result, directory=_directory(result, named)) for result in results]


def _directory(result: Result, named: Sequence[Path]) -> str:
    inside = [path for path in named if path in result.path.parents]
    if not inside:
        return ""
    nearest = max(inside, key=lambda path: len(path.parts))
    if len(named) > 1:
        return str(nearest)
    own = result.path.parent.relative_to(nearest)
    return "" if result.commit_id or not own.parts else str(own)


def processor(machine: Mapping[str, Any]) -> str:
    """Return the name of a machine's processor and its number of cores."""
    cpu = machine.get("cpu")
    cpu = cpu if isinstance(cpu, Mapping) else {}
    name = str(cpu.get("brand_raw") or cpu.get("brand") or machine.get("machine") or "unknown processor")
    count = cpu.get("count")
    return f"{name}, {count} core{'s' * (count != 1)}" if count else name


class Labelled(Protocol):
    """An object with a benchmark's name and setting, and its own label."""

    name: str
    setting: Setting
    label: str


_Labelled = TypeVar("_Labelled", bound=Labelled)


def tell_apart(series: Sequence[Labelled]) -> None:
    """Extend equal labels by the names or settings in which their series differ."""
    for alike in _alike(series, lambda one: one.label):
        if len({one.name for one in alike}) > 1:
            for one in alike:
                one.label = one.name
    for alike in _alike(series, lambda one: one.label):
        names = sorted({name for one in alike for name in one.setting})
        differing = [name for name in names if len({one.setting.get(name) for one in alike}) > 1]
        others = [name for name in differing if name != _DIRECTORY]
        if len({tuple(one.setting.get(name) for name in others) for one in alike}) == len(alike):
            differing = others  # cells of a matrix have directories too
        for one in alike:
            # A series of the local AWS has no instance types.
            names = [name for name in differing if name in one.setting or name not in INSTANCE_TYPES]
            one.label += f" ({', '.join(_told(name, one.setting.get(name, 'unknown')) for name in names)})"


def _told(name: str, value: str) -> str:
    return value if name in (*INSTANCE_TYPES, _DIRECTORY) else f"{name.replace('_', ' ')} {value}"


def _alike(series: Sequence[_Labelled], key: Callable[[_Labelled], str]) -> list[list[_Labelled]]:
    """Return the groups of two or more objects with the same key."""
    found: dict[str, list[_Labelled]] = {}
    for one in series:
        found.setdefault(key(one), []).append(one)
    return [alike for alike in found.values() if len(alike) > 1]
