"""Fixtures for pytest. They are thin: the objects are made elsewhere, and can be used without pytest.

AWS, Spark and the trained model last for the session. While ``aws`` lasts, AWS clients that this process creates are
redirected. Clients created at import time are not, and keep the account they were made for. Create them inside
functions.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from harness.aws import AWS, open_aws
from harness.settings import Settings, ini_name, read_settings

if TYPE_CHECKING:  # every pytest run loads this module, so slow imports are in the fixtures that need them
    from pyspark.sql import DataFrame, SparkSession
    from sagemaker_pyspark import SageMakerModel

    from harness.aws.cleanup.ledger import Ledger
    from harness.aws.cleanup.resources import Leftover
    from harness.spark.shared import SharedSession

LEFTOVERS: pytest.StashKey[list[Leftover]] = pytest.StashKey()
"""Key in the session's stash: resources that it created and could not delete."""
REMAINING: pytest.StashKey[list[tuple[str, str]]] = pytest.StashKey()
"""Key in the session's stash: what its own AWS had when it was closed, each with the tests during which it began."""
STARTED: pytest.StashKey[list[tuple[float, str]]] = pytest.StashKey()
"""Key in the session's stash: the tests in the order in which they began, each with seconds since the epoch."""
UNRECORDED: pytest.StashKey[list[str]] = pytest.StashKey()
"""Key in the session's stash: what was created in AWS since it began, by it or by others, and is in no ledger."""
COUNTS: pytest.StashKey[dict[str, int]] = pytest.StashKey()
"""Key in the session's stash: numbers of resources that its ledger saw ``created``, ``deleted`` and ``left over``."""
REFUSED: pytest.StashKey[list[str]] = pytest.StashKey()
"""Key in the session's stash: hosts that clients asked for and that the local AWS refused."""
FROM_CACHE: pytest.StashKey[int] = pytest.StashKey()
"""Key in the session's stash: number of training jobs whose models came from the cache of trained models."""
OPEN_LEDGER: pytest.StashKey[tuple[Ledger, ExitStack]] = pytest.StashKey()
"""Key in the session's stash: its ledger, and the stack that closes it."""
NOTES: pytest.StashKey[list[str]] = pytest.StashKey()
"""Key in the session's stash: sentences about how its AWS was opened."""
ENVIRONMENT: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""Key in the session's stash: the environment before this process was redirected to an AWS."""
SHARED: pytest.StashKey[SharedSession] = pytest.StashKey()
"""Key in the session's stash: the Spark session that the fixtures use."""


def session_settings(config: pytest.Config) -> Settings:
    """Return the settings that pytest's command line, the environment and the ini file give.

    :raises SettingsError: a value cannot be used.
    """
    names = [setting.name for setting in dataclasses.fields(Settings)]
    ini = {ini_name(name): config.getini(ini_name(name)) for name in names}
    return read_settings(typed_settings(config), os.environ, ini)


def typed_settings(config: pytest.Config) -> dict[str, str | None]:
    """Return the settings on pytest's command line, None for each that was not given."""
    given = {setting.name: config.getoption(ini_name(setting.name)) for setting in dataclasses.fields(Settings)}
    return {name: "\n".join(value) if isinstance(value, list) else value for name, value in given.items()}


