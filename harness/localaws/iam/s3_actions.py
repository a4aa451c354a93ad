"""Permissions that a request to S3 needs.

They follow https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html, and condition keys
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html (documentation only).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, parse_qsl, unquote, urlparse

from harness import regions
from harness.localaws.iam.asked import Asked, Context, Need

_OF_VERSIONS = (
    "GetObject",
    "DeleteObject",
    "GetObjectAcl",
    "PutObjectAcl",
    "GetObjectAttributes",
    "GetObjectTagging",
    "PutObjectTagging",
    "DeleteObjectTagging",
)
"""Actions that have another name if the request names a version."""
_READS = ("GetObject", "HeadObject", "GetObjectAttributes")
_ON_OBJECTS = {
    "HeadObject": ("GetObject",),
    "GetObjectAttributes": ("GetObject", "GetObjectAttributes"),
    "CopyObject": ("PutObject",),
    "UploadPart": ("PutObject",),
    "UploadPartCopy": ("PutObject",),
    "CreateMultipartUpload": ("PutObject",),
    "CompleteMultipartUpload": ("PutObject",),
    "PostObject": ("PutObject",),
    "ListParts": ("ListMultipartUploadParts",),
    "SelectObjectContent": ("GetObject",),
}
"""Actions of operations on objects, where they differ from the operation's name."""
_ON_BUCKETS = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
}
_EXTRA_HEADERS = {
    "x-amz-tagging": "s3:PutObjectTagging",
    **dict.fromkeys(
        ("x-amz-acl", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write-acp"),
        "s3:PutObjectAcl",
    ),
    **dict.fromkeys(("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"), "s3:PutObjectRetention"),
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
    "x-amz-bypass-governance-retention": "s3:BypassGovernanceRetention",
}
"""Headers of requests about objects that need a further permission."""
_EXTRA_AT_CREATION = {
    **dict.fromkeys(
        (*(name for name, action in _EXTRA_HEADERS.items() if action == "s3:PutObjectAcl"), "x-amz-grant-write"),
        ("s3:PutBucketAcl",),
    ),
    "x-amz-bucket-object-lock-enabled": ("s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"),
    "x-amz-object-ownership": ("s3:PutBucketOwnershipControls",),
}
"""Headers of CreateBucket that need further permissions."""
_LISTING_KEYS = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}
_HEADER_KEYS = (
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
)
"""Headers that have a condition key of the same name."""
_LOCK_KEYS = ("object-lock-legal-hold", "object-lock-mode", "object-lock-retain-until-date")
_CREATES = {
    **dict.fromkeys(("PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"), "true"),
    **dict.fromkeys(("CreateMultipartUpload", "UploadPart", "UploadPartCopy"), "false"),
}
"""Values of ``s3:ObjectCreationOperation``."""


def bucket_arn(region: str, bucket: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:{regions.partition(region)}:s3:::{bucket}"


def object_arn(region: str, bucket: str, key: str) -> str:
    """Return the ARN of an object."""
    return f"arn:{regions.partition(region)}:s3:::{bucket}/{key}"


def needs(asked: Asked) -> Iterator[Need]:
    """Yield the permissions that a request needs. DeleteObjects needs some for each key: see :func:`deletion`."""
    bucket, context = bucket_arn(asked.region, asked.bucket), _context(asked)
    if asked.operation == "ListBuckets":
        yield Need("s3:ListAllMyBuckets", "*", context)
    elif asked.operation == "DeleteObjects":
        return
    elif asked.key:
        yield from (Need(action, f"{bucket}/{asked.key}", context) for action in _on_object(asked))
        if "x-amz-copy-source" in asked.headers:
            yield from _copied(asked, context)
        if asked.lacks_object and asked.operation in _READS:
            # Without permission to list, S3 does not say that an object is missing.
            yield Need("s3:ListBucket", bucket, context | {"s3:prefix": [asked.key]})
    else:
        yield Need(f"s3:{_ON_BUCKETS.get(asked.operation, asked.operation)}", bucket, context)
        if asked.operation == "CreateBucket":
            named = {
                action for name, actions in _EXTRA_AT_CREATION.items() if name in asked.headers for action in actions
            }
            yield from (Need(action, bucket, context) for action in sorted(named))


def _on_object(asked: Asked) -> list[str]:
    """Return the actions on an object that a request needs."""
    version = "Version" if "versionId" in asked.query else ""
    named = _ON_OBJECTS.get(asked.operation, (asked.operation,))
    actions = [_named(action, version) for action in named]
    extras = {extra for name, extra in _EXTRA_HEADERS.items() if name in asked.headers}
    if asked.operation == "DeleteObject" and asked.headers.get("if-match", "*").strip() != "*":
        extras.add(
            "s3:GetObject"
        )  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-delete-enforce.html
    return actions + sorted(extra for extra in extras if _named(extra.removeprefix("s3:"), version) not in actions)


def _named(action: str, version: str) -> str:
    """Return an action's full name. Some have another name if a request names a version."""
    return f"s3:{action.replace('Object', f'Object{version}', 1) if action in _OF_VERSIONS else action}"


def deletion(region: str, bucket: str, key: str, version: str, headers: Mapping[str, str]) -> list[Need]:
    """Return the permissions that one key of DeleteObjects needs."""
    query = {"versionId": version} if version else {}
    return list(
        needs(Asked("s3", "DeleteObject", region, "", bucket=bucket, key=key, query=query, headers=dict(headers)))
    )


def _copied(asked: Asked, context: Context) -> Iterator[Need]:
    bucket, key, version = copy_source(asked.headers["x-amz-copy-source"])
    source = object_arn(asked.region, bucket, key)
    yield Need(_named("GetObject", "Version" if version else ""), source, context)
    if asked.source_has_tags and asked.operation == "CopyObject" and not _replaces_tags(asked):
        yield Need(_named("GetObjectTagging", "Version" if version else ""), source, context)
        yield Need("s3:PutObjectTagging", object_arn(asked.region, asked.bucket, asked.key), context)
    if asked.lacks_source:
        yield Need("s3:ListBucket", bucket_arn(asked.region, bucket), context | {"s3:prefix": [key]})


def _replaces_tags(asked: Asked) -> bool:
    return asked.headers.get("x-amz-tagging-directive", "").upper() == "REPLACE"


def copy_source(header: str) -> tuple[str, str, str]:
    """Return the bucket, the key and the version ('' if none) of an object to copy from."""
    named = urlparse(header)  # as moto does, which copies the object
    bucket, _, key = unquote(named.path).lstrip("/").partition("/")
    return bucket, key, parse_qs(named.query).get("versionId", [""])[0]


def _context(asked: Asked) -> Context:
    """Return the condition keys of a request."""
    headers, query = asked.headers, asked.query
    context = {key: [query.get(name, "")] for name, key in _LISTING_KEYS.items() if name in query and not asked.key}
    context |= {f"s3:{name}": [headers[name]] for name in _HEADER_KEYS if name in headers}
    context |= {f"s3:{name}": [headers[f"x-amz-{name}"]] for name in _LOCK_KEYS if f"x-amz-{name}" in headers}
    if version := query.get("versionId"):
        context["s3:VersionId"] = [version]
    if created := _CREATES.get(asked.operation):
        context["s3:ObjectCreationOperation"] = [created]
    tags = dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
    if tags:
        context |= {f"s3:RequestObjectTag/{name}": [value] for name, value in tags.items()}
        context["s3:RequestObjectTagKeys"] = list(tags)
    for name, key in (("user-agent", "aws:UserAgent"), ("referer", "aws:Referer")):
        if name in headers:
            context[key] = [headers[name]]
    return context
