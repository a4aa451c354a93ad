"""Fixtures for tests of ledgers."""

import boto3
import pytest
from moto import mock_aws

from harness.aws.cleanup.hooks import watch
from harness.aws.cleanup.ledger import Ledger
from harness.settings import Settings
from tests.support.ledgers import account


@pytest.fixture
def ledger(tmp_path):
    """An open ledger of an empty account."""
    with mock_aws():
        opened = Ledger.open(account(tmp_path), Settings(max_hours=3.0))
        opened.deletion.patience = 2.0
        yield opened
        opened.close()


@pytest.fixture
def watched(ledger):
    """A client of SageMaker whose resources the ledger records."""
    return watch(boto3.client("sagemaker", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"), ledger)
