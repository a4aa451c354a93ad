"""Fixtures of all unit tests."""

import boto3
import pytest

from tests.support.outside import restore_environment


@pytest.fixture(autouse=True)
def environment_from_outside(monkeypatch):
    """Give each unit test the environment of pytest, even after integration tests that redirected this process."""
    restore_environment(monkeypatch)
    monkeypatch.delenv("HARNESS_MODEL_CACHE")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
