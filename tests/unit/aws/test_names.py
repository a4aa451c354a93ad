"""Names of runs and resources, and their check characters."""

import re

import pytest

from harness.aws.cleanup.names import bears_run, is_run, names_of, new_run, run_of
from harness.aws.cleanup.resources import Resource
from tests.support.ledgers import ACCOUNT


def test_each_run_has_its_own_name_with_check_characters_for_its_account():
    runs = {new_run(ACCOUNT) for _ in range(200)}
    assert len(runs) == 200
    for run in runs:
        assert re.fullmatch("[a-z2-7]{12}", run)
        assert run_of(f"hsh-{run}-12-endpoint", ACCOUNT) == run_of(f"hsh-{run}-1/", ACCOUNT) == run


@pytest.mark.parametrize("name", ["hsh-{}-1-endpoint2", "x-hsh-{}-1-model", "hsh-{}-model", "hsh-{}-1-other", "{}"])
def test_a_name_that_only_resembles_a_runs_name_belongs_to_no_run(name):
    assert run_of(name.format(new_run(ACCOUNT)), ACCOUNT) is None


def test_a_name_made_for_another_account_is_almost_never_accepted():
    foreign = [f"hsh-{new_run('210987654321')}-1-model" for _ in range(2000)]
    assert sum(run_of(name, ACCOUNT) is not None for name in foreign) < 20


def test_names_are_short_enough_for_sagemaker():
    names = names_of(new_run(ACCOUNT), 999_999, "bucket")
    assert all(len(name) <= 63 for name in (names.training_job, names.model, names.endpoint_config, names.endpoint))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("S3 prefix", "s3://bucket/hsh-{}-1/"),
        ("S3 prefix", "s3://bucket/users/hsh-{}-1/output/"),
        ("log group", "/aws/sagemaker/Endpoints/hsh-{}-1-endpoint"),
        ("model", "hsh-{}-1-model"),
    ],
)
def test_a_name_or_a_folder_of_a_prefix_bears_its_run(kind, name):
    run, other = new_run(ACCOUNT), new_run(ACCOUNT)
    assert bears_run(Resource(kind, name.format(run)), run, ACCOUNT)
    assert not bears_run(Resource(kind, name.format(other)), run, ACCOUNT)
    assert not bears_run(Resource(kind, name.format(run)), run, "210987654321")


def test_a_bucket_or_an_object_with_a_runs_name_is_not_its_prefix():
    run = new_run(ACCOUNT)
    assert not bears_run(Resource("S3 prefix", f"s3://hsh-{run}-1/x/"), run, ACCOUNT)
    assert not bears_run(Resource("S3 prefix", f"s3://bucket/x/hsh-{run}-1"), run, ACCOUNT)
    assert is_run(run, ACCOUNT)
    assert not is_run(run[::-1], ACCOUNT)


def test_names_of_one_fit_share_their_run_and_number():
    names = names_of("k3vq7x2mpa4c", 7, "bucket")
    assert [resource.name for resource in names.resources] == [
        "s3://bucket/hsh-k3vq7x2mpa4c-7/",
        "hsh-k3vq7x2mpa4c-7-training-job",
        "hsh-k3vq7x2mpa4c-7-model",
        "hsh-k3vq7x2mpa4c-7-config",
        "hsh-k3vq7x2mpa4c-7-endpoint",
    ]
