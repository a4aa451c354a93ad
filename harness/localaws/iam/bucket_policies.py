"""Bucket policies: their form when they are put, whether they are public, and their part in a decision.

They are pure functions of documents, a caller, an action, a resource and a context. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-res.html
(resource-based policies of the caller's own account) and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html (documentation only).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

from harness.localaws.exceptions import AWSError, NotImplementedByS3
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.policy_evaluation import (
    Context,
    Document,
    Statement,
    applies,
    check_operators,
    conditions,
    like,
    listed,
    names_of,
    statements,
)

LONGEST = 20 << 10
"""Bytes of a policy: https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html"""
KEYS = frozenset(
    key.lower()
    for key in (
        *("aws:CurrentTime", "aws:EpochTime", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalIsAWSService"),
        *("aws:PrincipalType", "aws:Referer", "aws:RequestedRegion", "aws:ResourceAccount", "aws:SecureTransport"),
        *("aws:SourceIp", "aws:UserAgent", "aws:username", "s3:ResourceAccount", "s3:authType", "s3:delimiter"),
        *("s3:if-match", "s3:if-none-match", "s3:max-keys", "s3:object-lock-legal-hold", "s3:object-lock-mode"),
        *(
            "s3:object-lock-retain-until-date",
            "s3:ObjectCreationOperation",
            "s3:prefix",
            "s3:RequestObjectTagKeys",
            "s3:signatureAge",
        ),
        *("s3:signatureversion", "s3:VersionId", "s3:x-amz-acl", "s3:x-amz-content-sha256", "s3:x-amz-copy-source"),
        *("s3:x-amz-grant-full-control", "s3:x-amz-grant-read", "s3:x-amz-grant-read-acp", "s3:x-amz-grant-write"),
        *("s3:x-amz-grant-write-acp", "s3:x-amz-metadata-directive", "s3:x-amz-server-side-encryption"),
        *("s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:x-amz-storage-class"),
        *("s3:x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-website-redirect-location"),
    )
)
"""Condition keys that are evaluated, in lower case. Policies with others are refused by name."""
_KEYS_WITH_NAME = ("aws:principaltag/", "s3:existingobjecttag/", "s3:requestobjecttag/")
_FIXING_KEYS = ("aws:principalarn", "aws:principalaccount", "aws:username")
_OBJECT_ACTION = re.compile(
    r"s3:(?!.*Bucket)(?:\w*Object\w*|AbortMultipartUpload|ListMultipartUploadParts)|s3:BypassGovernanceRetention"
)
_ELEMENTS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_ARN = re.compile(r"arn:[a-z-]+:(?:iam|sts)::(?P<account>\d{12}):(?:root|user/.+|role/.+|assumed-role/.+/.+)")


class Grant(Enum):
    """Part of a bucket policy in a decision."""

    NOTHING = 0
    TO_ACCOUNT = 1
    """Allowed to the account: the caller's own policies must allow it too."""
    TO_ROLE = 2
    """Allowed to the role of a session, or to everyone: a boundary and a session's policy still limit it."""
    TO_CALLER = 3
    """Allowed to the user or session itself, or to everyone without credentials."""
    DENIED = 4


def grant(policy: Document, caller: Identity | None, action: str, resource: str, context: Context) -> Grant:
    """Return what a policy says about an action of a caller. None is the anonymous caller."""
    found = [
        (statement["Effect"], _rank(statement.get("Principal", {}), caller))
        for statement in statements(policy)
        if applies(statement, action, resource, context)
    ]
    if any(effect == "Deny" and rank is not Grant.NOTHING for effect, rank in found):
        return Grant.DENIED
    allowed = [rank for effect, rank in found if effect == "Allow"]
    return max(allowed, key=lambda rank: rank.value, default=Grant.NOTHING)


def _rank(principals: Any, caller: Identity | None) -> Grant:
    """Return the way in which a statement's principals name a caller."""
    named = names_of({"AWS": principals} if isinstance(principals, str) else {"AWS": principals.get("AWS", [])})
    everyone = "*" in named
    if caller is None:
        return Grant.TO_CALLER if everyone else Grant.NOTHING
    if caller.arn in named or (everyone and caller.is_user):
        return Grant.TO_CALLER
    if caller.principal in named or everyone:
        return Grant.TO_ROLE
    account = caller.principal.split(":")[4]
    roots = (account, f":iam::{account}:root")
    return Grant.TO_ACCOUNT if any(name == account or name.endswith(roots[1]) for name in named) else Grant.NOTHING


# --- publicness -------------------------------------------------------------------------------------------------------


def is_public(policy: Document) -> bool:
    """Return whether S3 takes a policy for public: it allows everyone something, without a fixed limit."""
    return any(
        statement.get("Effect") == "Allow"
        and "*" in names_of(statement.get("Principal", {}))
        and not _is_fixed(statement)
        for statement in statements(policy)
    )


