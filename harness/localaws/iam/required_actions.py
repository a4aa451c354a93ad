"""Permissions that a request needs: IAM's actions, their resources, and the values of condition keys.

There is one function for each service; S3's is :func:`harness.localaws.iam.s3_actions.needs`. Actions, resources and
keys follow
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from harness.localaws.api_models import service_model
from harness.localaws.iam import s3_actions
from harness.localaws.iam.asked import Asked, Context, Need


def needs(asked: Asked) -> list[Need]:
    """Return the permissions that a request needs; none for operations that every caller may use."""
    return list(_SERVICES[asked.service](asked))


# --- SageMaker --------------------------------------------------------------------------------------------------------

_ABOUT_ONE = re.compile(r"(?:Create|Describe|Update|Delete|Stop|Start)(?P<kind>[A-Z]\w+)")
_TAG_OPERATIONS = ("AddTags", "ListTags", "DeleteTags")
_ROLES = ("RoleArn", "ExecutionRoleArn")


def sagemaker_arn(asked: Asked, kind: str, name: str) -> str:
    """Return the ARN of a SageMaker resource. SageMaker's ARNs have names in lower case."""
    return asked.arn("sagemaker", f"{kind}/{name.lower()}")


def _sagemaker(asked: Asked) -> Iterator[Need]:
    parameters, action = asked.parameters, f"sagemaker:{asked.operation}"
    context = _tags_asked(parameters) | _instances(parameters)
    if asked.operation in _TAG_OPERATIONS:
        yield Need(action, str(parameters.get("ResourceArn", "*")), context)
        return
    match = _ABOUT_ONE.fullmatch(asked.operation.removesuffix("WeightsAndCapacities"))
    name = str(parameters.get(f"{match['kind']}Name", "")) if match else ""
    if not match or not name:
        yield Need(action, "*", context)
        return
    arn = sagemaker_arn(asked, re.sub(r"(?<!^)(?=[A-Z])", "-", match["kind"]).lower(), name)
    yield Need(action, arn, context)
    if asked.operation in ("CreateEndpoint", "UpdateEndpoint"):
        yield Need(
            action, sagemaker_arn(asked, "endpoint-config", str(parameters.get("EndpointConfigName", ""))), context
        )
    if parameters.get("Tags") and asked.operation.startswith("Create"):
        yield Need("sagemaker:AddTags", arn, context | {"sagemaker:TaggingAction": [asked.operation]})
    for role in (str(parameters[member]) for member in _ROLES if parameters.get(member)):
        passed = {"iam:PassedToService": ["sagemaker.amazonaws.com"], "iam:AssociatedResourceArn": [arn]}
        yield Need("iam:PassRole", role, passed)


def _tags_asked(parameters: dict[str, Any]) -> Context:
    tags = [tag for tag in parameters.get("Tags") or [] if isinstance(tag, dict)]
    keys = [str(tag.get("Key")) for tag in tags] or [str(key) for key in parameters.get("TagKeys") or []]
    values = {f"aws:RequestTag/{tag.get('Key')}": [str(tag.get("Value"))] for tag in tags}
    return values | ({"aws:TagKeys": keys} if keys else {})


