"""Which command a container image stands for, since containers run as processes here."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import dataclass

from harness.localaws.exceptions import ValidationException

_BUILT_IN = re.compile(
    r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?:sagemaker-)?xgboost:[\w.-]+"
)
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


@dataclass(frozen=True)
class Image:
    """A container image: the command that ``train`` or ``serve`` is appended to, and the metrics its log holds."""

    command: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...] = ()
    """Names and regular expressions of metrics, as in AlgorithmSpecification.MetricDefinitions."""


# The definitions of the built-in algorithm, as DescribeTrainingJob shows them.
_XGBOOST_METRICS = tuple(
    (f"{channel}:{metric}", rf".*\[[0-9]+\].*#011{channel}-{metric}(?:@[0-9-]+)?:{_NUMBER}")
    for channel in ("train", "validation")
    for metric in ("rmse", "mae", "logloss", "error", "merror", "mlogloss", "auc", "ndcg", "map", "accuracy", "f1")
)
XGBOOST = Image((sys.executable, "-m", "harness.containers.xgboost"), _XGBOOST_METRICS)


class Images:
    """The images that can be run."""

    def __init__(self) -> None:
        self._registered: dict[str, Image] = {}
        self._lock = threading.Lock()

    def register(self, uri: str, command: list[str]) -> None:
        """Let ``command`` stand for the image ``uri``; it is run with ``train`` or ``serve`` appended."""
        with self._lock:
            self._registered[uri] = Image(tuple(command))

    def find(self, uri: str) -> Image:
        """Return the image of that URI.

        :raises ValidationException: no image of that URI is known here.
        """
        with self._lock:
            if uri in self._registered:
                return self._registered[uri]
            known = ", ".join(["the built-in XGBoost", *sorted(self._registered)])
        if _BUILT_IN.fullmatch(uri):
            return XGBOOST
        raise ValidationException(
            f"The local AWS has no image {uri}. It has {known}. Register the command that stands for your image "
            "with MockAWS.register_container(image, command)."
        )
