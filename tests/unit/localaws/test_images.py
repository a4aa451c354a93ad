"""Images are found by URI: the built-in XGBoost, and registered commands."""

import re

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.images import Images
from harness.regions import xgboost_image


@pytest.mark.parametrize(
    "uri",
    ["811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
     "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/xgboost:latest",
     "226302683700.dkr.ecr-fips.us-gov-west-1.amazonaws.com/xgboost:1"],
)  # fmt: skip
def test_the_built_in_xgboost_is_known_in_every_region(uri):
    assert Images().find(uri).command[-1] == "1"


def test_a_newer_xgboost_image_runs_the_container_of_its_version():
    image = Images().find("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    assert image.command[1:] == ("-m", "harness.containers.xgboost", "1.7-1")


@pytest.mark.parametrize(
    "uri",
    ["xgboost:1", "811284229777.dkr.ecr.us-east-1.amazonaws.com/kmeans:1", "",
     "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:2", "811284229777.dkr.ecr.us-west-2.amazonaws.com/xgboost:1",
     "123456789012.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
     "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.6-1"],
)  # fmt: skip
def test_the_error_about_an_unknown_image_lists_the_known_ones(uri):
    images = Images()
    images.register("mine:1", ["run"])
    with pytest.raises(ValidationException, match=r"has the built-in XGBoost .*3\.0-5\), mine:1\..*register_container"):
        images.find(uri)


def test_a_registered_command_replaces_its_image_even_a_built_in_one():
    images = Images()
    uri = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
    images.register(uri, ["python", "mine.py"])
    assert images.find(uri).command == ("python", "mine.py")


@pytest.mark.parametrize("command", ["python mine.py", [], ["python", 3], None])
def test_a_command_that_is_not_a_list_of_words_is_refused(command):
    with pytest.raises(ValueError, match="give a list of words"):
        Images().register("mine:1", command)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [("[3]#011train-merror:0.25#011validation-merror:0.5", "validation:merror", "0.5"),
     ("[3]#011train-rmse:1e-05", "train:rmse", "1e-05"), ("[12]#011train-ndcg@5:0.75", "train:ndcg", "0.75")],
)  # fmt: skip
def test_the_metrics_of_the_built_in_xgboost_are_found_in_its_log(line, name, value):
    regex = dict(Images().find(xgboost_image("us-east-1")).metrics)[name]
    assert re.search(regex, line).group(1) == value
