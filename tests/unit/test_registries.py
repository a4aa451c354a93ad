"""URIs of the built-in algorithms' images, by region. ``tests/integration/test_algorithms.py`` asks the SDK."""

import pytest

from harness import registries
from harness.regions import PARTITIONS, partition


@pytest.mark.parametrize(
    ("algorithm", "region", "uri"),
    [
        ("xgboost", "us-east-1", "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"),
        ("xgboost", "cn-north-1", "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/xgboost:1"),
        ("xgboost", "us-gov-west-1", "226302683700.dkr.ecr.us-gov-west-1.amazonaws.com/xgboost:1"),
        ("kmeans", "us-east-1", "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"),
        ("pca", "cn-northwest-1", "387376663083.dkr.ecr.cn-northwest-1.amazonaws.com.cn/pca:1"),
        ("linear-learner", "eu-central-1", "664544806723.dkr.ecr.eu-central-1.amazonaws.com/linear-learner:1"),
        ("lda", "us-east-1", "766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1"),
    ],
)
def test_an_algorithms_image_is_in_the_registry_of_its_region(algorithm, region, uri):
    assert registries.image(algorithm, region) == uri
    latest = uri.replace(":1", ":latest").replace(".ecr.", ".ecr-fips.")
    assert registries.built_in(uri) == registries.built_in(latest) == (algorithm, "1")


def test_every_algorithm_but_lda_is_in_every_partition():
    found = {name: {partition(region) for region in registries._ACCOUNTS[name]} for name in registries.SDK_ALGORITHMS}
    assert {name for name, partitions in found.items() if partitions == set(PARTITIONS)} == found.keys() - {"lda"}
    assert found["lda"] == {"aws", "aws-us-gov"}


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "1.7-1"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3", "1.0-1"),
        ("450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:3.0-5", "3.0-5"),
        ("414596584902.dkr.ecr.us-gov-west-1.amazonaws.com/sagemaker-xgboost:3.0-5", "3.0-5"),
    ],
)
def test_a_newer_xgboost_image_has_a_version_in_the_registry_of_its_region(uri, version):
    assert registries.built_in(uri) == ("sagemaker-xgboost", version)


@pytest.mark.parametrize(
    "uri",
    [
        "811284229777.dkr.ecr.eu-west-1.amazonaws.com/xgboost:1",  # another region's account
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:2",
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost",
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1\n",
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/mine:1",
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",  # another algorithm's account
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/lda:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear_learner:1",
        "249704162688.dkr.ecr.me-south-1.amazonaws.com/lda:1",  # a region without LDA
        "811284229777.dkr.ecr.us-east-1.amazonaws.com.evil.org/xgboost:1",
        "xgboost:1",
        "683313688378.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1",  # another region's account
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",  # the account of xgboost:1
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.6-1",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:latest",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
    ],
)
def test_another_image_is_no_built_in_algorithm(uri):
    assert registries.built_in(uri) is None


def test_an_image_in_ecr_has_an_account_a_region_a_repository_and_a_version():
    image = registries.ecr_image("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/mine@sha256:0f")
    assert image == ("123456789012", "eu-west-1", "team/mine", "sha256:0f")
    assert registries.ecr_image("docker.io/library/python:3") is None


@pytest.mark.parametrize(("algorithm", "region"), [("xgboost", "us-iso-east-1"), ("lda", "cn-north-1")])
def test_a_region_without_the_image_has_none(algorithm, region):
    with pytest.raises(KeyError):
        registries.image(algorithm, region)
