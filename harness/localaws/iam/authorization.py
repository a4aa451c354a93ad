"""Authorization: the caller's policies in the local IAM decide every call before it has an effect.

The execution role's policies apply too, whenever SageMaker acts as that role: see :meth:`Authorization.refusal`.
Without ``--enforce-iam`` (:class:`Unrestricted`) every caller may do everything.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Protocol

from harness import regions
from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import QUERY_SERVICES, Request
from harness.localaws.iam import identities, policy_evaluation, required_actions, sigv4
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.policy_evaluation import Decision
from harness.localaws.iam.required_actions import Asked, Need
from harness.localaws.iam.sigv4 import Digest, MalformedSignature, Signature, SignedChunks
from harness.localaws.s3.deletion import Entry

_UNSIGNED = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")


class Authorization(Protocol):
    """Decides about callers' and roles' actions."""

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` unless the caller has all permissions that a request needs."""

    def refused_entries(self, request: Request, entries: Iterable[Entry]) -> dict[Entry, str]:
        """Return the keys of DeleteObjects that the caller may not delete, each with the reason."""

    def refusal(self, role: str, need: Need) -> str | None:
        """Return AWS's message if SageMaker may not do something as a role, or None if it may."""


class Unrestricted:
    """Allows every caller everything."""

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise nothing."""

    def refused_entries(self, request: Request, entries: Iterable[Entry]) -> dict[Entry, str]:  # noqa: ARG002
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
        """Decide with the tags of resources.

        :param tags_of: returns a resource's tags by its ARN.
        :param has_object: returns whether a bucket has a key.
        """
        self._account = account
        self._tags_of = tags_of
        self._has_object = has_object

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` unless the caller is known and has all permissions that the request needs."""
        await asyncio.to_thread(self._check, request, parameters)

    def _check(self, request: Request, parameters: dict[str, object]) -> None:
        caller = _caller(request)
        if caller is None:
            return
        if unknown := _not_decided(request, parameters):
            raise _denied(request.host.service, f"The local AWS does not emulate {unknown} where IAM is enforced.")
        for need in map(_at_home, required_actions.needs(self._asked(request, parameters))):
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

    def refused_entries(self, request: Request, entries: Iterable[Entry]) -> dict[Entry, str]:
        """Return the keys of DeleteObjects that the caller may not delete, each with the reason."""
        caller = _caller(request)
        if caller is None:
            return {}
        bucket, _ = request.bucket_and_key()
        refused: dict[Entry, str] = {}
        for key, version in entries:
            action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
            need = Need(action, required_actions.object_arn(request.region, bucket, key))
            if reason := self.reason(caller, need, request.region):
                refused[key, version] = reason
        return refused

    def refusal(self, role: str, need: Need) -> str | None:
        """Return AWS's message if SageMaker may not do something as a role, or None if it may."""
        identity = identities.find_principal(role)
        if identity is None:
            return f"The role {role} does not exist"
        return self.reason(identity, need, need.resource.split(":")[3] if ":" in need.resource else "")

    def reason(self, caller: Identity, need: Need, region: str) -> str | None:
        """Return AWS's message if a caller may not do something, or None if it may."""
        tags = self._tags_of(need.resource) if ":sagemaker:" in need.resource else {}
        existing = {
            f"{prefix}:ResourceTag/{key}": [value] for key, value in tags.items() for prefix in ("aws", "sagemaker")
        }
        context = _surroundings(caller, region) | existing | need.context
        decision = decide(caller, need.action, need.resource, context)
        if need.action == "sts:AssumeRole" and decision is not Decision.EXPLICIT_DENY:
            decision = _with_trust(caller, need, context, decision)
        return None if decision is Decision.ALLOWED else _refusal_message(caller, need, decision)


def decide(caller: Identity, action: str, resource: str, context: policy_evaluation.Context) -> Decision:
    """Return the decision by the policies of a user or a role, within its limits."""
    decisions = [policy_evaluation.evaluate(caller.policies, action, resource, context)]
    decisions += [policy_evaluation.evaluate([limit], action, resource, context) for limit in caller.limits]
    if Decision.EXPLICIT_DENY in decisions:
        return Decision.EXPLICIT_DENY
    return Decision.IMPLICIT_DENY if Decision.IMPLICIT_DENY in decisions else Decision.ALLOWED


def _with_trust(caller: Identity, need: Need, context: policy_evaluation.Context, decision: Decision) -> Decision:
    """Return the decision about assuming a role, which the role's trust policy must allow too.

    If it names the caller, the caller needs no policy. If it names the account, the caller does.
    """
    trust = identities.trust_policy(need.resource)
    if trust is None or not policy_evaluation.trusts(trust, need.action, caller.principal, context):
        return Decision.IMPLICIT_DENY
    return Decision.ALLOWED if policy_evaluation.names(trust, caller.principal) else decision


