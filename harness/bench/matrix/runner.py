"""``harness bench``: benchmarks over a matrix of endpoint instance types and Spark masters.

Each round runs every cell once, in a new random order and a separate pytest, so that a change in the machine's speed
affects all cells. In real mode one model is trained, and hosted once on each instance type.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from harness.aws.account.preflight import open_checked
from harness.aws.cleanup.reaper import open_ledger
from harness.aws.cleanup.resources import Leftover
from harness.aws.pricing import require_prices
from harness.bench.analysis.statistics import LEAST_RUNS
from harness.bench.endpoints import explained, host_on_each
from harness.bench.matrix.budget import (
    CLEAN_UP_SECONDS,
    SESSION_SECONDS,
    cost,
    preparation,
    remaining_cost,
    require_time,
    run_prices,
)
from harness.bench.matrix.plan import Cell, Plan, expected_seconds
from harness.bench.matrix.pytest_session import SessionTooLongError, check_collection, run_session
from harness.bench.matrix.store import Store, in_random_order
from harness.console import PlainConsole, plural, progress_bar, rough_time
from harness.errors import HarnessError, ResultsError

_FAILURES = 2
"""Number of consecutive failures after which a cell is skipped, so that the other cells get its time."""
_HERE = Path()
_RESUME = "run the same command to resume"


@dataclass
class _Sessions:
    """State of the sessions of a run."""

    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Names of the endpoints by instance type, in real mode."""
    deadline: float | None = None
    """End of measuring by :func:`time.time`; other clocks stop while a laptop sleeps."""
    max_cost: float | None = None
    """Limit for the resources that a session itself creates, in USD."""
    failures: Counter[str] = field(default_factory=Counter)
    """Number of consecutive failures of each cell."""
    leftovers: list[Leftover] = field(default_factory=list)

    @property
    def seconds_left(self) -> float | None:
        """Time until the deadline; None without one."""
        return None if self.deadline is None else self.deadline - time.time()

    def have_time(self, seconds: float) -> bool:
        """Return whether a session of ``seconds`` would end in time."""
        return self.seconds_left is None or self.seconds_left > seconds

    def is_skipped(self, cell: Cell) -> bool:
        """Return whether a cell has failed too often."""
        return self.failures[cell.name] >= _FAILURES


class Outcome(NamedTuple):
    """Outcome of a run of a matrix; results are in the store."""

    store: Store
    leftovers: list[Leftover]
    """Resources in AWS that could not be deleted."""


def run_matrix(plan: Plan, output: Path) -> Outcome:
    """Run the sessions of a plan that have no results yet, reporting progress on standard error.

    :param output: directory for the results, ``<cell>/<round>.json``, and the plan, ``matrix.json``.
    :raises HarnessError: the run cannot start; existing results are kept.
    """
    with closing(Store(output, plan)) as store:
        console = PlainConsole(stderr=True)
        missing = store.missing()
        _say(console, "\n".join(_expectation(plan, store, missing)))
        sessions = _Sessions()
        if missing:
            check_collection(sys.executable, _HERE, plan.arguments(plan.cells[0]), os.environ)
            _run(plan, store, missing, sessions, console)
        return Outcome(store, sessions.leftovers)


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True)


def _run(plan: Plan, store: Store, missing: Sequence[tuple[int, Cell]], sessions: _Sessions, console: Console) -> None:
    try:
        with _hosted(plan, missing, store, sessions, console):
            store.write()
            _measure(plan, store, missing, sessions, console)
    except KeyboardInterrupt:
        done = plan.rounds * len(plan.cells) - len(store.missing())
        _say(console, f"{plural(done, 'session')} measured so far, in {store.directory}; {_RESUME}")
        raise


def refuse_gaps(store: Store) -> None:
    """Raise :class:`ResultsError` if there are sessions without results."""
    missing = store.missing()
    if missing:
        cells = Counter(cell.name for _, cell in missing)
        raise ResultsError(
            f"{plural(len(missing), 'session')} of {store.plan.rounds * len(store.plan.cells)} have no results: "
            + ", ".join(f"{count} of {name}" for name, count in cells.items()),
            checked=f"{store.directory}/<cell>/<round>.json",
            fix="fix the problems reported above, and run the same command again: it runs the missing sessions",
        )


# --- the expectation -------------------------------------------------------------------------------------------------


def _expectation(plan: Plan, store: Store, missing: Sequence[tuple[int, Cell]]) -> Iterator[str]:
    """Yield the planned work and its expected duration."""
    cells = plan.cells
    every = len(cells) * plan.rounds
    yield (
        f"{plural(len(cells), 'cell')} × {plural(plan.rounds, 'round')} = {plural(every, 'session')}"
        + (f"; measured already: {every - len(missing)}" if len(missing) < every else "")
    )
    yield f"each runs pytest {shlex.join(plan.own_arguments)}"
    yield from (f"  {cell.name}" for cell in cells)
    for path in (store.path(cell, number) for number, cell in missing):
        if path.exists():
            yield f"{path} is damaged and will be measured again"
    if not plan.base.in_aws:
        yield "mock mode: all instance types run on this machine"
    if plan.rounds < LEAST_RUNS:
        yield f"with fewer than {LEAST_RUNS} rounds, 'harness compare' reports everything as inconclusive"
    if missing:
        guess = SESSION_SECONDS[plan.base.mode]
        what, seconds = preparation(plan)
        known = "by the sessions so far" if store.seconds else f"at an estimated {guess:g} s a session"
        yield f"about {rough_time(expected_seconds(len(missing), store.seconds, guess))}, {known}" + (
            f", and {rough_time(seconds)} to {what}" if plan.base.in_aws else ""
        )


