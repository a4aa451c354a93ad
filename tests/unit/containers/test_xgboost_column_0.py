"""Column 0 of rows that count from 1: the model does not depend on whether it is missing or 0."""

import numpy as np
import pytest
import xgboost as xgb
from scipy import sparse

from harness.containers.xgboost import training
from harness.libsvm import LibSVM

ROWS, COLUMNS = 400, 7


def rows(first):
    """Return dense rows with a given column 0, and the number of their class."""
    values = np.random.default_rng(5).integers(0, 9, (ROWS, COLUMNS)).astype(np.float32)
    values[:, 0] = first
    return values, (values[:, 1] + values[:, 2] > 8) + (values[:, 3] > 6).astype(float)


def matrices(**channels):
    data = {name: LibSVM(labels, features) for name, (features, labels) in channels.items()}
    return training._matrices(data, threads=1)


def missing(matrix):
    return matrix.num_row() * matrix.num_col() - matrix.num_nonmissing()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tree_method": "exact"},
        {"tree_method": "approx"},
        {"booster": "gblinear"},
        {"booster": "dart", "rate_drop": 0.5},
        {"colsample_bytree": 0.5, "colsample_bylevel": 0.6, "subsample": 0.7},
        {"grow_policy": "lossguide", "max_leaves": 7},
        {"max_bin": 3, "gamma": 1, "alpha": 1, "max_delta_step": 1},
        {"monotone_constraints": "(0,1,0,0,0,0,-1)"},
    ],
    ids=str,
)
def test_a_model_of_rows_without_column_0_is_the_same_with_zeros_there(settings):
    settings = {"objective": "multi:softprob", "num_class": 3, "seed": 3, "nthread": 1} | settings
    features, labels = rows(np.nan)
    plain = xgb.train(settings, xgb.DMatrix(features, labels), 5)
    filled = xgb.train(settings, matrices(train=(features.copy(), labels))["train"], 5)
    assert filled.save_raw("json") == plain.save_raw("json")
    for first in (np.nan, 0, 5):
        scored = xgb.DMatrix(rows(first)[0])
        assert (filled.predict(scored) == plain.predict(scored)).all()


def test_rows_that_count_from_1_have_no_missing_value():
    made = matrices(train=rows(np.nan), validation=rows(np.nan))
    assert [missing(matrix) for matrix in made.values()] == [0, 0]


def test_a_column_0_that_some_row_has_stays_missing_from_the_others():
    mixed = rows(np.nan)
    mixed[0][7, 0] = 1
    assert missing(matrices(train=mixed)["train"]) == ROWS - 1
    made = matrices(train=rows(np.nan), validation=rows(2))
    assert [missing(matrix) for matrix in made.values()] == [ROWS, 0]


def test_a_column_0_beside_sparse_rows_stays_missing():
    features, labels = rows(0)
    made = matrices(train=rows(np.nan), validation=(sparse.csr_matrix(features), labels))
    assert missing(made["train"]) == ROWS


def test_a_missing_value_in_another_column_stays_missing():
    features, labels = rows(np.nan)
    features[3, 2] = np.nan
    assert missing(matrices(train=(features, labels))["train"]) == 1


def test_a_column_0_that_another_host_has_stays_missing(monkeypatch):
    monkeypatch.setattr(training.instances, "anywhere", lambda condition: True)
    assert missing(matrices(train=rows(np.nan))["train"]) == ROWS
