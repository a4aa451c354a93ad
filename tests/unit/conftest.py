"""Fixtures of all unit tests."""

import os

import boto3
import pytest

from tests.support.outside import OUTSIDE


@pytest.fixture(autouse=True)
def environment_from_outside(monkeypatch):
    """Give each unit test the environment of pytest, even after integration tests that redirected this process."""
    for name in set(os.environ) - set(OUTSIDE):
        if not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    for name, value in OUTSIDE.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
