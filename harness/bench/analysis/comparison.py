"""Comparison of benchmark results for ``harness compare``: effects, intervals and verdicts.

Each result is a pytest-benchmark file, or a directory of them with one file a run. Runs of two sides that alternated
in time (``A/round-1.json``, ``B/round-1.json``, ``A/round-2.json`` …, by their dates) are compared pair by pair. Runs
that did not alternate are compared as two groups. Their intervals are wider, because drift between the groups is
invisible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from harness.bench.analysis.statistics import (
    CONFIDENCE,
    LEAST_RUNS,
    MINIMUM_EFFECT,
    Comparable,
    Effect,
    Pairs,
    Runs,
    Verdict,
    judge,
    pairs_needed,
)
from harness.bench.results.extra_info import COMPARED, INSTANCE_TYPES
from harness.bench.results.reader import Benchmark, Result, is_of_matrix, read
from harness.errors import ResultsError

_MACHINE = {"machine": ("node",), "processor": ("cpu", "brand_raw"), "python": ("python_version",)}
"""Compared values of ``machine_info``, and their keys."""

ALTERNATED = 0.8
"""Share of runs that must be in pairs for two sides to count as alternating."""


@dataclass(frozen=True)
class Side:
    """The runs of one side."""

    label: str
    """Path as given on the command line."""
    runs: list[Result]
    """Sorted by date."""
    problems: list[ResultsError]
    """Errors of skipped files that cannot be read."""
    of_matrix: bool = False
    """True if ``harness bench`` wrote the runs and can add more."""

    def benchmark(self, name: str) -> list[Benchmark]:
        """Return the results of a benchmark in the runs that have it."""
        return [run.benchmarks[name] for run in self.runs if name in run.benchmarks]

    def names(self) -> list[str]:
        """Return the names of all benchmarks in the order of the first run that has them."""
        return list(dict.fromkeys(chain.from_iterable(run.benchmarks for run in self.runs)))


@dataclass(frozen=True)
class BenchmarkChange:
    """One benchmark on two sides."""

    name: str
    base: float
    """Median of the runs' medians, in seconds."""
    other: float
    """Same for the other side, in seconds."""
    effect: Effect
    refusal: str = ""
    """Reason not to compare the two; empty if they may be compared."""

    @property
    def verdict(self) -> Verdict:
        """Verdict of the effect, or REFUSED."""
        return Verdict.REFUSED if self.refusal else self.effect.verdict

    @property
    def reason(self) -> str:
        """Reason of an inconclusive verdict; empty for any other."""
        return inconclusive_reason(self.effect) if self.verdict is Verdict.INCONCLUSIVE else ""


def inconclusive_reason(effect: Effect) -> str:
    """Return the condition of a verdict that an inconclusive effect does not meet."""
    limit = f"{MINIMUM_EFFECT * 100:g} %"
    if effect.runs < LEAST_RUNS:
        return f"a verdict needs {LEAST_RUNS} of each, found {effect.runs}"
    if effect.low > MINIMUM_EFFECT or effect.high < -MINIMUM_EFFECT:
        return f"the interval is beyond {limit}, but {unsure_test(effect)}"
    return f"the interval has changes both within and beyond {limit}"


def unsure_test(effect: Effect) -> str:
    """Return the result of a test that does not agree with the interval."""
    return f"the rank test is not sure (p = {effect.p:.2g}, not {1 - CONFIDENCE:.2g} or less)"


@dataclass(frozen=True)
class Versus:
    """All benchmarks of one side compared with those of the base."""

    base: Side
    other: Side
    alternated: bool
    rows: list[BenchmarkChange]
    differences: dict[str, str]
    """Differences of the environments, by name: ``cores`` → ``2 → 4``."""
    warnings: list[str]
    units: str = ""
    """Blocks and sessions that were compared, if the sides are variants of a benchmark; empty for runs."""
    measure_again: str = ""
    """Way to measure with more runs; ``RUNS`` is their number."""
    needed: int = LEAST_RUNS
    """Number of runs that rule out chance in all comparisons together."""

    def next_step(self, row: BenchmarkChange) -> str:
        """Return what may decide an inconclusive benchmark: twice as many runs, or as many as a verdict needs."""
        runs = max(2 * row.effect.runs, self.needed)
        return self.measure_again.replace("RUNS", str(runs))

    @property
    def left_out(self) -> list[ResultsError]:
        """Errors of skipped files of either side."""
        return [*self.base.problems, *self.other.problems]

    @property
    def vanished(self) -> list[str]:
        """Names of the benchmarks that only the base has, so that no verdict is possible."""
        return [name for name in self.base.names() if not self.other.benchmark(name)]


