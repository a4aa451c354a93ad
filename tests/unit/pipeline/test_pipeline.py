"""Parts of the pipeline that need neither Spark nor AWS: data, the report and the seconds of a fit."""

import json

import numpy as np
import pytest

from harness.aws.cleanup.resources import Leftover, Resource
from harness.errors import DataError
from harness.pipeline.data import Data
from harness.pipeline.outcome import Outcome, report
from harness.pipeline.pipeline import parts_of_fit
from harness.settings import Settings


class Where:
    mode, region = "mock", "eu-west-1"


@pytest.fixture
def outcome():
    """Four rows, three of them right, in half a second."""
    return Outcome(
        stages={"read": 1.0, "transform": 0.5},
        created=[Resource("endpoint", "e")],
        leftovers=[Leftover(Resource("model", "m"), "exists", 0.0, "aws sagemaker delete-model")],
        rows_trained=7,
        labels=np.array([0.0, 1.0, 9.0, 9.0]),
        predictions=np.array([0.0, 1.0, 9.0, 4.0]),
    )


def test_accuracy_and_rate_are_those_of_the_test_rows(outcome):
    assert outcome.accuracy == 0.75
    assert outcome.rows_per_second == 8


def test_the_report_is_json_and_counts_by_label_and_prediction(outcome):
    content = json.loads(json.dumps(report(outcome, Settings(), Where(), {"python": "3"})))
    assert (content["accuracy"], content["rows_trained"], content["rows_predicted"]) == (0.75, 7, 4)
    assert content["stages"] == outcome.stages
    assert (content["created"], content["leftovers"]) == (["endpoint e"], ["model m"])
    assert content["confusion"][9][4] == content["confusion"][9][9] == 1
    assert np.sum(content["confusion"]) == 4


@pytest.mark.parametrize(("is_from_cache", "shown"), [(True, "from cache"), (False, "by this run")])
def test_the_report_says_whether_the_model_was_trained(outcome, is_from_cache, shown):
    outcome.is_from_cache = is_from_cache
    assert report(outcome, Settings(), Where(), {})["trained"] == shown


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_a_validation_fraction_must_leave_rows_to_train_on(fraction):
    with pytest.raises(DataError, match="The validation fraction is"):
        Data(validation_fraction=fraction)


def test_the_rows_of_given_files_are_counted(tmp_path):
    (tmp_path / "three").write_text("1 1:1\n2 2:2\n3\n")
    assert Data(test=tmp_path / "three").rows == {"test": 3}
    assert Data().rows == {}


@pytest.mark.parametrize("label", ["-1", "10", "1.5"])
def test_a_label_that_is_no_digit_is_named_by_its_line(tmp_path, label):
    (tmp_path / "digits").write_text(f"1 1:1\n{label} 2:2\n")
    with pytest.raises(DataError, match=f"line 2: the label {label} is not a class"):
        Data(train=tmp_path / "digits").rows  # noqa: B018 - counting is checking


@pytest.mark.parametrize(
    ("skew", "parts"),
    [(0, (10, 60, 30)), (5, (15, 60, 25)), (-15, (0, 60, 40)), (3600, (40, 60, 0)), (-3600, (0, 60, 40))],
)
def test_a_clock_that_is_wrong_makes_no_part_of_a_fit_negative_and_adds_nothing_to_the_whole(skew, parts):
    told = parts_of_fit(100.0, 1000.0, 1010.0 + skew, 1070.0 + skew)
    assert tuple(told.values()) == parts
    assert list(told) == ["upload", "train", "host"]


@pytest.mark.parametrize(("trained", "parts"), [(1005.0, (10, 0, 90)), (9999.0, (0, 100, 0))])
def test_a_job_reported_longer_than_the_fit_or_shorter_than_zero_is_bounded(trained, parts):
    assert tuple(parts_of_fit(100.0, 1000.0, 1010.0, trained).values()) == parts
