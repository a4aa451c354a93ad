import gzip
import io
import random
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from harness import libsvm
from harness.errors import DataError, LibSVMError
from harness.libsvm import inputs, reader
from harness.libsvm.rules import Rules
from harness.libsvm.strict import read_strictly


def written(labels, features):
    stream = io.BytesIO()
    libsvm.write(stream, labels, features)
    return stream.getvalue()


def java_text(rows):
    """Return dense vectors as the SDK's row serializer writes them: Double.toString for label and values."""
    lines = ["0.0" + "".join(f" {j + 1}:{float(value)}" for j, value in enumerate(row)) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.fixture
def no_slow_path(monkeypatch):
    def fail(*_):
        raise AssertionError("the slow path was reached")

    monkeypatch.setattr(reader, "read_strictly", fail)


def test_rows_with_all_indices_become_an_array():
    rows = libsvm.parse(b"1 1:2 2:0\n0.5 1:-1 2:3.5\n")
    assert rows.labels.tolist() == [1, 0.5]
    assert rows.features.tolist() == [[2, 0], [-1, 3.5]]


def test_other_rows_become_a_sparse_matrix_that_keeps_zeros():
    rows = libsvm.parse(b"1 2:0 4:1\n0 1:3\n")
    assert sparse.issparse(rows.features)
    assert rows.features.shape == (2, 4)
    assert rows.features.indices.tolist() == [1, 3, 0]
    assert rows.features.data.tolist() == [0, 1, 3]


@pytest.mark.parametrize("text", [b"1 1:2\n3 1:4", b"1 1:2\n3 1:4\n"])
def test_the_last_newline_is_optional(text):
    assert libsvm.parse(text).features.tolist() == [[2], [4]]


@pytest.mark.parametrize(("text", "rows"), [(b"", 0), (b"1", 1), (b"1\n2\n", 2), (b"1\n2 1:5\n3", 3)])
def test_a_line_without_features_is_a_row(text, rows):
    assert len(libsvm.parse(text)) == libsvm.parse(text).features.shape[0] == rows


def test_rows_without_features_have_no_column():
    assert read_strictly(inputs.Part(b"1\n2\n", 1, ""), Rules()).features.shape == (2, 0)


def test_a_fixed_width_adds_columns_without_values():
    features = libsvm.parse(b"1 1:2\n", features=3).features
    assert features.shape == (1, 3)
    assert features.nnz == 1


def test_number_formats_of_other_tools_are_read():
    assert libsvm.parse(b"1 1:+2 03:4.\n-1 2:1e0").features.toarray().tolist() == [[2, 0, 4], [0, 1, 0]]


@pytest.mark.parametrize("text", [b"+1 1:2 3:4 \n-1 2:1\n", b"1\t1:2   3:4\r\n-1 2:1\r\n", b" 1 1:2 3:4\n-1 2:1"])
def test_blanks_and_line_ends_of_other_tools_are_read_if_tolerated(text):
    assert libsvm.parse(text, tolerate=libsvm.BLANKS).features.toarray().tolist() == [[2, 0, 4], [0, 1, 0]]
    with pytest.raises(LibSVMError):
        libsvm.parse(text)


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


def test_an_error_deep_in_a_long_text_names_the_correct_line():
    lines = [b"1 1:0.25 2:0.5"] * 300_000
    lines[234_567] = b"1 1:0.25 2:x"
    with pytest.raises(LibSVMError) as caught:
        libsvm.parse(b"\n".join(lines))
    assert caught.value.line == 234_568


def test_a_value_beyond_float32_is_an_error_only_for_float32():
    assert libsvm.parse(b"1 1:1e39").features.tolist() == [[1e39]]
    with pytest.raises(LibSVMError, match="a value fits a 32-bit float"):
        libsvm.parse(b"1 1:1e39", dtype=np.float32)


@pytest.mark.usefixtures("no_slow_path")
@pytest.mark.parametrize("text", ["0.0", "255.0", "4.9E-324", "1.0E-5", "-1.7976931348623157E308", "0.1", "1.0E10"])
def test_the_fast_path_reads_java_doubles_exactly(text):
    for row in (f"{text} 1:{text} 2:{text}\n", f"{text} 2:{text} 7:{text}\n"):
        rows = libsvm.parse(row.encode())
        values = rows.features.data if sparse.issparse(rows.features) else rows.features
        assert rows.labels.tolist() == [float(text)]
        assert set(np.ravel(values).tolist()) == {float(text)}


@pytest.mark.usefixtures("no_slow_path")
def test_the_fast_path_reads_batches_of_the_sdk():
    pixels = np.random.default_rng(1).integers(0, 256, (400, 784))
    rows = libsvm.parse(java_text(pixels.tolist()))
    assert np.array_equal(rows.features, pixels)
    assert not rows.labels.any()


@pytest.mark.usefixtures("no_slow_path")
def test_the_fast_path_reads_sparse_rows_of_spark():
    matrix = sparse.random(2_000, 500, density=0.05, format="csr", random_state=1)
    lines = [
        "1.0" + "".join(f" {j + 1}:{value}" for j, value in zip(row.indices, row.data.tolist(), strict=True)) + "\n"
        for row in map(matrix.getrow, range(2_000))
    ]
    read = libsvm.parse("".join(lines).encode(), features=500).features
    assert (read != matrix).nnz == 0


def test_sparse_rows_read_back_with_their_zeros():
    matrix = sparse.csr_matrix((np.array([0.0, 1.5, 7.0]), np.array([1, 3, 0]), np.array([0, 2, 2, 3])), (3, 4))
    text = written([1, 2, 3], matrix)
    assert text == b"1 2:0 4:1.5\n2\n3 1:7\n"
    assert libsvm.parse(text).features.data.tolist() == [0, 1.5, 7]


def test_whole_numbers_are_written_without_a_point():
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


def test_a_file_larger_than_a_part_reads_the_same_and_its_errors_name_the_line_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "PART", 64)
    path = tmp_path / "rows"
    path.write_bytes(b"".join(b"%d 1:%d\n" % (n, n) for n in range(100)))
    assert libsvm.read(path).features.ravel().tolist() == list(range(100))
    path.write_bytes(path.read_bytes() + b"1 1:x\n")
    with pytest.raises(LibSVMError, match="rows, line 101, column 5"):
        libsvm.read(path)


