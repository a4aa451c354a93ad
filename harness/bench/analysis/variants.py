"""Comparison of a benchmark's variants within sessions, for ``harness compare --by PARAMETER``.

A pair is one block of one session: each variant once, in random order (``--harness-alternate``). Without a difference
the labels in a block are exchangeable, whatever the machine does, so the test of
:mod:`harness.bench.analysis.statistics` is exact for the sessions that were measured.

Blocks of one session share its process, its model and its endpoint. An effect that differs from process to process is
therefore not in their interval. With 8 sessions or more the session is the unit, with the mean of its blocks. With
fewer, the block is, and a warning says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.bench.analysis.comparison import BenchmarkChange, Side, Versus, environment_differences, some
from harness.bench.analysis.statistics import LEAST_RUNS, Effect, Pairs, judge, pairs_needed
from harness.bench.results.reader import Benchmark, Reading, Result, read_all
from harness.console import plural
from harness.errors import ResultsError

_MEASURE = "pytest … --harness-alternate BLOCKS --benchmark-json FILE"


class By(NamedTuple):
    """The parameter whose values are the sides, as on the command line: ``partitions``, or ``partitions=2,1``."""

    parameter: str
    values: Sequence[str] = ()
    """Values to compare, the base first; by default all of them, in ascending order."""

    @classmethod
    def read(cls, text: str) -> By:
        """Return the parameter and its values of an option's text."""
        name, _, values = text.partition("=")
        return cls(name.strip(), [value.strip() for value in values.split(",") if value.strip()])


def compare_variants(paths: Sequence[Path], by: By) -> list[Versus]:
    """Return the comparison of each variant with the first.

    :raises ResultsError: nothing can be read, or there are no two variants.
    """
    reading = read_all(paths)
    base, *others = _sides(reading, by)
    drafts = [_Draft(base, other) for other in others]
    effects = judge([sample for draft in drafts for sample in draft.samples])
    needed = pairs_needed(len(effects))
    rest = iter(effects)
    return [draft.judged(rest, needed) for draft in drafts]


def _sides(reading: Reading, by: By) -> list[Side]:
    """Return a side for each value: all results, with the benchmarks that have it and without it in their names."""
    values = _values(reading.results, by)
    return [
        Side(
            f"{by.parameter}={value}",
            [replace(result, benchmarks=_with(result, by.parameter, value)) for result in reading.results],
            reading.problems if place == 0 else [],
        )
        for place, value in enumerate(values)
    ]


def _values(results: Iterable[Result], by: By) -> Sequence[str]:
    """Return the values to compare.

    :raises ResultsError: there are no two of them.
    """
    every = [benchmark.parameters for result in results for benchmark in result.benchmarks.values()]
    found = sorted({each[by.parameter] for each in every if by.parameter in each}, key=_ascending)
    if not found:
        names = list(dict.fromkeys(chain.from_iterable(every)))
        raise ResultsError(
            f"No benchmark has a parameter {by.parameter!r}.",
            checked=f"the parameters of all benchmarks: {', '.join(names) or 'none'}",
            fix=f"give --by {names[0]}" if names else "parametrize a benchmark with pytest.mark.parametrize",
        )
    if missing := [value for value in by.values if value not in found]:
        raise ResultsError(
            f"No benchmark has {by.parameter}={missing[0]}.",
            checked=f"the values of {by.parameter}: {', '.join(found)}",
            fix=f"give two of them, the base first: --by {by.parameter}={','.join(found[:2])}",
        )
    values = list(dict.fromkeys(by.values)) or found
    if len(values) < 2:
        raise ResultsError(
            f"{by.parameter} has a single value to compare, {values[0]}.",
            checked=f"the values of {by.parameter}: {', '.join(found)}",
            fix="measure two values, or name two",
        )
    return values


def _ascending(value: str) -> list[tuple[bool, float, str]]:
    """Return a key by which numbers in values count as such: 2 is before 10, and ``local[2]`` before ``local[10]``."""
    parts = re.split(r"(\d+(?:\.\d+)?)", value)
    return [(number % 2 == 0, float(part) if number % 2 else 0.0, part) for number, part in enumerate(parts) if part]


def _with(result: Result, parameter: str, value: str) -> Mapping[str, Benchmark]:
    """Return the benchmarks of a result with a value of a parameter, by their names without it."""
    found = [each for each in result.benchmarks.values() if each.parameters.get(parameter) == value]
    return {_name_without(benchmark, parameter): benchmark for benchmark in found}


def _name_without(benchmark: Benchmark, parameter: str) -> str:
    rest = ", ".join(f"{name}={value}" for name, value in benchmark.parameters.items() if name != parameter)
    return f"{benchmark.test}[{rest}]" if rest else benchmark.test


