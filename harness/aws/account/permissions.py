"""Permissions of a run: one table, and the policies, explanations and checks that follow from it.

Actions, resources and condition keys are from AWS's Service Authorization Reference. The execution role's are from
SageMaker's guide, "CreateTrainingJob API: execution role permissions". Some rows are optional: without them, something
is not checked, not reported, or left to ``harness sweep``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.errors import HarnessError, PermissionMissingError
from harness.regions import partition, partition_of, sample_bucket, sdk_bucket
from harness.registries import SDK_ALGORITHMS

Who = Literal["caller", "role"]
Statement = dict[str, Any]
Document = dict[str, Any]

_SAGEMAKER = "arn:{partition}:sagemaker:{region}:{account}"
_BUCKET = "arn:{partition}:s3:::" + sdk_bucket("{account}", "{region}")
"""ARN of the bucket that the SDK makes for its data."""
_DATA = f"{_BUCKET}/hsh-*"
_SAMPLES = "arn:{partition}:s3:::" + sample_bucket("{region}")
_LOGS = "arn:{partition}:logs:{region}:{account}:log-group"
_ECR = "arn:{partition}:ecr:{region}"
_KINDS = ("training-job", "model", "endpoint-config", "endpoint")
_ALL = tuple(f"{_SAGEMAKER}:{kind}/hsh-*" for kind in _KINDS)
_JOBS, _MODELS, _CONFIGS, _ENDPOINTS = ((resource,) for resource in _ALL)
_ROLES = ("arn:{partition}:iam::{account}:role/*",)
_ANY = ("*",)
_PASSED = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


@dataclass(frozen=True)
class Permission:
    """Row of the table: an action that a run's caller, or the role that SageMaker assumes, needs on some resources."""

    action: str
    """``sagemaker:CreateModel``."""
    resources: tuple[str, ...]
    """Patterns of ARNs with placeholders ``{partition}``, ``{region}``, ``{account}`` and ``{role}``."""
    purpose: str
    """Use of the action by a run or by ``harness sweep``; completes "to …"."""
    who: Who = "caller"
    required: bool = True
    """True if a run fails, or leaves resources behind, without it."""
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Conditions as in a policy: operator → key → value."""


def _rows(actions: str, resources: tuple[str, ...], purpose: str, **members: Any) -> list[Permission]:
    return [Permission(action, resources, purpose, **members) for action in actions.split()]


TABLE: tuple[Permission, ...] = (
    # --- the caller: fit, serve, transform ---
    *_rows("s3:ListBucket", (_SAMPLES,), "find MNIST in SageMaker's sample bucket"),
    *_rows("s3:GetObject", (f"{_SAMPLES}/spark/mnist/*",), "read MNIST"),
    *_rows("s3:ListBucket", (_BUCKET,), "find the rows to train on and the model, and prove that they are gone"),
    *_rows("s3:GetObject s3:PutObject s3:DeleteObject", (_DATA,), "stage rows; delete them and the model"),
    *_rows("s3:ListBucketMultipartUploads", (_BUCKET,), "find uploads that a killed run left unfinished"),
    *_rows("s3:AbortMultipartUpload", (_DATA,), "delete uploads that a killed run left unfinished"),
    *_rows("sagemaker:CreateTrainingJob", _JOBS, "train"),
    *_rows("sagemaker:DescribeTrainingJob", _JOBS, "wait for training, and prove that it has ended"),
    *_rows("sagemaker:StopTrainingJob", _JOBS, "stop training that no one waits for"),
    *_rows("sagemaker:CreateModel", _MODELS, "make what was trained known to SageMaker"),
    *_rows("sagemaker:DescribeModel sagemaker:DeleteModel", _MODELS, "delete it, and prove that"),
    *_rows("sagemaker:CreateEndpointConfig", _CONFIGS, "say what an endpoint runs on"),
    *_rows(
        "sagemaker:DescribeEndpointConfig sagemaker:DeleteEndpointConfig",
        _CONFIGS,
        "delete it, and prove that",
    ),
    *_rows("sagemaker:CreateEndpoint", _ENDPOINTS + _CONFIGS, "serve"),
    *_rows("sagemaker:DescribeEndpoint", _ENDPOINTS, "wait for the endpoint, and prove that it is gone"),
    *_rows("sagemaker:DeleteEndpoint", _ENDPOINTS, "delete it: it costs money while it is there"),
    *_rows("sagemaker:InvokeEndpoint", _ENDPOINTS, "classify"),
    *_rows("sagemaker:AddTags", _ALL, "tag a resource with its run, its owner and the time when it expires"),
    *_rows("iam:PassRole", ("{role}",), "have SageMaker assume the execution role", conditions=_PASSED),
    # --- the caller: optional ---
    *_rows("s3:CreateBucket", (_BUCKET,), "make the bucket for rows and model, once", required=False),
    *_rows("s3:GetBucketVersioning", (_BUCKET,), "find out whether deleted objects stay as versions", required=False),
    *_rows(
        "logs:FilterLogEvents",
        (f"{_LOGS}:/aws/sagemaker/TrainingJobs:*", f"{_LOGS}:/aws/sagemaker/Endpoints/hsh-*"),
        "count the rows trained; quote a container's last words",
        required=False,
    ),
    *_rows("logs:DescribeLogGroups", (f"{_LOGS}:*",), "find an endpoint's log", required=False),
    *_rows(
        "iam:SimulatePrincipalPolicy",
        ("arn:{partition}:iam::{account}:user/*", *_ROLES),
        "check these permissions before anything is created",
        required=False,
    ),
    *_rows(
        "iam:GetRole", ("arn:{partition}:iam::{account}:role/*",), "check that SageMaker may assume it", required=False
    ),
    *_rows(
        "servicequotas:ListServiceQuotas servicequotas:ListAWSDefaultServiceQuotas",
        _ANY,
        "check that enough instances may run",
        required=False,
    ),
    *_rows("pricing:GetProducts", _ANY, "find the highest cost of a run", required=False),
    # --- the caller: sweep ---
    *_rows(
        "sagemaker:ListTrainingJobs sagemaker:ListModels sagemaker:ListEndpointConfigs sagemaker:ListEndpoints",
        _ANY,
        "find what earlier runs left (harness sweep)",
        required=False,
    ),
    *_rows("sagemaker:ListTags", _ALL, "see whose it is and when it expired (harness sweep)", required=False),
    *_rows(
        "tag:GetResources", _ANY, "find resources with a run's tag and another name (harness sweep)", required=False
    ),
    *_rows(
        "logs:DeleteLogGroup",
        (f"{_LOGS}:/aws/sagemaker/Endpoints/hsh-*",),
        "delete endpoints' logs (harness sweep --logs)",
        required=False,
    ),
    # --- the execution role ---
    *_rows("s3:ListBucket", (_BUCKET,), "find the rows to train on", who="role"),
    *_rows("s3:GetObject s3:PutObject", (_DATA,), "read the rows, write the model, read it to serve", who="role"),
    *_rows(
        "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents logs:DescribeLogStreams",
        (f"{_LOGS}:/aws/sagemaker/*",),
        "keep the containers' logs",
        who="role",
        required=False,
    ),
    *_rows("cloudwatch:PutMetricData", _ANY, "publish metrics", who="role", required=False),
    *_rows("ecr:GetAuthorizationToken", _ANY, "fetch the algorithm's image", who="role", required=False),
    *_rows(
        "ecr:BatchCheckLayerAvailability ecr:GetDownloadUrlForLayer ecr:BatchGetImage",
        tuple(f"{_ECR}:*:repository/{name}" for name in SDK_ALGORITHMS),
        "fetch the algorithm's image",
        who="role",
        required=False,
    ),
)


def bucket_rows(buckets: Iterable[str]) -> list[Permission]:
    """Return the permissions of a pipeline that reads and writes these buckets. A run of the harness needs none."""
    names = [f"arn:{{partition}}:s3:::{name}" for name in buckets]
    if not names:
        return []
    whole, objects = tuple(names), tuple(f"{name}/*" for name in names)
    return [
        *_rows("s3:ListBucket s3:ListBucketMultipartUploads", whole, "find the pipeline's objects"),
        *_rows("s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload", objects, "read and write them"),
    ]


@dataclass(frozen=True)
class Place:
    """Values for the placeholders of the table."""

    account: str
    region: str
    role: str
    """ARN of the execution role."""
    partition: str = "aws"

    def fill(self, pattern: str) -> str:
        """Return a pattern of the table with this place's values."""
        return pattern.format(partition=self.partition, region=self.region, account=self.account, role=self.role)


