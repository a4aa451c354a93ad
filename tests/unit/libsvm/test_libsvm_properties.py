"""Properties of every dataset and of any text. ``HYPOTHESIS_PROFILE=nightly`` tests 10⁵ datasets."""

import gzip
import io
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_svmlight_file

from harness import libsvm
from harness.errors import LibSVMError
from harness.libsvm import dataset, inputs, reader, strict
from harness.libsvm.rules import Rules
from harness.libsvm.strategies import Decorated, datasets, decorated, malformed, numbers
from harness.libsvm.strategies import rows as lines


def written(data, **options):
    stream = io.BytesIO()
    libsvm.write(stream, data.labels, data.features, **options)
    return stream.getvalue()


def bits(data, width=0):
    """Return the rows for comparison: NaN equals itself, -0.0 differs from 0.0."""
    matrix = dataset.to_csr(data.features, max(width, data.features.shape[1]))
    values = np.where(np.isnan(matrix.data), np.nan, matrix.data).tobytes()
    return data.labels.tobytes(), values, matrix.indices.tolist(), matrix.indptr.tolist(), matrix.shape


def same(read, data):
    width = max(read.features.shape[1], data.features.shape[1])
    return bits(read, width) == bits(data, width)


def cut_into_parts(size):
    return mock.patch.object(inputs, "PART", size)


def weights_of(read):
    """Return the weight of each row, None for a row without."""
    weights = np.full(len(read), np.nan) if read.weights is None else read.weights
    return [None if np.isnan(weight) else weight for weight in weights.tolist()]


without_slow_path = mock.patch.object(reader, "read_strictly", side_effect=AssertionError("the slow path was reached"))


# ---- eight properties of datasets


@pytest.mark.slow
@given(datasets())
def test_written_rows_read_back_bit_for_bit(data):
    assert same(libsvm.parse(written(data), features=data.features.shape[1]), data)


@given(datasets())
def test_written_rows_are_read_by_arrow_alone_with_the_result_of_the_strict_reader(data):
    text = written(data)
    with without_slow_path:
        fast = libsvm.parse(text)
    assert same(fast, data)
    assert same(strict.read_strictly(inputs.Part(text, 1, ""), Rules()), fast)


@given(datasets(), st.integers(1, 400))
def test_the_batches_of_a_stream_add_up_to_the_whole(data, size):
    with cut_into_parts(size):
        batches = list(libsvm.batches(io.BytesIO(written(data)), data.features.shape[1], size=size))
    collector = dataset.Collector(np.dtype(np.float64), data.features.shape[1])
    for batch in batches:
        collector.add(batch)
    assert same(collector.result(), data)


@given(datasets(), st.integers(1, 400))
def test_the_parts_of_a_stream_add_up_to_the_whole(data, size):
    with cut_into_parts(size):
        assert same(libsvm.read(io.BytesIO(written(data)), data.features.shape[1]), data)


@pytest.fixture(scope="module")
def gz(tmp_path_factory):
    return tmp_path_factory.mktemp("gz") / "rows.gz"


@given(data=datasets())
def test_a_gzip_file_reads_back_bit_for_bit(gz, data):
    libsvm.write(gz, data.labels, data.features)
    assert same(libsvm.read(gz, data.features.shape[1]), data)
    assert gzip.decompress(gz.read_bytes()) == written(data)


@given(datasets())
def test_zero_based_indices_read_back_if_declared_and_if_detected(data):
    text = written(data, base=0)
    assert same(libsvm.parse(text, base=0), data)
    detected = libsvm.parse(text, tolerate={"zero-based"})
    has_0 = dataset.to_csr(data.features, data.features.shape[1]).getcol(0).nnz > 0
    assert bool(detected.report) == has_0
    assert not has_0 or same(detected, data)


@given(datasets())
def test_a_column_0_of_nan_changes_no_value_and_keeps_rows_from_index_1_an_array(data):
    text = written(data)
    filled = libsvm.parse(text, base=0, nan_column_0=True)
    matrix = dataset.to_csr(filled.features, filled.features.shape[1])
    absent = np.isnan(matrix.data)
    assert not matrix.indices[absent].any()
    kept = sparse.csr_matrix(matrix)[:, 1:]
    assert bits(libsvm.LibSVM(filled.labels, kept)) == bits(libsvm.parse(text, features=kept.shape[1]))
    assert isinstance(filled.features, np.ndarray) or not isinstance(libsvm.parse(text).features, np.ndarray)


