"""RecordIO-protobuf: every stream is read as the protobuf package reads it, or refused with the record's number."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from harness import recordio
from harness.recordio import RecordError, dataset, frames, reader, strict, writer
from harness.recordio.schema import Record

FLOATS = st.floats(width=32)
HEAD = struct.Struct("<II")


@st.composite
def tables(draw):
    """Return features and labels, dense or sparse, with columns whose keys take 1 to 4 bytes."""
    rows = draw(st.integers(1, 6))
    width = draw(st.sampled_from([1, 2, 5, 127, 128, 129, 300, 20_000, 3_000_000]))
    if width <= 300 and draw(st.booleans()):
        features = draw(arrays(np.float32, (rows, width), elements=FLOATS, fill=FLOATS))
    else:
        found = [draw(st.dictionaries(st.integers(0, width - 1), FLOATS, max_size=8)) for _ in range(rows)]
        features = csr([dict(sorted(row.items())) for row in found], width)
    labels = draw(st.none() | arrays(np.float32, rows, elements=FLOATS))
    return features, labels


def csr(rows, width):
    keys = [key for row in rows for key in row]
    ends = np.cumsum([0, *map(len, rows)])
    values = np.array([value for row in rows for value in row.values()], np.float32)
    return sparse.csr_matrix((values, keys, ends), (len(rows), width), np.float32)


def bits(features, labels):
    """Return the rows for comparison: NaN equals itself, -0.0 differs from 0.0, and stored zeros count."""
    label = None if labels is None else np.where(np.isnan(labels), np.nan, labels).tobytes()
    if isinstance(features, np.ndarray):
        return features.shape, np.where(np.isnan(features), np.nan, features).tobytes(), label
    values = np.where(np.isnan(features.data), np.nan, features.data).tobytes()
    return features.shape, values, features.indices.tolist(), features.indptr.tolist(), label


def result(read, data):
    """Return the rows, or the error, as something to compare."""
    try:
        rows = read(data)
    except RecordError as error:
        return str(error)
    return bits(rows.features, rows.labels)


def slowly(data):
    return strict.read_strictly(frames.find(np.frombuffer(data, np.uint8)), None)


def frame(record):
    payload = record if isinstance(record, bytes) else record.SerializeToString()
    return HEAD.pack(frames.MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)


def row(values=(), keys=(), shape=(), label=(), key="values", kind="float32_tensor"):
    record = Record()
    tensor = getattr(record.features[key], kind)
    tensor.values.extend(values)
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    if label:
        record.label["values"].float32_tensor.values.extend(label)
    return record


# ---- both directions


@given(tables())
def test_rows_come_back_bit_by_bit(table):
    features, labels = table
    rows = recordio.parse(recordio.encode(features, labels))
    some = isinstance(features, np.ndarray) or features.nnz < features.shape[0] * features.shape[1]
    if some:  # a sparse row that holds every column is still sparse, since it has keys
        assert bits(rows.features, rows.labels) == bits(features, labels)


@given(tables())
def test_both_readers_agree(table):
    data = recordio.encode(*table)
    assert result(recordio.parse, data) == result(slowly, data)


@given(tables(), st.data())
def test_both_readers_agree_on_a_damaged_stream(table, data):
    stream = bytearray(recordio.encode(*table))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(stream) - 1, 60)) | st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
    cut = bytes(stream[: data.draw(st.just(len(stream)) | st.integers(1, len(stream)))])
    assert result(recordio.parse, cut) == result(slowly, cut)


@given(st.binary(max_size=200))
def test_any_payload_is_read_or_refused(payload):
    assert result(recordio.parse, frame(payload)) == result(slowly, frame(payload))


@given(tables())
def test_the_protobuf_package_reads_the_rows_that_are_written(table):
    features, labels = table
    data = recordio.encode(features, labels)
    found = frames.find(np.frombuffer(data, np.uint8))
    for number, (start, length) in enumerate(zip(found.starts, found.lengths, strict=True)):
        record = Record.FromString(data[start : start + length])
        assert record.SerializeToString(deterministic=True) == data[start : start + length]
        assert bool(record.label) == (labels is not None), number


@given(tables(), st.integers(1, 4))
def test_a_stream_in_batches_has_the_same_rows(table, size):
    features, labels = table
    found = list(recordio.batches(io.BytesIO(recordio.encode(features, labels)), size))
    assert [len(batch) for batch in found[:-1]] == [size] * (len(found) - 1)
    whole = np.concatenate([np.asarray(sparse.csr_matrix(batch.features).sum(axis=1)) for batch in found])
    assert whole.tobytes() == np.asarray(sparse.csr_matrix(features).sum(axis=1)).tobytes() or np.isnan(whole).any()


def test_aligned_dense_rows_are_a_view_of_the_body():
    body = recordio.encode(np.ones((3, 784), np.float32))
    assert not recordio.parse(body).features.flags.writeable
    assert np.shares_memory(recordio.parse(body).features, np.frombuffer(body, np.uint8))


def test_rows_of_files_are_joined_and_may_be_written_to(tmp_path):
    (tmp_path / "a").write_bytes(recordio.encode(np.ones((2, 3), np.float32)))
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "c").write_bytes(recordio.encode(np.zeros((1, 3), np.float32)))
    features = recordio.read(sorted(tmp_path.iterdir())).features
    features[0, 0] = 5
    assert features.tolist() == [[5, 1, 1], [1, 1, 1], [0, 0, 0]]


def test_the_rows_of_a_file_are_copied_once_and_may_be_written_to(tmp_path):
    rows = np.ones((2000, 500), np.float32)
    (tmp_path / "a").write_bytes(recordio.encode(rows, np.ones(2000, np.float32)))
    tracemalloc.start()
    read = recordio.read([tmp_path / "a"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * rows.nbytes
    read.features[0, 0] = read.labels[0] = 5


def test_parts_are_released_once_their_rows_are_joined():
    parts = [dataset.Records(np.full((2, 3), value, np.float32)) for value in range(3)]
    assert dataset.joined(parts, None).features[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert not parts


def test_more_values_than_32_bits_count_have_64_bit_ends():
    ends = np.array([0, 1 << 31])
    matrix = dataset.csr(np.empty(0, np.float32), np.empty(0, np.int32), ends, 5)
    assert (matrix.indptr[-1], matrix.indptr.dtype, matrix.indices.dtype) == (1 << 31, np.int64, np.int64)
    assert dataset.csr(np.ones(1), np.zeros(1), np.array([0, 1]), 5).indptr.dtype == np.int32


def test_a_stream_of_dense_and_sparse_rows_is_sparse():
    rows = recordio.parse(frame(row([1, 0])) + frame(row([7], [1], [2])) + frame(row(shape=[2])))
    assert rows.features.toarray().tolist() == [[1, 0], [0, 7], [0, 0]]
    assert rows.features.nnz == 3


def test_a_row_of_zeros_has_its_shape_only():
    data = recordio.encode(sparse.csr_matrix((1, 5), dtype=np.float32))
    assert data[8:].rstrip(b"\0") == row(shape=[5]).SerializeToString()


def test_fields_that_no_algorithm_uses_are_skipped():
    record = row([1, 2], label=[3])
    record.uid, record.metadata, record.configuration = "id", "{}", "{}"
    assert recordio.parse(frame(record)).features.tolist() == [[1, 2]]


def test_more_rows_than_are_read_at_a_time_are_joined(monkeypatch):
    monkeypatch.setattr(reader, "_PART", 100)
    monkeypatch.setattr(writer, "_VALUES", 2)
    rows = sparse.csr_matrix(np.arange(10, dtype=np.float32).reshape(5, 2))
    assert recordio.parse(recordio.encode(rows)).features.toarray().tolist() == rows.toarray().tolist()
    other = recordio.encode(sparse.csr_matrix((1, 3), dtype=np.float32))
    with pytest.raises(RecordError, match=r"^record 6: it has 3 columns, expected 2"):
        recordio.parse(recordio.encode(rows) + other)


def test_answers_have_one_record_for_each_row():
    data = recordio.encode_answers({"score": np.array([[1, 2], [3, 4]]), "predicted_label": np.array([1, 0])})
    found = frames.find(np.frombuffer(data, np.uint8))
    records = [
        Record.FromString(data[start : start + size]) for start, size in zip(found.starts, found.lengths, strict=True)
    ]
    assert [list(record.label["score"].float32_tensor.values) for record in records] == [[1, 2], [3, 4]]
    assert [list(record.label["predicted_label"].float32_tensor.values) for record in records] == [[1], [0]]


# ---- refusals


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (row([1, 2, 3], label=[1]), "it has 3 columns, expected 2"),
        (row([1, 2]), "it has no label, unlike those before it"),
        (row([1, 2], label=[1, 2]), "its label has 2 values; a label is one number without keys"),
        (row([1, 2], [1, 0], [2], label=[1]), "its keys do not ascend: 0 follows 1"),
        (row([1, 2], [0, 0], [2], label=[1]), "its keys do not ascend: 0 follows 0"),
        (row([1], [2], [2], label=[1]), r"its key 2 is outside its shape \[2\]"),
        (row([1], [1 << 63], [2], label=[1]), r"its key 9223372036854775808 is outside its shape \[2\]"),
        (row([1], [0, 1], [2], label=[1]), "it has 2 keys and 1 values"),
        (row([], [0], [2], label=[1]), "it has 1 keys and 0 values"),
        (row([1], [0], [], label=[1]), "it has keys but no shape"),
        (row([1, 2], [], [3], label=[1]), r"its shape is \[3\], but it has 2 values"),
        (row([1, 2], [], [1, 2], label=[1]), "its shape has 2 dimensions; a row has one"),
        (row([], [], [1 << 40], label=[1]), r"its shape is \[1099511627776\]; at most 2147483647 columns"),
        (row(label=[1]), "it has no values"),
        (row([], [], [0], label=[1]), "it has no values"),
        (row([1.5, 2], kind="float64_tensor"), r'features\["values"\] has float64_tensor; only Float32'),
        (row([1, 2], kind="int32_tensor"), r'features\["values"\] has int32_tensor; only Float32'),
        (row([1, 2], key="other"), r'it has features\["other"\]; only "values" is read'),
        (Record(), r'it has no features\["values"\]'),
        (b"\xff\xff", "its payload is not a Record message"),
    ],
)
def test_a_record_that_is_not_one_row_is_refused_by_its_number(record, message):
    with pytest.raises(RecordError, match=f"^record 2: {message}"):
        recordio.parse(frame(row([1, 2], label=[1])) + frame(record))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "record 2: its frame is truncated: 28 bytes, of which 27 are there"),
        (lambda data: data[:32], "record 2: the stream ends after 4 of the frame's first 8 bytes"),
        (lambda data: data + b"PK", "record 3: the stream ends after 2 of the frame's first 8 bytes"),
        (lambda data: data[:28] + b"PK\3\4" + data[32:], "record 2: its frame starts with 0x04034b50, not with 0xced"),
        (lambda data: data[:35] + b"\x20" + data[36:], "record 2: it is one part of several"),
    ],
    ids=["cut", "head", "rest", "magic", "part"],
)
def test_a_broken_frame_is_refused_by_its_number(damage, message):
    data = damage(recordio.encode(np.ones((2, 1), np.float32)))
    with pytest.raises(RecordError, match=f"^{message}"):
        recordio.parse(data)
    with pytest.raises(RecordError, match=f"^{message}"):
        list(recordio.batches(io.BytesIO(data), 1))


def test_an_error_in_a_file_names_the_file(tmp_path):
    (tmp_path / "part-0.pbr").write_bytes(recordio.encode(np.ones((2, 3), np.float32)))
    (tmp_path / "part-1.pbr").write_bytes(recordio.encode(np.ones((2, 4), np.float32)))
    with pytest.raises(RecordError, match=r"part-1\.pbr, record 1: it has 4 columns, expected 3") as caught:
        recordio.read(sorted(tmp_path.iterdir()))
    assert caught.value.widths == (4, 3)


def test_rows_have_the_width_that_is_asked_for():
    with pytest.raises(RecordError, match=r"^record 1: it has 2 columns, expected 3"):
        recordio.parse(recordio.encode(np.ones((1, 2), np.float32)), width=3)


def test_the_magic_number_among_the_values_is_no_frame():
    magic = np.frombuffer(struct.pack("<I", frames.MAGIC) * 6, np.float32).reshape(2, 3)
    assert recordio.parse(recordio.encode(magic)).features.tobytes() == magic.tobytes()


@pytest.mark.parametrize("features", [np.ones((1, 2)), np.ones(2, np.float32), np.ones((2, 0), np.float32)])
def test_features_of_another_type_or_shape_are_not_written(features):
    with pytest.raises(ValueError, match="features are float32 with two dimensions"):
        recordio.encode(features)


def test_a_length_that_is_not_there_takes_no_memory():
    head = HEAD.pack(frames.MAGIC, (1 << 29) - 1)
    with pytest.raises(RecordError, match=r"^record 1: its frame is truncated"):
        list(recordio.batches(io.BytesIO(head), 10))