def rows_of(who: Who) -> list[Permission]:
    """Return the rows of the caller or of the execution role."""
    return [row for row in TABLE if row.who == who]


# --- policies ---------------------------------------------------------------------------------------------------------


def policy(who: Who, places: Iterable[Place], rows: Iterable[Permission] | None = None) -> Document:
    """Return the least-privilege policy for the caller or the role, with one statement for each set of resources.

    :param places: one place for each region.
    :param rows: rows of the table; by default all rows of the caller or the role.
    """
    where, groups = list(places), grouped(rows_of(who) if rows is None else rows)
    statements = [statement(group, where, f"Harness{number:02}") for number, group in enumerate(groups, 1)]
    return {"Version": "2012-10-17", "Statement": statements}


def grouped(rows: Iterable[Permission]) -> list[list[Permission]]:
    """Return the rows in groups with the same resources and conditions."""
    groups: dict[tuple[tuple[str, ...], str], list[Permission]] = {}
    for row in rows:
        groups.setdefault((row.resources, json.dumps(row.conditions)), []).append(row)
    return list(groups.values())


def statement(rows: list[Permission], places: Iterable[Place], sid: str = "") -> Statement:
    """Return one statement that allows rows with the same resources and conditions."""
    resources = list(dict.fromkeys(place.fill(pattern) for pattern in rows[0].resources for place in places))
    named: Statement = {"Sid": sid} if sid else {}
    actions = [row.action for row in rows]
    allowed = {"Effect": "Allow", "Action": _one_or_all(actions), "Resource": _one_or_all(resources)}
    return named | allowed | ({"Condition": rows[0].conditions} if rows[0].conditions else {})


