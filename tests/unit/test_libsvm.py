import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from harness import libsvm
from harness.errors import DataError, LibSVMError


def written(labels, features):
    stream = io.BytesIO()
    libsvm.write(stream, labels, features)
    return stream.getvalue()


def java_text(rows):
    """The text that the SDK's row serializer makes of dense vectors: Double.toString for label and values."""
    lines = ["0.0" + "".join(f" {j + 1}:{float(value)}" for j, value in enumerate(row)) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.fixture
def no_slow_path(monkeypatch):
    def fail(*_):
        raise AssertionError("the slow path was reached")

    monkeypatch.setattr(libsvm, "_read_line_by_line", fail)


def test_rows_that_hold_every_index_are_dense():
    rows = libsvm.parse(b"1 1:2 2:0\n0.5 1:-1 2:3.5\n")
    assert rows.labels.tolist() == [1, 0.5]
    assert rows.features.tolist() == [[2, 0], [-1, 3.5]]


def test_other_rows_are_sparse_and_keep_their_zeros():
    rows = libsvm.parse(b"1 2:0 4:1\n0 1:3\n")
    assert sparse.issparse(rows.features)
    assert rows.features.shape == (2, 4)
    assert rows.features.indices.tolist() == [1, 3, 0]
    assert rows.features.data.tolist() == [0, 1, 3]


@pytest.mark.parametrize("text", [b"1 1:2\n3 1:4", b"1 1:2\n3 1:4\n"])
def test_the_last_newline_is_optional(text):
    assert libsvm.parse(text).features.tolist() == [[2], [4]]


@pytest.mark.parametrize(("text", "rows"), [(b"", 0), (b"1", 1), (b"1\n2\n", 2), (b"1\n2 1:5\n3", 3)])
def test_every_line_is_one_row_also_without_features(text, rows):
    assert len(libsvm.parse(text)) == libsvm.parse(text).features.shape[0] == rows


def test_a_fixed_width_adds_columns_that_hold_nothing():
    features = libsvm.parse(b"1 1:2\n", features=3).features
    assert features.shape == (1, 3)
    assert features.nnz == 1


@pytest.mark.parametrize("text", [b"+1 1:2 3:4 \n-1 2:1\n", b"1\t1:2   3:4\r\n-1 2:1\r\n", b"1 1:+2 03:4.\n-1 2:1e0"])
def test_blanks_signs_and_line_ends_of_other_tools_are_read(text):
    assert libsvm.parse(text).features.toarray().tolist() == [[2, 0, 4], [0, 1, 0]]


@pytest.mark.parametrize(
    ("line", "column", "rule", "text"),
    [
        (b"1 0:1", 3, "indices count from 1", "0"),
        (b"1 -2:1", 3, "indices count from 1", "-2"),
        (b"1 3:1 2:1", 7, "indices ascend", "2"),
        (b"1 2:1 2:1", 7, "no index comes twice", "2"),
        (b"1 10:1", 3, "no index is above 9", "10"),
        (b"1 99999999999999999999999:1", 3, "no index is above 9", "99999999999999999999999"),
        (b"1 1.0:1", 3, "an index is a whole number", "1.0"),
        (b"1 0x1:1", 3, "an index is a whole number", "0x1"),
        (b"1 qid:1", 3, "an index is a whole number", "qid"),
        (b"1 1:NaN", 5, "a value is finite", "NaN"),
        (b"1 1:-Infinity", 5, "a value is finite", "-Infinity"),
        (b"1 1:1e400", 5, "a value fits a 64-bit float", "1e400"),
        (b"1 1:abc", 5, "a value is a number", "abc"),
        (b"1 1:0x10", 5, "a value is a number", "0x10"),
        (b"1 1:1_0", 5, "a value is a number", "1_0"),
        (b"1 1:", 5, "a value is a number", ""),
        (b"1 1:2:3", 5, "a value is a number", "2:3"),
        (b"1 1:2\r2:3", 5, "a value is a number", "2\r2:3"),
        (b"1 7", 3, "a feature is written <index>:<value>", "7"),
        (b"1:2 2:3", 1, "a line starts with a label", "1:2"),
        (b"0:2 2:3", 1, "a line starts with a label", "0:2"),
        (b"one 1:2", 1, "a label is a number", "one"),
        (b"nan 1:2", 1, "a label is finite", "nan"),
        (b"1e999 1:2", 1, "a label fits a 64-bit float", "1e999"),
        (b"\xff 1:2", 1, "a label is a number", "\ufffd"),
        (b"", 1, "no line is blank", ""),
        (b"  ", 1, "no line is blank", "  "),
    ],
)
@pytest.mark.parametrize("around", [b"1 1:5\n", b"1 1:5 2:7\n", b"1\n"])
def test_an_error_names_line_column_rule_and_text(around, line, column, rule, text):
    with pytest.raises(LibSVMError) as caught:
        libsvm.parse(around + line + b"\n" + around, features=9, source="file")
    error = caught.value
    assert (error.line, error.column, error.rule, error.text) == (2, column, rule, text)
    assert "file, line 2" in str(error)


def test_the_line_is_right_far_into_a_long_text():
    lines = [b"1 1:0.25 2:0.5"] * 300_000
    lines[234_567] = b"1 1:0.25 2:x"
    with pytest.raises(LibSVMError) as caught:
        libsvm.parse(b"\n".join(lines))
    assert caught.value.line == 234_568


def test_a_value_beyond_32_bits_is_an_error_only_there():
    assert libsvm.parse(b"1 1:1e39").features.tolist() == [[1e39]]
    with pytest.raises(LibSVMError, match="a value fits a 32-bit float"):
        libsvm.parse(b"1 1:1e39", dtype=np.float32)


@pytest.mark.usefixtures("no_slow_path")
@pytest.mark.parametrize("text", ["0.0", "255.0", "4.9E-324", "1.0E-5", "-1.7976931348623157E308", "0.1", "1.0E10"])
def test_javas_doubles_are_exact_on_the_fast_path(text):
    for row in (f"{text} 1:{text} 2:{text}\n", f"{text} 2:{text} 7:{text}\n"):
        rows = libsvm.parse(row.encode())
        values = rows.features.data if sparse.issparse(rows.features) else rows.features
        assert rows.labels.tolist() == [float(text)]
        assert set(np.ravel(values).tolist()) == {float(text)}


@pytest.mark.usefixtures("no_slow_path")
def test_the_sdks_batches_stay_on_the_fast_path():
    pixels = np.random.default_rng(1).integers(0, 256, (400, 784))
    rows = libsvm.parse(java_text(pixels.tolist()))
    assert np.array_equal(rows.features, pixels)
    assert not rows.labels.any()


@pytest.mark.usefixtures("no_slow_path")
def test_sparks_sparse_rows_stay_on_the_fast_path():
    matrix = sparse.random(2_000, 500, density=0.05, format="csr", random_state=1)
    lines = [
        "1.0" + "".join(f" {j + 1}:{value}" for j, value in zip(row.indices, row.data.tolist(), strict=True)) + "\n"
        for row in map(matrix.getrow, range(2_000))
    ]
    read = libsvm.parse("".join(lines).encode(), features=500).features
    assert (read != matrix).nnz == 0


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 12)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_dense_rows_read_back_bit_for_bit(features):
    rows = libsvm.parse(written(features[:, 0], features))
    assert rows.features.tobytes() == features.tobytes()
    assert rows.labels.tobytes() == np.ascontiguousarray(features[:, 0]).tobytes()


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="0123456789:. \n\t-+eExX\rn", max_size=30))
def test_the_fast_readers_agree_with_the_letter_of_the_rules(text):
    def outcome(reader):
        try:
            rows = reader()
        except LibSVMError as error:
            return str(error)
        dense = rows.widened(50).features
        return rows.labels.tobytes(), dense.data.tobytes(), dense.indices.tolist(), dense.indptr.tolist()

    rules = libsvm._Rules(49, "", np.dtype(np.float64))
    part = libsvm._Part(text.encode(), 1)
    by_letter = outcome(lambda: libsvm._fit(libsvm._read_line_by_line(part, rules), rules)) if text else None
    assert not text or outcome(lambda: libsvm.parse(text.encode(), features=49)) == by_letter