@pytest.fixture(scope="session")
def harness_settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of this session."""
    return session_settings(pytestconfig)


@pytest.fixture(scope="session")
def aws(harness_settings: Settings, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[AWS]:
    """The AWS of the settings: a local one in mock mode, the account of the credentials in real mode."""
    from unittest.mock import patch  # noqa: PLC0415 - imports asyncio

    import boto3  # noqa: PLC0415

    from harness.spark.early import prepare_early  # noqa: PLC0415

    with ExitStack() as stack:
        pytestconfig.stash[ENVIRONMENT] = dict(os.environ)
        # A benchmark must not measure what earlier sessions left.
        reuses = not _is_requested("benchmark", request.session)
        meanwhile = prepare_early if _is_requested("spark", request.session) else None
        opened = stack.enter_context(closing(open_aws(harness_settings, reuses=reuses, meanwhile=meanwhile)))
        pytestconfig.stash[NOTES] = opened.notes
        if opened.lease:
            opened.notes.append(f"Used the environment of 'harness up', process {opened.lease.keeper}.")
            stack.callback(_detach)
        stack.enter_context(patch.dict(os.environ, opened.redirected(os.environ), clear=True))
        stack.enter_context(patch.object(boto3, "DEFAULT_SESSION", None))  # it keeps the environment it was made in
        _prepare_sparks_of_users(opened, stack)
        yield opened
        started = pytestconfig.stash.get(STARTED, [])
        pytestconfig.stash[REMAINING] = [(each.text, _tests_at(each.created, started)) for each in opened.remaining()]
        pytestconfig.stash[REFUSED] = opened.refused_hosts()
        pytestconfig.stash[FROM_CACHE] = len(opened.jobs_from_cache())


def _tests_at(moments: Iterable[float], started: Sequence[tuple[float, str]]) -> str:
    """Return the first test that ran at one of these moments, and how many others did; '' if none had begun."""
    begun = [bisect_right(started, moment, key=itemgetter(0)) for moment in sorted(moments)]
    tests = list(dict.fromkeys(started[number - 1][1] for number in begun if number))
    if len(tests) > 1:
        return f"{tests[0]} and {len(tests) - 1:,} other{'s' if len(tests) > 2 else ''}"
    return "".join(tests)


def _detach() -> None:
    if "pyspark" in sys.modules:  # otherwise it has no JVM
        from harness.spark.internals import detach  # noqa: PLC0415

        detach()


def _is_requested(fixture: str, session: pytest.Session) -> bool:
    """Return whether a test of the session uses a fixture, itself or through others."""
    return any(fixture in getattr(item, "fixturenames", ()) for item in session.items)


def _prepare_sparks_of_users(aws: AWS, stack: ExitStack) -> None:
    """Have sessions that users start from now on work on this Python, and the SDK refuse a JVM started before.

    Their JVM finds ``aws`` through the variables of this process.
    """
    from unittest.mock import patch  # noqa: PLC0415 - imports asyncio

    from harness.spark.pythonpath import harness_cloudpickle, python_environment  # noqa: PLC0415

    harness_cloudpickle.install()
    stack.enter_context(patch.dict(os.environ, python_environment()))
    if "pyspark" in sys.modules:  # otherwise there is no JVM, and the import is slow
        from harness.spark.jvm import refused_if_foreign  # noqa: PLC0415

        stack.enter_context(refused_if_foreign(aws))


@pytest.fixture(scope="session")
def ledger(aws: AWS, harness_settings: Settings, pytestconfig: pytest.Config) -> Iterator[Ledger]:
    """Records each AWS resource before the session creates it, and deletes all of them when the session ends.

    Your own estimator gets names that it knows from ``estimator_options``. Record a resource that you create in another
    way first: ``ledger.expect(Resource("endpoint", name))``. ``sagemaker_client`` does so by itself.
    """
    from harness.aws.cleanup.reaper import open_ledger  # noqa: PLC0415

    stack = ExitStack()
    opened = stack.enter_context(
        open_ledger(aws, harness_settings, environment=pytestconfig.stash.get(ENVIRONMENT, None))
    )
    pytestconfig.stash[OPEN_LEDGER] = opened, stack
    yield opened
    close_ledger(pytestconfig)
    if aws.outlives_process:  # a local AWS is this session's alone: it says what remains when it is closed
        from harness.aws.unrecorded import unrecorded  # noqa: PLC0415

        pytestconfig.stash[UNRECORDED] = unrecorded(opened, aws.client)


def close_ledger(config: pytest.Config) -> None:
    """Delete all that the session created, and keep the leftovers. A second call does nothing."""
    opened, stack = config.stash.get(OPEN_LEDGER, (None, None))
    if opened is None or stack is None:
        return
    del config.stash[OPEN_LEDGER]
    try:
        stack.close()
    finally:
        left = opened.leftovers or []
        config.stash.setdefault(LEFTOVERS, []).extend(left)
        created = len(opened.created)
        config.stash[COUNTS] = {"created": created, "deleted": created - len(left), "left over": len(left)}


@pytest.fixture(scope="session")
def spark(
    aws: AWS,
    ledger: Ledger,  # marks the JVM, and bounds the cost of each fit
    harness_settings: Settings,
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
) -> Iterator[SparkSession]:
    """A ``SparkSession`` with the SageMaker SDK and S3A, configured to use ``aws``.

    If a test or the code under test stops it, it is started again for the next test that uses it.
    """
    from harness.pipeline.fit import checked_fits  # noqa: PLC0415
    from harness.spark.session import build_session, stop_session  # noqa: PLC0415
    from harness.spark.shared import RestartedSession  # noqa: PLC0415

    session = build_session(aws, harness_settings, measured=_is_requested("benchmark", request.session))
    pytestconfig.stash[SHARED] = RestartedSession(session, aws, harness_settings)
    with checked_fits(aws, ledger):
        yield session
    del pytestconfig.stash[SHARED]
    stop_session(session)


def _shared(config: pytest.Config) -> SharedSession:
    """Return the session of the fixture ``spark``, which may be a user's, and runs."""
    from harness.spark.shared import SharedSession  # noqa: PLC0415

    shared = config.stash.setdefault(SHARED, SharedSession())
    shared.ensure_running()
    return shared