def trust_policy() -> Document:
    """Return the document that lets SageMaker assume the execution role."""
    service = {"Service": "sagemaker.amazonaws.com"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}],
    }


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


# --- missing permissions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Denial:
    """Action that a principal may not perform on a resource."""

    principal: str
    action: str
    resource: str
    purpose: str = ""
    explicit: bool = False
    """True if a policy denies it explicitly, which no other policy can override."""

    @property
    def deed(self) -> str:
        """The denied action with its resource and purpose: ``s3:GetObject on arn:… (to read MNIST)``."""
        reason = f" (to {self.purpose})" if self.purpose else ""
        denied = ", which a policy denies explicitly" if self.explicit else ""
        return f"{self.action} on {self.resource}{reason}{denied}"


def missing(denials: list[Denial], checked: str, statements: list[Statement]) -> PermissionMissingError:
    """Return one error for all denials, with the statements to add."""
    explicit = any(denial.explicit for denial in denials)
    first = "change the policy that denies it, as no other policy can override it, and " if explicit else ""
    owners = ", ".join(_by_principal(denials))
    shown = json.dumps(statements[0] if len(statements) == 1 else statements, indent=2)
    return PermissionMissingError(
        f"Permission is missing: {_told(denials)}",
        checked=checked,
        fix=f"{first}add to a policy of {owners} ('harness policy' prints all permissions of a run):\n{shown}",
    )


