"""``fit`` of any estimator of the SDK in a test: rows are checked before, resources recorded, rows counted after.

``transform`` of its model warns of rows in another form than those that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias
from unittest.mock import patch
from weakref import WeakKeyDictionary

from pyspark.ml import Pipeline
from pyspark.sql import DataFrame
from sagemaker_pyspark import SageMakerModel
from sagemaker_pyspark.SageMakerEstimator import SageMakerEstimatorBase

from harness.aws import AWS
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.resources import Resource
from harness.errors import HarnessError, SettingsError
from harness.pipeline.failures import check_trained, last_words, rows_logged, stage_failure
from harness.pipeline.scored_rows import warn_of_other_rows
from harness.registries import built_in
from harness.spark.labels import labels_of, whole
from harness.spark.protobuf_rows import check_protobuf, rules_of
from harness.spark.sdk import format_options, hyperparameter, projected_columns, uses_of
from harness.spark.validation import Shape, check_frame, sample_rows

_Shapes: TypeAlias = "WeakKeyDictionary[Any, Shape]"
"""Form of the rows that each model was trained on."""
_SHOW_TRACE = (
    "fix the cause in the message; estimator.fit(frame) without sagemaker_fit raises it with Java's stack trace"
)
_USE_OPTIONS = "make a new estimator for each fit, with **estimator_options()"


@contextmanager
def checked_fits(aws: AWS, ledger: Ledger) -> Iterator[None]:
    """Have each ``fit`` of the SDK in this block refuse rows that would be lost, and count the rows trained on.

    A ``fit`` that could cost more than the ledger's run may spend is refused too. Models trained in the block warn of
    rows of another form. A block inside another one does nothing.
    """
    shapes: _Shapes = WeakKeyDictionary()
    transform = SageMakerModel.transform
    fit = SageMakerEstimatorBase.fit
    if hasattr(fit, "checks_rows"):
        yield
        return

    @wraps(fit)
    def checked(self: Any, dataset: DataFrame) -> SageMakerModel:
        return _check_and_fit(aws, self, dataset, _within_bound(ledger, fit), shapes)

    @wraps(transform)
    def warning(self: Any, dataset: DataFrame, *arguments: Any, **options: Any) -> DataFrame:
        if shape := shapes.get(self):
            warn_of_other_rows(dataset, shape)
        return transform(self, dataset, *arguments, **options)

    checked.checks_rows = True  # type: ignore[attr-defined]
    with patch.object(SageMakerEstimatorBase, "fit", checked), patch.object(SageMakerModel, "transform", warning):
        yield


def _within_bound(ledger: Ledger, fit: Callable[..., SageMakerModel]) -> Callable[..., SageMakerModel]:
    """Return a ``fit`` that creates nothing if that could cost more than the ledger's run may spend."""
    spending = ledger.spending
    if spending is None:
        return fit

    def priced(estimator: Any, frame: DataFrame) -> SageMakerModel:
        with spending.fit(uses_of(estimator)):
            return fit(estimator, frame)

    return priced


def _check_and_fit(
    aws: AWS, estimator: Any, frame: DataFrame, fit: Callable[..., SageMakerModel], shapes: _Shapes
) -> SageMakerModel:
    """Fit an estimator, and compare the rows in the frame with those that its containers read.

    Rows of other formats than LibSVM and RecordIO-protobuf have no rules here, and are not counted.

    :param shapes: gets the form of the rows that the model was trained on, if they are LibSVM and were computed.
    :raises DataError: rows would be lost or changed. Nothing was created.
    :raises PipelineError: other rows were trained on than the frame has.
    """
    check = {"libsvm": _check_libsvm, "sagemaker": _check_protobuf}.get(estimator.trainingSparkDataFormat)
    if check is None:
        return fit(estimator, frame)
    columns = projected_columns(estimator)
    sent = frame.select(*columns) if columns else frame
    rows, shape = check(estimator, sent)
    model = fit(estimator, frame)
    if shape is not None:
        shapes[model] = shape
    trained = rows_logged(aws, str(estimator.latestTrainingJob))
    known = sample_rows(sent) if rows is None else rows
    check_trained(trained, 0, (sent.count() if known is None else known) * _copies(estimator))
    return model