def test_sparse_rows_read_back_with_their_zeros():
    matrix = sparse.csr_matrix((np.array([0.0, 1.5, 7.0]), np.array([1, 3, 0]), np.array([0, 2, 2, 3])), (3, 4))
    text = written([1, 2, 3], matrix)
    assert text == b"1 2:0 4:1.5\n2\n3 1:7\n"
    assert libsvm.parse(text).features.data.tolist() == [0, 1.5, 7]


def test_whole_numbers_are_written_short():
    assert written([5], np.array([[3, 0, 18]], dtype=np.uint8)) == b"5 1:3 2:0 3:18\n"


def test_missing_values_cannot_be_written():
    with pytest.raises(DataError, match="NaN or infinite"):
        written([1], np.array([[np.nan]]))


def test_files_of_a_directory_are_read_in_order(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b").write_bytes(b"2 1:2")
    (tmp_path / "a").write_bytes(b"1 1:1\n")
    (tmp_path / "deeper" / "c").write_bytes(b"3 1:3\n")
    (tmp_path / "_SUCCESS").write_bytes(b"")
    assert libsvm.read(tmp_path).features.tolist() == [[1], [2], [3]]


def test_dense_and_sparse_files_join_into_one_sparse_matrix(tmp_path):
    (tmp_path / "a").write_bytes(b"1 1:0 2:5\n")
    rows = libsvm.read([tmp_path / "a", io.BytesIO(b"2 3:1\n")])
    assert rows.features.toarray().tolist() == [[0, 5, 0], [0, 0, 1]]
    assert rows.features.nnz == 3


def test_files_larger_than_a_chunk_read_the_same_and_errors_count_the_files_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(libsvm, "CHUNK", 64)
    path = tmp_path / "rows"
    path.write_bytes(b"".join(b"%d 1:%d\n" % (n, n) for n in range(100)))
    assert libsvm.read(path).features.ravel().tolist() == list(range(100))
    path.write_bytes(path.read_bytes() + b"1 1:x\n")
    with pytest.raises(LibSVMError, match="rows, line 101, column 5"):
        libsvm.read(path)
