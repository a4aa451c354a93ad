"""Authorization: the caller's policies in the local IAM decide every call before it has an effect.

The execution role's policies apply too, whenever SageMaker acts as that role: see :meth:`Authorization.refusal`.
Without ``--enforce-iam`` (:class:`Unrestricted`) callers with credentials may do everything that S3's own rules and
explicit denials in bucket policies do not refuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Protocol

from harness.localaws.http.request import Request
from harness.localaws.iam import buckets, callers, identities, policy_evaluation, required_actions, s3_actions, s3_rules
from harness.localaws.iam.asked import Asked, Need
from harness.localaws.iam.bucket_policies import Grant
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.policy_evaluation import Context, Decision
from harness.localaws.iam.refusals import refusal
from harness.localaws.iam.signatures import post_policy
from harness.localaws.s3.deletion import Entry
from harness.regions import partition

Fields = Mapping[str, str]
"""Fields of a POST form before its file, by names in lower case, with ``${filename}`` replaced."""


class Authorization(Protocol):
    """Decides about callers' and roles' actions."""

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` unless the caller has all permissions that a request needs."""

    def check_content(self, request: Request, content: bytes) -> None:
        """Raise :class:`AWSError` if S3 does not take the policy or the ACL in a request's body."""

    def check_form(self, request: Request, fields: Fields, size: int) -> None:
        """Raise :class:`AWSError` unless a POST form's policy, signature and signer allow its upload."""

    def refused_entries(self, request: Request, entries: Iterable[Entry]) -> dict[Entry, str]:
        """Return the keys of DeleteObjects that the caller may not delete, each with the reason."""

    def refusal(self, role: str, need: Need) -> str | None:
        """Return AWS's message if SageMaker may not do something as a role, or None if it may."""


