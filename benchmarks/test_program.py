"""The whole ``harness mnist`` compared with the sum of its unavoidable parts, alternating on the same machine."""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from harness import mnist
from harness.bench.results.provenance import mnist_hash

ROUNDS = 3
BARE = Path(__file__).with_name("bare_parts.py")


def run_whole(output):
    """Run the program on all of MNIST; return its wall-clock seconds and its seconds by stage."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "harness", "mnist", "--no-cache", "--output", output], check=True, capture_output=True
    )
    seconds = time.perf_counter() - began
    return seconds, json.loads(Path(output, "report.json").read_text())["stages"]


def run_bare():
    """Run the parts bare; return the seconds of each."""
    done = subprocess.run([sys.executable, BARE], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.benchmark(group="program")
def test_the_whole_program_beside_its_bare_parts(benchmark, record_value, record_work, tmp_path):
    bare = []
    stages = []

    def whole():
        stages.append(run_whole(tmp_path)[1])

    def before_each():
        bare.append(run_bare())

    benchmark.pedantic(whole, setup=before_each, rounds=ROUNDS)
    size = sum(len(chunk) for split in mnist.ROWS for chunk in mnist.libsvm(split))
    record_work(rows=sum(mnist.ROWS.values()), size=size, dataset=mnist_hash())
    sums = [sum(parts.values()) for parts in bare]
    record_value("ratio of the whole to its bare parts (median of rounds)", _ratios(benchmark.stats.stats.data, sums))
    record_value("bare parts, seconds", {part: round(median(parts[part] for parts in bare), 2) for part in bare[0]})
    record_value(
        "stages of the whole, seconds", {stage: round(median(run[stage] for run in stages), 2) for stage in stages[0]}
    )


def _ratios(whole, bare):
    return round(median(one / other for one, other in zip(whole, bare, strict=True)), 3)
