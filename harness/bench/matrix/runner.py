"""``harness bench``: benchmarks over a matrix of endpoint instance types and Spark masters.

In each round every cell is run once, in an order that is drawn anew, each time in a pytest of its own: a machine that
becomes slower then does so for all of them. In real mode one model is trained and hosted once on each instance type.
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
    HOST_SECONDS,
    SESSION_SECONDS,
    cost,
    left_for_sessions,
    require_time,
)
from harness.bench.matrix.plan import Cell, Plan, expected_seconds
from harness.bench.matrix.pytest_session import SessionTooLongError, check_collection, run_session
from harness.bench.matrix.store import Store, by_lot
from harness.console import PlainConsole, plural, progress_bar, rough_time
from harness.errors import HarnessError, ResultsError

_FAILURES = 2
"""How often in a row a cell fails before it is left out: the others go on, and its time is theirs."""
_HERE = Path()


@dataclass
class _Sessions:
    """The sessions of a run: what they use, and what came of them."""

    endpoints: Mapping[str, str] = field(default_factory=dict)
    """In real mode, by instance type."""
    deadline: float | None = None
    """When measuring must have ended, as :func:`time.time` has it: other clocks stand still while a laptop sleeps."""
    max_cost: float | None = None
    """What of the plan's limit is left for what a session itself creates, in USD."""
    failures: Counter[str] = field(default_factory=Counter)
    """By cell, how often in a row it failed up to now."""
    leftovers: list[Leftover] = field(default_factory=list)

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline; None without one."""
        return None if self.deadline is None else self.deadline - time.time()

    def have_time(self, seconds: float) -> bool:
        """Return whether one that takes so long would end in time."""
        return self.seconds_left is None or self.seconds_left > seconds

    def is_left_out(self, cell: Cell) -> bool:
        """Return whether a cell has failed too often."""
        return self.failures[cell.name] >= _FAILURES


class Outcome(NamedTuple):
    """Outcome of a run of a matrix; results are in the store."""

    store: Store
    leftovers: list[Leftover]
    """Resources in AWS that could not be deleted."""


def run_matrix(plan: Plan, output: Path) -> Outcome:
    """Run the sessions of a plan that have no results yet, reporting progress on standard error.

    :param output: gets the results, ``<cell>/<round>.json``, and the plan, ``matrix.json``.
    :raises HarnessError: nothing could be started; what was measured stays.
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
        _say(console, f"{plural(done, 'session')} measured so far, in {store.directory}; the same command goes on")
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
            fix="mend what is told above, and run the same command again: it measures what is missing",
        )


# --- what is told first -----------------------------------------------------------------------------------------------


def _expectation(plan: Plan, store: Store, missing: Sequence[tuple[int, Cell]]) -> Iterator[str]:
    """Yield what is to be done, and how long it will take."""
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
            yield f"{path} is damaged, and measured again"
    if not plan.base.in_aws:
        yield "mock mode: everything runs on this machine, whatever instance types are named"
    if plan.rounds < LEAST_RUNS:
        yield f"with fewer than {LEAST_RUNS} rounds, 'harness compare' finds everything inconclusive"
    if missing:
        guess = SESSION_SECONDS[plan.base.mode]
        known = "as those before took" if store.seconds else f"at {guess:g} s a session, which is a guess"
        yield f"about {rough_time(expected_seconds(len(missing), store.seconds, guess))}, {known}" + (
            f", and {rough_time(HOST_SECONDS)} to train and host" if plan.base.in_aws else ""
        )


# --- what is hosted ---------------------------------------------------------------------------------------------------