def _is_fixed(statement: Statement) -> bool:
    """Return whether a condition limits a statement to fixed principals or addresses."""
    for operator, key, values in conditions(statement):
        name = operator.rpartition(":")[2].removesuffix("IfExists")
        if name.startswith(("StringNot", "ArnNot", "NotIpAddress")) or operator.endswith("IfExists"):
            continue
        if key == "aws:sourceip" and not any(str(value).endswith(("/0", "*")) for value in values):
            return True
        if key in _FIXING_KEYS and not any(set(str(value)) & set("*?$") for value in values):
            return True
    return False


# --- form -------------------------------------------------------------------------------------------------------------


def read(content: bytes, bucket: str, exists: Callable[[str], bool]) -> Document:
    """Return the policy that PutBucketPolicy sends.

    :param exists: returns whether a user or role of this account exists, by ARN.
    :raises AWSError: S3 refuses it, or it has a part that is not evaluated here.
    """
    if len(content) > LONGEST:
        raise _malformed("Policies must be 20 KB or less in size")
    try:
        policy = json.loads(content)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if unknown := sorted(policy.keys() - {"Version", "Id", "Statement"}):
        raise _malformed(f"Unknown field {unknown[0]}")
    if policy.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise _malformed("The policy must contain a valid version string")
    if not policy.get("Statement"):
        raise _malformed("Missing required field Statement")
    for statement in statements(policy):
        _check_statement(statement, bucket)
        _check_principals(statement["Principal"], exists)
        _check_conditions(statement)
    return policy


def _check_statement(statement: Any, bucket: str) -> None:
    if not isinstance(statement, dict):
        raise _malformed("Statement must be a list of objects")
    if "NotPrincipal" in statement:
        raise _not_emulated("NotPrincipal")
    if unknown := sorted(statement.keys() - _ELEMENTS):
        raise _malformed(f"Unknown field {unknown[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Invalid effect" if "Effect" in statement else "Missing required field Effect")
    for element in ("Principal", "Action", "Resource"):
        if element not in statement and (element == "Principal" or f"Not{element}" not in statement):
            raise _malformed(f"Missing required field {element}")
    actions = [str(action) for action in listed(statement.get("Action", statement.get("NotAction")))]
    if not all(re.fullmatch(r"\*|s3:[\w*?]+", action, re.ASCII | re.IGNORECASE) for action in actions):
        raise _malformed("Policy has invalid action")
    resources = [str(resource) for resource in listed(statement.get("Resource", statement.get("NotResource")))]
    if not all(_is_of(resource, bucket) for resource in resources):
        raise _malformed("Policy has invalid resource")
    if "Action" in statement and "Resource" in statement and not any(_fits(a, r) for a in actions for r in resources):
        raise _malformed("Action does not apply to any resource(s) in statement")


def _is_of(resource: str, bucket: str) -> bool:
    name, slash, _ = resource.partition(":::")[2].partition("/")
    return re.match(r"arn:aws[a-z-]*:s3:::", resource) is not None and (
        like(name, bucket) or (not slash and like(name, f"{bucket}/x"))
    )


def _fits(action: str, resource: str) -> bool:
    """Return whether an action is about resources of this kind: the bucket or its objects."""
    if "*" in action or "?" in action or "*" in resource.partition("/")[0]:
        return True
    return (_OBJECT_ACTION.fullmatch(action) is not None) == ("/" in resource)


def _check_principals(principals: Any, exists: Callable[[str], bool]) -> None:
    if isinstance(principals, dict) and (other := sorted(principals.keys() - {"AWS", "Service"})):
        known = other[0] in ("Federated", "CanonicalUser")
        raise _not_emulated(f"a Principal of type {other[0]}") if known else _malformed("Invalid principal in policy")
    named = principals.get("AWS", []) if isinstance(principals, dict) else principals
    for name in listed(named):
        match = _ARN.fullmatch(str(name))
        is_account = re.fullmatch(r"\d{12}", str(name)) is not None
        if name != "*" and not is_account and not (match and (str(name).endswith(":root") or exists(str(name)))):
            raise _malformed("Invalid principal in policy")


def _check_conditions(statement: Statement) -> None:
    try:
        check_operators(statement)
    except (ValueError, AttributeError):  # the latter if a condition is no object
        raise _malformed("Invalid Condition type") from None
    for _, key, _ in conditions(statement):
        if key not in KEYS and not key.startswith(_KEYS_WITH_NAME):
            raise _not_emulated(f"the condition key {key}")


def _malformed(message: str) -> AWSError:
    error = AWSError(message)
    error.status, error.code = 400, "MalformedPolicy"
    return error


def _not_emulated(part: str) -> NotImplementedByS3:
    return NotImplementedByS3(f"The local AWS does not evaluate {part} of a bucket policy.")
