"""Checks of requests against the register: operations and members that are not emulated are refused by name."""

from __future__ import annotations

from typing import Any

from harness.localaws import api_models
from harness.localaws.exceptions import AWSError, NotEmulated, UnknownOperation
from harness.localaws.register.lookup import OPERATIONS, members_of
from harness.localaws.register.operation_class import OperationClass

_QUERY_SERVICES = ("iam", "sts")


def check_operation(service: str, operation: str) -> None:
    """Raise :class:`AWSError` unless the operation is emulated or recorded.

    The code and status are ones that no SDK retries. Refused are all operations on a kind of resource, also those that
    list it: an empty list would claim that the feature is there.
    """
    if operation not in api_models.operation_names(service):
        raise _unknown(service, operation)
    kind, lacks = OPERATIONS[service].find(operation)
    if kind is OperationClass.REFUSED:
        raise NotEmulated(
            f"The local AWS does not emulate {operation} of {service}: it has no {lacks}. "
            f"'harness coverage {service}' lists what it emulates."
        )


def _unknown(service: str, operation: str) -> AWSError:
    """Return AWS's error about an operation that the service does not have."""
    if service not in _QUERY_SERVICES:
        return UnknownOperation(f"{service} has no operation {operation}.")
    version = api_models.service_model(service).api_version
    error = AWSError(f"Could not find operation {operation} for version {version}")
    error.code = "InvalidAction"  # https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
    return error


def check_request(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """Raise :class:`AWSError` if a request breaks a rule of AWS, or has a member that is refused."""
    api_models.check(service, operation, parameters)
    refused = dict.fromkeys(members_of(service, operation).refusals(parameters))
    if refused:
        found = "; ".join(f"{path}: {reason}" for path, reason in refused)
        raise api_models.invalid(service, f"The local AWS does not emulate {found}.")


def check_invocation(operation: str, headers: dict[str, str]) -> None:
    """Raise :class:`AWSError` if an invocation has a header that is refused, by the name of its member."""
    given = {_member(name): value for name, value in headers.items() if name.startswith(_OWN_HEADERS)}
    if given:
        check_request("sagemaker-runtime", operation, {"EndpointName": "e", "Body": b"", **given})


_OWN_HEADERS = "x-amzn-sagemaker-"


def _member(header: str) -> str:
    """Return the member that a header of an invocation carries; the header itself if no member has it."""
    shape = api_models.service_model("sagemaker-runtime").operation_model("InvokeEndpoint").input_shape
    names: dict[str, str] = {
        member.serialization.get("name", "").lower(): name for name, member in shape.members.items()
    }
    return names.get(header, header)
