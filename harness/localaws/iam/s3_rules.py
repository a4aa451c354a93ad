"""Rules of S3 that hold whatever a caller's own policies allow: ACLs, block public access, anonymous callers.

See https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html (documentation only).
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.localaws.exceptions import AWSError
from harness.localaws.iam import bucket_policies, buckets, identities
from harness.localaws.iam.asked import Need
from harness.localaws.iam.bucket_policies import Grant
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.policy_evaluation import Context, Document
from harness.localaws.iam.refusals import refusal

_SAMPLE_ACTIONS = ("s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation")
"""Actions on SageMaker's sample data, which belongs to another account, that everyone may do."""
_GRANTS = (
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
)
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
_EVERYONE = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")
_SET_ACLS = ("PutObjectAcl", "PutBucketAcl")


def bucket_and_key(need: Need) -> tuple[str, str]:
    """Return the bucket and the key of a permission's resource. Both are '' if it has none."""
    bucket, _, key = need.resource.partition(":::")[2].partition("/")
    return bucket, key


def limits_callers(bucket: str) -> bool:
    """Return whether a bucket may deny something to a caller whose own policies allow everything."""
    return bool(bucket) and (buckets.is_public_sample(bucket) or buckets.policy_of(bucket) is not None)


def grant(caller: Identity | None, need: Need, context: Context) -> Grant:
    """Return what a bucket's policy says about an action of a caller. None is the anonymous caller."""
    bucket, _ = bucket_and_key(need)
    if buckets.is_public_sample(bucket):
        return Grant.TO_ACCOUNT if need.action in _SAMPLE_ACTIONS else Grant.DENIED
    policy = buckets.policy_of(bucket) if bucket else None
    if policy is None:
        return Grant.NOTHING
    return bucket_policies.grant(policy, caller, need.action, need.resource, context)


def allows_anonymous(need: Need, context: Context) -> bool:
    """Return whether a caller without credentials may do something: by the bucket's policy or by an ACL."""
    bucket, key = bucket_and_key(need)
    if buckets.is_public_sample(bucket):
        return need.action in _SAMPLE_ACTIONS
    given, policy = grant(None, need, context), buckets.policy_of(bucket)
    if given is Grant.DENIED:
        return False
    restricted = policy is not None and buckets.public_access(bucket).restricts and bucket_policies.is_public(policy)
    return (given is Grant.TO_CALLER and not restricted) or buckets.everyone_may(need.action, bucket, key)


def check_acl(operation: str, bucket: str, headers: Mapping[str, str]) -> None:
    """Raise :class:`AWSError` if a request sets an ACL that the bucket does not take.

    :param headers: by names in lower case.
    """
    canned, grants = headers.get("x-amz-acl", ""), [headers[name] for name in _GRANTS if name in headers]
    if not (canned or grants or operation in _SET_ACLS):
        return
    public = canned in _PUBLIC_ACLS or any(group in given for given in grants for group in _EVERYONE)
    if operation == "CreateBucket":
        _check_creation(headers, canned if not grants else "grants", public)
    elif not buckets.has_acls(bucket) and buckets.region_of(bucket):
        if operation in _SET_ACLS or grants or canned != "bucket-owner-full-control":
            raise _error(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    elif public and buckets.public_access(bucket).blocks_acls:
        raise refusal("s3", "denied")


def _check_creation(headers: Mapping[str, str], acl: str, public: bool) -> None:
    enforced = headers.get("x-amz-object-ownership", buckets.ENFORCED) == buckets.ENFORCED
    if enforced and acl not in ("", "private"):
        text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise _error(400, "InvalidBucketAclWithObjectOwnership", text)
    if public:
        text = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"
        raise _error(400, "InvalidBucketAclWithBlockPublicAccessError", text)


def check_content(operation: str, bucket: str, content: bytes, account: str, caller: str) -> None:
    """Raise :class:`AWSError` if a bucket does not take the policy or the ACL in a request's body.

    :param caller: ARN of the caller, for the message.
    """
    blocked = buckets.public_access(bucket)
    if operation == "PutBucketPolicy" and buckets.region_of(bucket):
        policy = read_policy(content, bucket, account)
        if blocked.blocks_policy and bucket_policies.is_public(policy):
            raise refusal(
                "s3",
                "denied",
                f'User: {caller} is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::{bucket}" '
                "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
            )
    elif operation in _SET_ACLS and blocked.blocks_acls and any(group.encode() in content for group in _EVERYONE):
        raise refusal("s3", "denied")


def read_policy(content: bytes, bucket: str, account: str) -> Document:
    """Return the policy of a PutBucketPolicy request. Users and roles of this account that it names must exist."""

    def exists(arn: str) -> bool:
        parts = arn.split(":")
        kind, _, name = parts[5].partition("/")
        role = f"arn:{parts[1]}:iam::{parts[4]}:role/{name.partition('/')[0]}" if kind == "assumed-role" else arn
        return parts[4] != account or identities.find_principal(role) is not None

    return bucket_policies.read(content, bucket, exists)


def _error(status: int, code: str, message: str) -> AWSError:
    error = AWSError(message)
    error.status, error.code = status, code
    return error
