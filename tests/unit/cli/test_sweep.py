"""``harness sweep`` on moto's account: its table, its JSON and its deletions."""

import json
import re
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from moto import mock_aws
from moto.backends import get_backend

from harness.aws.cleanup.names import names_of, new_run
from harness.aws.cleanup.record import EXPIRES_TAG, RUN_TAG
from harness.aws.cleanup.resources import as_list
from harness.cli.main import main

ACCOUNT = "123456789012"
RUN, OTHER = new_run(ACCOUNT), new_run(ACCOUNT)


@pytest.fixture
def swept(tmp_path, monkeypatch, capsys):
    """Sweep an account with an expired endpoint, its config and model, and a model with a run's name and no tags."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "XDG_STATE_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    prices = tmp_path / "prices.json"
    ended = datetime.now(timezone.utc) - timedelta(minutes=90)
    prices.write_text('{"source": "s", "date": "2026-11-01", "prices": {"ml.m4.xlarge": {"hosting": 0.25}}}')

    def swept(*options):
        code = main(["sweep", "--region=us-east-1", f"--prices={prices}", *options])
        return code, *capsys.readouterr()

    with mock_aws():
        sagemaker = boto3.client("sagemaker", "us-east-1")
        names, tags = names_of(RUN, 1, "b"), as_list({RUN_TAG: RUN, EXPIRES_TAG: ended.strftime("%Y-%m-%dT%H:%M:%SZ")})
        role = f"arn:aws:iam::{ACCOUNT}:role/r"
        for name in (names.model, names_of(OTHER, 1, "b").model):
            sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
        get_backend("sagemaker")[ACCOUNT]["us-east-1"]._models[
            names_of(OTHER, 1, "b").model
        ].creation_time = "2026-01-01"
        variant = {"VariantName": "v", "ModelName": names.model, "InitialInstanceCount": 2}
        variant["InstanceType"] = "ml.m4.xlarge"
        config, endpoint = names.endpoint_config, names.endpoint
        sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant], Tags=tags)
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config, Tags=tags)
        yield swept


def test_a_sweep_shows_a_row_for_each_resource_and_deletes_nothing_unasked(swept):
    code, out, err = swept()
    table = [re.split(r"  +", line.strip()) for line in out.splitlines() if "us-east-1" in line]
    rows = sorted(table)
    assert {tuple(row[2:6] + row[7:]) for row in rows} == {
        ("us-east-1", "exists", "name and tag", RUN, "0.00", "deleted"),
        ("us-east-1", "InService", "name and tag", RUN, "0.50", "deleted"),
        ("us-east-1", "exists", "name", OTHER, "0.00", "kept: check first"),
    }
    assert [row[0] for row in rows] == ["endpoint", "endpoint config", "model", "model"]
    assert {row[6][:5] for row in rows if row[4] != "name"} == {"1 h 3"}
    assert "1 found only by name, by tag or by a job: check them" in out
    assert "To delete 3 of 4: add --yes." in out
    assert (code, err) == (0, "")


@pytest.mark.slow
def test_a_sweep_deletes_proven_resources_and_keeps_the_rest(swept):
    code, out, _ = swept("--yes")
    assert (code, out.splitlines()[-1]) == (0, "Deleted 3.")
    found = json.loads(swept("--json")[1])
    assert [(row["run"], row["fate"]) for row in found["found"]] == [(OTHER, "unproven")]
    assert swept("--yes")[1].splitlines()[-1] == "Nothing to delete."
    assert swept("--yes", "--include-unproven")[1].splitlines()[-1] == "Deleted 1."


def test_the_json_of_a_sweep_has_each_resource_with_its_cost_and_fate(swept):
    code, out, _ = swept("--json", "--ttl=2")
    content = json.loads(out)
    endpoint = next(row for row in content["found"] if row["kind"] == "endpoint")
    assert (endpoint["name"], endpoint["hourly_cost"], endpoint["fate"]) == (f"hsh-{RUN}-1-endpoint", 0.5, "early")
    assert (code, content["left"], content["notes"]) == (0, [], [])
    assert "3 kept: their runs may be alive, or --ttl has not passed." in swept("--ttl=2")[1]