def test_files_that_hadoop_hides_are_not_read(tmp_path):
    (tmp_path / "part-00000").write_bytes(b"1 1:1\n")
    (tmp_path / ".part-00000.crc").write_bytes(b"crc\0")
    assert len(libsvm.read(tmp_path)) == 1


@pytest.mark.parametrize("name", ["rows.gz", "rows"])
def test_gzip_is_detected_by_content_not_by_name(tmp_path, name):
    text = b"1 1:2\n" * 1000
    packed = gzip.compress(text[:600]) + gzip.compress(text[600:])
    (tmp_path / name).write_bytes(packed)
    stream = io.BytesIO(packed)
    for rows in (libsvm.read(tmp_path / name), libsvm.read(stream), libsvm.parse(packed)):
        assert rows.features.tolist() == [[2]] * 1000


@pytest.mark.parametrize("read", [libsvm.parse, lambda text: libsvm.read(io.BytesIO(text))])
@pytest.mark.parametrize("spoil", [lambda gz: gz[:-9], lambda gz: gz[:20] + b"????" + gz[24:], lambda gz: gz[:5]])
def test_broken_gzip_is_an_error(read, spoil):
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(spoil(gzip.compress(random.Random(1).randbytes(500).hex().encode())))


@pytest.mark.slow
def test_memory_depends_on_the_batch_and_not_on_the_stream():
    class Endless(io.RawIOBase):
        def read(self, size):
            return b"1 1:2 7:0.5\n" * (size // 12)

    rows = libsvm.batches(Endless(), features=9, size=1 << 20)
    assert all(len(next(rows)) >= (1 << 20) // 12 for _ in range(20))
    rows.close()


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux measures a process's peak memory apart from its parent's"
)
@pytest.mark.parametrize("write_zeros", [True, False], ids=["dense", "sparse"])
def test_reading_a_file_takes_less_than_twice_the_memory_of_its_rows(tmp_path, write_zeros):
    features = np.tile(np.arange(784.0) % 251, (20_000, 1))
    libsvm.write(tmp_path / "rows", np.zeros(20_000), features if write_zeros else sparse.csr_matrix(features[:, :700]))
    grown, size = map(int, subprocess.check_output([sys.executable, "-c", PEAK, tmp_path / "rows"], text=True).split())
    assert size <= grown < 2 * size


PEAK = """
import sys
from pathlib import Path
from harness import libsvm
libsvm.parse(b"1 1:2\\n1 7:3\\n")
def peak(): return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
matrix = libsvm.read(sys.argv[1], 784).features
parts = [matrix] if hasattr(matrix, "nbytes") else [matrix.data, matrix.indices, matrix.indptr]
print(peak() - before, sum(part.nbytes for part in parts))
"""


def test_rows_without_a_query_have_minus_one():
    rows = libsvm.parse(b"1 qid:7 1:2\n1 1:3\n", tolerate={"qid"})
    assert rows.qids.tolist() == [7, -1]
    assert libsvm.parse(b"1 1:2", tolerate={"qid"}).qids is None


def test_an_index_0_in_one_file_makes_all_files_zero_based(tmp_path):
    (tmp_path / "a").write_bytes(b"1 1:5\n2 2:6\n")
    (tmp_path / "b").write_bytes(b"3 0:7\n")
    rows = libsvm.read(tmp_path, tolerate=libsvm.DEVIATIONS)
    assert rows.features.toarray().tolist() == [[0, 5, 0], [0, 0, 6], [7, 0, 0]]
    assert str(rows.report) == f"zero-based: 3 lines, first {tmp_path / 'b'}, line 1"


def test_zero_based_streams_are_read_again_from_their_initial_positions():
    stream = io.BytesIO(b"before\n1 1:2\n1 0:3\n")
    stream.readline()
    assert libsvm.read(stream, tolerate={"zero-based"}).features.toarray().tolist() == [[0, 2], [3, 0]]
    stream = io.BytesIO(b"1 0:3\n")
    stream.seekable = lambda: False
    with pytest.raises(DataError, match="pass base=0"):
        libsvm.read(stream, tolerate={"zero-based"})


def test_batches_refuse_to_detect_the_base():
    with pytest.raises(ValueError, match="base=0"):
        libsvm.batches(io.BytesIO(), tolerate=libsvm.DEVIATIONS)


def test_duplicates_are_refused_even_if_order_is_tolerated():
    with pytest.raises(LibSVMError, match="no index comes twice") as caught:
        libsvm.parse(b"1 1:1\n1 3:1 1:1 3:2\n", tolerate=libsvm.DEVIATIONS)
    assert (caught.value.line, caught.value.column) == (2, 11)


@pytest.mark.parametrize("options", [{"tolerate": {"CR"}}, {"tolerate": "tab"}, {"base": 2}, {"non_finite": "drop"}])
def test_unknown_names_and_values_of_options_are_refused(options):
    with pytest.raises(ValueError, match="not"):
        libsvm.parse(b"", **options)


@pytest.mark.parametrize(
    ("labels", "features", "message"),
    [
        ([1, 2], np.ones((3, 1)), "do not match"),
        ([1], np.ones(1), "are not rows"),
        ([1], np.array([[2**53 + 1]]), "more digits"),
        ([2**63 - 1], np.ones((1, 1)), "more digits"),
        ([1], np.array([[1j]]), "not real numbers"),
        ([1], sparse.csr_matrix(([1, 2], [3, 3], [0, 2]), (1, 5)), "twice"),
    ],
)
def test_values_that_would_not_read_back_are_not_written(labels, features, message):
    with pytest.raises(DataError, match=message):
        written(labels, features)


def test_csc_and_unsorted_matrices_are_written_with_ascending_indices():
    unsorted = sparse.csr_matrix(([1.0, 2.0], [3, 1], [0, 2]), (1, 5))
    assert written([1], unsorted) == written([1], unsorted.tocsc()) == b"1 2:2 4:1\n"
    assert unsorted.indices.tolist() == [3, 1]


def test_a_file_is_replaced_and_a_stream_appended_to(tmp_path):
    path = tmp_path / "rows.gz"
    for _ in range(2):
        libsvm.write(path, [1], np.array([[0.5]]))
    assert libsvm.read(path).features.tolist() == [[0.5]]
    stream = io.BytesIO()
    for label in (1, 2):
        libsvm.write(stream, [label], np.array([[0.5]]))
    assert stream.getvalue() == b"1 1:0.5\n2 1:0.5\n"