def _check_libsvm(estimator: Any, sent: DataFrame) -> tuple[int, Shape] | tuple[None, None]:
    labels = labels_of(_value(estimator, "objective"), _value(estimator, "num_class"))
    return check_frame(sent, None, labels) or (None, None)


def _check_protobuf(estimator: Any, sent: DataFrame) -> tuple[int | None, None]:
    """Check rows for Amazon's algorithms, for which an omitted value is zero, so that no form is returned."""
    image = built_in(str(estimator.trainingImage))
    given = {name: _value(estimator, name) for name in ("feature_dim", "predictor_type", "num_classes")}
    options = format_options(estimator)
    rows = check_protobuf(
        sent,
        rules_of(image.repository if image else None, given),
        label_column=options.get("labelColumnName", "label"),
        features_column=options.get("featuresColumnName", "features"),
    )
    return rows, None


def _copies(estimator: Any) -> int:
    """Return the number of hosts that read each row."""
    replicated = str(estimator.trainingS3DataDistribution) == "FullyReplicated"
    return int(estimator.trainingInstanceCount) if replicated else 1


def _value(estimator: Any, name: str) -> Any:
    """Return the value of a hyperparameter, as a number if its text is a whole one; None if the estimator has none."""
    value = hyperparameter(estimator, name)
    number = whole(value)
    return value if number is None else number


def fit(aws: AWS, ledger: Ledger, estimator: Any, frame: DataFrame) -> Any:
    """Fit an estimator and return its model, behind its endpoint. The ledger deletes all of it.

    :param estimator: any estimator of the SDK, made with :func:`harness.spark.sdk.estimator_options`, or a ``Pipeline``
        with such estimators as stages. Its model is a ``PipelineModel``.
    :param frame: the training rows.
    :raises SettingsError: the estimator has names that are not the ledger's, or were used by another ``fit``. Or all
        stages together could cost more than the run may spend. Nothing was created.
    :raises DataError: rows would be lost or changed. Nothing was created.
    :raises PipelineError: it failed, or other rows were trained on than the frame has.
    """
    estimators = _stages(estimator)
    stages = [each.namePolicyFactory.createNamePolicy() for each in estimators]
    jobs = [str(names.trainingJobName()) for names in stages]
    _check_names(ledger, [Resource("training job", job) for job in jobs])
    if ledger.spending:
        ledger.spending.check("this fit", [use for each in estimators for use in uses_of(each)])
    ledger.make_bucket()
    try:
        with checked_fits(aws, ledger), ledger.tagging():
            return estimator.fit(frame)
    except HarnessError:
        raise
    except Exception as error:
        failure = stage_failure("fit", error, aws, otherwise=_SHOW_TRACE)
        endpoints = [str(names.endpointName()) for names in stages]
        said = (last_words(aws, *names) for names in zip(reversed(jobs), reversed(endpoints), strict=True))
        failure.checked = "; ".join(filter(None, [failure.checked, *next(filter(None, said), [])]))
        raise failure from error


def _stages(estimator: Any) -> list[Any]:
    """Return the estimators of the SDK that an estimator consists of: itself, or stages of a pipeline."""
    if isinstance(estimator, Pipeline):
        return [
            each for stage in estimator.getStages() for each in _stages(stage) if hasattr(each, "namePolicyFactory")
        ]
    return [estimator]


def _check_names(ledger: Ledger, jobs: list[Resource]) -> None:
    for job in jobs:
        if job not in ledger.resources:
            raise SettingsError(
                f"The estimator would create {job}, which no ledger records, so nothing would delete it.",
                checked="the namePolicyFactory of the estimator",
                fix=_USE_OPTIONS,
            )
        if jobs.count(job) > 1:
            raise SettingsError(f"Two estimators would create {job}.", fix=_USE_OPTIONS)
    if used := ledger.existing(jobs):
        raise SettingsError(f"The estimator was used for {used[0]} already.", fix=_USE_OPTIONS)
