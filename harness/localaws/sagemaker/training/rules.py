"""Rules of a CreateTrainingJob request that AWS checks when it is asked, and that need no other resource.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html, API_Channel.html and
API_StoppingCondition.html. A message without a link is documentation only.
"""

from __future__ import annotations

import re
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.registries import SAGEMAKER_XGBOOST, built_in

DAY = 86_400
MAX_RUNTIME_SECONDS = 28 * DAY
_MAX_WAIT_SECONDS_WITHOUT_CHECKPOINTS = 3600
CHECKPOINTS = "/opt/ml/checkpoints"
"""Directory of checkpoints, unless a request names another one."""
_BASE = "/opt/ml/"
_TAKEN = ("input", "model", "output", "code", "errors", "failure")
"""Directories below ``/opt/ml`` that have another use."""
_ACCELERATED = re.compile(r"ml\.(p|g|trn|inf|dl)\d")
"""Start of the instance types that have a GPU or another accelerator."""


def max_runtime(request: dict[str, Any]) -> int:
    """Return the seconds that a job's training may take."""
    return int(request["StoppingCondition"].get("MaxRuntimeInSeconds") or DAY)


def input_mode(request: dict[str, Any], channel: dict[str, Any]) -> str:
    """Return a channel's input mode: its own, or the job's."""
    return str(channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"])


def checkpoint_directory(request: dict[str, Any]) -> str | None:
    """Return a job's directory of checkpoints, relative to ``/opt/ml``, or None if the job has none."""
    return _checkpoint_path(request).removeprefix(_BASE) if "CheckpointConfig" in request else None


def _checkpoint_path(request: dict[str, Any]) -> str:
    return str(request["CheckpointConfig"].get("LocalPath") or CHECKPOINTS).rstrip("/")


def check_request(request: dict[str, Any]) -> None:
    """Check a request.

    :raises ValidationException: it breaks a rule, or asks for what is not emulated.
    """
    for needed in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if needed not in request:
            raise ValidationException(f"{needed} is required")
    if request["ResourceConfig"].get("InstanceCount", 0) < 1:
        raise ValidationException("The local AWS trains on equal instances: give ResourceConfig.InstanceCount.")
    if "TrainingImage" not in request["AlgorithmSpecification"]:
        raise ValidationException("The local AWS runs training images. Give AlgorithmSpecification.TrainingImage.")
    _check_metrics(request)
    _check_instance_type(request)
    _check_times(request)
    _check_channels(request)
    _check_checkpoints(request)


def _repository(request: dict[str, Any]) -> str:
    """Return the name of the built-in algorithm's repository, or '' for another image."""
    algorithm = built_in(request["AlgorithmSpecification"]["TrainingImage"])
    return algorithm.repository if algorithm else ""


def _check_metrics(request: dict[str, Any]) -> None:
    """Refuse definitions of metrics for a built-in algorithm.

    Observed: https://github.com/awslabs/mlspace, training_job/lambda_functions.py, and
    https://github.com/aws/sagemaker-xgboost-container/issues/121
    """
    if request["AlgorithmSpecification"].get("MetricDefinitions") and _repository(request):
        raise ValidationException(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request "
            "without specifying metric definitions."
        )


def _check_instance_type(request: dict[str, Any]) -> None:
    """Refuse LDA on a GPU: AWS documents CPUs only, and not what it does with others.

    https://docs.aws.amazon.com/sagemaker/latest/dg/lda.html
    """
    instance_type = str(request["ResourceConfig"].get("InstanceType"))
    if _repository(request) == "lda" and _ACCELERATED.match(instance_type):
        raise ValidationException(
            f"The local AWS does not emulate lda on {instance_type}: AWS documents that it trains on CPUs only."
        )


def _check_times(request: dict[str, Any]) -> None:
    """Check the rules of managed spot training.

    The message about a job without it was observed: https://github.com/Kenza-AI/sagify/issues/111
    """
    runtime, wait = max_runtime(request), request["StoppingCondition"].get("MaxWaitTimeInSeconds")
    spot = request.get("EnableManagedSpotTraining", False)
    if runtime > MAX_RUNTIME_SECONDS:
        raise ValidationException(
            f"Invalid MaxRuntimeInSeconds {runtime}. The maximum value is {MAX_RUNTIME_SECONDS} (28 days)."
        )
    if wait is not None and not spot:
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )
    if spot and (wait is None or wait < runtime):
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds "
            f"({runtime})"
        )
    # https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html: algorithms without checkpoints
    image = request["AlgorithmSpecification"]["TrainingImage"]
    writes_none = _repository(request) not in ("", SAGEMAKER_XGBOOST)
    if spot and writes_none and wait > _MAX_WAIT_SECONDS_WITHOUT_CHECKPOINTS:
        raise ValidationException(
            f"Invalid MaxWaitTimeInSeconds {wait}. The algorithm of {image} does not write checkpoints, and is limited "
            f"to {_MAX_WAIT_SECONDS_WITHOUT_CHECKPOINTS} s of managed spot training."
        )


def _check_channels(request: dict[str, Any]) -> None:
    channels = request.get("InputDataConfig") or []
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        raise ValidationException(f"Channel names must be unique, but are {', '.join(names)}")
    for channel in channels:
        _check_channel(channel, input_mode(request, channel))


def _check_channel(channel: dict[str, Any], mode: str) -> None:
    """Check one channel.

    The message about compression was observed: https://github.com/aws/sagemaker-python-sdk/issues/716
    """
    name = channel["ChannelName"]
    source = channel["DataSource"].get("S3DataSource")
    if source is None or source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise ValidationException(
            f"The local AWS reads channel {name} from an S3DataSource of type S3Prefix or ManifestFile."
        )
    if mode == "Pipe":
        member = "InputMode" if channel.get("InputMode") else "TrainingInputMode"
        raise ValidationException(
            f"The local AWS does not emulate {member} Pipe, which channel {name} has. Use File or FastFile."
        )
    for member, title in (("CompressionType", "compression type"), ("RecordWrapperType", "record wrapper type")):
        if (given := channel.get(member) or "None") != "None":
            raise ValidationException(
                f"Invalid {title} for channel {name}: {mode} mode only supports NONE, got {given} instead"
            )


def _check_checkpoints(request: dict[str, Any]) -> None:
    if "CheckpointConfig" not in request:
        return
    path = _checkpoint_path(request)
    parts = path.removeprefix(_BASE).split("/")
    if not path.startswith(_BASE) or {"", ".", ".."} & set(parts) or parts[0] in _TAKEN or "\0" in path:
        raise ValidationException(
            "The local AWS keeps checkpoints in a separate directory below /opt/ml: its containers are processes with "
            f"a directory in place of /opt/ml. CheckpointConfig.LocalPath is {path}."
        )