def _by_principal(denials: list[Denial]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for denial in denials:
        found.setdefault(denial.principal, []).append(denial.deed)
    return found


def _told(denials: list[Denial]) -> str:
    """Return one or two denials as a sentence, more as a list with one line each."""
    if len(denials) < 3:
        return "; ".join(f"{denial.principal} may not {denial.deed}" for denial in denials) + "."
    return "\n".join(
        "\n  - ".join([f"{principal} may not", *deeds]) for principal, deeds in _by_principal(denials).items()
    )


_PRINCIPAL_ACTION_RESOURCE = re.compile(
    r"(?P<principal>arn:[\w-]+:(?:iam|sts)::\d+:[^\s\"']+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource:? \"?(?P<resource>[^\s\",]+)\"?)?"
)
_OF_ROLE = re.compile(r"the role \"?(?P<principal>arn:[^\s\",]+)\"?.*?\"(?P<action>s3:\w+)\" permissions", re.DOTALL)
_OF_BOTO = re.compile(r"\((?:AccessDenied\w*|403)\) when calling the (?P<operation>\w+) operation")
_URI = re.compile(r"s3a?://(?P<path>[^\s\"':,]+)")
_S3_OPERATIONS = {"HeadObject": "s3:GetObject", "HeadBucket": "s3:ListBucket", "CopyObject": "s3:PutObject"}
_S3_LISTINGS = {"ListObjects": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket", "DeleteObjects": "s3:DeleteObject"}


def explain_denied(text: str, region: str = "us-east-1") -> HarnessError | None:
    """Explain an AWS error that says "access denied", with the statement to add. Return None for any other error.

    :param text: all output of boto3 or the JVM: a denied S3 call is not in the last line.
    :param region: region of the error. Its partition is used for ARNs if the text names none.
    """
    denials = _named(text) or _from_role(text) or _guessed(text, partition(region))
    if not denials:
        return None
    told = [replace(denial, purpose=_purpose(denial), explicit="explicit deny" in text) for denial in denials]
    return missing(told, "AWS's refusal", [_allowing(denial) for denial in denials])


def _purpose(denial: Denial) -> str:
    return denial.purpose or next((row.purpose for row in TABLE if row.action == denial.action), "")


def _allowing(denial: Denial) -> Statement:
    allowed: Statement = {"Effect": "Allow", "Action": denial.action, "Resource": denial.resource}
    return allowed | ({"Condition": _PASSED} if denial.action == "iam:PassRole" else {})


def _named(text: str) -> list[Denial]:
    """Parse AWS's full sentence: user, action and resource."""
    match = _PRINCIPAL_ACTION_RESOURCE.search(text)
    if match is None:
        return []
    return [Denial(match["principal"], match["action"], (match["resource"] or "*").rstrip("."))]


def _from_role(text: str) -> list[Denial]:
    """Parse SageMaker's message that the execution role may not read or write an object."""
    match = _OF_ROLE.search(text)
    if match is None:
        return []
    return [Denial(match["principal"], match["action"], _object_in(text, partition_of(match["principal"])))]


def _guessed(text: str, partition: str) -> list[Denial]:
    """Parse a refusal with less information: boto3 names the operation, S3A the object."""
    resource = _object_in(text, partition)
    if match := _OF_BOTO.search(text):
        operation = match["operation"]
        action = (_S3_OPERATIONS | _S3_LISTINGS).get(operation) or _action_called(operation)
        return [Denial("the caller", action, resource)]
    if "java.nio.file.AccessDeniedException" in text or ("Forbidden" in text and "403" in text and "Amazon S3" in text):
        # Without s3:ListBucket, S3 answers the same for objects that do not exist.
        bucket = resource.partition("/")[0]
        purpose = "learn that an object does not exist, if that was the cause"
        return [
            Denial("the caller", "s3:GetObject", resource),
            Denial("the caller", "s3:ListBucket", bucket, purpose),
        ]
    return []


def _action_called(operation: str) -> str:
    return next((row.action for row in TABLE if row.action.endswith(f":{operation}")), operation)


def _object_in(text: str, partition: str) -> str:
    """Return the ARN of the object in a text, ``*`` if there is none."""
    match = _URI.search(text)
    return f"arn:{partition}:s3:::{match['path'].rstrip('.')}" if match else "*"