@contextmanager
def _hosted(
    plan: Plan, missing: Sequence[tuple[int, Cell]], store: Store, sessions: _Sessions, console: Console
) -> Iterator[None]:
    """Have an endpoint on each instance type meanwhile, in real mode; each session has a local AWS otherwise."""
    if not plan.base.in_aws:
        yield
        return
    wanted = {cell.settings.endpoint_instance_type for _, cell in missing}
    types = [instance_type for instance_type in plan.endpoint_instance_types if instance_type in wanted]
    session = expected_seconds(1, store.seconds, SESSION_SECONDS["real"])
    require_time(plan, session)
    settings = replace(plan.base, training_instance_count=1)  # as it is trained
    with closing(open_checked(settings, types)) as aws:
        prices = require_prices(aws.prices, settings, types)
        _say(console, cost(settings, prices, len(missing) * session + HOST_SECONDS))
        sessions.max_cost = left_for_sessions(plan, settings, prices)
        sessions.deadline = time.time() + plan.base.max_hours * 3600 - CLEAN_UP_SECONDS
        with open_ledger(aws, settings) as ledger:
            with explained(), _shown(console, "training and hosting", 0, None):
                sessions.endpoints, failed = host_on_each(
                    aws, ledger, settings, types, lambda text: _say(console, text), sessions.deadline - session
                )
            _leave_out(plan, failed, sessions, console)
            try:
                yield
            finally:
                _say(console, "deleting the endpoints")
        sessions.leftovers = ledger.leftovers or []


def _leave_out(plan: Plan, failed: Mapping[str, HarnessError], sessions: _Sessions, console: Console) -> None:
    """Leave out the cells of instance types that nothing could be hosted on."""
    for instance_type, error in failed.items():
        _say(console, f"{instance_type} is left out: {error}")
    for cell in plan.cells:
        if cell.settings.endpoint_instance_type in failed:
            sessions.failures[cell.name] = _FAILURES


# --- measuring --------------------------------------------------------------------------------------------------------


def _measure(
    plan: Plan, store: Store, missing: Sequence[tuple[int, Cell]], sessions: _Sessions, console: Console
) -> None:
    """Run the sessions that are missing; those of cells that fail again and again are left out."""
    todo = list(by_lot(missing))
    every = plan.rounds * len(plan.cells)
    guess = SESSION_SECONDS[plan.base.mode]
    for position, (number, cell) in enumerate(todo):
        if sessions.is_left_out(cell):
            continue
        if not sessions.have_time(expected_seconds(1, store.seconds, guess)):
            _say(console, f"no session would end within --max-hours {plan.base.max_hours:g}; the same command goes on")
            return
        label = f"round {number} of {plan.rounds}  {cell.name}"
        began = time.monotonic()
        told = "failed"
        try:
            with _shown(console, label, every - len(todo) + position, every):
                _session(plan, cell, store.path(cell, number), sessions)
            store.note(cell, number, time.monotonic() - began)
            sessions.failures[cell.name] = 0
            told = ""
        except SessionTooLongError:
            _say(console, f"{label}  ended for --max-hours {plan.base.max_hours:g}; the same command goes on")
            return
        except ResultsError as error:
            sessions.failures[cell.name] += 1
            _say(console, str(error))
        left = [each for _, each in todo[position + 1 :] if not sessions.is_left_out(each)]
        ending = f"about {rough_time(expected_seconds(len(left), store.seconds, guess))} left" if left else "done"
        _say(console, f"{label}  {told or f'{time.monotonic() - began:.0f} s'}  {ending}")
        if sessions.is_left_out(cell):
            _say(console, f"{cell.name} is left out from here on: it failed {_FAILURES} times in a row")


def _session(plan: Plan, cell: Cell, result: Path, sessions: _Sessions) -> None:
    endpoint = sessions.endpoints.get(cell.settings.endpoint_instance_type)
    run_session(
        sys.executable,
        _HERE,
        plan.arguments(cell, endpoint, sessions.max_cost),
        result,
        environment=os.environ,
        seconds=sessions.seconds_left,
        repeatable=plan.arguments(cell),  # the endpoint is gone by then
    )


@contextmanager
def _shown(console: Console, label: str, done: int, total: int | None) -> Iterator[None]:
    """Show on a terminal what is under way, and for how long; elsewhere, say that it begins."""
    if not console.is_terminal:
        _say(console, f"{label}  begins")
    with progress_bar(console, label, total, done):
        yield
