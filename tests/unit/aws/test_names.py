"""Names of runs and resources, and their check characters."""

import re

import pytest

from harness.aws.cleanup.names import names_of, new_run, run_of
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