def _instances(parameters: dict[str, Any]) -> Context:
    settings = [parameters.get("ResourceConfig"), *(parameters.get("ProductionVariants") or [])]
    types = [str(each["InstanceType"]) for each in settings if isinstance(each, dict) and each.get("InstanceType")]
    seconds = (parameters.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds")
    context = {"sagemaker:InstanceTypes": types} if types else {}
    return context | ({"sagemaker:MaxRuntimeInSeconds": [str(seconds)]} if seconds else {})


def _sagemaker_runtime(asked: Asked) -> Iterator[Need]:
    yield Need("sagemaker:InvokeEndpoint", sagemaker_arn(asked, "endpoint", asked.endpoint))


# --- IAM and STS ------------------------------------------------------------------------------------------------------

_IAM_ABOUT = {
    "PolicySourceArn": "",
    "GroupName": "group",
    "InstanceProfileName": "instance-profile",
    "RoleName": "role",
    "UserName": "user",
    "PolicyArn": "",
    "PolicyName": "policy",
}
"""Members that name an IAM operation's resource, and the kind in its ARN. The first that an operation has counts: the
group to which a user is added, the user to whom a policy is attached."""
_ABOUT_MORE = re.compile(r"(Attach|Detach)(User|Role|Group)Policy")
_WITHOUT_PERMISSION = ("GetCallerIdentity", "GetSessionToken", "GetAccessKeyInfo")


def _iam(asked: Asked) -> Iterator[Need]:
    parameters = asked.parameters
    known = _iam_members(asked.operation)
    member = next((member for member in _IAM_ABOUT if member in known and parameters.get(member)), None)
    context = {"iam:PolicyARN": [parameters["PolicyArn"]]} if _ABOUT_MORE.fullmatch(asked.operation) else {}
    if member is None:
        yield Need(f"iam:{asked.operation}", "*", context)
    elif not _IAM_ABOUT[member]:
        yield Need(f"iam:{asked.operation}", parameters[member], context)
    else:
        path = parameters.get("Path", "/") if asked.operation.startswith("Create") else "/"
        resource = f"{_IAM_ABOUT[member]}{path}{parameters[member]}"
        yield Need(f"iam:{asked.operation}", asked.arn("iam", resource, region=""), context)


def _iam_members(operation: str) -> Collection[str]:
    """Return the members that an IAM operation takes. AWS ignores others."""
    model = service_model("iam")
    shape = model.operation_model(operation).input_shape if operation in model.operation_names else None
    return shape.members if shape else ()


def _sts(asked: Asked) -> Iterator[Need]:
    if asked.operation not in _WITHOUT_PERMISSION:
        given = {"sts:ExternalId": "ExternalId", "sts:RoleSessionName": "RoleSessionName"}
        context = {key: [asked.parameters[name]] for key, name in given.items() if name in asked.parameters}
        yield Need(f"sts:{asked.operation}", asked.parameters.get("RoleArn", "*"), context)


# --- others -----------------------------------------------------------------------------------------------------------


def log_arn(asked: Asked, group: str, stream: str = "") -> str:
    """Return the ARN of a log stream. For the group itself the stream's name is empty."""
    return asked.arn("logs", f"log-group:{group}:log-stream:{stream}")


def _logs(asked: Asked) -> Iterator[Need]:
    parameters = asked.parameters
    named = [parameters[member] for member in _LOG_GROUP if parameters.get(member)]
    for member in _LOG_GROUPS:
        named += parameters.get(member) or []
    stream = str(parameters.get("logStreamName", ""))
    for group in sorted({_group_name(str(name)) for name in named}) or [""]:
        yield Need(f"logs:{asked.operation}", log_arn(asked, group, stream), _tags_asked(parameters))


_LOG_GROUP = ("logGroupName", "logGroupIdentifier", "logGroupArn", "resourceArn", "resourceIdentifier")
_LOG_GROUPS = ("logGroupNames", "logGroupIdentifiers", "logGroupArnList")
"""Members that name log groups, by name or ARN."""


def _group_name(text: str) -> str:
    return text.split(":log-group:", 1)[-1].partition(":")[0]


def _without_resource(prefix: str) -> Callable[[Asked], Iterator[Need]]:
    return lambda asked: iter([Need(f"{prefix}:{asked.operation}", "*")])


_SERVICES: dict[str, Callable[[Asked], Iterator[Need]]] = {
    "s3": s3_actions.needs,
    "sagemaker": _sagemaker,
    "sagemaker-runtime": _sagemaker_runtime,
    "iam": _iam,
    "sts": _sts,
    "logs": _logs,
    "service-quotas": _without_resource("servicequotas"),
    "pricing": _without_resource("pricing"),
    "resourcegroupstaggingapi": _without_resource("tag"),
}
