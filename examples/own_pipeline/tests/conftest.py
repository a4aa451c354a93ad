"""Fixtures for the session: the customers in S3, the training rows, and the trained model."""

from pathlib import Path

import churn
import pytest


@pytest.fixture(scope="session")
def data(seed_s3):
    """The directory ``data`` in S3. The tests may write there too: all of it is deleted with the session."""
    return seed_s3(Path(__file__).parents[1] / "data")


@pytest.fixture(scope="session")
def rows(spark, data):
    return churn.prepare(churn.read(spark, data + "customers.csv")).cache()


@pytest.fixture(scope="session")
def model(sagemaker_fit, estimator_options, rows):
    return sagemaker_fit(churn.estimator(**estimator_options()), rows)