class _Rules:
    """The rules of S3 that hold with and without ``--enforce-iam``."""

    def __init__(self, account: str, has_object: Callable[[str, str], bool]) -> None:
        """Decide for an account.

        :param has_object: returns whether a bucket has a key.
        """
        self._account = account
        self._has_object = has_object

    def _caller(self, request: Request) -> Identity | None:
        raise NotImplementedError

    def _form_caller(self, fields: Fields, region: str) -> Identity | None:
        raise NotImplementedError

    def reason(self, caller: Identity, need: Need, region: str) -> str | None:
        """Return AWS's message if a caller may not do something, or None if it may."""
        raise NotImplementedError

    def check_content(self, request: Request, content: bytes) -> None:
        """Raise :class:`AWSError` if S3 does not take the policy or the ACL in a request's body."""
        bucket, _ = request.bucket_and_key()
        known = identities.find_caller(request.access_key)
        arn = known.arn if known else f"arn:aws:iam::{self._account}:root"
        s3_rules.check_content(request.operation, bucket, content, self._account, arn)

    def check_form(self, request: Request, fields: Fields, size: int) -> None:
        """Raise :class:`AWSError` unless a POST form's policy, signature and signer allow its upload."""
        bucket, _ = request.bucket_and_key()
        caller = self._form_caller(fields, buckets.region_of(bucket) or request.region)
        if "policy" in fields:
            policy = post_policy.read(fields["policy"])
            policy.check_fields(fields, bucket, datetime.now(timezone.utc))
            policy.check_size(size)
        headers = {name: value for name, value in fields.items() if name.startswith("x-amz-")}
        headers |= {"x-amz-acl": fields["acl"]} if "acl" in fields else {}
        asked = replace(self._asked(request, {}), key=fields.get("key", ""), query={}, headers=headers)
        context = {"s3:authType": ["POST"]} if "policy" in fields else {}
        self._check_needs(request, caller if "policy" in fields else None, asked, context)
        s3_rules.check_acl("PostObject", bucket, headers)

    def _check_s3(self, request: Request, parameters: dict[str, object]) -> None:
        claims = callers.claims_of(request)
        caller = self._caller(request)
        if claims:
            request.take_headers_from_query()
        context = callers.keys_of_signature(request, claims)
        self._check_needs(request, caller if claims else None, self._asked(request, parameters), context)
        s3_rules.check_acl(request.operation, request.bucket_and_key()[0], request.headers)

    def _check_needs(self, request: Request, caller: Identity | None, asked: Asked, context: Context) -> None:
        for need in required_actions.needs(asked):
            with_signature = replace(need, context={**need.context, **context})
            if caller is None:
                self._check_anonymous(request, with_signature)
            elif reason := self.reason(caller, with_signature, request.region):
                raise refusal("s3", "denied", reason)

    def _check_anonymous(self, request: Request, need: Need) -> None:
        bucket, _ = request.bucket_and_key()
        if bucket and request.operation != "CreateBucket":
            region = buckets.region_of(bucket)
            if region is None or partition(region) != partition(request.region):
                return  # the answer is that there is no such bucket
        if not s3_rules.allows_anonymous(need, {**surroundings(self._account, request.region), **need.context}):
            raise refusal("s3", "denied")

    def _asked(self, request: Request, parameters: dict[str, object]) -> Asked:
        bucket, key = request.bucket_and_key() if request.host.service == "s3" else ("", "")
        source = s3_actions.copy_source(request.headers.get("x-amz-copy-source", "")) if key else ("", "", "")
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
            lacks_object=bool(key) and not buckets.is_public_sample(bucket) and not self._has_object(bucket, key),
            lacks_source=bool(source[1]) and not self._has_object(source[0], source[1]),
            source_has_tags=bool(source[1]) and bool(buckets.tags_of(source[0], source[1])),
        )

    def refused_entries(self, request: Request, entries: Iterable[Entry]) -> dict[Entry, str]:
        """Return the keys of DeleteObjects that the caller may not delete, each with the reason."""
        caller, (bucket, _) = self._caller(request), request.bucket_and_key()
        claims = callers.claims_of(request)
        context = callers.keys_of_signature(request, claims)
        refused: dict[Entry, str] = {}
        for key, version in entries:
            for need in s3_actions.deletion(request.region, bucket, key, version, request.headers):
                asked = replace(need, context={**need.context, **context})
                if reason := self._entry_reason(caller if claims else None, asked, request.region):
                    refused[key, version] = reason
        return refused

    def _entry_reason(self, caller: Identity | None, need: Need, region: str) -> str | None:
        if caller is not None:
            return self.reason(caller, need, region)
        context = {**surroundings(self._account, region), **need.context}
        return None if s3_rules.allows_anonymous(need, context) else "Access Denied"