@pytest.fixture(scope="session")
def estimator_options(
    spark: SparkSession,  # noqa: ARG001 - the options are objects in its JVM
    aws: AWS,
    ledger: Ledger,
    harness_settings: Settings,
) -> Callable[[], dict[str, Any]]:
    """``estimator_options()`` returns the arguments that your own estimator needs for one ``fit``, as a dictionary:

    - ``sagemakerRole``: the role of ``aws``;
    - ``trainingInstanceType``, ``trainingInstanceCount``, ``endpointInstanceType`` and ``endpointInitialInstanceCount``
      of the settings;
    - ``trainingMaxRuntimeInSeconds``: the ``max_hours`` of the settings;
    - ``trainingInputS3DataPath`` and ``trainingOutputS3DataPath``: prefixes that the ``ledger`` deletes;
    - ``namePolicyFactory``: names that the ``ledger`` knows. Without them, ``sagemaker_fit`` refuses the estimator.

    Call it for each estimator, since each call returns new names. To change an argument, merge the dictionaries:
    ``XGBoostSageMakerEstimator(**{**estimator_options(), "trainingInstanceCount": 2})``.
    """
    from harness.spark.sdk import estimator_options  # noqa: PLC0415

    return lambda: estimator_options(aws, harness_settings, ledger.names(harness_settings))


@pytest.fixture(scope="session")
def sagemaker_fit(
    spark: SparkSession,  # noqa: ARG001 - the estimator is an object in its JVM
    aws: AWS,
    ledger: Ledger,
) -> Callable[[Any, DataFrame], Any]:
    """``sagemaker_fit(estimator, frame)`` trains your own estimator, and returns its model behind its endpoint.

    A Spark ``Pipeline`` with estimators of the SDK as stages is trained too, and gives a ``PipelineModel``.
    Rows that would be lost on their way are refused before anything is created. Afterwards the rows that the training
    container read are compared with those of the frame. What was created is tagged, and deleted with the session.
    In real mode with a ``max_cost``, a ``fit`` that could exceed it is refused before anything is created.

    A ``fit`` that fails raises :class:`harness.errors.PipelineError`, with the reason and the container's last lines.
    """
    from harness.pipeline.fit import fit  # noqa: PLC0415

    return lambda estimator, frame: fit(aws, ledger, estimator, frame)


@pytest.fixture(scope="session")
def sagemaker_client(aws: AWS, ledger: Ledger) -> Any:
    """A boto3 client of SageMaker. The ``ledger`` records and tags the training jobs, models, endpoint configs and
    endpoints that it creates, and deletes them with the session. It does so with nothing else that the client creates.
    In real mode, jobs and endpoints that could exceed ``max_cost`` are refused.
    """
    from harness.aws.cleanup.hooks import watch  # noqa: PLC0415

    return watch(aws.client("sagemaker"), ledger)


@pytest.fixture(scope="session")
def sagemaker_runtime_client(aws: AWS) -> Any:
    """A boto3 client of the SageMaker runtime, which invokes endpoints."""
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
def seed_s3(aws: AWS, ledger: Ledger) -> Callable[..., str]:
    """``seed_s3(directory)`` uploads a directory, and returns where it is in S3, such as ``s3a://bucket/prefix/``.

    It is a new prefix that the run may use for its output too. ``seed_s3(directory, "s3://my-bucket/customers/")``
    chooses the place, where nothing may exist yet. The local AWS makes the bucket. Everything below the place is
    deleted with the session.
    """
    from harness.aws.seeding import seed  # noqa: PLC0415

    return lambda directory, uri=None: seed(aws, ledger, Path(directory), uri)


