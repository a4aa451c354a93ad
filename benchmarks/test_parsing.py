"""LibSVM request bodies: this project's reader beside scikit-learn's, on a batch such as the Spark SDK sends."""

import io

import numpy as np
import pytest
from sklearn.datasets import load_svmlight_file

from harness import libsvm

ROWS, FEATURES = 815, 784


@pytest.fixture(scope="module")
def batch():
    """A dense batch of 5.2 MB in the form of the SDK's row serializer, four pixels of five being zero as in MNIST."""
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (ROWS, FEATURES)) * (random.random((ROWS, FEATURES)) < 0.19)
    lines = ["0.0" + "".join(f" {j + 1}:{float(value)}" for j, value in enumerate(row)) for row in pixels.tolist()]
    return "".join(f"{line}\n" for line in lines).encode()


def parse_with_harness(text):
    return libsvm.parse(text, features=FEATURES, dtype=np.float32).features


def parse_with_scikit_learn(text):
    return load_svmlight_file(io.BytesIO(text), n_features=FEATURES, dtype=np.float32, zero_based=False)[0].toarray()


@pytest.mark.benchmark(group="parse a dense batch of 5.2 MB")
@pytest.mark.parametrize("parse", [parse_with_harness, parse_with_scikit_learn], ids=["harness", "scikit-learn"])
def test_parsing_a_request(benchmark, batch, parse):
    features = benchmark(parse, batch)
    assert features.shape == (ROWS, FEATURES)
    assert np.array_equal(features, parse_with_scikit_learn(batch))
    if benchmark.stats:
        benchmark.extra_info["MB/s"] = round(len(batch) / 1e6 / benchmark.stats.stats.median, 1)
