"""Headers and query parameters of S3's operations on objects, each in exactly one class, by botocore's names."""

from __future__ import annotations

from harness.localaws.register.member_class import Members, Only

_OWNER = "ExpectedBucketOwner"
_CHECKSUMS = "ChecksumCRC32 ChecksumCRC32C ChecksumCRC64NVME ChecksumSHA1 ChecksumSHA256"
_METADATA = (
    "CacheControl ContentDisposition ContentEncoding ContentLanguage ContentType Expires GrantFullControl "
    "GrantRead GrantReadACP GrantWriteACP Metadata{} StorageClass Tagging"
)
_LOCK = "ObjectLockLegalHoldStatus ObjectLockMode ObjectLockRetainUntilDate"
_OVERRIDES = (
    "ResponseCacheControl ResponseContentDisposition ResponseContentEncoding ResponseContentLanguage "
    "ResponseContentType ResponseExpires"
)
_CONDITIONS = "IfMatch IfModifiedSince IfNoneMatch IfUnmodifiedSince"
_SOURCE = (
    "CopySource CopySourceIfMatch CopySourceIfModifiedSince CopySourceIfNoneMatch CopySourceIfUnmodifiedSince "
    "ExpectedSourceBucketOwner"
)
_NO_PAYER = {"RequestPayer": "no one pays for requests here"}
_NO_NEWER_CHECKSUMS = {
    "ChecksumMD5 ChecksumSHA512 ChecksumXXHASH128 ChecksumXXHASH3 ChecksumXXHASH64": (
        "it computes CRC32, CRC32C, CRC64NVME, SHA1 and SHA256 only"
    )
}
_NO_CUSTOMER_KEYS = {
    "SSECustomerAlgorithm SSECustomerKey SSECustomerKeyMD5": "it has no encryption with customers' keys"
}
_NO_SOURCE_KEYS = {
    "CopySourceSSECustomerAlgorithm CopySourceSSECustomerKey CopySourceSSECustomerKeyMD5": (
        "it has no encryption with customers' keys"
    )
}
_NO_KMS = {"SSEKMSEncryptionContext SSEKMSKeyId": "it has no AWS KMS"}
_NO_EVENT_HOLD = {
    "ObjectLockEventHold ObjectLockEventHoldDurationDays ObjectLockEventHoldDurationYears": (
        "it has no holds that end with an event"
    )
}
_ACLS = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
_VALUES = {
    "ACL": Only(_ACLS, "it is no canned ACL of an object"),
    "ServerSideEncryption": Only(("AES256",), "it has no AWS KMS"),
}
_NO_MFA = {"MFA": "it has no MFA delete"}

S3: dict[str, Members] = {
    "PutObject": Members(
        f"{_METADATA} {_CHECKSUMS} {_LOCK} ContentLength ContentMD5 ChecksumAlgorithm IfMatch IfNoneMatch "
        f"WebsiteRedirectLocation {_OWNER}",
        no_effect=_NO_PAYER,
        only=_VALUES,
        refused={
            **_NO_NEWER_CHECKSUMS,
            **_NO_CUSTOMER_KEYS,
            **_NO_KMS,
            **_NO_EVENT_HOLD,
            "BucketKeyEnabled": "it has no AWS KMS",
            "WriteOffsetBytes": "it has no directory buckets",
        },
    ),
    "GetObject": Members(
        f"{_CONDITIONS} {_OVERRIDES} Range VersionId PartNumber ChecksumMode {_OWNER}",
        no_effect=_NO_PAYER,
        refused=_NO_CUSTOMER_KEYS,
    ),
    "HeadObject": Members(
        f"{_CONDITIONS} {_OVERRIDES} Range VersionId PartNumber ChecksumMode {_OWNER}",
        no_effect=_NO_PAYER,
        refused=_NO_CUSTOMER_KEYS,
    ),
    "GetObjectAttributes": Members(
        f"VersionId MaxParts PartNumberMarker ObjectAttributes[] {_OWNER}",
        no_effect=_NO_PAYER,
        refused=_NO_CUSTOMER_KEYS,
    ),
    "UploadPart": Members(
        f"{_CHECKSUMS} ContentLength ContentMD5 ChecksumAlgorithm PartNumber UploadId {_OWNER}",
        no_effect=_NO_PAYER,
        refused=_NO_NEWER_CHECKSUMS | _NO_CUSTOMER_KEYS,
    ),
    "CreateMultipartUpload": Members(
        f"{_METADATA} ChecksumAlgorithm ChecksumType {_OWNER}",
        no_effect=_NO_PAYER,
        only=_VALUES,
        refused={
            **_NO_CUSTOMER_KEYS,
            **_NO_KMS,
            **_NO_EVENT_HOLD,
            "BucketKeyEnabled": "it has no AWS KMS",
            _LOCK: "it locks no objects that are uploaded in parts",
            "WebsiteRedirectLocation": "it redirects to no object that is uploaded in parts",
        },
    ),
    "CompleteMultipartUpload": Members(
        f"{_CHECKSUMS} ChecksumType MpuObjectSize UploadId IfMatch IfNoneMatch {_OWNER}",
        no_effect=_NO_PAYER,
        refused=_NO_NEWER_CHECKSUMS | _NO_CUSTOMER_KEYS,
    ),
    "AbortMultipartUpload": Members(
        f"UploadId {_OWNER}",
        no_effect=_NO_PAYER,
        refused={"IfMatchInitiatedTime": "it has no directory buckets"},
    ),
    "ListParts": Members(
        f"MaxParts PartNumberMarker UploadId {_OWNER}", no_effect=_NO_PAYER, refused=_NO_CUSTOMER_KEYS
    ),
    "CopyObject": Members(
        f"{_METADATA} {_SOURCE} {_LOCK} ChecksumAlgorithm IfMatch IfNoneMatch MetadataDirective TaggingDirective "
        f"WebsiteRedirectLocation {_OWNER}",
        no_effect=_NO_PAYER,
        only=_VALUES,
        refused={
            **_NO_CUSTOMER_KEYS,
            **_NO_SOURCE_KEYS,
            **_NO_KMS,
            **_NO_EVENT_HOLD,
            "AnnotationDirective": "it has no annotations of objects",
            "BucketKeyEnabled": "it has no AWS KMS",
        },
    ),
    "UploadPartCopy": Members(
        f"{_SOURCE} CopySourceRange PartNumber UploadId {_OWNER}",
        no_effect=_NO_PAYER,
        refused=_NO_CUSTOMER_KEYS | _NO_SOURCE_KEYS,
    ),
    "DeleteObject": Members(
        f"VersionId BypassGovernanceRetention IfMatch {_OWNER}",
        no_effect=_NO_PAYER,
        refused={**_NO_MFA, "IfMatchLastModifiedTime IfMatchSize": "it has no directory buckets"},
    ),
    "DeleteObjects": Members(
        f"BypassGovernanceRetention ChecksumAlgorithm {_OWNER}", no_effect=_NO_PAYER, refused=_NO_MFA
    ),
    "ListObjects": Members(
        f"Delimiter EncodingType Marker MaxKeys Prefix {_OWNER}",
        no_effect=_NO_PAYER,
        refused={"OptionalObjectAttributes": "it restores no archived objects"},
    ),
    "ListObjectsV2": Members(
        f"ContinuationToken Delimiter EncodingType FetchOwner MaxKeys Prefix StartAfter {_OWNER}",
        no_effect=_NO_PAYER,
        refused={"OptionalObjectAttributes": "it restores no archived objects"},
    ),
}
"""Members of operations that are a header or a query parameter. Bodies are checked where they are read."""