class Unrestricted(_Rules):
    """Allows callers with credentials everything, except what S3 refuses whatever they may do."""

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` if S3 refuses a request whatever its caller may do."""
        if request.host.service != "s3" or request.operation in ("OptionsObject", "PostObject"):
            return
        bucket, _ = request.bucket_and_key()
        if "authorization" in request.headers and not s3_rules.limits_callers(bucket):  # most requests
            callers.claims_of(request)
            s3_rules.check_acl(request.operation, bucket, request.headers)
        else:
            self._check_s3(request, parameters)

    def _caller(self, request: Request) -> Identity | None:
        callers.check_presigned(request)
        return identities.find_caller(request.access_key) or self._someone()

    def _form_caller(self, fields: Fields, region: str) -> Identity | None:
        return callers.authenticate_form(fields, region, strict=False) or self._someone()

    def _someone(self) -> Identity:
        """Return the caller to which a key belongs that the local IAM does not have."""
        root = f"arn:aws:iam::{self._account}:root"
        return Identity(root, root, "root")

    def reason(self, caller: Identity, need: Need, region: str) -> str | None:
        """Return AWS's message if a bucket's policy denies a caller something explicitly, or None."""
        if not need.action.startswith("s3:"):
            return None
        denied = s3_rules.grant(caller, need, context_of(caller, need, region)) is Grant.DENIED
        return denied_by_bucket(caller, need) if denied else None

    def refusal(self, role: str, need: Need) -> str | None:
        """Return AWS's message if a bucket's policy denies a role something explicitly, or None."""
        identity = identities.find_principal(role)
        return self.reason(identity, need, _region_of(need)) if identity else None


class Enforced(_Rules):
    """Decides by the policies in the local IAM, and by those of buckets."""

    def __init__(
        self, account: str, tags_of: Callable[[str], Mapping[str, str]], has_object: Callable[[str, str], bool]
    ) -> None:
        """Decide with the tags of resources.

        :param tags_of: returns a resource's tags by its ARN.
        :param has_object: returns whether a bucket has a key.
        """
        super().__init__(account, has_object)
        self._tags_of = tags_of

    async def check(self, request: Request, parameters: dict[str, object]) -> None:
        """Raise :class:`AWSError` unless the caller is known and has all permissions that the request needs."""
        await asyncio.to_thread(self._check, request, parameters)

    def _check(self, request: Request, parameters: dict[str, object]) -> None:
        service = request.host.service
        if service == "s3" and request.operation in ("OptionsObject", "PostObject"):
            return  # preflight requests of browsers have no credentials; a form is decided when it has been read
        if service == "s3":
            self._check_s3(request, parameters)
            return
        caller = callers.authenticate(request)
        if caller is None:
            raise refusal(service, "missing")
        if unknown := _not_decided(request, parameters):
            raise refusal(service, "denied", f"The local AWS does not emulate {unknown} where IAM is enforced.")
        for need in map(_at_home, required_actions.needs(self._asked(request, parameters))):
            if reason := self.reason(caller, need, request.region):
                raise refusal(service, "denied", reason)

    def _caller(self, request: Request) -> Identity | None:
        return callers.authenticate(request)

    def _form_caller(self, fields: Fields, region: str) -> Identity | None:
        return callers.authenticate_form(fields, region)

    def refusal(self, role: str, need: Need) -> str | None:
        """Return AWS's message if SageMaker may not do something as a role, or None if it may."""
        identity = identities.find_principal(role)
        if identity is None:
            return f"The role {role} does not exist"
        return self.reason(identity, need, _region_of(need))

    def reason(self, caller: Identity, need: Need, region: str) -> str | None:
        """Return AWS's message if a caller may not do something, or None if it may."""
        tags = self._tags_of(need.resource) if ":sagemaker:" in need.resource else {}
        existing = {
            f"{prefix}:ResourceTag/{key}": [value] for key, value in tags.items() for prefix in ("aws", "sagemaker")
        }
        context = {**context_of(caller, need, region), **existing}
        if need.action.startswith("s3:"):
            return _reason_with_bucket(caller, need, context)
        decision = decide(caller, need.action, need.resource, context)
        if need.action == "sts:AssumeRole" and decision is not Decision.EXPLICIT_DENY:
            decision = _with_trust(caller, need, context, decision)
        return None if decision is Decision.ALLOWED else _refusal_message(caller, need, decision)


def decide(
    caller: Identity, action: str, resource: str, context: policy_evaluation.Context, *, granted: bool = False
) -> Decision:
    """Return the decision by the policies of a user or a role, within its limits.

    :param granted: True if the resource's policy allows the action to the caller's role.
    """
    own = policy_evaluation.evaluate(caller.policies, action, resource, context)
    decisions = [Decision.ALLOWED if granted and own is Decision.IMPLICIT_DENY else own]
    decisions += [policy_evaluation.evaluate([limit], action, resource, context) for limit in caller.limits]
    if Decision.EXPLICIT_DENY in decisions:
        return Decision.EXPLICIT_DENY
    return Decision.IMPLICIT_DENY if Decision.IMPLICIT_DENY in decisions else Decision.ALLOWED


def _reason_with_bucket(caller: Identity, need: Need, context: Context) -> str | None:
    """Return AWS's message if the caller's policies and the bucket's together do not allow an action, or None."""
    given = s3_rules.grant(caller, need, context)
    if given is Grant.DENIED:
        return denied_by_bucket(caller, need)
    decision = decide(caller, need.action, need.resource, context, granted=given in (Grant.TO_ROLE, Grant.TO_CALLER))
    if decision is Decision.ALLOWED or (given is Grant.TO_CALLER and decision is Decision.IMPLICIT_DENY):
        return None
    return _refusal_message(caller, need, decision)


def _with_trust(caller: Identity, need: Need, context: policy_evaluation.Context, decision: Decision) -> Decision:
    """Return the decision about assuming a role, which the role's trust policy must allow too.

    If it names the caller, the caller needs no policy. If it names the account, the caller does.
    """
    trust = identities.trust_policy(need.resource)
    if trust is None or not policy_evaluation.trusts(trust, need.action, caller.principal, context):
        return Decision.IMPLICIT_DENY
    return Decision.ALLOWED if policy_evaluation.names(trust, caller.principal) else decision


def surroundings(account: str, region: str) -> dict[str, list[str]]:
    """Return the condition keys that depend on neither caller nor resource."""
    now = datetime.now(timezone.utc)
    return {
        "aws:RequestedRegion": [region],
        "aws:ResourceAccount": [account],
        "s3:ResourceAccount": [account],
        "aws:SecureTransport": ["true"],
        "aws:SourceIp": ["127.0.0.1"],
        "aws:CurrentTime": [now.isoformat()],
        "aws:EpochTime": [str(int(now.timestamp()))],
    }


def context_of(caller: Identity, need: Need, region: str) -> dict[str, list[str]]:
    """Return all condition keys of an action of a caller."""
    around = surroundings(caller.principal.split(":")[4], region)
    bucket, key = s3_rules.bucket_and_key(need) if need.action.startswith("s3:") else ("", "")
    tags = (
        {f"s3:ExistingObjectTag/{name}": [value] for name, value in buckets.tags_of(bucket, key).items()} if key else {}
    )
    return {**identities.principal_context(caller), **around, **tags, **need.context}


def _region_of(need: Need) -> str:
    return need.resource.split(":")[3] if ":" in need.resource else ""


def _not_decided(request: Request, parameters: dict[str, object]) -> str | None:
    """Return the part of a request that limits permissions and is not evaluated here, or None."""
    unknown: tuple[str, ...] = (
        ("PermissionsBoundary",) if request.operation in ("CreateUser", "PutUserPermissionsBoundary") else ()
    )
    if request.operation.startswith("AssumeRole") or request.operation == "GetFederationToken":
        unknown = ("PolicyArns", "TransitiveTagKeys")
    return next((name for name in parameters if name.partition(".")[0] in unknown), None)


def _at_home(need: Need) -> Need:
    """Return a need with the full ARN of a user, role or group, including its path."""
    return replace(need, resource=identities.arn_of(need.resource)) if need.action.startswith("iam:") else need


def denied_by_bucket(caller: Identity, need: Need) -> str:
    """Return S3's message about an explicit denial in a bucket's policy."""
    return _message(caller, need, "with an explicit deny in a resource-based policy")


def _refusal_message(caller: Identity, need: Need, decision: Decision) -> str:
    because = f"because no identity-based policy allows the {need.action} action"
    explicit = "with an explicit deny in an identity-based policy"
    return _message(caller, need, explicit if decision is Decision.EXPLICIT_DENY else because)


def _message(caller: Identity, need: Need, because: str) -> str:
    """Return AWS's message. S3 puts the resource in quotation marks."""
    resource = f'"{need.resource}"' if need.action.startswith("s3:") else need.resource
    return f"User: {caller.arn} is not authorized to perform: {need.action} on resource: {resource} {because}"