def compare(paths: Sequence[Path]) -> list[Versus]:
    """Return the comparison of each result with the first.

    :raises ResultsError: a path has no readable result, or two results have no benchmark in common.
    """
    base, *others = [_side(path) for path in paths]
    drafts = [_Draft(base, other) for other in others]
    effects = iter(judge([sample for draft in drafts for sample in draft.samples]))
    needed = pairs_needed(sum(len(draft.samples) for draft in drafts))
    return [draft.judged(effects, needed) for draft in drafts]


def _side(path: Path) -> Side:
    results, problems = read(path)
    if not any(result.benchmarks for result in results):
        raise problems[0]
    return Side(str(path), results, problems, is_of_matrix(path))


class _Draft:
    """Two sides to compare, before all comparisons are judged together."""

    def __init__(self, base: Side, other: Side) -> None:
        self._base, self._other = base, other
        self._names = [name for name in base.names() if other.benchmark(name)]
        if not self._names:
            raise ResultsError(
                f"{base.label} and {other.label} have no benchmark in common.",
                checked=f"full names: {some(base.names())} and {some(other.names())}",
                fix="run the same benchmarks from the same directory for both",
            )
        self._pairs = alternating_pairs(base.runs, other.runs)
        self._refusals = {name: _refusal(base.benchmark(name), other.benchmark(name)) for name in self._names}
        self._judged = [name for name in self._names if not self._refusals[name]]
        self.samples: list[Comparable] = [self._sample(name) for name in self._judged]

    def _sample(self, name: str) -> Comparable:
        both = [(a.benchmarks[name], b.benchmarks[name]) for a, b in self._pairs if _has(name, a, b)]
        if not both:
            return Runs.of(_medians(self._base.benchmark(name)), _medians(self._other.benchmark(name)))
        return Pairs.of(_medians(a for a, _ in both), _medians(b for _, b in both))

    def judged(self, effects: Iterable[Effect], needed: int) -> Versus:
        """Return the comparison.

        :param effects: effects of ``samples``, followed by those of later drafts.
        :param needed: number of pairs required for this many comparisons.
        """
        found = dict(zip(self._judged, effects, strict=False))
        base, other = self._base, self._other
        return Versus(
            base,
            other,
            bool(self._pairs),
            [self._row(name, found.get(name)) for name in self._names],
            environment_differences(base, other, self._names),
            list(self._warnings(needed)),
            measure_again=self._measure_again(),
            needed=needed,
        )

    def _measure_again(self) -> str:
        if self._base.of_matrix and self._other.of_matrix:
            return "'harness bench … --rounds RUNS'"
        return "RUNS runs of each, alternating"

    def _row(self, name: str, effect: Effect | None) -> BenchmarkChange:
        base, other = (float(np.median(_medians(side.benchmark(name)))) for side in (self._base, self._other))
        nothing = Effect(other / base - 1, -1.0, np.inf, 1.0, 0)
        return BenchmarkChange(name, base, other, effect or nothing, self._refusals[name])

    def _warnings(self, needed: int) -> Iterable[str]:
        fewest = min([sample.runs for sample in self.samples], default=needed)
        if fewest < needed:
            yield self._too_few(fewest, needed)
        if fewest >= LEAST_RUNS and not self._pairs:
            yield "runs did not alternate: intervals are wider, because drift between the two sides is invisible"
        first = {a.date < b.date for a, b in self._pairs}
        if len(self._pairs) >= LEAST_RUNS and len(first) == 1:
            label = (self._base if first.pop() else self._other).label
            yield f"{label} ran first in every pair: randomize the order"
        for one, two in ((self._base, self._other), (self._other, self._base)):
            missing = [name for name in one.names() if not two.benchmark(name)]
            if missing:
                yield f"only in {one.label}: {some(missing)}"

    def _too_few(self, fewest: int, needed: int) -> str:
        """Return the required number of runs, and the command that adds them."""
        if fewest >= LEAST_RUNS:
            text = f"this number of comparisons needs {needed} runs of each to rule out chance, found {fewest}"
        else:
            many = f" ({needed} for this number of comparisons)" if needed > LEAST_RUNS else ""
            text = f"a verdict needs {LEAST_RUNS} runs of each{many}, found {fewest}"
        if self._base.of_matrix and self._other.of_matrix:
            return f"{text}: 'harness bench … --rounds {needed}' adds them"
        return f"{text}; rounds of one run do not count as runs" if fewest == 1 else text