# --- hosting ----------------------------------------------------------------------------------------------------------


@contextmanager
def _hosted(
    plan: Plan, missing: Sequence[tuple[int, Cell]], store: Store, sessions: _Sessions, console: Console
) -> Iterator[None]:
    """In real mode, host an endpoint on each instance type; in mock mode each session has its own local AWS."""
    if not plan.base.in_aws:
        yield
        return
    wanted = {cell.settings.endpoint_instance_type for _, cell in missing}
    types = [instance_type for instance_type in plan.endpoint_instance_types if instance_type in wanted]
    session = expected_seconds(1, store.seconds, SESSION_SECONDS["real"])
    require_time(plan, session)
    settings = replace(plan.base, training_instance_count=1)  # the number that training uses
    with closing(open_checked(settings, types)) as aws:
        prices = require_prices(aws.prices, settings, types)
        expected = len(missing) * session + preparation(plan)[1]
        _say(console, cost(settings, run_prices(plan, prices), expected))
        sessions.max_cost = remaining_cost(plan, settings, prices)
        sessions.deadline = time.time() + plan.base.max_hours * 3600 - CLEAN_UP_SECONDS
        with open_ledger(aws, settings) as ledger:
            with explained(), _shown(console, "hosting" if plan.model else "training and hosting", 0, None):
                latest = sessions.deadline - session
                sessions.endpoints, failed = host_on_each(
                    aws, ledger, settings, types, lambda text: _say(console, text), latest, plan.model
                )
            _skip(plan, failed, sessions, console)
            try:
                yield
            finally:
                _say(console, "deleting the endpoints")
        sessions.leftovers = ledger.leftovers or []


def _skip(plan: Plan, failed: Mapping[str, HarnessError], sessions: _Sessions, console: Console) -> None:
    """Skip the cells of instance types without an endpoint."""
    for instance_type, error in failed.items():
        _say(console, f"{instance_type} is skipped: {error}")
    for cell in plan.cells:
        if cell.settings.endpoint_instance_type in failed:
            sessions.failures[cell.name] = _FAILURES


# --- measuring --------------------------------------------------------------------------------------------------------


def _measure(
    plan: Plan, store: Store, missing: Sequence[tuple[int, Cell]], sessions: _Sessions, console: Console
) -> None:
    """Run the missing sessions; skip cells that fail repeatedly."""
    todo = list(in_random_order(missing))
    every = plan.rounds * len(plan.cells)
    guess = SESSION_SECONDS[plan.base.mode]
    for position, (number, cell) in enumerate(todo):
        if sessions.is_skipped(cell):
            continue
        if not sessions.have_time(expected_seconds(1, store.seconds, guess)):
            _say(console, f"no session would end within --max-hours {plan.base.max_hours:g}; {_RESUME}")
            return
        label = f"round {number} of {plan.rounds}  {cell.name}"
        began = time.monotonic()
        failure = "failed"
        try:
            with _shown(console, label, every - len(todo) + position, every):
                _session(plan, cell, store.path(cell, number), sessions)
            store.record(cell, number, time.monotonic() - began)
            sessions.failures[cell.name] = 0
            failure = ""
        except SessionTooLongError:
            _say(console, f"{label}  ended by --max-hours {plan.base.max_hours:g}; {_RESUME}")
            return
        except ResultsError as error:
            sessions.failures[cell.name] += 1
            _say(console, str(error))
        left = [each for _, each in todo[position + 1 :] if not sessions.is_skipped(each)]
        ending = f"about {rough_time(expected_seconds(len(left), store.seconds, guess))} left" if left else "done"
        _say(console, f"{label}  {failure or f'{time.monotonic() - began:.0f} s'}  {ending}")
        if sessions.is_skipped(cell):
            _say(console, f"{cell.name} is skipped from now on: it failed {_FAILURES} times in a row")


def _session(plan: Plan, cell: Cell, result: Path, sessions: _Sessions) -> None:
    endpoint = sessions.endpoints.get(cell.settings.endpoint_instance_type)
    run_session(
        sys.executable,
        _HERE,
        plan.arguments(cell, endpoint, sessions.max_cost),
        result,
        environment=os.environ,
        seconds=sessions.seconds_left,
        repeatable=plan.arguments(cell),  # the endpoint no longer exists then
    )


@contextmanager
def _shown(console: Console, label: str, done: int, total: int | None) -> Iterator[None]:
    """Show the progress on a terminal, refreshed once a second to spare the measured cores.

    Without a terminal, print a line at the start.
    """
    if not console.is_terminal:
        _say(console, f"{label}  begins")
    with progress_bar(console, label, total, done):
        yield
