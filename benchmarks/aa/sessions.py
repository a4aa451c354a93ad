"""False alarms of ``harness compare --by``: ``python -m benchmarks.aa.sessions DIRECTORY``.

The directory has one file for each session of ``benchmarks/aa/same.py``, whose two variants do the same. Each session
is judged alone, where its blocks are the units. Then eight sessions are judged at a time, where they are the units.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from scipy.stats import binomtest

from harness.bench.analysis.statistics import LEAST_RUNS, Verdict
from harness.bench.analysis.variants import By, compare_variants
from harness.errors import ResultsError


def main(arguments: Sequence[str]) -> int:
    """Print the verdicts on a directory of sessions, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aa.sessions", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    options = parser.parse_args(arguments)
    files = sorted(options.directory.glob("*.json"))
    if not files:
        error = ResultsError(f"{options.directory} has no session.", fix="make some with benchmarks/aa/same.py")
        print(error, file=sys.stderr)
        return error.exit_code
    print("\n".join(table(files)))
    return 0


def table(files: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of a Markdown table of the verdicts by the number of sessions that are judged together."""
    yield "| judged together | units | false alarms | same | inconclusive |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for size, units in ((1, "blocks"), (LEAST_RUNS, "sessions")):
        parts = [files[start : start + size] for start in range(0, len(files) - size + 1, size)]
        if parts:
            found = Counter(verdict(part) for part in parts)
            alarms = found[Verdict.FASTER] + found[Verdict.SLOWER]
            rest = f"{found[Verdict.SAME]} | {found[Verdict.INCONCLUSIVE]}"
            yield f"| {size} | {units} | {_share(alarms, len(parts))} | {rest} |"


def verdict(files: Sequence[Path]) -> Verdict:
    """Return the verdict on the variants in some sessions."""
    [versus] = compare_variants(files, By("side"))
    [row] = versus.rows
    return row.verdict


def _share(count: int, of: int) -> str:
    """Return ``1 of 100: 1.0 % (0.0 to 5.4)``, with the 95 % interval of Clopper and Pearson."""
    interval = binomtest(count, of).proportion_ci()
    return f"{count} of {of}: {count / of * 100:.1f} % ({interval.low * 100:.1f} to {interval.high * 100:.1f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
