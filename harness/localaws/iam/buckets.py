"""Access settings of buckets in moto's S3: policies, block public access, object ownership, ACLs.

New buckets have S3's defaults of April 2023, which moto lacks: public access is blocked and ACLs are disabled. See
https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html. moto's own evaluation of bucket policies,
which knows neither principals nor conditions, is switched off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

import moto.s3.responses
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import MissingBucket
from moto.s3.models import ALL_USERS_GRANTEE, FakeBucket, PublicAccessBlock, s3_backends

from harness.localaws.iam.bucket_policies import is_public
from harness.localaws.iam.policy_evaluation import Document
from harness.regions import region_of_sample_bucket

ENFORCED = "BucketOwnerEnforced"
_READ, _WRITE = ("READ", "FULL_CONTROL"), ("WRITE", "FULL_CONTROL")
_BY_BUCKET_ACL = {
    "s3:ListBucket": _READ,
    "s3:ListBucketVersions": _READ,
    "s3:ListBucketMultipartUploads": _READ,
    "s3:PutObject": _WRITE,
    "s3:GetBucketAcl": ("READ_ACP", "FULL_CONTROL"),
    "s3:PutBucketAcl": ("WRITE_ACP", "FULL_CONTROL"),
}
_BY_OBJECT_ACL = {
    "s3:GetObject": _READ,
    "s3:GetObjectVersion": _READ,
    "s3:GetObjectAcl": ("READ_ACP", "FULL_CONTROL"),
    "s3:PutObjectAcl": ("WRITE_ACP", "FULL_CONTROL"),
}
"""Actions that an ACL's permissions allow: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html"""


@dataclass(frozen=True)
class PublicAccess:
    """Block public access settings of a bucket."""

    blocks_acls: bool = False
    ignores_acls: bool = False
    blocks_policy: bool = False
    restricts: bool = False


def install() -> None:
    """Let moto make buckets with S3's defaults, and leave their policies to this package."""
    make = FakeBucket.__init__
    if make.__name__ == _make_with_defaults.__name__:
        return

    @wraps(_make_with_defaults)
    def made(bucket: Any, *arguments: Any, **named: Any) -> None:
        make(bucket, *arguments, **named)
        _make_with_defaults(bucket)

    FakeBucket.__init__ = made
    FakeBucket.get_permission = lambda *_: PermissionResult.PERMITTED  # decided before moto is asked
    moto.s3.responses.bucket_policy_is_public = lambda policy: is_public(_parsed(policy))


def _make_with_defaults(bucket: Any) -> None:
    bucket.public_access_block = PublicAccessBlock(True, True, True, True)
    bucket.ownership_rule = ENFORCED


def region_of(bucket: str) -> str | None:
    """Return a bucket's region, or None if it does not exist."""
    found = _find(bucket)
    return region_of_sample_bucket(bucket) or (str(found.region_name) if found else None)


def is_public_sample(bucket: str) -> bool:
    """Return whether everyone may read a bucket: SageMaker's sample data."""
    return region_of_sample_bucket(bucket) is not None


def policy_of(bucket: str) -> Document | None:
    """Return a bucket's policy, or None."""
    found = _find(bucket)
    return _parsed(found.policy) if found and found.policy else None


@lru_cache(maxsize=256)
def _parsed(policy: bytes) -> Document:
    document: Document = json.loads(policy)
    return document


def public_access(bucket: str) -> PublicAccess:
    """Return a bucket's block public access settings."""
    block = getattr(_find(bucket), "public_access_block", None)
    if block is None:
        return PublicAccess()
    given = (
        block.block_public_acls,
        block.ignore_public_acls,
        block.block_public_policy,
        block.restrict_public_buckets,
    )
    return PublicAccess(*map(bool, given))


def has_acls(bucket: str) -> bool:
    """Return whether a bucket's ACLs are enabled. Without ownership controls they are."""
    found = _find(bucket)
    return found is not None and _ownership(found) != ENFORCED


def _ownership(bucket: Any) -> str:
    rule = bucket.ownership_rule
    return rule if isinstance(rule, str) else str((rule or {}).get("ObjectOwnership", ""))


def everyone_may(action: str, bucket: str, key: str) -> bool:
    """Return whether the ACL of a bucket or an object allows everyone an action."""
    found = _find(bucket)
    if found is None or not has_acls(bucket) or public_access(bucket).ignores_acls:
        return False
    stored = found.keys.get(key) if key else None
    return _grants(found.acl, _BY_BUCKET_ACL.get(action)) or _grants(
        getattr(stored, "acl", None), _BY_OBJECT_ACL.get(action)
    )


def _grants(acl: Any, permissions: tuple[str, ...] | None) -> bool:
    grants = acl.grants if acl and permissions else ()
    return any(
        ALL_USERS_GRANTEE in grant.grantees and set(permissions or ()) & set(grant.permissions) for grant in grants
    )


def tags_of(bucket: str, key: str) -> dict[str, str]:
    """Return the tags of an object; none if it does not exist."""
    found = _find(bucket)
    arn = getattr(found.keys.get(key) if found else None, "arn", None)
    return dict(_backend(bucket).tagger.get_tag_dict_for_resource(arn)) if arn else {}


def _find(bucket: str) -> Any:
    try:
        return _backend(bucket).get_bucket(bucket)
    except MissingBucket:
        return None


def _backend(bucket: str) -> Any:
    partition, account = s3_backends.bucket_accounts.get(bucket, ("aws", DEFAULT_ACCOUNT_ID))
    return s3_backends[account][partition]
