"""Container images and the commands in their place, because containers run as processes here."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.algorithm_metrics import METRICS, Metrics
from harness.localaws.sagemaker.container_process import all_variables
from harness.localaws.sagemaker.prepared_containers import PreparedContainers
from harness.regions import domain
from harness.registries import (
    SAGEMAKER_XGBOOST,
    SAGEMAKER_XGBOOST_VERSIONS,
    SDK_ALGORITHMS,
    BuiltIn,
    built_in,
    ecr_image,
    image,
)


@dataclass(frozen=True)
class Image:
    """A container image: a command, to which ``train`` or ``serve`` is appended, and the metrics in its log."""

    command: tuple[str, ...]
    metrics: Metrics = ()
    is_built_in: bool = False
    """True for an algorithm of the harness, False for a command that was registered."""
    serving_variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the command when it serves, unless the model has others."""
    prepared: PreparedContainers | None = None
    """Processes that can become its containers, if these have no variables of their request."""

    def for_request(self, variables: Mapping[str, str]) -> Image:
        """Return the image for containers with these variables of a request: none is prepared if there are any."""
        return replace(self, prepared=None) if variables else self

    def prepare(self, work: str, environment: Mapping[str, str]) -> None:
        """Start a process that can become the next container that does this work: ``train`` or ``serve``.

        :param environment: variables that the service gives it.
        """
        if self.prepared:
            own = self.serving_variables if work == "serve" else {}
            self.prepared.prepare([*self.command, work], all_variables({**environment, **own}))


_VERSIONS = {
    **dict.fromkeys(SDK_ALGORITHMS, ("1",)),
    SAGEMAKER_XGBOOST: SAGEMAKER_XGBOOST_VERSIONS,
}
_BUILT_IN = "the built-in algorithms (in AWS's registries {})".format(
    ", ".join(f"{repository}:{', '.join(versions)}" for repository, versions in _VERSIONS.items())
)

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Requests come in parallel, one from each task of Spark, and threads of matrix products would delay each other. On two
busy cores, KMeans takes 58 to 350 ms for a request of 5 MB with such threads, and 11 to 32 ms without."""


def _run(algorithm: BuiltIn, prepared: PreparedContainers | None) -> Image:
    """Return the image of a built-in algorithm. Its module in ``harness.containers`` has its repository's name."""
    name = algorithm.repository.removeprefix("sagemaker-")
    version = (algorithm.version,) if name == "xgboost" else ()
    command = (sys.executable, "-m", f"harness.containers.{name.replace('-', '_')}", *version)
    return Image(command, METRICS[name], True, _ONE_THREAD, prepared)


def _elsewhere(uri: str) -> str:
    """Return a sentence about the image that a URI of a built-in algorithm with another account or tag may mean."""
    asked = ecr_image(uri)
    if asked is None or asked.repository not in SDK_ALGORITHMS:
        return ""
    try:
        return f" In {asked.region}, AWS's {asked.repository} is {image(asked.repository, asked.region)}."
    except KeyError:
        return f" The SageMaker Spark SDK knows no {asked.repository} in {asked.region}."


class Images:
    """The images that can be run."""

    def __init__(self, prepared: PreparedContainers | None = None) -> None:
        """Know the built-in algorithms.

        :param prepared: has processes that can become their containers.
        """
        self._prepared = prepared
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

    def clear(self) -> None:
        """Forget the commands that were registered."""
        with self._lock:
            self._registered.clear()

    def find(self, uri: str) -> Image:
        """Return an image by URI.

        :raises ValidationException: the local AWS does not have it.
        """
        with self._lock:
            if uri in self._registered:
                return self._registered[uri]
            known = ", ".join([_BUILT_IN, *sorted(self._registered)])
        if algorithm := built_in(uri):
            return _run(algorithm, self._prepared)
        raise ValidationException(
            f"The local AWS has no image {uri}.{_elsewhere(uri)} It has {known}. Register the command for your image "
            "with aws.register_container(image, command)."
        )


def check_model_image(uri: str, region: str) -> None:
    """Check that an image is in the region of the model that uses it.

    The message was observed in CreateModel (https://github.com/aws/sagemaker-pytorch-inference-toolkit/pull/7).

    :raises ValidationException: it is in another one.
    """
    found = ecr_image(uri)
    if found and found.region != region:
        raise ValidationException(
            f'Region of "{uri}" does not match expected region of {region}. Cross region ECR image pulls are not '
            "allowed."
        )


def check_training_image(uri: str, region: str) -> None:
    """Check that an image is in the region of the training job that uses it.

    The message was observed in CreateTrainingJob (https://github.com/aws-samples/mlops-amazon-sagemaker/issues/9).

    :raises ValidationException: it is in another one.
    """
    found = ecr_image(uri)
    if found and found.region != region:
        raise ValidationException(
            f"Invalid DNS suffix '{domain(found.region)}' for region '{found.region}' in training image. Please "
            f"provide the valid <region>.<dns-suffix>: '{region}.{domain(region)}'"
        )