def principal_context(caller: Identity) -> dict[str, list[str]]:
    """Return the condition keys that depend on the caller."""
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


def _not_decided(request: Request, parameters: dict[str, object]) -> str | None:
    """Return the part of a request that limits or needs permissions and is not evaluated here, or None."""
    if request.host.service == "s3" and request.operation == "PostObject":
        return "POST forms"
    unknown: tuple[str, ...] = (
        ("PermissionsBoundary",) if request.operation in ("CreateUser", "PutUserPermissionsBoundary") else ()
    )
    if request.operation.startswith("AssumeRole") or request.operation == "GetFederationToken":
        unknown = ("PolicyArns", "TransitiveTagKeys")
    return next((name for name in parameters if name.partition(".")[0] in unknown), None)


def _at_home(need: Need) -> Need:
    """Return a need with the full ARN of a user, role or group, including its path."""
    return replace(need, resource=identities.arn_of(need.resource)) if need.action.startswith("iam:") else need


def _caller(request: Request) -> Identity | None:
    """Return the identity that signed a request, or None if it needs no signature.

    The signature of the body is verified while the body is read: see :attr:`Request.verifier`.

    :raises AWSError: the signature is missing or wrong, or the credentials are unknown or expired.
    """
    service = request.host.service
    signature = _signature(request)
    if signature is None:
        if (
            service == "s3" and request.scope["method"] == "OPTIONS"
        ):  # a browser sends preflight requests without credentials
            return None
        if service == "sts" and request.operation in _UNSIGNED:
            raise _error(
                service,
                "denied",
                f"The local AWS does not emulate {request.operation} where IAM is enforced: it does not have the keys "
                "by which identity providers sign.",
            )
        raise _error(service, "missing")
    _check_scope(request, signature)
    caller = identities.find_caller(signature.key)
    if caller is None or regions.partition_of(caller.principal) != regions.partition(signature.region):
        raise _error(service, "unknown")  # a key belongs to one partition
    if caller.token != request.session_token:
        raise _error(service, "token")
    if caller.expired:
        raise _error(service, "expired")
    _check_time(service, signature)
    if unsigned := sigv4.unsigned_headers(signature, request.headers):
        raise _error(service, "unsigned", _UNSIGNED_HEADERS.format(", ".join(unsigned)))
    _check_signature(request, signature, caller.secret)
    return caller


def _signature(request: Request) -> Signature | None:
    try:
        return sigv4.read(request.headers, request.query)
    except MalformedSignature as error:
        raise _error(request.host.service, "malformed", f"The request's signature cannot be read: {error}.") from None


def _check_scope(request: Request, signature: Signature) -> None:
    """Raise :class:`AWSError` unless a credential's scope is the host's service and region."""
    service = request.host.service
    if signature.service != _SIGNING_NAMES.get(service, service):
        expected = _SIGNING_NAMES.get(service, service)
        raise _error(service, "scope", f"Credential should be scoped to correct service: '{expected}'.")
    region = request.host.region or _GLOBAL_REGIONS.get(request.host_name, "us-east-1")
    regional = request.host.region is not None or service != "s3"  # S3's global host serves buckets of all regions
    domain = "aws-cn" if request.host_name.endswith(".cn") else "aws"
    foreign = not regional and regions.partition(signature.region) != domain
    if foreign or (regional and signature.region != region):
        raise _error(service, "scope", f"Credential should be scoped to a valid region, not '{signature.region}'.")