@given(datasets(values=st.one_of(numbers(), st.sampled_from([np.nan, np.inf, -np.inf]))))
def test_nan_and_infinities_are_kept_or_refused(data):
    finite = (
        np.isfinite(data.labels).all() and np.isfinite(dataset.to_csr(data.features, data.features.shape[1]).data).all()
    )
    text = written(data, non_finite="keep")
    kept = libsvm.parse(text, features=data.features.shape[1], non_finite="keep")
    assert np.array_equal(kept.labels, data.labels, equal_nan=True)
    assert bits(kept)[1:] == bits(data)[1:]
    if not finite:
        with pytest.raises(LibSVMError, match="is finite"):
            libsvm.parse(text)


@given(datasets())
def test_scikit_learn_reads_written_rows(data):
    features, labels = load_svmlight_file(
        io.BytesIO(written(data)), n_features=data.features.shape[1], zero_based=False
    )
    assert same(libsvm.LibSVM(labels, features), data)


# ---- text


@given(malformed())
def test_a_broken_rule_is_named_with_its_line_column_and_text(broken):
    with pytest.raises(LibSVMError) as caught:
        libsvm.parse(broken.text)
    error = caught.value
    found = (error.line, error.column, error.rule, error.text)
    assert found == (broken.line, broken.column, broken.rule, broken.found)


@pytest.mark.slow
@given(malformed(), st.lists(lines(), min_size=3, max_size=20))
def test_a_broken_rule_is_named_in_the_same_way_far_into_a_stream(broken, before):
    text = "".join(f"{line}\n" for line in before).encode() + broken.text
    with cut_into_parts(16), pytest.raises(LibSVMError) as caught:
        libsvm.read(io.BytesIO(text))
    assert (caught.value.line, caught.value.rule) == (len(before) + broken.line, broken.rule)


@pytest.mark.slow
@given(decorated())
def test_tolerated_deviations_change_no_row_and_are_reported(decorated_text):
    read = libsvm.parse(decorated_text.text, tolerate=libsvm.DEVIATIONS)
    assert same(read, libsvm.parse(decorated_text.plain))
    assert {
        deviation: (met.lines, met.first_line) for deviation, met in read.report.changes.items()
    } == decorated_text.changes
    assert ([-1] * len(read) if read.qids is None else read.qids.tolist()) == decorated_text.qids
    assert weights_of(read) == decorated_text.weights


@given(decorated())
@example(Decorated(b"1 0:1\n2 1:2 0:3 # c\n", b"1 1:1\n2 1:3 2:2\n", [-1, -1], {}, [None, None]))
def test_deviations_are_reported_alike_in_parts_and_as_a_whole(decorated_text):
    with cut_into_parts(8):
        read = libsvm.read(io.BytesIO(decorated_text.text), tolerate=libsvm.DEVIATIONS)
    whole = libsvm.parse(decorated_text.text, tolerate=libsvm.DEVIATIONS)
    assert same(read, whole)
    assert weights_of(read) == weights_of(whole)
    assert read.report == whole.report


@pytest.mark.slow
@given(decorated(), st.sampled_from(sorted(libsvm.DEVIATIONS)))
def test_a_deviation_that_is_not_tolerated_is_an_error_in_its_first_line(decorated_text, refused):
    assume(refused in decorated_text.changes and refused not in ("zero-based", "comment"))
    with pytest.raises(LibSVMError) as caught:
        libsvm.parse(decorated_text.text, tolerate=libsvm.DEVIATIONS - {refused})
    assert caught.value.line == decorated_text.changes[refused][1]


PIECES = ["1", "2", "0", ".", "e5", ":", " ", "\n", "\t", "\r\n", "#", "qid:", " 1:2", " 2:3", " -0:1", "nan", "+"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map(lambda pieces: "".join(pieces).encode()) | st.binary()


@pytest.mark.parametrize("tolerate", [frozenset(), libsvm.BLANKS, libsvm.DEVIATIONS], ids=["none", "blanks", "all"])
@pytest.mark.parametrize("options", [{}, {"base": 0}, {"non_finite": "keep"}, {"features": 3}], ids=str)
@given(text=TEXTS)
def test_the_fast_readers_agree_with_the_strict_one(options, tolerate, text):
    def outcome(read):
        try:
            found = read()
        except LibSVMError as error:
            return str(error)
        qids = None if found.qids is None else found.qids.tolist()
        return bits(found, 4), qids, weights_of(found), found.report.changes

    assume(text and not text.startswith(b"\x1f\x8b"))
    rules = Rules(tolerate=tolerate, **options)
    part = inputs.Part(text, 1, "")
    assert outcome(lambda: reader._read_part(part, rules).rows) == outcome(lambda: strict.read_strictly(part, rules))
