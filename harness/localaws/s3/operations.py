"""Operations of S3, found from an HTTP request once, both for permissions and for the answer.

Names are those of https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html. The tables list the operations
that moto carries out. moto mistakes other requests for them: ``DELETE /bucket?uploads`` for DeleteBucket.
"""

from __future__ import annotations

from collections.abc import Collection

_BUCKET: dict[str, dict[str, str]] = {
    "GET": {
        "": "ListObjects",
        "accelerate": "GetBucketAccelerateConfiguration",
        "acl": "GetBucketAcl",
        "cors": "GetBucketCors",
        "encryption": "GetBucketEncryption",
        "inventory": "GetBucketInventoryConfiguration",
        "lifecycle": "GetBucketLifecycleConfiguration",
        "list-type": "ListObjectsV2",
        "location": "GetBucketLocation",
        "logging": "GetBucketLogging",
        "notification": "GetBucketNotificationConfiguration",
        "object-lock": "GetObjectLockConfiguration",
        "ownershipControls": "GetBucketOwnershipControls",
        "policy": "GetBucketPolicy",
        "policyStatus": "GetBucketPolicyStatus",
        "publicAccessBlock": "GetPublicAccessBlock",
        "replication": "GetBucketReplication",
        "tagging": "GetBucketTagging",
        "uploads": "ListMultipartUploads",
        "versioning": "GetBucketVersioning",
        "versions": "ListObjectVersions",
        "website": "GetBucketWebsite",
    },
    "PUT": {
        "": "CreateBucket",
        "accelerate": "PutBucketAccelerateConfiguration",
        "acl": "PutBucketAcl",
        "cors": "PutBucketCors",
        "encryption": "PutBucketEncryption",
        "inventory": "PutBucketInventoryConfiguration",
        "lifecycle": "PutBucketLifecycleConfiguration",
        "logging": "PutBucketLogging",
        "notification": "PutBucketNotificationConfiguration",
        "object-lock": "PutObjectLockConfiguration",
        "ownershipControls": "PutBucketOwnershipControls",
        "policy": "PutBucketPolicy",
        "publicAccessBlock": "PutPublicAccessBlock",
        "replication": "PutBucketReplication",
        "tagging": "PutBucketTagging",
        "versioning": "PutBucketVersioning",
        "website": "PutBucketWebsite",
    },
    "DELETE": {
        "": "DeleteBucket",
        "cors": "DeleteBucketCors",
        "encryption": "DeleteBucketEncryption",
        "lifecycle": "DeleteBucketLifecycle",
        "ownershipControls": "DeleteBucketOwnershipControls",
        "policy": "DeleteBucketPolicy",
        "publicAccessBlock": "DeletePublicAccessBlock",
        "replication": "DeleteBucketReplication",
        "tagging": "DeleteBucketTagging",
        "website": "DeleteBucketWebsite",
    },
    "HEAD": {"": "HeadBucket"},
    "OPTIONS": {"": "OptionsObject"},
    "POST": {"": "PostObject", "delete": "DeleteObjects"},
}
_OBJECT: dict[str, dict[str, str]] = {
    "GET": {
        "": "GetObject",
        "acl": "GetObjectAcl",
        "attributes": "GetObjectAttributes",
        "legal-hold": "GetObjectLegalHold",
        "tagging": "GetObjectTagging",
        "uploadId": "ListParts",
    },
    "PUT": {
        "": "PutObject",
        "acl": "PutObjectAcl",
        "legal-hold": "PutObjectLegalHold",
        "retention": "PutObjectRetention",
        "tagging": "PutObjectTagging",
        "uploadId": "UploadPart",
    },
    "DELETE": {"": "DeleteObject", "tagging": "DeleteObjectTagging", "uploadId": "AbortMultipartUpload"},
    "HEAD": {"": "HeadObject"},
    "OPTIONS": {"": "OptionsObject"},
    "POST": {
        "restore": "RestoreObject",
        "select": "SelectObjectContent",
        "uploadId": "CompleteMultipartUpload",
        "uploads": "CreateMultipartUpload",
    },
}
"""Operations by HTTP method and by the query parameter that chooses one, '' without a parameter."""

_NOT_EMULATED = [
    "abac",
    "analytics",
    "annotation",
    "intelligent-tiering",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "renameObject",
    "requestPayment",
    "session",
    "torrent",
]
CHOOSING = frozenset(
    [parameter for level in (_BUCKET, _OBJECT) for names in level.values() for parameter in names if parameter]
    + _NOT_EMULATED
)
"""Query parameters that each choose an operation of S3."""
METHODS = frozenset([*_BUCKET, *_OBJECT])
"""HTTP methods that S3 has."""
_COPYING = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
"""Operations with an object to copy from, by what they are without one."""
OPERATIONS = frozenset(
    ["ListBuckets", *_COPYING.values()]
    + [name for level in (_BUCKET, _OBJECT) for names in level.values() for name in names.values()]
)
"""All operations of S3 that are emulated."""


def s3_operation(method: str, key: str, query: Collection[str], *, copies: bool = False) -> str:
    """Return the name of the operation on an object, or on a bucket if ``key`` is empty; '' if it is not emulated.

    :param query: names of the query's parameters. At most one may be in :data:`CHOOSING`.
    :param copies: True if the request names an object to copy from.
    """
    chosen = next((parameter for parameter in query if parameter in CHOOSING), "")
    name = (_OBJECT if key else _BUCKET).get(method, {}).get(chosen, "")
    return _COPYING.get(name, name) if copies else name
