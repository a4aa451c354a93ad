"""Replay of a snapshot's calls against an AWS, and the comparison of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError

from harness import registries
from harness.aws import AWS
from harness.aws.cleanup.hooks import watch
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import Names
from harness.console import Progress
from harness.parity.normalise import filled, normalised, without_values
from harness.parity.snapshot import Call, Snapshot
from harness.regions import split_s3_uri
from harness.settings import Settings
from harness.waiting import wait_until

_MOST_SECONDS = 1800.0
_LONGEST_LOOK = 10.0
_ADDED = "Tags"
"""Member that the ledger adds to what is created."""


class Difference(NamedTuple):
    """A place where an answer differs from the snapshot's."""

    program: str
    number: int
    """Number of the call in its program, from 1."""
    operation: str
    path: str
    expected: Any
    """The snapshot's value; None if it has no such member."""
    found: Any
    """The answer's value; None if it has no such member."""
    stamp: str


class Replay:
    """Makes a program's calls in an AWS, with names that the ledger has recorded."""

    def __init__(self, aws: AWS, ledger: Ledger, settings: Settings) -> None:
        """Record fresh names and make the bucket.

        :raises HarnessError: the bucket cannot be used.
        """
        ledger.make_bucket()
        names = ledger.names(settings)
        self._aws = aws
        self._values = _values(aws, names, settings)
        sagemaker = aws.client("sagemaker")
        self._clients: dict[str, Any] = {"sagemaker": watch(sagemaker, ledger)}

    def answers(self, snapshot: Snapshot, progress: Progress) -> Iterator[tuple[Call, dict[str, Any]]]:
        """Yield each call with its answer, normalised. Calls of other regions are skipped."""
        for call in snapshot.calls:
            if call.only_in in ("", self._aws.region):
                progress.update(f"{snapshot.program}: {call.operation}")
                yield call, self._answer(call)

    def _answer(self, call: Call) -> dict[str, Any]:
        client = self._client(call.service)
        method = getattr(client, xform_name(call.operation))
        request = filled(call.request, self._values)
        try:
            answer = self._settled(call, lambda: method(**request))
        except ClientError as error:
            return _error(error, self._values)
        self._values |= {name: answer[member] for name, member in call.keep.items()}
        shape = client.meta.service_model.operation_model(call.operation).output_shape
        status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
        return {"status": status, "members": normalised(shape, answer, self._values) if shape else {}}

    def _settled(self, call: Call, ask: Any) -> dict[str, Any]:
        """Call until the answer has none of the values that the call waits for."""
        if call.wait is None:
            return dict(ask())
        member, values = call.wait.member, call.wait.values
        return dict(
            wait_until(
                ask,
                f"{member} of {call.operation} to change",
                done=lambda answer: answer[member] not in values,
                timeout=_MOST_SECONDS,
                longest=_LONGEST_LOOK,
            )
        )

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._aws.client(service)
        return self._clients[service]


def _values(aws: AWS, names: Names, settings: Settings) -> dict[str, str]:
    bucket, key = split_s3_uri(names.data)
    return {
        "account": aws.account,
        "caller": aws.client("sts").get_caller_identity()["Arn"],
        "region": aws.region,
        "role": aws.role,
        "image": registries.image("xgboost", aws.region),
        "bucket": bucket,
        "key": key,
        "job": names.training_job,
        "model": names.model,
        "config": names.endpoint_config,
        "endpoint": names.endpoint,
        "training_type": settings.training_instance_type,
        "endpoint_type": settings.endpoint_instance_type,
    }


def _error(error: ClientError, values: dict[str, str]) -> dict[str, Any]:
    reported, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return {"status": status, "code": reported["Code"], "message": without_values(reported.get("Message", ""), values)}


def differences(program: str, number: int, call: Call, answer: dict[str, Any]) -> Iterator[Difference]:
    """Yield the places where an answer differs from the snapshot's. A call without a recorded answer has none."""
    if call.answer:
        for path, expected, found in _unequal("", call.answer, answer):
            yield Difference(program, number, call.operation, path, expected, found, call.stamp)


def _unequal(path: str, expected: Any, found: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in [*expected, *(name for name in found if name not in expected)]:
            if name != _ADDED:
                yield from _unequal(f"{path}.{name}".lstrip("."), expected.get(name), found.get(name))
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _unequal(f"{path}[{number}]", one, other)
    elif expected != found:
        yield path, expected, found
