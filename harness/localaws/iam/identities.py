"""Identities of callers: users, roles and their sessions in moto's IAM and STS, with their policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from harness import regions

Document = dict[str, Any]
ADMINISTRATOR = "administrator"
"""Name of the user who may do everything."""
_EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


@dataclass(frozen=True)
class Identity:
    """A user or a role, with its policies and their limits."""

    arn: str
    """ARN of the user, or of the role's session, as GetCallerIdentity returns it."""
    principal: str
    """ARN of the user or of the role."""
    name: str
    secret: str = ""
    """The secret access key, which signs requests."""
    token: str = ""
    """The session token, if it is a session."""
    policies: tuple[Document, ...] = ()
    limits: tuple[Document, ...] = ()
    """Policies that must each allow an action too: a permissions boundary, a session's policy."""
    tags: dict[str, str] = field(default_factory=dict)
    expires: datetime | None = None

    @property
    def is_user(self) -> bool:
        """True if it is a user, False if it is a role."""
        return ":user/" in self.principal

    @property
    def expired(self) -> bool:
        """True if its session has expired."""
        return self.expires is not None and self.expires <= datetime.now(timezone.utc)


def principal_context(caller: Identity) -> dict[str, list[str]]:
    """Return the condition keys that depend on the caller."""
    context = {
        "aws:PrincipalArn": [caller.principal],
        "aws:PrincipalAccount": [caller.principal.split(":")[4]],
        "aws:PrincipalType": ["User" if caller.is_user else "AssumedRole"],
        "aws:PrincipalIsAWSService": ["false"],
        **{f"aws:PrincipalTag/{key}": [value] for key, value in caller.tags.items()},
    }
    return context | ({"aws:username": [caller.name]} if caller.is_user else {})


def put_administrator(region: str) -> dict[str, str]:
    """Make an administrator in the region's partition; return the credentials as environment variables."""
    backend = iam_backends[DEFAULT_ACCOUNT_ID][regions.partition(region)]
    backend.create_user(region, ADMINISTRATOR)
    backend.put_user_policy(ADMINISTRATOR, "everything", json.dumps(_EVERYTHING))
    key = backend.create_access_key(ADMINISTRATOR)
    return {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}


def find_caller(access_key: str) -> Identity | None:
    """Return the identity that an access key belongs to, or None if the key is unknown or inactive."""
    for partition in regions.PARTITIONS:
        for user in list(iam_backends[DEFAULT_ACCOUNT_ID][partition].users.values()):
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    return _user(user, key.secret_access_key)
        for session in list(sts_backends[DEFAULT_ACCOUNT_ID][partition].assumed_roles):
            if session.access_key_id == access_key:
                return _session(session)
    return None


def arn_of(arn: str) -> str:
    """Return the ARN with its path of the user, role or group that an ARN names; the same ARN if it is unknown."""
    _, partition, _, _, _, resource = arn.split(":", 5) if arn.count(":") >= 5 else [""] * 6
    kind, _, name = resource.partition("/")
    if partition not in regions.PARTITIONS or kind not in ("user", "role", "group"):
        return arn
    known = getattr(iam_backends[DEFAULT_ACCOUNT_ID][partition], f"{kind}s")
    return next((found.arn for found in list(known.values()) if found.name == name.rpartition("/")[2]), arn)


def find_principal(arn: str) -> Identity | None:
    """Return a user by ARN, or a role as SageMaker's session of it; None if it does not exist."""
    for partition in regions.PARTITIONS:
        backend = iam_backends[DEFAULT_ACCOUNT_ID][partition]
        for user in list(backend.users.values()):
            if user.arn == arn:
                return _user(user)
        for role in list(backend.roles.values()):
            if role.arn == arn:
                return _role(role, f"{_sessions_of(role)}/SageMaker")
    return None


def trust_policy(role_arn: str) -> Document | None:
    """Return a role's trust policy, or None if the role does not exist."""
    for partition in regions.PARTITIONS:
        for role in list(iam_backends[DEFAULT_ACCOUNT_ID][partition].roles.values()):
            if role.arn == role_arn:
                return _parsed(role.assume_role_policy_document)
    return None


def _user(user: Any, secret: str = "") -> Identity:
    backend = iam_backends[DEFAULT_ACCOUNT_ID][regions.partition_of(user.arn)]
    holders = [user, *backend.get_groups_for_user(user.name)]
    policies = tuple(document for holder in holders for document in _documents(holder))
    tags = {tag["Key"]: tag["Value"] for tag in user.tags or []}
    return Identity(user.arn, user.arn, user.name, secret, policies=policies, tags=tags)


def _role(role: Any, arn: str) -> Identity:
    tags = {tag["Key"]: tag["Value"] for tag in _tag_list(role.tags)}
    return Identity(
        arn, role.arn, role.name, policies=tuple(_documents(role)), limits=tuple(_boundary(role)), tags=tags
    )


def _session(session: Any) -> Identity:
    partition = regions.partition_of(session.role_arn)
    roles = iam_backends[DEFAULT_ACCOUNT_ID][partition].roles.values()
    role = next((role for role in list(roles) if role.arn == session.role_arn), None)
    own = (_parsed(session.policy),) if session.policy else ()
    known = _role(role, session.arn) if role else Identity(session.arn, session.role_arn, session.role_arn)
    return Identity(
        session.arn,
        session.role_arn,
        known.name,
        session.secret_access_key,
        session.session_token,
        known.policies,
        known.limits + own,
        known.tags,
        session.expiration.replace(tzinfo=timezone.utc),
    )


def _documents(holder: Any) -> Iterator[Document]:
    """Yield the inline and the attached policies of a user, group or role."""
    yield from map(_parsed, list(holder.policies.values()))
    yield from (_default_version(policy) for policy in list(holder.managed_policies.values()))


def _boundary(role: Any) -> Iterator[Document]:
    if role.permissions_boundary_arn:
        policies = iam_backends[DEFAULT_ACCOUNT_ID][role.partition].managed_policies
        yield _default_version(policies[role.permissions_boundary_arn])


def _default_version(policy: Any) -> Document:
    return next(_parsed(version.document) for version in policy.versions if version.is_default)


def _parsed(document: Any) -> Document:
    parsed: Document = json.loads(document) if isinstance(document, str) else document
    return parsed


def _tag_list(tags: Any) -> list[dict[str, str]]:
    return list(tags.values()) if isinstance(tags, dict) else list(tags or [])


def _sessions_of(role: Any) -> str:
    return f"arn:{role.partition}:sts::{role.account_id}:assumed-role/{role.name}"
