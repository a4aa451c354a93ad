"""Container images and the commands in their place, because containers run as processes here."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import dataclass

from harness.localaws.exceptions import ValidationException

_BUILT_IN = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/xgboost:(?:1|latest)"
)
_XGBOOST_ACCOUNTS = {
    "af-south-1": "455444449433",
    "ap-east-1": "286214385809",
    "ap-northeast-1": "501404015308",
    "ap-northeast-2": "306986355934",
    "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "544295431143",
    "ca-central-1": "469771592824",
    "cn-north-1": "390948362332",
    "cn-northwest-1": "387376663083",
    "eu-central-1": "813361260812",
    "eu-north-1": "669576153137",
    "eu-south-1": "257386234256",
    "eu-west-1": "685385470294",
    "eu-west-2": "644912444149",
    "eu-west-3": "749696950732",
    "me-south-1": "249704162688",
    "sa-east-1": "855470959533",
    "us-east-1": "811284229777",
    "us-east-2": "825641698319",
    "us-gov-west-1": "226302683700",
    "us-west-1": "632365934929",
    "us-west-2": "433757028032",
}
"""Account of the registry that has ``xgboost:1``, by region: ``ApplicationsAccountMap`` of the SageMaker Spark SDK."""
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


@dataclass(frozen=True)
class Image:
    """A container image: a command, to which ``train`` or ``serve`` is appended, and the metrics in its log."""

    command: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...] = ()
    """Names and regular expressions of metrics, as in AlgorithmSpecification.MetricDefinitions."""


# The definitions of the built-in algorithm, for lines that begin with the round. Without that anchor, an expression is
# tried from every character of a line, each time up to its end.
_XGBOOST_METRICS = tuple(
    (f"{channel}:{metric}", rf"^\[[0-9]+\].*#011{channel}-{metric}(?:@[0-9-]+)?:{_NUMBER}")
    for channel in ("train", "validation")
    for metric in ("rmse", "mae", "logloss", "error", "merror", "mlogloss", "auc", "ndcg", "map", "accuracy", "f1")
)
XGBOOST = Image((sys.executable, "-m", "harness.containers.xgboost"), _XGBOOST_METRICS)


def xgboost_uri(region: str) -> str:
    """Return the URI of AWS's XGBoost image in a region, as the SageMaker Spark SDK has it.

    :raises KeyError: the region has none.
    """
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{_XGBOOST_ACCOUNTS[region]}.dkr.ecr.{region}.{suffix}/xgboost:1"


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
            known = ", ".join(["the built-in XGBoost (xgboost:1 in AWS's registries)", *sorted(self._registered)])
        match = _BUILT_IN.fullmatch(uri)
        if match and _XGBOOST_ACCOUNTS.get(match["region"]) == match["account"]:
            return XGBOOST
        raise ValidationException(
            f"The local AWS has no image {uri}. It has {known}. Register the command for your image "
            "with MockAWS.register_container(image, command)."
        )