def alternating(base: Sequence[Result], other: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Return (base, other) pairs of consecutive runs, in either order; each run is in at most one pair."""
    order = sorted([*((run, True) for run in base), *((run, False) for run in other)], key=lambda run: run[0].date)
    pairs: list[tuple[Result, Result]] = []
    waiting: tuple[Result, bool] | None = None
    for run, is_base in order:
        if waiting is None or waiting[1] == is_base:
            waiting = run, is_base
            continue
        pairs.append((run, waiting[0]) if is_base else (waiting[0], run))
        waiting = None
    return pairs


def alternating_pairs(base: Sequence[Result], other: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Return the (base, other) pairs if enough runs alternated, else none."""
    pairs = alternating(base, other)
    return pairs if len(pairs) >= max(2, ALTERNATED * min(len(base), len(other))) else []


def _has(name: str, *runs: Result) -> bool:
    return all(name in run.benchmarks for run in runs)


def _medians(runs: Iterable[Benchmark]) -> list[float]:
    return [run.median for run in runs]


def some(names: Sequence[str]) -> str:
    """Return the first three names, and the number of the others."""
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


# --- environments -----------------------------------------------------------------------------------------------------


def _refusal(base: Sequence[Benchmark], other: Sequence[Benchmark]) -> str:
    """Return the reason not to compare two sides of a benchmark; '' if they may be compared."""
    local = any(run.info.mode and not run.info.in_aws for run in (*base, *other))
    for key in INSTANCE_TYPES if local else ():
        there, here = _values(base, key), _values(other, key)
        if there != here:
            return f"measured in the local AWS, not on {_shown(there)} or {_shown(here)}"
    return ""


def environment_differences(base: Side, other: Side, names: Sequence[str]) -> dict[str, str]:
    """Return the differences of two sides other than their commits: ``cores`` → ``2 → 4``.

    A difference in only some benchmarks is marked with their number.
    """
    found = {key: f"{_shown(there)} → {_shown(here)}" for key, there, here in _machine_differences(base, other)}
    for key in COMPARED:
        values = [(_values(base.benchmark(name), key), _values(other.benchmark(name), key)) for name in names]
        apart = [f"{_shown(there)} → {_shown(here)}" for there, here in values if there != here or len(there) > 1]
        if apart:
            found[key] = apart[0] + (
                f" (in {len(apart)} of {len(names)} benchmarks)" if len(apart) < len(names) else ""
            )
    return found


def _machine_differences(base: Side, other: Side) -> Iterable[tuple[str, set[str], set[str]]]:
    for key, place in _MACHINE.items():
        there, here = ({_inside(run.machine, place) for run in side.runs} for side in (base, other))
        if there != here or len(there) > 1:
            yield key, there, here


def _inside(content: Mapping[str, Any], place: Sequence[str]) -> str:
    value: Any = content
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)


def _values(runs: Iterable[Benchmark], key: str) -> set[str]:
    return {run.recorded(key) for run in runs}


def _shown(values: Iterable[str]) -> str:
    return " and ".join(sorted(value or "unknown" for value in values))
