"""LibSVM: this project's reader and writer compared with scikit-learn's and XGBoost's, on MNIST and on a request.

A row's ``MB/s`` and ``rows/s`` are of text; ``peak/result`` is the memory that reading takes beyond what the process
had before, in multiples of the matrix that comes out, measured in a separate process.
"""

import io
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import xgboost as xgb
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from harness import libsvm, mnist
from harness.bench.results.extra_info import ExtraInfo
from harness.bench.results.provenance import data_hash, mnist_hash
from harness.libsvm.dataset import to_csr

FEATURES = mnist.FEATURES
REQUEST_ROWS, DENSE_ROWS = 815, 10_000


@pytest.fixture(scope="module")
def request_text():
    """A dense batch of 5.2 MB in the form of the SDK's row serializer, with 80 % zeros, as in MNIST."""
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (REQUEST_ROWS, FEATURES)) * (random.random((REQUEST_ROWS, FEATURES)) < 0.19)
    lines = ["0.0" + "".join(f" {j + 1}:{float(value)}" for j, value in enumerate(row)) for row in pixels.tolist()]
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """MNIST's 60,000 rows as in Amazon's sample bucket, and 10,000 rows with all zeros written."""
    directory = tmp_path_factory.mktemp("mnist")
    files = {"sparse": directory / "sparse.libsvm", "dense": directory / "dense.libsvm"}
    with files["sparse"].open("wb") as stream:
        stream.writelines(mnist.libsvm("train"))
    digits = mnist.load("train", DENSE_ROWS)
    libsvm.write(files["dense"], digits.labels, digits.images)
    return files


def parse_with_harness(text):
    return libsvm.parse(text, features=FEATURES, dtype=np.float32).features


def parse_with_scikit_learn(text):
    return load_svmlight_file(io.BytesIO(text), n_features=FEATURES, dtype=np.float32, zero_based=False)[0].toarray()


@pytest.mark.benchmark(group="parse a dense request of 5.2 MB")
@pytest.mark.parametrize("parse", [parse_with_harness, parse_with_scikit_learn], ids=["harness", "scikit-learn"])
def test_parsing_a_request(benchmark, request_text, parse):
    features = benchmark(parse, request_text)
    assert features.shape == (REQUEST_ROWS, FEATURES)
    assert np.array_equal(features, parse_with_scikit_learn(request_text))
    note_speed(benchmark, len(request_text), REQUEST_ROWS, dataset=data_hash(request_text))


def read_with_harness(path):
    return libsvm.read(path, FEATURES).features


def read_with_scikit_learn(path):
    return load_svmlight_file(str(path), n_features=FEATURES, zero_based=False)[0]


def read_with_xgboost(path):
    return xgb.DMatrix(f"{path}?format=libsvm&indexing_mode=1")


READERS = {"harness": read_with_harness, "scikit-learn": read_with_scikit_learn, "xgboost": read_with_xgboost}


@pytest.mark.benchmark(group="read MNIST")
@pytest.mark.parametrize("form", ["sparse", "dense"])
@pytest.mark.parametrize("reader", READERS)
def test_reading_a_file(benchmark, texts, form, reader):
    result = benchmark.pedantic(READERS[reader], args=(texts[form],), rounds=3)
    rows = result.num_row() if reader == "xgboost" else result.shape[0]
    assert rows == (DENSE_ROWS if form == "dense" else mnist.ROWS["train"])
    note_speed(benchmark, texts[form].stat().st_size, rows)
    if reader == "harness" and sys.platform == "linux":
        benchmark.extra_info["peak/result"] = peak_over_result(texts[form])


def write_with_harness(stream, labels, features):
    libsvm.write(stream, labels, features)


def write_with_scikit_learn(stream, labels, features):
    dump_svmlight_file(features, labels, stream, zero_based=False)


@pytest.mark.benchmark(group="write 10,000 rows of MNIST")
@pytest.mark.parametrize("form", ["sparse", "dense"])
@pytest.mark.parametrize("write", [write_with_harness, write_with_scikit_learn], ids=["harness", "scikit-learn"])
def test_writing(benchmark, texts, form, write):
    """Both write the same text. scikit-learn omits an array's zeros, so it gets a matrix that stores them."""
    rows = libsvm.read(texts[form], FEATURES)
    features = rows.features[:DENSE_ROWS]
    if write is write_with_scikit_learn:
        features = to_csr(features, FEATURES)
    stream = io.BytesIO()
    benchmark.pedantic(
        lambda: write(stream, rows.labels[:DENSE_ROWS], features),
        setup=partial(rewound, stream),
        rounds=3,
    )
    assert len(libsvm.parse(stream.getvalue())) == DENSE_ROWS
    note_speed(benchmark, len(stream.getvalue()), DENSE_ROWS)


def rewound(stream):
    stream.seek(0)
    stream.truncate()


def note_speed(benchmark, size, rows, dataset=None):
    benchmark.extra_info.update(ExtraInfo(rows=rows, bytes=size, dataset=dataset or mnist_hash()).as_json())
    if benchmark.stats:
        benchmark.extra_info["MB/s"] = round(size / 1e6 / benchmark.stats.stats.median, 1)
        benchmark.extra_info["rows/s"] = round(rows / benchmark.stats.stats.median)


PEAK = """
import sys
from pathlib import Path
from harness import libsvm
libsvm.parse(b"1 1:2\\n1 7:3\\n")
def peak(): return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
matrix = libsvm.read(sys.argv[1], 784).features
parts = [matrix] if hasattr(matrix, "nbytes") else [matrix.data, matrix.indices, matrix.indptr]
print((peak() - before) / sum(part.nbytes for part in parts))
"""


def peak_over_result(path):
    return round(float(subprocess.check_output([sys.executable, "-c", PEAK, path], text=True)), 2)
