"""Two variants that do the same, for the false alarms of ``harness compare --by``; ``sessions.py`` counts them.

It is not collected with the benchmarks: run it by name, once for each session,

    pytest benchmarks/aa/same.py --harness-alternate 12 --benchmark-json aa/1.json
"""

import pytest

from harness import libsvm
from harness.bench.endpoints import bodies

ROUNDS = 10


@pytest.fixture(scope="module")
def text():
    """LibSVM text of 50 of MNIST's rows."""
    [text] = bodies(rows=50, count=1)
    return text


@pytest.mark.parametrize("side", ["A", "B"])
def test_parse(benchmark, text, side):  # noqa: ARG001 - the sides do not differ
    benchmark.pedantic(libsvm.parse, [text], rounds=ROUNDS, warmup_rounds=1)
