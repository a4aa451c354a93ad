"""Detection rate of change points: without a change, and with a 10 % slowdown."""

import numpy as np
import pytest

from harness.bench.analysis.changepoints import stretches

HISTORIES = 600


def drawn(runs, noise, memory, seed):
    """Return medians with normal noise on their logarithm; each run keeps a share ``memory`` of the previous noise."""
    noises = noise * np.random.default_rng(seed).normal(size=runs)
    for run in range(1, runs):
        noises[run] += memory * noises[run - 1]
    return 0.1 * np.exp(noises)


def share_changed(runs, noise, memory=0.0, slower_after=None):
    """Return the share of histories in which a change is found."""
    found = 0
    for seed in range(HISTORIES):
        medians = drawn(runs, noise, memory, seed)
        if slower_after is not None:
            medians[-slower_after:] *= 1.1
        found += len(stretches(medians, range(runs))) > 1
    return found / HISTORIES


@pytest.mark.benchmark(group="changes in a history")
def test_changes_that_are_none(benchmark, record_value):
    benchmark.pedantic(share_changed, args=(100, 0.05))
    for memory in (0.0, 0.3):
        for runs in (30, 60, 200):
            record_value(f"false, {runs} runs, memory {memory:g}", f"{share_changed(runs, 0.05, memory):.1%}")


@pytest.mark.benchmark(group="changes in a history")
def test_slowdowns_of_ten_percent(benchmark, record_value):
    benchmark.pedantic(share_changed, args=(100, 0.05, 0.0, 30))
    for noise in (0.03, 0.05):
        for after in (8, 15, 30):
            record_value(
                f"found, noise {noise:.0%}, {after} of 100 runs after", f"{share_changed(100, noise, 0.0, after):.1%}"
            )
