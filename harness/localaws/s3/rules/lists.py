"""Lists of buckets, objects, versions, uploads and parts.

moto lists groups of deleted keys, groups and keys in no common order, no pages of uploads, and wrong pages of parts.
See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, API_ListObjects.html,
API_ListObjectVersions.html, API_ListMultipartUploads.html, API_ListParts.html and API_ListBuckets.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile

from harness.localaws.http.request import Request
from harness.localaws.s3.rules.pages import Page, key_of_token, page, token_of
from harness.localaws.s3.rules.parameters import check_list_type, encodes, first, number, page_size
from harness.localaws.s3.rules.refusals import invalid_argument
from harness.localaws.s3.rules.xml_answers import document, element, encoded, field, owner, time
from harness.localaws.s3.storage.stored import OWNER, Bucket, Part, Upload, Version, buckets_of

_MOST_BUCKETS = 10_000


def _spelling(request: Request) -> Callable[[str], str]:
    return encoded if encodes(request) else str


def _groups(found: Page[Version] | Page[Upload], spell: Callable[[str], str]) -> str:
    return "".join(element("CommonPrefixes", field("Prefix", spell(group))) for group in found.groups)


def _checksum(algorithm: str, kind: str) -> str:
    return field("ChecksumAlgorithm", algorithm or None) + field("ChecksumType", kind or None)


def _contents(version: Version, spell: Callable[[str], str], *, owned: bool) -> str:
    return element(
        "Contents",
        field("Key", spell(version.key)),
        field("LastModified", time(version.modified)),
        field("ETag", version.etag),
        _checksum(*version.checksum),
        field("Size", version.size),
        owner("Owner", OWNER) if owned else "",
        field("StorageClass", version.storage_class),
    )


def _objects_after(request: Request, bucket: Bucket, marker: str, size: int) -> Page[Version]:
    prefix = first(request, "prefix")
    entries = (each for each in bucket.objects(prefix) if each.key > marker)
    return page(
        entries, lambda each: each.key, prefix=prefix, delimiter=first(request, "delimiter"), marker=marker, size=size
    )


def list_objects(request: Request, bucket: Bucket) -> bytes:
    """Return the answer to ListObjects."""
    spell, size, marker = _spelling(request), page_size(request, "max-keys"), first(request, "marker")
    found, delimiter = _objects_after(request, bucket, marker, size), first(request, "delimiter")
    return document(
        "ListBucketResult",
        field("Name", bucket.name),
        field("Prefix", spell(first(request, "prefix"))),
        field("Marker", spell(marker)),
        field("NextMarker", spell(found.last) if found.is_truncated and delimiter else None),
        field("MaxKeys", size),
        field("Delimiter", spell(delimiter) if delimiter else None),
        field("EncodingType", first(request, "encoding-type") or None),
        field("IsTruncated", found.is_truncated),
        *(_contents(each, spell, owned=True) for each in found.entries),
        _groups(found, spell),
    )


def list_objects_v2(request: Request, bucket: Bucket) -> bytes:
    """Return the answer to ListObjectsV2."""
    check_list_type(request)
    spell, size = _spelling(request), page_size(request, "max-keys")
    after, token = first(request, "start-after"), request.query.get("continuation-token", [None])[0]
    marker = after if token is None else _key_after(token)
    found, delimiter = _objects_after(request, bucket, marker, size), first(request, "delimiter")
    owned = first(request, "fetch-owner").lower() == "true"
    return document(
        "ListBucketResult",
        field("Name", bucket.name),
        field("Prefix", spell(first(request, "prefix"))),
        field("ContinuationToken", token),
        field("NextContinuationToken", token_of(found.last) if found.is_truncated else None),
        field("StartAfter", spell(after) if after else None),
        field("KeyCount", len(found)),
        field("MaxKeys", size),
        field("Delimiter", spell(delimiter) if delimiter else None),
        field("EncodingType", first(request, "encoding-type") or None),
        field("IsTruncated", found.is_truncated),
        *(_contents(each, spell, owned=owned) for each in found.entries),
        _groups(found, spell),
    )


def _key_after(token: str) -> str:
    key = key_of_token(token)
    if key is None:
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    return key


# --- versions ---------------------------------------------------------------------------------------------------------


def list_object_versions(request: Request, bucket: Bucket) -> bytes:
    """Return the answer to ListObjectVersions."""
    spell, size, prefix = _spelling(request), page_size(request, "max-keys"), first(request, "prefix")
    marker, version = first(request, "key-marker"), _version_marker(request)
    delimiter = first(request, "delimiter")
    found = page(
        _versions_after(bucket, prefix, marker, version),
        lambda each: each.key,
        prefix=prefix,
        delimiter=delimiter,
        marker=marker,
        size=size,
    )
    last = found.entries[-1].id if found.entries and found.entries[-1].key == found.last else None
    return document(
        "ListVersionsResult",
        field("Name", bucket.name),
        field("Prefix", spell(prefix)),
        field("KeyMarker", spell(marker)),
        field("VersionIdMarker", version),
        field("NextKeyMarker", spell(found.last) if found.is_truncated else None),
        field("NextVersionIdMarker", last if found.is_truncated else None),
        field("MaxKeys", size),
        field("Delimiter", spell(delimiter) if delimiter else None),
        field("EncodingType", first(request, "encoding-type") or None),
        field("IsTruncated", found.is_truncated),
        *(_version(each, spell) for each in found.entries),
        _groups(found, spell),
    )


def _version_marker(request: Request) -> str:
    marker = first(request, "version-id-marker")
    if "version-id-marker" not in request.query:
        return ""
    if not first(request, "key-marker"):
        wrong = "A version-id marker cannot be specified without a key marker."
        raise invalid_argument(wrong, "version-id-marker", marker)
    if not marker:
        raise invalid_argument("A version-id marker cannot be empty.", "version-id-marker", marker)
    return marker


def _versions_after(bucket: Bucket, prefix: str, marker: str, version: str) -> Iterator[Version]:
    """Yield versions after a marker: those of later keys, and those of its key that are older than its version."""
    reached = False
    for each in bucket.versions(prefix):
        if each.key > marker or (each.key == marker and reached):
            yield each
        reached = reached or (each.key == marker and each.id == version)


def _version(version: Version, spell: Callable[[str], str]) -> str:
    common = (
        field("Key", spell(version.key)),
        field("VersionId", version.id),
        field("IsLatest", version.is_latest),
        field("LastModified", time(version.modified)),
    )
    if version.is_marker:
        return element("DeleteMarker", *common, owner("Owner", OWNER))
    return element(
        "Version",
        *common,
        field("ETag", version.etag),
        _checksum(*version.checksum),
        field("Size", version.size),
        field("StorageClass", version.storage_class),
        owner("Owner", OWNER),
    )


# --- uploads ----------------------------------------------------------------------------------------------------------


def list_multipart_uploads(request: Request, bucket: Bucket) -> bytes:
    """Return the answer to ListMultipartUploads."""
    spell, size, prefix = _spelling(request), page_size(request, "max-uploads"), first(request, "prefix")
    marker, delimiter = first(request, "key-marker"), first(request, "delimiter")
    upload_marker = first(request, "upload-id-marker") if marker else ""
    found = page(
        _uploads_after(bucket, prefix, marker, upload_marker),
        lambda each: each.key,
        prefix=prefix,
        delimiter=delimiter,
        marker=marker,
        size=size,
    )
    last = found.entries[-1].id if found.entries and found.entries[-1].key == found.last else ""
    return document(
        "ListMultipartUploadsResult",
        field("Bucket", bucket.name),
        field("KeyMarker", spell(marker)),
        field("UploadIdMarker", upload_marker),
        field("NextKeyMarker", spell(found.last) if found.is_truncated else None),
        field("NextUploadIdMarker", last if found.is_truncated else None),
        field("Prefix", spell(prefix)),
        field("Delimiter", spell(delimiter) if delimiter else None),
        field("EncodingType", first(request, "encoding-type") or None),
        field("MaxUploads", size),
        field("IsTruncated", found.is_truncated),
        *(_upload(each, spell) for each in found.entries),
        _groups(found, spell),
    )


def _uploads_after(bucket: Bucket, prefix: str, marker: str, upload_marker: str) -> Iterator[Upload]:
    """Yield uploads after a marker: those of later keys, and those of its key that began after its upload."""
    uploads = [each for each in bucket.uploads() if each.key.startswith(prefix)]
    at_marker = [each for each in uploads if each.key == marker and upload_marker]
    before = list(takewhile(lambda each: each.id != upload_marker, at_marker))
    yield from at_marker[len(before) + 1 :]
    yield from (each for each in uploads if each.key > marker)


def _upload(upload: Upload, spell: Callable[[str], str]) -> str:
    return element(
        "Upload",
        field("Key", spell(upload.key)),
        field("UploadId", upload.id),
        owner("Initiator", OWNER),
        owner("Owner", OWNER),
        field("StorageClass", upload.storage_class),
        field("Initiated", time(upload.begun)),
        _checksum(*upload.checksum),
    )


def list_parts(request: Request, bucket: Bucket) -> bytes:
    """Return the answer to ListParts of an upload that exists."""
    _, key = request.bucket_and_key()
    upload = bucket.upload(first(request, "uploadId"))
    size, marker = page_size(request, "max-parts"), number(request, "part-number-marker", 0)
    parts = [part for part in (upload.parts if upload else []) if part.number > marker]
    shown = parts[:size]
    return document(
        "ListPartsResult",
        field("Bucket", bucket.name),
        field("Key", key),
        field("UploadId", first(request, "uploadId")),
        owner("Initiator", OWNER),
        owner("Owner", OWNER),
        field("StorageClass", upload.storage_class if upload else "STANDARD"),
        _checksum(*upload.checksum) if upload else "",
        field("PartNumberMarker", marker),
        field("NextPartNumberMarker", shown[-1].number if shown else 0),
        field("MaxParts", size),
        field("IsTruncated", bool(shown) and len(parts) > len(shown)),
        *map(_part, shown),
    )


def _part(part: Part) -> str:
    return element(
        "Part",
        field("PartNumber", part.number),
        field("LastModified", time(part.modified)),
        field("ETag", part.etag),
        field("Size", part.size),
        *(field(f"Checksum{algorithm}", value) for algorithm, value in part.checksums.items()),
    )


# --- buckets ----------------------------------------------------------------------------------------------------------


def list_buckets(request: Request, account: str) -> bytes:
    """Return the answer to ListBuckets."""
    prefix, region = first(request, "prefix"), first(request, "bucket-region")
    token = request.query.get("continuation-token", [None])[0]
    size, marker = _size_of_buckets(request), "" if token is None else _key_after(token)
    known = [each for each in buckets_of(account, request.region) if not region or each.region == region]
    found = page(
        (each for each in known if each.name.startswith(prefix) and each.name > marker),
        lambda each: each.name,
        prefix=prefix,
        delimiter="",
        marker=marker,
        size=size,
    )
    shown = [
        element(
            "Bucket",
            field("Name", each.name),
            field("CreationDate", time(each.created)),
            field("BucketRegion", each.region),
        )
        for each in found.entries
    ]
    return document(
        "ListAllMyBucketsResult",
        owner("Owner", OWNER),
        element("Buckets", *shown),
        field("ContinuationToken", token_of(found.last) if found.is_truncated else None),
        field("Prefix", prefix or None),
    )


def _size_of_buckets(request: Request) -> int:
    size = number(request, "max-buckets", _MOST_BUCKETS)
    if not 1 <= size <= _MOST_BUCKETS:
        wrong = f"Argument max-buckets must be an integer between 1 and {_MOST_BUCKETS}"
        raise invalid_argument(wrong, "max-buckets", first(request, "max-buckets"))
    return size


LISTS: dict[str, Callable[[Request, Bucket], bytes]] = {
    "ListObjects": list_objects,
    "ListObjectsV2": list_objects_v2,
    "ListObjectVersions": list_object_versions,
    "ListMultipartUploads": list_multipart_uploads,
    "ListParts": list_parts,
}
"""Functions that answer lists of a bucket, by operation."""
