"""The whole register, by service."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from harness.localaws.api_models import service_model
from harness.localaws.register import (
    hosting_members,
    s3_members,
    sagemaker_operations,
    service_members,
    service_operations,
    training_members,
)
from harness.localaws.register.member_class import Members
from harness.localaws.register.operation_class import OperationClass, Operations

OPERATIONS: dict[str, Operations] = {
    "iam": service_operations.IAM,
    "logs": service_operations.LOGS,
    "pricing": service_operations.PRICING,
    "resourcegroupstaggingapi": service_operations.TAGGING,
    "sagemaker": sagemaker_operations.SAGEMAKER,
    "sagemaker-runtime": service_operations.RUNTIME,
    "service-quotas": service_operations.QUOTAS,
    "sts": service_operations.STS,
}
"""Operations by service, as boto3 names it. Those of S3 are in :mod:`harness.localaws.s3.operations`."""
MEMBERS: dict[str, dict[str, Members]] = {
    "iam": service_members.IAM,
    "logs": service_members.LOGS,
    "pricing": service_members.PRICING,
    "resourcegroupstaggingapi": service_members.TAGGING,
    "s3": s3_members.S3,
    "sagemaker": training_members.TRAINING | hosting_members.HOSTING | hosting_members.RECORDS,
    "sagemaker-runtime": hosting_members.INVOCATION,
    "service-quotas": service_members.QUOTAS,
    "sts": service_members.STS,
}
"""Members of the input of emulated operations, by service and operation; of records those that are not kept."""


@cache
def members_of(service: str, operation: str) -> Members:
    """Return the members of an operation's input. A record takes every member that AWS's model has."""
    listed = MEMBERS[service].get(operation, Members())
    if OPERATIONS[service].find(operation)[0] is OperationClass.EMULATED:
        return listed
    return listed.completed(leaves(service, operation))


def leaves(service: str, operation: str) -> list[str]:
    """Return the paths of the members without members of an operation's input, by botocore's model."""
    shape = service_model(service).operation_model(operation).input_shape
    return list(_leaves(shape, "", ())) if shape else []


def _leaves(shape: Any, path: str, above: tuple[str, ...]) -> Iterator[str]:
    if shape.type_name == "structure" and shape.members and shape.name not in above:
        for name, member in shape.members.items():
            yield from _leaves(member, f"{path}.{name}".lstrip("."), (*above, shape.name))
    elif shape.type_name == "list":
        yield from _leaves(shape.member, f"{path}[]", above)
    elif shape.type_name == "map":
        yield from _leaves(shape.value, f"{path}{{}}", above)
    elif path:
        yield path
