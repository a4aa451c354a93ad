"""Rules of the algorithms for rows that go out as RecordIO-protobuf."""

import pytest

from harness.spark.labels import whole
from harness.spark.protobuf_rows import rules_of


@pytest.mark.parametrize("algorithm", ["kmeans", "pca", "lda"])
def test_algorithms_without_labels_have_no_rule_for_them(algorithm):
    rules = rules_of(algorithm, {"feature_dim": 784})
    assert (rules.needs_labels, rules.reads_labels, rules.counts) == (False, False, algorithm == "lda")


@pytest.mark.parametrize("algorithm", ["linear-learner", "factorization-machines"])
def test_algorithms_with_labels_need_them(algorithm):
    rules = rules_of(algorithm, {})
    assert rules.needs_labels
    assert rules.reads_labels


def test_an_own_image_may_read_labels():
    assert rules_of(None, {}).reads_labels
    assert not rules_of(None, {}).needs_labels


def test_hyperparameters_of_the_generic_estimator_are_texts():
    rules = rules_of(
        "linear-learner", {"predictor_type": "multiclass_classifier", "num_classes": "3", "feature_dim": "4"}
    )
    assert rules.features == 4
    assert rules.labels.text == "a class from 0 to 2"


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("3", 3), ("auto", None), (None, None), ("-1", None)])
def test_a_hyperparameter_is_a_number_or_none(value, number):
    assert whole(value) == number
