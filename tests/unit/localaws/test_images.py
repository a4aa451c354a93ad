"""Images are found by URI: the built-in algorithms, and registered commands."""

import re

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.images import Images
from harness.registries import SDK_ALGORITHMS, image

AMAZONS = [name for name in SDK_ALGORITHMS if name != "xgboost"]


@pytest.mark.parametrize(
    "uri",
    ["811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
     "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/xgboost:latest",
     "226302683700.dkr.ecr-fips.us-gov-west-1.amazonaws.com/xgboost:1"],
)  # fmt: skip
def test_the_built_in_xgboost_is_known_in_every_region(uri):
    assert Images().find(uri).command[-1] == "1"


@pytest.mark.parametrize("algorithm", AMAZONS)
def test_a_built_in_algorithm_runs_the_module_with_its_name(algorithm):
    found = Images().find(image(algorithm, "us-west-2"))
    assert found.command[1:] == ("-m", f"harness.containers.{algorithm.replace('-', '_')}")
    assert found.is_built_in
    assert found.serving_variables == {"OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("811284229777.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
      "In us-east-1, AWS's kmeans is 382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1."),
     ("382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:2", "In us-east-1, AWS's kmeans is "),
     ("249704162688.dkr.ecr.me-south-1.amazonaws.com/lda:1", "The SageMaker Spark SDK knows no lda in me-south-1.")],
)  # fmt: skip
def test_the_error_about_another_account_or_tag_names_the_algorithms_image(uri, reason):
    with pytest.raises(ValidationException, match=re.escape(f"has no image {uri}. {reason}")):
        Images().find(uri)


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
    with pytest.raises(
        ValidationException, match=r"has the built-in algorithms .*kmeans:1, .*3\.0-5\), mine:1\..*register_container"
    ):
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
    regex = dict(Images().find(image("xgboost", "us-east-1")).metrics)[name]
    assert re.search(regex, line).group(1) == value


@pytest.mark.parametrize(
    ("algorithm", "line", "found"),
    [("kmeans", "test msd <loss>=1.5", {"test:msd": "1.5"}),
     ("kmeans", "train ssd <loss>=2e-05", {"train:ssd": "2e-05"}),
     ("lda", "test pwll <score>=-8.25", {"test:pwll": "-8.25"}),
     ("linear-learner", "epoch=1, train binary_classification_cross_entropy_objective <loss>=0.3",
      {"train:objective_loss": "0.3"}),
     ("linear-learner", "validation mse_objective <loss>=0.3", {"validation:objective_loss:final": "0.3"}),
     ("linear-learner", "test binary_f_1.000 <score>=0.75", {"test:binary_f_beta": "0.75"}),
     ("linear-learner", "test multiclass_top_k_accuracy_3 <score>=0.75", {"test:multiclass_top_k_accuracy": "0.75"}),
     ("linear-learner", "test absolute_loss_objective <loss>=3", {"test:objective_loss": "3"}),
     ("factorization-machines", "test rmse <loss>=0.1", {"test:rmse": "0.1"}),
     ("factorization-machines", "epoch=0, batch=7 train rmse <loss>=0.1", {"train:rmse": "0.1"}),
     ("factorization-machines", "epoch=0, train binary_f_1.000 <score>=1", {"train:binary_f_beta:epoch": "1"})],
)  # fmt: skip
def test_the_metrics_of_the_built_in_algorithms_are_found_in_lines_of_amazons_form(algorithm, line, found):
    metrics = Images().find(image(algorithm, "us-east-1")).metrics
    text = f"[11/28/2026 12:00:00 INFO 1404] #quality_metric: host=algo-1, {line}"
    matches = {name: re.search(regex, text) for name, regex in metrics}
    assert {name: match[1] for name, match in matches.items() if match} == found


@pytest.mark.parametrize("algorithm", AMAZONS)
def test_progress_and_throughput_of_amazons_algorithms_are_metrics(algorithm):
    regexes = dict(Images().find(image(algorithm, "us-east-1")).metrics)
    assert re.search(regexes["train:progress"], "#progress_metric: host=algo-1, completed 50.0 %")[1] == "50.0"
    line = "#throughput_metric: host=algo-1, train throughput=123.5 records/second"
    assert re.search(regexes["train:throughput"], line)[1] == "123.5"
