"""Run the benchmarks of two checkouts in turns: ``python -m harness.bench.matrix.interleave BASE CHANGED …``.

Each run is a pytest of its own, started in its checkout, with the Python in the checkout's ``.venv`` where there is
one; otherwise with this Python and the checkout first on its path. Which of a pair runs first is drawn anew for each
pair: the test of ``harness compare`` rests on that. How many pairs is decided before: who looks and goes on until
something shows will find something sooner or later.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.bench.analysis.statistics import LEAST_RUNS
from harness.bench.matrix.pytest_session import run_session
from harness.errors import HarnessError, SettingsError


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.bench.matrix.interleave",
        description="Run the benchmarks of two checkouts in turns; harness compare reads what comes out.",
    )
    parser.add_argument("checkouts", type=Path, nargs=2, metavar="CHECKOUT", help="directories; the first is the base")
    parser.add_argument("--pairs", type=int, default=12, help="runs of each (default: 12)")
    parser.add_argument("--output", type=Path, default=Path("results"), help="gets a directory a checkout")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=["benchmarks"], help="pytest's arguments, last")
    options = parser.parse_args(arguments)
    try:
        alternate(options.checkouts, options.pairs, options.output, options.pytest)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def alternate(checkouts: Sequence[Path], pairs: int, output: Path, arguments: Sequence[str]) -> None:
    """Run the benchmarks of two checkouts in turns, and write ``OUTPUT/<checkout's name>/<pair>.json``.

    :param arguments: those of pytest, the same for both, as seen from the checkout.
    :raises SettingsError: the pairs are too few for a verdict, the checkouts have the same name, or there are results.
    :raises ResultsError: a run failed; what was measured before is kept.
    """
    _check(checkouts, pairs, output)
    for pair in range(1, pairs + 1):
        for checkout in random.SystemRandom().sample(checkouts, 2):
            print(f"pair {pair} of {pairs}: {checkout.resolve().name}", flush=True)
            run(checkout, output / checkout.resolve().name / f"{pair:03}.json", arguments)


def _check(checkouts: Sequence[Path], pairs: int, output: Path) -> None:
    if pairs < LEAST_RUNS:
        raise SettingsError(f"--pairs is {pairs}, and a verdict needs {LEAST_RUNS}.", fix="give more pairs")
    if len({checkout.resolve().name for checkout in checkouts}) < len(checkouts):
        raise SettingsError(
            f"Both checkouts are called {checkouts[0].resolve().name}.", fix="give their directories different names"
        )
    if any(output.rglob("*.json")):
        raise SettingsError(
            f"{output} has results, which would be mixed up.", fix="delete it, or give another --output"
        )


def run(checkout: Path, result: Path, arguments: Sequence[str]) -> None:
    """Run the benchmarks of one checkout once and write their results into a file.

    :raises ResultsError: as :func:`harness.bench.matrix.pytest_session.run_session` does.
    """
    own = checkout / ".venv" / "bin" / "python"
    python = own.absolute() if own.exists() else sys.executable
    run_session(python, checkout, arguments, result, environment=os.environ | {"PYTHONPATH": str(checkout.resolve())})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
