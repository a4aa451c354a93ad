"""SageMaker Spark SDK: its jars, its XGBoost estimator and its clean-up."""

from __future__ import annotations

import re
import warnings
from functools import wraps
from pathlib import Path
from typing import Any

import pyspark
import sagemaker_pyspark
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator
from sagemaker_pyspark.SageMakerEstimator import SageMakerEstimatorBase

from harness.aws import AWS
from harness.aws.account.spending import Use
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import Names
from harness.aws.cleanup.resources import Resource
from harness.aws.pricing import Instances
from harness.containers.xgboost.versions import Version
from harness.errors import SetupError
from harness.mnist import HYPERPARAMETERS
from harness.regions import split_s3_uri
from harness.registries import SAGEMAKER_XGBOOST, built_in
from harness.settings import Settings
from harness.spark.jvm import require_jvm_of

_JARS = ("aws-java-sdk-bundle-*.jar", "hadoop-aws-*.jar", "sagemaker-spark_*.jar")
"""The three of the SDK's nine jars that are needed; they share no class. The other six repeat the bundle in another
version.
"""


def sdk_jars() -> list[Path]:
    """Return the paths of the SDK's jars that Spark needs, in any order.

    :raises SetupError: a jar is missing, or was built for another pyspark than the installed one.
    """
    directory = Path(str(sagemaker_pyspark.__file__)).parent / "jars"
    found = [path for pattern in _JARS for path in directory.glob(pattern)]
    if len(found) != len(_JARS):
        raise SetupError(
            "The jars of sagemaker_pyspark are incomplete, or of another version.",
            checked=f"{directory} for one of each of {', '.join(_JARS)}; found {[path.name for path in found]}",
            fix="run 'pip install --force-reinstall --no-deps sagemaker-pyspark==1.4.5'",
        )
    _check_version(pyspark.__version__, found[-1].name)
    return found


def _check_version(installed: str, jar: str) -> None:
    """Raise :class:`SetupError` unless pyspark has the minor version in the name of the SDK's jar."""
    built_for = re.search(r"spark_(\d+\.\d+)(\.\d+)", jar)
    if built_for is None or not installed.startswith(built_for[1] + "."):
        needed = "".join(built_for.groups()) if built_for else "of an unknown version"
        raise SetupError(
            f"pyspark {installed} is installed, but the SageMaker Spark SDK's jars were built for pyspark {needed}.",
            checked=f"the version in the jar's name, {jar}",
            fix=f"run 'pip install pyspark=={needed}'" if built_for else "reinstall sagemaker-pyspark==1.4.5",
        )


def unreadable_answers(image: str, deserializer: str) -> str:
    """Return the reason if a deserializer of the SDK cannot read an image's answers, or ''.

    The SDK's XGBoostCSVRowDeserializer splits an answer at commas. It ends with a NumberFormatException at a line end.

    :param deserializer: name of its Java class.
    """
    algorithm = built_in(image)
    if algorithm is None or algorithm.repository != SAGEMAKER_XGBOOST:
        return ""
    version = algorithm.version
    if not Version(version).reads_accept or not deserializer.endswith(".XGBoostCSVRowDeserializer"):
        return ""
    return (
        f"sagemaker-xgboost:{version} answers a prediction a line, which the SDK's XGBoostCSVRowDeserializer cannot "
        "read: transform of this model will end with a NumberFormatException, here and in AWS. Use xgboost:1, or call "
        "the endpoint with boto3."
    )


def warn_of_unreadable_answers() -> None:
    """Have ``fit`` of the SDK's estimators warn if ``transform`` of their models cannot work."""
    fit = SageMakerEstimatorBase.fit
    if hasattr(fit, "__wrapped__"):
        return

    @wraps(fit)
    def warn_and_fit(self: Any, dataset: Any) -> Any:
        deserializer = self.responseRowDeserializer.getClass().getName()
        if reason := unreadable_answers(str(self.modelImage), deserializer):
            warnings.warn(reason, stacklevel=2)
        return fit(self, dataset)

    SageMakerEstimatorBase.fit = warn_and_fit