def _check_time(service: str, signature: Signature) -> None:
    now = datetime.now(timezone.utc)
    if signature.expiry is not None and now > signature.moment + signature.expiry:
        raise _error(service, "url expired")
    skew = _LONGEST_SKEW["json" if _protocol(service) == "json" else "other"]
    if signature.moment > now + skew or (signature.expiry is None and signature.moment < now - skew):
        minutes = int(skew.total_seconds() // 60)
        which = "Signature expired" if signature.moment < now else "Signature not yet current"
        raise _error(service, "skewed", f"{which}: {signature.timestamp} is not within {minutes} min. of {now:{_TIME}}")


def _check_signature(request: Request, signature: Signature, secret: str) -> None:
    """Raise :class:`AWSError` unless the signature is right. It may prescribe a verifier of the body."""
    service, digest = request.host.service, request.headers.get("x-amz-content-sha256", "")
    if service != "s3":
        found = hashlib.sha256(request.body_read).hexdigest()
        if digest and digest != found:
            raise _error(service, "signature")
        digest = found
    elif signature.expiry is not None:
        digest = digest or "UNSIGNED-PAYLOAD"
        if _HEXADECIMAL.fullmatch(digest):
            request.verifier = Digest(digest)
    elif digest in sigv4.SIGNED_CHUNKS:
        request.verifier = SignedChunks(signature, secret)
    elif digest not in sigv4.UNSIGNED_PAYLOADS:
        if not _HEXADECIMAL.fullmatch(digest):
            raise _error(
                service, "digest", f"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, or a digest, not {digest!r}"
            )
        request.verifier = Digest(digest)
    if not sigv4.is_right(signature, secret, request.scope["method"], request.url, request.headers, digest):
        raise _error(service, "signature")


_SIGNING_NAMES = {
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tagging",
}
"""Service names in the scope of credentials, if they differ from boto3's."""
_GLOBAL_REGIONS = {"iam.us-gov.amazonaws.com": "us-gov-west-1"}
"""Signing region of hosts without a region, if it is not us-east-1."""
_LONGEST_SKEW = {"json": timedelta(minutes=5), "other": timedelta(minutes=15)}
"""Largest difference between a request's time and AWS's: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
(RequestTimeTooSkewed, 15 minutes), https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html (5 minutes)."""
_TIME = "%Y%m%dT%H%M%SZ"
_HEXADECIMAL = re.compile("[0-9a-f]{64}")
_UNSIGNED_HEADERS = "There were headers present in the request which were not signed: {}"
_MISMATCH = "The request signature we calculated does not match the signature you provided. Check your "
_INVALID = "The security token included in the request is invalid."
_ERRORS = {
    "s3": {
        "missing": (403, "AccessDenied", "Access Denied"),
        "malformed": (400, "AuthorizationHeaderMalformed", ""),
        "scope": (400, "AuthorizationHeaderMalformed", ""),
        "unknown": (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        "token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        "expired": (400, "ExpiredToken", "The provided token has expired."),
        "skewed": (403, "RequestTimeTooSkewed", ""),
        "url expired": (403, "AccessDenied", "Request has expired"),
        "unsigned": (403, "AccessDenied", ""),
        "digest": (400, "InvalidArgument", ""),
        "signature": (403, "SignatureDoesNotMatch", _MISMATCH + "key and signing method."),
        "denied": (403, "AccessDenied", ""),
    },
    "query": {
        "missing": (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        "malformed": (400, "IncompleteSignature", ""),
        "scope": (403, "SignatureDoesNotMatch", ""),
        "unknown": (403, "InvalidClientTokenId", _INVALID),
        "token": (403, "InvalidClientTokenId", _INVALID),
        "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
        "skewed": (403, "SignatureDoesNotMatch", ""),
        "url expired": (400, "RequestExpired", "Request has expired"),
        "unsigned": (403, "SignatureDoesNotMatch", ""),
        "signature": (403, "SignatureDoesNotMatch", _MISMATCH + "AWS Secret Access Key and signing method."),
        "denied": (403, "AccessDenied", ""),
    },
    "json": {
        "missing": (400, "MissingAuthenticationTokenException", "Request is missing Authentication Token"),
        "malformed": (400, "IncompleteSignatureException", ""),
        "scope": (400, "InvalidSignatureException", ""),
        "unknown": (400, "UnrecognizedClientException", _INVALID),
        "token": (400, "UnrecognizedClientException", _INVALID),
        "expired": (400, "ExpiredTokenException", "The security token included in the request is expired"),
        "skewed": (400, "InvalidSignatureException", ""),
        "url expired": (400, "InvalidSignatureException", "Request has expired"),
        "unsigned": (400, "InvalidSignatureException", ""),
        "signature": (400, "InvalidSignatureException", _MISMATCH + "AWS Secret Access Key and signing method."),
        "denied": (400, "AccessDeniedException", ""),
    },
}
"""HTTP status, code and message, by protocol."""


def _protocol(service: str) -> str:
    return "s3" if service == "s3" else "query" if service in QUERY_SERVICES else "json"


def _error(service: str, kind: str, message: str = "") -> AWSError:
    status, code, text = _ERRORS[_protocol(service)][kind]
    error = AWSError(message or text)
    error.status, error.code = status, code
    return error


def _denied(service: str, reason: str) -> AWSError:
    return _error(service, "denied", reason)


def _refusal_message(caller: Identity, need: Need, decision: Decision) -> str:
    """Return AWS's message. S3 puts the resource in quotation marks."""
    resource = f'"{need.resource}"' if need.action.startswith("s3:") else need.resource
    because = (
        "with an explicit deny in an identity-based policy"
        if decision is Decision.EXPLICIT_DENY
        else f"because no identity-based policy allows the {need.action} action"
    )
    return f"User: {caller.arn} is not authorized to perform: {need.action} on resource: {resource} {because}"
