"""Names that identify a resource's owner: the harness, one account, one run.

A name looks like ``hsh-k3vq7x2mpa4c-1-training-job``: ten random characters, two check characters that are computed
from them and the account, the number of the fit in its run, and the kind. Another user's ``hsh-`` name passes the check
once in a thousand times. So does a name that the harness made for another account.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from harness.aws.cleanup.resources import SAGEMAKER_KINDS, Resource
from harness.regions import split_s3_uri

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_RANDOM = 10
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"
"""Start of the names of endpoints' log groups, which SageMaker creates."""
_NAME = re.compile(r"hsh-([a-z2-7]{12})-[0-9]+(-training-job|-model|-config|-endpoint)?/?")


@dataclass(frozen=True)
class Names:
    """Names of all that one ``fit`` creates."""

    training_job: str
    model: str
    endpoint_config: str
    endpoint: str
    data: str
    """S3 prefix of the staged rows and the model (``s3://bucket/prefix/``)."""

    @property
    def resources(self) -> list[Resource]:
        """The resources that the ``fit`` creates, in that order."""
        return [
            Resource("S3 prefix", self.data),
            Resource("training job", self.training_job),
            Resource("model", self.model),
            Resource("endpoint config", self.endpoint_config),
            Resource("endpoint", self.endpoint),
        ]


def new_run(account: str) -> str:
    """Return a new run's name: 12 characters with 50 random bits."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return random + _check(account, random)


def run_of(name: str, account: str) -> str | None:
    """Return the run that a name belongs to. Return None if the harness did not make it for this account.

    :param name: of a SageMaker resource, or the first part of a key in S3, with or without its slash.
    """
    match = _NAME.fullmatch(name)
    if match is None or _check(account, match[1][:_RANDOM]) != match[1][_RANDOM:]:
        return None
    return match[1]


def is_run(text: str, account: str) -> bool:
    """Return whether a text is the name of a run of this account."""
    return run_of(f"hsh-{text}-1", account) == text


def bears_run(resource: Resource, run: str, account: str) -> bool:
    """Return whether the harness made a name for a run. For an S3 prefix, one folder with such a name is enough."""
    if resource.kind in SAGEMAKER_KINDS:
        parts = [resource.name]
    elif resource.kind == "log group":
        parts = [resource.name.removeprefix(ENDPOINT_LOGS)]
    else:
        parts = split_s3_uri(resource.name)[1].split("/")[:-1]
    return any(run_of(part, account) == run for part in parts)


def names_of(run: str, number: int, bucket: str) -> Names:
    """Return the names for a run's ``number``-th fit, with its data in a bucket. Each has at most 63 characters."""
    stem = f"hsh-{run}-{number}"
    return Names(
        training_job=f"{stem}-training-job",
        model=f"{stem}-model",
        endpoint_config=f"{stem}-config",
        endpoint=f"{stem}-endpoint",
        data=f"s3://{bucket}/{stem}/",
    )


def _check(account: str, random: str) -> str:
    digest = hashlib.sha256(f"{account}:{random}".encode()).digest()
    return _ALPHABET[digest[0] % 32] + _ALPHABET[digest[1] % 32]