@pytest.fixture(scope="session")
def mnist_train(spark: SparkSession, aws: AWS, harness_settings: Settings, pytestconfig: pytest.Config) -> DataFrame:
    """MNIST's training rows, in the number that the settings give: ``label`` and ``features`` (dense, 784)."""
    from harness.spark.data import read_mnist  # noqa: PLC0415

    shared = _shared(pytestconfig)
    return shared.frame(lambda: read_mnist(spark, aws, "train", harness_settings.train_rows))


@pytest.fixture(scope="session")
def mnist_test(spark: SparkSession, aws: AWS, harness_settings: Settings, pytestconfig: pytest.Config) -> DataFrame:
    """MNIST's test rows, in the number that the settings give: ``label`` and ``features`` (dense, 784)."""
    from harness.spark.data import read_mnist  # noqa: PLC0415

    shared = _shared(pytestconfig)
    return shared.frame(lambda: read_mnist(spark, aws, "test", harness_settings.test_rows))


@pytest.fixture(scope="session")
def trained_model(
    aws: AWS, ledger: Ledger, harness_settings: Settings, mnist_train: DataFrame, pytestconfig: pytest.Config
) -> Iterator[SageMakerModel]:
    """The reference program's trained model, behind its endpoint. It is deleted, provably, with the session.

    If the settings name an ``endpoint`` in real mode, it is the model behind that endpoint, which must read LibSVM and
    answer as XGBoost does. Then nothing is trained or recorded, and the endpoint stays.
    """
    from harness.spark.jvm import require_jvm_of  # noqa: PLC0415

    require_jvm_of(aws, sdk=True)
    _shared(pytestconfig)
    if endpoint := harness_settings.existing_endpoint:
        yield _model_behind(aws, endpoint)
        return
    from harness.aws.cleanup.leftovers import refuse_leftovers  # noqa: PLC0415
    from harness.pipeline.fit import fit  # noqa: PLC0415
    from harness.spark.sdk import clean_up, created_resources, estimator  # noqa: PLC0415
    from harness.spark.session import running_spark  # noqa: PLC0415

    model = fit(aws, ledger, estimator(aws, harness_settings, ledger.names(harness_settings)), mnist_train)
    created = [resource for resource in created_resources(model) if resource in ledger.resources]
    yield model
    with running_spark(aws, harness_settings):  # the code under test, or another plugin, may have stopped it
        try:
            clean_up(model, ledger)
        finally:
            refuse_leftovers(ledger.deletion.still_there(created), after="SageMakerResourceCleanup")


def _model_behind(aws: AWS, endpoint: str) -> SageMakerModel:
    """Return the SDK's model of an existing endpoint. Spark must be running."""
    from sagemaker_pyspark import SageMakerModel  # noqa: PLC0415
    from sagemaker_pyspark.transformation.deserializers import XGBoostCSVRowDeserializer  # noqa: PLC0415
    from sagemaker_pyspark.transformation.serializers import LibSVMRequestRowSerializer  # noqa: PLC0415

    from harness.bench.endpoints import require_endpoint  # noqa: PLC0415

    require_endpoint(aws, endpoint)
    return SageMakerModel.fromEndpoint(endpoint, LibSVMRequestRowSerializer(), XGBoostCSVRowDeserializer())


@pytest.fixture
def faults(aws: AWS, pytestconfig: pytest.Config) -> Iterator[Any]:
    """Faults to inject into the local AWS: ``faults.add(...)``, whose ``applied`` is the number of calls that it hit.

    They are cleared after the test. Skips in real mode.
    """
    if aws.faults is None:
        pytest.skip(f"faults can be injected into the local AWS only, and this AWS is {aws.mode}")
    from harness.aws.faults import reported_while_waiting  # noqa: PLC0415

    with reported_while_waiting(aws.faults, _uncaptured(pytestconfig)):
        yield aws.faults
    aws.faults.clear()


def _uncaptured(config: pytest.Config) -> IO[str]:
    """Return pytest's own standard error, which a test's output is not mixed with."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        return os.fdopen(os.dup(2), "w")
