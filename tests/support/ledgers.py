"""Ledgers of a made-up account, for moto."""

from functools import cache
from types import SimpleNamespace

import boto3

from harness.aws.cleanup.ledger import Ledger

ACCOUNT = "123456789012"
MODEL = {"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "PrimaryContainer": {"Image": "i"}}
PRICES = {"endpoint": {"ml.m4.xlarge": 0.25}}


@cache
def client(service):
    """Return a client of the account, the same for each service."""
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def account(directory, **members):
    """Return an AWS whose ledgers are below a directory."""
    own = {
        "mode": "real",
        "region": "us-east-1",
        "account": ACCOUNT,
        "client": client,
        "hourly_prices": PRICES,
        "prices": None,
    }
    return SimpleNamespace(**own | {"ledger_directory": directory / "state"} | members)


def on_disk(ledger):
    """Return the resources that another process would read now."""
    return Ledger.read(ledger.path, client).resources
