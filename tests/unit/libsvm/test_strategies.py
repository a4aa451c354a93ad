import numpy as np
import pytest
from hypothesis import Phase, given, settings
from scipy import sparse

from harness import libsvm
from harness.libsvm import strategies
from harness.libsvm.dataset import to_csr


def sizes(data):
    return np.diff(to_csr(data.features, data.features.shape[1]).indptr)


@given(strategies.rows())
def test_a_row_obeys_the_rules(row):
    assert len(libsvm.parse(row.encode())) == 1


@given(strategies.numbers())
def test_numbers_are_finite(number):
    assert np.isfinite(number)


def test_numbers_include_values_that_readers_get_wrong():
    assert set(drawn(strategies.numbers())) >= {5e-324, 255.0, 2.0**53}


@given(strategies.datasets())
def test_every_dataset_has_a_label_for_each_row(data):
    assert data.features.shape[0] == len(data) > 0


@given(strategies.datasets(["dense"]))
def test_dense_datasets_are_arrays(data):
    assert isinstance(data.features, np.ndarray)


@given(strategies.datasets(["sparse"]))
def test_sparse_datasets_have_values_in_every_row_and_are_in_order(data):
    assert sparse.issparse(data.features)
    assert sizes(data).all()
    assert data.features.has_canonical_format


@given(strategies.datasets(["empty rows"]))
def test_datasets_with_empty_rows_have_one(data):
    assert not sizes(data).all()


@given(strategies.datasets(["trailing empty rows"]))
def test_trailing_empty_rows_end_the_dataset(data):
    assert sizes(data)[-1] == 0


@given(strategies.datasets(["one row"]))
def test_a_dataset_of_one_row_has_one_row(data):
    assert len(data) == 1


@pytest.mark.parametrize(("shape", "width"), [("784 features", 784), ("100,000 features", 100_000)])
def test_wide_datasets_have_the_number_of_features_in_their_name(shape, width):
    @given(strategies.datasets([shape]))
    def wide(data):
        assert data.features.shape[1] == width

    wide()


RULES = [
    "indices count from 1",
    "indices ascend",
    "no index comes twice",
    "no index is above 2147483647",
    "an index is a whole number",
    "a value is finite",
    "a value is a number",
    "a value fits a 64-bit float",
    "a label is finite",
    "a label is a number",
    "a label fits a 64-bit float",
    "a feature is written <index>:<value>",
    "a line starts with a label",
    "no line is blank",
    "one space separates two fields",
    "a line ends with its last field",
    "a line ends with a newline alone",
]


def drawn(strategy, count=400):
    """Return examples of a strategy, the same ones each time."""
    found = []

    @settings(phases=[Phase.generate], max_examples=count, database=None, derandomize=True)
    @given(strategy)
    def draw(example):
        found.append(example)

    draw()
    return found


@pytest.mark.slow
def test_malformed_texts_break_every_listed_rule_and_no_other():
    assert {broken.rule for broken in drawn(strategies.malformed(), 800)} == set(RULES)


@pytest.mark.slow
def test_decorated_texts_have_every_deviation():
    assert (
        set().union(*(decorated_text.changes for decorated_text in drawn(strategies.decorated()))) == libsvm.DEVIATIONS
    )