def estimator_options(aws: AWS, settings: Settings, names: Names) -> dict[str, Any]:
    """Return arguments that every estimator of the SDK takes, for one ``fit``. Spark must be running.

    They are role, instances, longest time, paths of the data, and names. The printed policies allow exactly these.

    :param names: names of all resources that the ``fit`` creates. The bucket of their data must exist.
    :raises SetupError: Spark's JVM does not use ``aws``.
    """
    require_jvm_of(aws, sdk=True)
    bucket, prefix = split_s3_uri(names.data)
    # By default the SDK uses random prefixes in the same bucket, which are unknown before use. There are two prefixes,
    # since after training it deletes everything below the one of the rows.
    rows, model = (sagemaker_pyspark.S3DataPath(bucket, f"{prefix}{part}") for part in ("rows", "model"))
    return {
        "trainingInstanceType": settings.training_instance_type,
        "trainingInstanceCount": settings.training_instance_count,
        "trainingInputS3DataPath": rows,
        "trainingOutputS3DataPath": model,
        "trainingMaxRuntimeInSeconds": int(settings.max_hours * 3600),
        "endpointInstanceType": settings.endpoint_instance_type,
        "endpointInitialInstanceCount": settings.endpoint_instance_count,
        "sagemakerRole": sagemaker_pyspark.IAMRole(aws.role),
        "namePolicyFactory": sagemaker_pyspark.CustomNamePolicyFactory(
            names.training_job, names.model, names.endpoint_config, names.endpoint
        ),
    }


def estimator(aws: AWS, settings: Settings, names: Names) -> XGBoostSageMakerEstimator:
    """Return the reference program's estimator, with the settings' instances, for one ``fit``. Spark must be running.

    :param names: names of all resources that it creates. The bucket of their data must exist.
    """
    built = XGBoostSageMakerEstimator(**estimator_options(aws, settings, names))
    for name, value in HYPERPARAMETERS.items():
        built.set(built.getParam(name), value)
    return built


def uses_of(estimator: SageMakerEstimatorBase) -> list[Use]:
    """Return the instances that one ``fit`` of an estimator uses, and for how long.

    An endpoint that ``transform`` creates counts too.
    """
    job = Instances("training", str(estimator.trainingInstanceType), int(estimator.trainingInstanceCount))
    training = Use(job, float(estimator.trainingMaxRuntimeInSeconds))
    if str(estimator.endpointCreationPolicy.toString()) == "DO_NOT_CREATE":
        return [training]
    count = int(estimator.endpointInitialInstanceCount)
    return [training, Use(Instances("hosting", str(estimator.endpointInstanceType), count))]


def projected_columns(estimator: SageMakerEstimatorBase) -> list[str]:
    """Return the columns that an estimator sends to its training job; none if it sends all."""
    columns = estimator.trainingProjectedColumns  # a Scala list, or None
    return str(columns.mkString("\0")).split("\0") if columns else []


def format_options(estimator: SageMakerEstimatorBase) -> dict[str, str]:
    """Return the options that an estimator gives to Spark's writer."""
    return _texts(estimator._java_obj.trainingSparkDataFormatOptions())


def hyperparameter(estimator: SageMakerEstimatorBase, name: str) -> Any:
    """Return the value of a hyperparameter, or None if an estimator has none of it.

    It is a Param of the algorithms' own estimators, and a text of the generic ``SageMakerEstimator``. The Param counts
    if there are both, as in ``SageMakerEstimator.makeHyperParameters`` of the SDK's Scala source.
    """
    if estimator.hasParam(name) and estimator.isDefined(name):
        return estimator.getOrDefault(name)
    return _texts(estimator._java_obj.hyperParameters()).get(name)


def _texts(scala: Any) -> dict[str, str]:
    """Return a Scala map, which the SDK's properties cannot convert."""
    pairs = (scala.toSeq().apply(index) for index in range(scala.size()))
    return {str(pair._1()): str(pair._2()) for pair in pairs}


def created_resources(model: sagemaker_pyspark.SageMakerModel) -> list[Resource]:
    """Return the resources that the SDK names as created for this model, even an endpoint that it did not create."""
    created = model.getCreatedResources()
    names = [created.model_name, created.endpoint_config_name, created.endpoint_name]
    kinds = ("model", "endpoint config", "endpoint")
    return [Resource(kind, name) for kind, name in zip(kinds, names, strict=True) if name]


def clean_up(model: sagemaker_pyspark.SageMakerModel, ledger: Ledger) -> list[Resource]:
    """Delete the resources of this model with the SDK's own clean-up, and return them.

    Resources that the ledger does not name are kept. The SDK would delete the endpoint of a model from
    ``SageMakerModel.fromEndpoint``, although it never created that endpoint.
    """
    named = ledger.resources
    ours = {resource.kind: resource for resource in created_resources(model) if resource in named}
    names = [ours[kind].name if kind in ours else None for kind in ("model", "endpoint config", "endpoint")]
    cleanup = sagemaker_pyspark.SageMakerResourceCleanup(model.sagemakerClient)
    cleanup.deleteResources(sagemaker_pyspark.CreatedResources(*names))
    return list(ours.values())
