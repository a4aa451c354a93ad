"""Error rates of comparisons: ``python -m benchmarks.aa.calibration FILE``.

``benchmarks/aa/recording.py`` records blocks of three rounds, in an order drawn at random: A and B do the same, S is
10 % slower. Here they are cut into comparisons, one after the other, each of as many blocks as the recording says. No
round is in two comparisons of the same kind, so that these are as independent as the machine lets them be; A against B
and A against S share their A. What differs from comparing two commits: all rounds are of one process, so that how
processes differ is not seen.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pytest_benchmark.utils import PercentageRegressionCheck
from scipy.stats import binomtest

from harness.bench.analysis.statistics import Array, Effect, Pairs, Runs, Verdict, judge
from harness.errors import ResultsError


class Comparison(NamedTuple):
    """Seconds of the rounds of three sides, each of shape (pairs,)."""

    a: Array
    b: Array
    s: Array


class Way(NamedTuple):
    """A way to compare."""

    name: str
    alarm: Callable[[Array, Array], bool]
    """True if it reports the second side as slower, or as different if it can report that."""


class Rate(NamedTuple):
    """Counts of false alarms and of differences found, for one way to compare."""

    way: str
    false_alarms: int
    found: int
    comparisons: int


def main(arguments: Sequence[str]) -> int:
    """Print the rates of a recording, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aa.calibration", description=__doc__)
    parser.add_argument("recording", type=Path, metavar="FILE")
    parser.add_argument("--pairs", type=int, help="pairs of a comparison (default: what the recording was made for)")
    parser.add_argument(
        "--rounds", type=int, default=1, help="rounds of a run, which counts by its median (default: 1)"
    )
    options = parser.parse_args(arguments)
    try:
        print("\n".join(table(*read_recording(options.recording, options.pairs, options.rounds))))
    except ResultsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def read_recording(
    path: Path, pairs: int | None = None, rounds: int = 1
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the description of a recording, and its blocks.

    :param pairs: how many make a comparison; as the recording says by default.
    :param rounds: how many blocks in a row are taken for one, each side by its median, as ``harness compare`` does
        with the rounds of a run.
    :raises ResultsError: it is no recording, or is shorter than one comparison.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            about, *blocks = map(json.loads, lines)
        about |= {"pairs": pairs or about["pairs"], "rounds": rounds}
        whole = all({"A", "B", "S"} <= block.keys() for block in blocks)
        enough = whole and len(blocks) >= about["pairs"] * rounds > 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path} is no recording: {error}.", fix="make one with benchmarks/aa/recording.py"
        ) from error
    if not enough:
        raise ResultsError(f"{path} has no complete comparison.", fix="record for longer")
    return about, [_run(blocks[start : start + rounds]) for start in range(0, len(blocks) - rounds + 1, rounds)]


def _run(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return several blocks as one: medians of the sides, other values of the first block."""
    return blocks[0] | {side: float(np.median([block[side] for block in blocks])) for side in "ABS"}


def cut(blocks: Sequence[dict[str, Any]], pairs: int) -> Iterator[Comparison]:
    """Yield comparisons of ``size`` consecutive blocks; remaining blocks at the end are not used."""
    for start in range(0, len(blocks) - pairs + 1, pairs):
        part = blocks[start : start + pairs]
        yield Comparison(*(np.array([block[side] for block in part]) for side in "ABS"))


def rates(comparisons: Sequence[Comparison]) -> list[Rate]:
    """Return for each way to compare how often it is wrong about A and B, and right about A and S.

    First with alternating rounds, as recorded. Then as if one side had been run after the other, as is usual: A of one
    comparison, and the other sides of the next.
    """
    apart = [Comparison(one.a, two.b, two.s) for one, two in pairwise(comparisons)]
    return [
        *(_rate(way, comparisons, "alternating") for way in [*_ours(Pairs), *_FIXED]),
        *(_rate(way, apart, "one after the other") for way in [*_ours(Runs), *_FIXED]),
    ]


def _rate(way: Way, comparisons: Sequence[Comparison], order: str) -> Rate:
    wrong = sum(way.alarm(one.a, one.b) for one in comparisons)
    return Rate(f"{way.name}, {order}", wrong, sum(way.alarm(one.a, one.s) for one in comparisons), len(comparisons))


def _ours(sample: type[Pairs] | type[Runs]) -> list[Way]:
    """Return our verdict, for which faster is an alarm too, and our gate, which reports only slower."""

    def effect(base: Array, other: Array) -> Effect:
        return judge([sample.of(base, other)])[0]

    def differs(base: Array, other: Array) -> bool:
        return effect(base, other).verdict in (Verdict.FASTER, Verdict.SLOWER)

    return [
        Way("harness compare", differs),
        Way("harness compare --fail-on 5%", lambda base, other: effect(base, other).slower_than(0.05)),
    ]


def _fixed(percent: int) -> Way:
    """Return pytest-benchmark's own check of the means, which alarms for slower only."""
    check: Any = PercentageRegressionCheck("mean", percent)  # type: ignore[no-untyped-call]
    return Way(f"mean:{percent}%", lambda base, other: bool(check.fails({"mean": other.mean()}, {"mean": base.mean()})))


_FIXED = (_fixed(5), _fixed(10))


def table(about: dict[str, Any], blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table of the rates, after the description of the recording."""
    comparisons = list(cut(blocks, about["pairs"]))
    noise = np.concatenate([np.log(one.b / one.a) for one in comparisons])
    spread = np.subtract(*np.percentile(noise, [75, 25]))
    load = np.percentile([block["load"] for block in blocks], [50, 5, 95])
    yield f"{about['work']} of {about['rows']} rows, {about['cores']} cores, commit {about['commit'][:10]}"
    yield f"{blocks[0]['at']} to {blocks[-1]['at']}, load {load[0]:.1f} ({load[1]:.1f} to {load[2]:.1f})"
    pair = f"pairs of medians of {about['rounds']} rounds" if about["rounds"] > 1 else "pairs"
    yield f"{len(comparisons)} comparisons of {about['pairs']} {pair}; median round {_median(comparisons) * 1e3:.0f} ms"
    yield f"log ratio of A and B in a pair: interquartile range {spread:.1%}, standard deviation {noise.std():.1%}\n"
    yield f"| way to compare | false alarms | {about['slowdown']:.0%} slowdown found |"
    yield "| --- | ---: | ---: |"
    for rate in rates(comparisons):
        yield f"| {rate.way} | {_share(rate.false_alarms, rate)} | {_share(rate.found, rate)} |"


def _median(comparisons: Sequence[Comparison]) -> float:
    return float(np.median(np.concatenate([one.a for one in comparisons])))


def _share(count: int, rate: Rate) -> str:
    """Return ``3 of 300: 1.0 % (0.2 to 2.9)``, with the 95 % interval of Clopper and Pearson."""
    interval = binomtest(count, rate.comparisons).proportion_ci()
    low, high = interval.low * 100, interval.high * 100
    return f"{count} of {rate.comparisons}: {count / rate.comparisons * 100:.1f} % ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
