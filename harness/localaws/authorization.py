"""IAM enforced: every call is decided before it has any effect, by the policies that the local IAM has of its caller.

The execution role is held to its policies too, wherever SageMaker acts as it: see :meth:`Authorization.refusal`.
Where nothing is enforced (:class:`Unrestricted`) everybody may do everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Protocol

from harness.localaws import actions, identities, policies, signatures
from harness.localaws.actions import Asked, Need
from harness.localaws.exceptions import AWSError
from harness.localaws.identities import Identity
from harness.localaws.policies import Decision
from harness.localaws.requests import Request

_QUERY_SERVICES = ("iam", "sts")
_UNSIGNED = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")


class Authorization(Protocol):
    """Decides what callers and roles may do."""

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` unless the caller may do all that a request needs."""

    def refused_keys(self, request: Request, keys: Iterable[str]) -> dict[str, str]:
        """Return which of the keys that DeleteObjects names the caller may not delete, each with the reason."""

    def refusal(self, role: str, need: Need) -> str | None:
        """Return why SageMaker may not do something as a role, in AWS's words, or None if it may."""


class Unrestricted:
    """Lets everybody do everything."""

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise nothing."""

    def refused_keys(self, request: Request, keys: Iterable[str]) -> dict[str, str]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def refusal(self, role: str, need: Need) -> str | None:  # noqa: ARG002 - the protocol's
        """Return None."""
        return None


class Enforced:
    """Decides by the policies in the local IAM."""

    def __init__(
        self, account: str, tags_of: Callable[[str], Mapping[str, str]], has_object: Callable[[str, str], bool]
    ) -> None:
        """Look up a resource's tags by its ARN, and whether a bucket has a key, with the functions given."""
        self._account = account
        self._tags_of = tags_of
        self._has_object = has_object

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` unless the caller is known and may do all that the request needs."""
        await asyncio.to_thread(self._check, request, parameters)

    def _check(self, request: Request, parameters: dict[str, object]) -> None:
        caller = _caller(request)
        if caller is None:
            return
        for need in actions.needs(self._asked(request, parameters)):
            if reason := self.reason(caller, need, request.region):
                raise _denied(request.host.service, reason)

    def _asked(self, request: Request, parameters: dict[str, object]) -> Asked:
        bucket, key = request.bucket_and_key() if request.host.service == "s3" else ("", "")
        return Asked(
            request.host.service,
            request.operation,
            request.region,
            self._account,
            parameters,
            bucket,
            key,
            {name: values[0] for name, values in request.query.items()},
            request.headers,
            request.endpoint_name,
            lacks_object=bool(key) and not self._has_object(bucket, key),
        )

    def refused_keys(self, request: Request, keys: Iterable[str]) -> dict[str, str]:
        """Return which of the keys that DeleteObjects names the caller may not delete, each with the reason."""
        caller = _caller(request)
        if caller is None:
            return {}
        bucket, _ = request.bucket_and_key()
        wanted = {key: Need("s3:DeleteObject", actions.object_arn(request.region, bucket, key)) for key in keys}
        reasons = {key: self.reason(caller, need, request.region) for key, need in wanted.items()}
        return {key: reason for key, reason in reasons.items() if reason}

    def refusal(self, role: str, need: Need) -> str | None:
        """Return why SageMaker may not do something as a role, in AWS's words, or None if it may."""
        identity = identities.find_principal(role)
        if identity is None:
            return f"The role {role} does not exist"
        return self.reason(identity, need, need.resource.split(":")[3] if ":" in need.resource else "")

    def reason(self, caller: Identity, need: Need, region: str) -> str | None:
        """Return why a caller may not do something, in AWS's words, or None if it may."""
        tags = self._tags_of(need.resource) if ":sagemaker:" in need.resource else {}
        existing = {
            f"{prefix}:ResourceTag/{key}": [value] for key, value in tags.items() for prefix in ("aws", "sagemaker")
        }
        context = _surroundings(caller, region) | existing | need.context
        decision = decide(caller, need.action, need.resource, context)
        if need.action == "sts:AssumeRole" and decision is not Decision.EXPLICIT_DENY:
            decision = _with_trust(caller, need, context, decision)
        return None if decision is Decision.ALLOWED else _told(caller, need, decision)


def decide(caller: Identity, action: str, resource: str, context: policies.Context) -> Decision:
    """Return what the policies of a user or role say, within the limits set to them."""
    decisions = [policies.evaluate(caller.policies, action, resource, context)]
    decisions += [policies.evaluate([limit], action, resource, context) for limit in caller.limits]
    if Decision.EXPLICIT_DENY in decisions:
        return Decision.EXPLICIT_DENY
    return Decision.IMPLICIT_DENY if Decision.IMPLICIT_DENY in decisions else Decision.ALLOWED


def _with_trust(caller: Identity, need: Need, context: policies.Context, decision: Decision) -> Decision:
    """Return the decision about assuming a role, to which the role's own trust has to agree.

    A trust that names the caller itself needs no policy of the caller's; one that names the account does.
    """
    trust = identities.trust_policy(need.resource)
    if trust is None or not policies.trusts(trust, need.action, caller.principal, context):
        return Decision.IMPLICIT_DENY
    return Decision.ALLOWED if policies.names(trust, caller.principal) else decision


def principal_context(caller: Identity) -> dict[str, list[str]]:
    """Return the condition keys that come from who calls."""
    context = {
        "aws:PrincipalArn": [caller.principal],
        "aws:PrincipalAccount": [caller.principal.split(":")[4]],
        "aws:PrincipalType": ["User" if caller.is_user else "AssumedRole"],
        **{f"aws:PrincipalTag/{key}": [value] for key, value in caller.tags.items()},
    }
    return context | ({"aws:username": [caller.name]} if caller.is_user else {})


def _surroundings(caller: Identity, region: str) -> dict[str, list[str]]:
    now, account = datetime.now(timezone.utc), caller.principal.split(":")[4]
    return principal_context(caller) | {
        "aws:RequestedRegion": [region],
        "aws:ResourceAccount": [account],
        "s3:ResourceAccount": [account],
        "aws:SecureTransport": ["true"],
        "aws:SourceIp": ["127.0.0.1"],
        "aws:CurrentTime": [now.isoformat()],
        "aws:EpochTime": [str(int(now.timestamp()))],
    }


def _caller(request: Request) -> Identity | None:
    """Return who signed a request, or None where nobody needs to.

    :raises AWSError: nobody signed it, or the credentials are unknown or have expired.
    """
    service = request.host.service
    if not request.access_key:
        if service == "sts" and request.operation in _UNSIGNED:
            return None
        raise _error(service, "missing")
    caller = identities.find_caller(request.access_key)
    if caller is None:
        raise _error(service, "unknown")
    if caller.token != request.session_token:
        raise _error(service, "token")
    if caller.expired:
        raise _error(service, "expired")
    if "authorization" in request.headers and not _is_signed(request, caller):
        raise _error(service, "signature")
    return caller


def _is_signed(request: Request, caller: Identity) -> bool:
    method = request.scope["method"]
    return signatures.is_signed_with(caller.secret, method, request.url, request.headers, request.body_read)


_MISMATCH = "The request signature we calculated does not match the signature you provided. Check your "
_INVALID = "The security token included in the request is invalid."
_ERRORS = {
    "s3": {
        "missing": (403, "AccessDenied", "Access Denied"),
        "unknown": (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        "token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        "expired": (400, "ExpiredToken", "The provided token has expired."),
        "signature": (403, "SignatureDoesNotMatch", _MISMATCH + "key and signing method."),
        "denied": (403, "AccessDenied", ""),
    },
    "query": {
        "missing": (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        "unknown": (403, "InvalidClientTokenId", _INVALID),
        "token": (403, "InvalidClientTokenId", _INVALID),
        "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
        "signature": (403, "SignatureDoesNotMatch", _MISMATCH + "AWS Secret Access Key and signing method."),
        "denied": (403, "AccessDenied", ""),
    },
    "json": {
        "missing": (400, "MissingAuthenticationTokenException", "Request is missing Authentication Token"),
        "unknown": (400, "UnrecognizedClientException", _INVALID),
        "token": (400, "UnrecognizedClientException", _INVALID),
        "expired": (400, "ExpiredTokenException", "The security token included in the request is expired"),
        "signature": (400, "InvalidSignatureException", _MISMATCH + "AWS Secret Access Key and signing method."),
        "denied": (400, "AccessDeniedException", ""),
    },
}
"""HTTP status, code and message, by protocol."""


def _error(service: str, kind: str, message: str = "") -> AWSError:
    protocol = "s3" if service == "s3" else "query" if service in _QUERY_SERVICES else "json"
    status, code, text = _ERRORS[protocol][kind]
    error = AWSError(message or text)
    error.status, error.code = status, code
    return error


def _denied(service: str, reason: str) -> AWSError:
    return _error(service, "denied", reason)


def _told(caller: Identity, need: Need, decision: Decision) -> str:
    """Return the refusal as AWS words it; S3 puts the resource in quotation marks."""
    resource = f'"{need.resource}"' if need.action.startswith("s3:") else need.resource
    because = (
        "with an explicit deny in an identity-based policy"
        if decision is Decision.EXPLICIT_DENY
        else f"because no identity-based policy allows the {need.action} action"
    )
    return f"User: {caller.arn} is not authorized to perform: {need.action} on resource: {resource} {because}"