@dataclass(frozen=True)
class _Blocks:
    """One benchmark on two sides, in pairs of one block each."""

    sessions: Sequence[Sequence[tuple[Benchmark, Benchmark]]]
    """Pairs of each session that has both."""

    @classmethod
    def of(cls, base: Side, other: Side, name: str) -> _Blocks:
        """Return the pairs of a benchmark."""
        both = [(a.benchmarks, b.benchmarks) for a, b in zip(base.runs, other.runs, strict=True)]
        pairs = [_in_one_block(a[name], b[name]) for a, b in both if name in a and name in b]
        return cls([session for session in pairs if session])

    @property
    def pairs(self) -> list[tuple[Benchmark, Benchmark]]:
        """All pairs."""
        return list(chain.from_iterable(self.sessions))

    @property
    def per_row(self) -> bool:
        """True if the two sides do different numbers of rows in a round, so that only times of a row compare."""
        rows = {benchmark.info.rows for pair in self.pairs for benchmark in pair}
        return len(rows) > 1 and None not in rows

    @property
    def by_session(self) -> bool:
        """True if there are enough sessions to make them the unit."""
        return len(self.sessions) >= LEAST_RUNS

    @property
    def sample(self) -> Pairs:
        """Logarithms of the ratio in each session, or in each block of too few sessions."""
        logs = [
            np.array([np.log(self._seconds(other) / self._seconds(base)) for base, other in session])
            for session in self.sessions
        ]
        units = [session.mean() for session in logs] if self.by_session else list(chain.from_iterable(logs))
        return Pairs(np.array(units, dtype=float))

    def median(self, side: int) -> float:
        """Return the median over all blocks of one side (0 is the base), in seconds."""
        return float(np.median([self._seconds(pair[side]) for pair in self.pairs]))

    def _seconds(self, benchmark: Benchmark) -> float:
        return benchmark.median / (benchmark.info.rows or 1.0) if self.per_row else benchmark.median

    @property
    def always_first(self) -> int | None:
        """The side that ran first in every block (0 is the base); None if both did."""
        first = {int(other.place < base.place) for base, other in self.pairs}
        return first.pop() if len(first) == 1 and len(self.pairs) >= LEAST_RUNS else None


def _in_one_block(base: Benchmark, other: Benchmark) -> list[tuple[Benchmark, Benchmark]]:
    """Return the pairs of one session; without blocks, the session is one."""
    if not base.blocks or not other.blocks:
        return [(base, other)]
    return [(base.blocks[number], other.blocks[number]) for number in sorted(base.blocks.keys() & other.blocks.keys())]


class _Draft:
    """Two variants to compare, before all comparisons are judged together."""

    def __init__(self, base: Side, other: Side) -> None:
        self._base, self._other = base, other
        found = {name: _Blocks.of(base, other, name) for name in base.names() if other.benchmark(name)}
        self._found = {name: blocks for name, blocks in found.items() if blocks.pairs}
        if not self._found:
            raise ResultsError(
                f"No session has a benchmark with both {base.label} and {other.label}.",
                checked=f"{some(base.names())} and {some(other.names())}",
                fix=f"run both in one session: {_MEASURE}",
            )
        self.samples = [blocks.sample for blocks in self._found.values()]

    def judged(self, effects: Iterator[Effect], needed: int) -> Versus:
        """Return the comparison; see :meth:`harness.bench.analysis.comparison._Draft.judged`."""
        rows = [
            BenchmarkChange(name, blocks.median(0), blocks.median(1), next(effects))
            for name, blocks in self._found.items()
        ]
        return Versus(
            self._base,
            self._other,
            True,
            rows,
            environment_differences(self._base, self._other, list(self._found)),
            list(self._warnings(needed)),
            self._units(),
            self._measure_again(),
            needed,
        )

    def _measure_again(self) -> str:
        by_session = all(each.by_session for each in self._found.values())
        return "RUNS sessions" if by_session else "--harness-alternate RUNS"

    def _units(self) -> str:
        most = max(self._found.values(), key=lambda blocks: len(blocks.pairs))
        return f"{plural(len(most.pairs), 'block')} of {plural(len(most.sessions), 'session')}, alternating"

    def _warnings(self, needed: int) -> Iterable[str]:
        blocks = list(self._found.values())
        if any(each.per_row for each in blocks):
            yield "rounds have different numbers of rows: times are of one row"
        fewest = min(each.sample.runs for each in blocks)
        if fewest < needed:
            yield f"a verdict needs {needed} blocks, found {fewest}: {_MEASURE.replace('BLOCKS', str(needed))}"
        if not all(each.by_session for each in blocks):
            sessions = plural(min(len(each.sessions) for each in blocks), "session")
            yield f"all blocks are of {sessions}: differences between processes and models are not in the intervals"
        always = Counter(each.always_first for each in blocks if each.always_first is not None)
        for side in always:
            label = (self._base, self._other)[side].label
            yield f"{label} ran first in every block: use --harness-alternate, whose order is random"
        for one, two in ((self._base, self._other), (self._other, self._base)):
            missing = [name for name in one.names() if not two.benchmark(name)]
            if missing:
                yield f"only with {one.label}: {some(missing)}"
