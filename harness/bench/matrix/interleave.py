"""Run the benchmarks of two checkouts alternately: ``python -m harness.bench.matrix.interleave BASE CHANGED …``.

Each run is a separate pytest, started in its checkout with the Python of the checkout's ``.venv``. Without ``.venv``,
it uses this Python with the checkout first on its path. The order within each pair is random, because the test of
``harness compare`` requires it. The number of pairs is fixed in advance: repeating runs until a difference appears
would find one sooner or later.
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
        description="Run the benchmarks of two checkouts alternately, for harness compare.",
    )
    parser.add_argument("checkouts", type=Path, nargs=2, metavar="CHECKOUT", help="directories; the first is the base")
    parser.add_argument("--pairs", type=int, default=12, help="runs of each (default: 12)")
    parser.add_argument("--output", type=Path, default=Path("results"), help="receives a directory for each checkout")
    parser.add_argument(
        "--pytest", nargs=argparse.REMAINDER, default=["benchmarks"], help="arguments of pytest; last option"
    )
    options = parser.parse_args(arguments)
    try:
        alternate(options.checkouts, options.pairs, options.output, options.pytest)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def alternate(checkouts: Sequence[Path], pairs: int, output: Path, arguments: Sequence[str]) -> None:
    """Run the benchmarks of two checkouts alternately, and write ``OUTPUT/<name of checkout>/<pair>.json``.

    :param arguments: arguments of pytest for both, relative to the checkout.
    :raises SettingsError: the pairs are too few for a verdict, the checkouts have the same name, or results exist.
    :raises ResultsError: a run failed; earlier results are kept.
    """
    _check(checkouts, pairs, output)
    for pair in range(1, pairs + 1):
        for checkout in random.SystemRandom().sample(checkouts, 2):
            print(f"pair {pair} of {pairs}: {checkout.resolve().name}", flush=True)
            run(checkout, output / checkout.resolve().name / f"{pair:03}.json", arguments)


def _check(checkouts: Sequence[Path], pairs: int, output: Path) -> None:
    if pairs < LEAST_RUNS:
        raise SettingsError(f"--pairs is {pairs}, but a verdict needs {LEAST_RUNS}.", fix="give more pairs")
    if len({checkout.resolve().name for checkout in checkouts}) < len(checkouts):
        raise SettingsError(
            f"Both checkouts are called {checkouts[0].resolve().name}.", fix="give their directories different names"
        )
    if any(output.rglob("*.json")):
        raise SettingsError(f"{output} already has results.", fix="delete it, or give another --output")


def run(checkout: Path, result: Path, arguments: Sequence[str]) -> None:
    """Run the benchmarks of one checkout once and write their results into a file.

    :raises ResultsError: as :func:`harness.bench.matrix.pytest_session.run_session` does.
    """
    own = checkout / ".venv" / "bin" / "python"
    python = own.absolute() if own.exists() else sys.executable
    run_session(python, checkout, arguments, result, environment=os.environ | {"PYTHONPATH": str(checkout.resolve())})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
