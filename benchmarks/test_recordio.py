"""RecordIO-protobuf: this project's reader and writer compared with copies of the same bytes and the protobuf package.

``MB/s`` is of the stream. The protobuf package gets fewer rows, as it takes longer.
"""

import numpy as np
import pytest
from scipy import sparse

from harness import recordio
from harness.bench.results.extra_info import ExtraInfo
from harness.bench.results.provenance import data_hash
from harness.recordio import frames
from harness.recordio.schema import Record
from harness.recordio.strict import read_strictly

ROWS = {"harness": 20_000, "copy": 20_000, "protobuf": 1_000}
FORMS = {"dense, 784 columns": (784, None), "sparse, 157 values": (784, 0.2), "sparse, 50 values": (10_000, 0.005)}


@pytest.fixture(scope="module", params=FORMS)
def table(request):
    """Features and labels of 20,000 rows."""
    width, density = FORMS[request.param]
    labels = np.arange(ROWS["harness"], dtype=np.float32)
    if density is None:
        return np.random.default_rng(1).random((len(labels), width), np.float32), labels
    return sparse.random(len(labels), width, density, "csr", np.float32, 1), labels


def parse_with_harness(stream):
    """Return the rows in new memory, as the other readers do."""
    features = recordio.parse(stream).features
    return features.copy() if isinstance(features, np.ndarray) else features


def parse_with_protobuf(stream):
    return read_strictly(frames.find(np.frombuffer(stream, np.uint8)), None).features


def copied(stream):
    return np.frombuffer(stream, np.uint8).copy()


PARSERS = {"harness": parse_with_harness, "copy": copied, "protobuf": parse_with_protobuf}


@pytest.mark.benchmark(group="read RecordIO-protobuf")
@pytest.mark.parametrize("reader", PARSERS)
def test_reading_records(benchmark, table, reader):
    features, labels = (part[: ROWS[reader]] for part in table)
    stream = recordio.encode(features, labels)
    result = benchmark.pedantic(PARSERS[reader], args=(stream,), rounds=7, warmup_rounds=1)
    assert len(result) == len(stream) if reader == "copy" else result.shape == features.shape
    note_speed(benchmark, stream, len(labels))


def write_with_protobuf(features, labels):
    parts = []
    for number, label in enumerate(labels.tolist()):
        record = Record()
        tensor = record.features["values"].float32_tensor
        row = features[number]
        if sparse.issparse(row):
            tensor.keys.extend(row.indices)
            tensor.shape.append(row.shape[1])
        tensor.values.extend(row.data if sparse.issparse(row) else row)
        record.label["values"].float32_tensor.values.append(label)
        payload = record.SerializeToString()
        parts.append(frames.HEAD.pack(frames.MAGIC, len(payload)) + payload + bytes(-len(payload) % 4))
    return b"".join(parts)


@pytest.mark.benchmark(group="write RecordIO-protobuf")
@pytest.mark.parametrize("writer", ["harness", "copy", "protobuf"])
def test_writing_records(benchmark, table, writer):
    features, labels = (part[: ROWS[writer]] for part in table)
    stream = recordio.encode(features, labels)
    if writer == "copy":
        benchmark.pedantic(copied, args=(stream,), rounds=7, warmup_rounds=1)
    else:
        write = recordio.encode if writer == "harness" else write_with_protobuf
        assert benchmark.pedantic(write, args=(features, labels), rounds=7, warmup_rounds=1) == stream
    note_speed(benchmark, stream, len(labels))


def note_speed(benchmark, stream, rows):
    benchmark.extra_info.update(ExtraInfo(rows=rows, bytes=len(stream), dataset=data_hash(stream)).as_json())
    if benchmark.stats:
        benchmark.extra_info["MB/s"] = round(len(stream) / 1e6 / benchmark.stats.stats.median, 1)
        benchmark.extra_info["rows/s"] = round(rows / benchmark.stats.stats.median)
