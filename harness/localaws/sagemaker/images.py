"""Container images and the commands in their place, because containers run as processes here."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass

from harness.localaws.exceptions import ValidationException
from harness.regions import SAGEMAKER_XGBOOST_VERSIONS, domain, ecr_image, xgboost_version

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


@dataclass(frozen=True)
class Image:
    """A container image: a command, to which ``train`` or ``serve`` is appended, and the metrics in its log."""

    command: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...] = ()
    """Names and regular expressions of metrics, as in AlgorithmSpecification.MetricDefinitions."""
    is_built_in: bool = False
    """True for an algorithm of the harness, False for a command that was registered."""


# The definitions of the built-in algorithm, for lines that begin with the round. Without that anchor, an expression is
# tried from every character of a line, each time up to its end.
_XGBOOST_METRICS = tuple(
    (f"{channel}:{metric}", rf"^\[[0-9]+\].*#011{channel}-{metric}(?:@[0-9-]+)?:{_NUMBER}")
    for channel in ("train", "validation")
    for metric in ("rmse", "mae", "logloss", "error", "merror", "mlogloss", "auc", "ndcg", "map", "accuracy", "f1")
)
_LISTED = ", ".join(SAGEMAKER_XGBOOST_VERSIONS)
_XGBOOST = {
    version: Image((sys.executable, "-m", "harness.containers.xgboost", version), _XGBOOST_METRICS, is_built_in=True)
    for version in ("1", *SAGEMAKER_XGBOOST_VERSIONS)
}
_BUILT_IN = f"the built-in XGBoost (in AWS's registries xgboost:1 and sagemaker-xgboost:{_LISTED})"


class Images:
    """The images that can be run."""

    def __init__(self) -> None:
        self._registered: dict[str, Image] = {}
        self._lock = threading.Lock()

    def register(self, uri: str, command: list[str]) -> None:
        """Run ``command``, with ``train`` or ``serve`` appended, in place of the image ``uri``.

        :raises ValueError: the command is not a list of words.
        """
        if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
            raise ValueError(f"the command of {uri} is {command!r}; give a list of words such as ['python', 'mine.py']")
        with self._lock:
            self._registered[uri] = Image(tuple(command))

    def find(self, uri: str) -> Image:
        """Return an image by URI.

        :raises ValidationException: the local AWS does not have it.
        """
        with self._lock:
            if uri in self._registered:
                return self._registered[uri]
            known = ", ".join([_BUILT_IN, *sorted(self._registered)])
        if version := xgboost_version(uri):
            return _XGBOOST[version]
        raise ValidationException(
            f"The local AWS has no image {uri}. It has {known}. Register the command for your image "
            "with aws.register_container(image, command)."
        )


def check_model_image(uri: str, region: str) -> None:
    """Check that an image is in the region of the model that uses it.

    The message was observed in CreateModel (https://github.com/aws/sagemaker-pytorch-inference-toolkit/pull/7).

    :raises ValidationException: it is in another one.
    """
    image = ecr_image(uri)
    if image and image.region != region:
        raise ValidationException(
            f'Region of "{uri}" does not match expected region of {region}. Cross region ECR image pulls are not '
            "allowed."
        )


def check_training_image(uri: str, region: str) -> None:
    """Check that an image is in the region of the training job that uses it.

    The message was observed in CreateTrainingJob (https://github.com/aws-samples/mlops-amazon-sagemaker/issues/9).

    :raises ValidationException: it is in another one.
    """
    image = ecr_image(uri)
    if image and image.region != region:
        raise ValidationException(
            f"Invalid DNS suffix '{domain(image.region)}' for region '{image.region}' in training image. Please "
            f"provide the valid <region>.<dns-suffix>: '{region}.{domain(region)}'"
        )
