"""Labels that objectives of XGBoost take."""

import pytest

from harness.spark.labels import labels_of


@pytest.mark.parametrize(
    ("objective", "classes", "text"),
    [
        ("binary:logistic", None, "a number from 0 to 1"),
        ("binary:logistic", 3, "a number from 0 to 1"),  # num_class counts for multi:… only
        ("multi:softmax", 10, "a class from 0 to 9"),
        (None, 10, "a class from 0 to 9"),
        ("count:poisson", None, "0 or above"),
        ("reg:gamma", None, "above 0"),
    ],
)
def test_an_objective_has_its_labels(objective, classes, text):
    assert labels_of(objective, classes).text == text


@pytest.mark.parametrize("objective", [None, "reg:linear", "reg:squarederror", "rank:pairwise"])
def test_other_objectives_take_any_number(objective):
    assert labels_of(objective, None) is None
