"""The fixtures, thin: what each gives is made elsewhere and usable without pytest.

AWS, Spark and the trained model last for the session. While ``aws`` lasts, AWS clients that this process makes are led
the same way. A client made before, at the top of a module, say, is not: it keeps the account it was made for, so
code under test makes its clients inside functions.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from harness.aws import AWS, open_aws
from harness.errors import LeftoverError
from harness.settings import Settings, ini_name, read_settings

if TYPE_CHECKING:  # every pytest run loads this module: what takes long to import is imported by the fixture using it
    from pyspark.sql import DataFrame, SparkSession
    from sagemaker_pyspark import SageMakerModel

LEFTOVERS = pytest.StashKey[list[str]]()
"""What the session created and could not delete, in the stash of its configuration."""


def session_settings(config: pytest.Config) -> Settings:
    """Return the settings that pytest's command line, the environment and the ini file give.

    :raises SettingsError: a value cannot be used.
    """
    names = [setting.name for setting in dataclasses.fields(Settings)]
    command_line = {name: config.getoption(ini_name(name)) for name in names}
    return read_settings(command_line, os.environ, {ini_name(name): config.getini(ini_name(name)) for name in names})


@pytest.fixture(scope="session")
def harness_settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of this session."""
    return session_settings(pytestconfig)


@pytest.fixture(scope="session")
def aws(harness_settings: Settings) -> Iterator[AWS]:
    """The AWS that the settings ask for: a local one in mock mode, the account of the credentials in real mode."""
    import boto3  # noqa: PLC0415

    with ExitStack() as stack:
        opened = stack.enter_context(closing(open_aws(harness_settings)))
        stack.enter_context(patch.dict(os.environ, _led_to(opened)))
        stack.enter_context(patch.object(boto3, "DEFAULT_SESSION", None))  # it keeps the environment it was made in
        yield opened


def _led_to(aws: AWS) -> dict[str, str]:
    """Return the variables that lead this process to ``aws``; hosts that the user reaches without proxy stay so."""
    given = aws.environment()
    for name in {"NO_PROXY", "no_proxy"} & given.keys():
        given[name] = ",".join(filter(None, [given[name], os.environ.get(name)]))
    return given


@pytest.fixture(scope="session")
def spark(aws: AWS, harness_settings: Settings) -> Iterator[SparkSession]:
    """A Spark session whose SageMaker SDK and S3A reach ``aws``."""
    from harness.spark import build_session  # noqa: PLC0415

    session = build_session(aws, harness_settings)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def sagemaker_client(aws: AWS) -> Any:
    """A boto3 client of SageMaker."""
    return aws.client("sagemaker")


@pytest.fixture(scope="session")
def sagemaker_runtime_client(aws: AWS) -> Any:
    """A boto3 client of SageMaker's runtime, which invokes endpoints."""
    return aws.client("sagemaker-runtime")


@pytest.fixture(scope="session")
def s3_client(aws: AWS) -> Any:
    """A boto3 client of S3."""
    return aws.client("s3")


@pytest.fixture(scope="session")
def sagemaker_role(aws: AWS) -> str:
    """ARN of the role that SageMaker assumes."""
    return aws.role


@pytest.fixture(scope="session")
def mnist_train(spark: SparkSession, aws: AWS, harness_settings: Settings) -> DataFrame:
    """MNIST's training rows, as many as the settings say: ``label`` and ``features`` (dense, 784)."""
    from harness.spark import read_mnist  # noqa: PLC0415

    return read_mnist(spark, aws, "train", harness_settings.train_rows)


@pytest.fixture(scope="session")
def mnist_test(spark: SparkSession, aws: AWS, harness_settings: Settings) -> DataFrame:
    """MNIST's test rows, as many as the settings say: ``label`` and ``features`` (dense, 784)."""
    from harness.spark import read_mnist  # noqa: PLC0415

    return read_mnist(spark, aws, "test", harness_settings.test_rows)


@pytest.fixture(scope="session")
def trained_model(
    aws: AWS, harness_settings: Settings, mnist_train: DataFrame, pytestconfig: pytest.Config
) -> Iterator[SageMakerModel]:
    """The model that the reference program trains, behind its endpoint; deleted, provably, when the session ends."""
    from harness.aws.resources import leftovers, new_run, remove  # noqa: PLC0415
    from harness.guard import check_libsvm  # noqa: PLC0415
    from harness.spark import CLASSES, clean_up, created_resources, end_jvm, estimator  # noqa: PLC0415

    check_libsvm(mnist_train, classes=CLASSES)
    run = new_run()
    found: list[str] = []
    try:
        model = estimator(aws, harness_settings, run.prefix).fit(mnist_train)
        created = created_resources(model)
        yield model
        try:
            clean_up(model)
        finally:
            found += [f"{left}, after SageMakerResourceCleanup" for left in leftovers(aws, created)]
            refuse_leftovers(found)
    except KeyboardInterrupt:
        end_jvm()  # which would go on to create what is deleted next
        raise
    finally:
        found += [f"{left}, after deleting it by its name" for left in remove(aws, run)[1]]
        pytestconfig.stash.setdefault(LEFTOVERS, []).extend(found)
    refuse_leftovers(found)


def refuse_leftovers(found: list[str]) -> None:
    """Raise :class:`LeftoverError` if something is left over."""
    if found:
        raise LeftoverError(
            f"What this session created was still there: {', '.join(found)}.",
            checked="Describe of each after SageMakerResourceCleanup, and AWS's lists after deleting what it left",
            fix="delete what is still there with the AWS CLI or console: an endpoint costs money while it exists",
        )


@pytest.fixture
def faults(aws: AWS) -> Iterator[Any]:
    """Faults to inject into the local AWS, ``faults.add(...)``; cleared after the test. Skips in real mode."""
    injector = getattr(aws, "faults", None)
    if injector is None:
        pytest.skip(f"faults are injected into the local AWS; there is no way to inject them into a {aws.mode} one")
    yield injector
    injector.clear()
