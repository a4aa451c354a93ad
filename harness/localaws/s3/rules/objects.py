"""Checks of requests about an object, made before moto is asked, which makes few of them.

What a check has decided is taken out of the request, so that moto does not decide it otherwise. See
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
"""

from __future__ import annotations

import re
from email.utils import format_datetime
from urllib.parse import unquote

from harness.localaws.exceptions import NotImplementedByS3
from harness.localaws.http.request import Request
from harness.localaws.s3.rules import conditions, names
from harness.localaws.s3.rules.conditions import WriteConditions
from harness.localaws.s3.rules.parameters import part_number, single_range, without_parameters
from harness.localaws.s3.rules.refusals import S3Refusal, invalid_argument
from harness.localaws.s3.storage.moto_versions import is_id
from harness.localaws.s3.storage.stored import NULL, Bucket, Version, find_bucket

_READS = ("GetObject", "HeadObject")
_NEED_OBJECT = (
    *_READS,
    "DeleteObjectTagging",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectTagging",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "RestoreObject",
    "SelectObjectContent",
)
"""Operations on an object that exists."""
_OF_UPLOADS = ("UploadPart", "UploadPartCopy", "ListParts", "AbortMultipartUpload", "CompleteMultipartUpload")
_WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject")
_WITH_METADATA = ("PutObject", "CopyObject", "CreateMultipartUpload")
_COPIES = ("CopyObject", "UploadPartCopy")
_ACCOUNT = re.compile(r"\d{12}")
_COPY_CONDITIONS = {f"x-amz-copy-source-{name}": name for name in conditions.ALL}
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_DIRECTIVES = {
    "x-amz-metadata-directive": "Unknown metadata directive.",
    "x-amz-tagging-directive": "Unknown tagging directive.",
}
_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


class ObjectChecks:
    """Checks of one request."""

    def __init__(self, request: Request, bucket: Bucket, key: str) -> None:
        self._request = request
        self._headers = request.headers
        self._bucket = bucket
        self._key = key
        self.write_conditions: WriteConditions | None = None
        """Conditions that the write itself has to check again."""

    def check(self) -> None:
        """Make all checks.

        :raises S3Refusal: as S3 would answer.
        """
        operation = self._request.operation
        names.check_key(self._key)
        if operation in _WITH_METADATA:
            names.check_metadata(self._headers)
            names.check_tag_header(self._headers.get("x-amz-tagging", ""))
        if operation in _OF_UPLOADS:
            self._check_upload(operation)
        if operation in _COPIES:
            self._check_copy(operation)
        if "versionId" in self._request.query:
            self._check_version_id()
        if operation in _NEED_OBJECT:
            found = self._object()
            if operation in _READS:
                self._check_read(found)
            if operation == "GetObjectAttributes":
                self._check_attributes()
        if operation in _WRITES:
            self._check_write(operation)

    # --- versions -----------------------------------------------------------------------------------------------------

    def _check_version_id(self) -> None:
        version = self._request.query["versionId"][0]
        if not version:
            raise invalid_argument("Version id cannot be the empty string", "versionId", "")
        if not is_id(version):
            raise invalid_argument("Invalid version id specified", "versionId", version)
        if version == NULL and not self._bucket.keeps_versions and self._request.operation != "DeleteObject":
            without_parameters(self._request, "versionId")  # the only version

    def _object(self) -> Version:
        """Return the object, or the version, that the request is about."""
        asked = self._request.query.get("versionId", [""])[0]
        found = self._bucket.version(self._key, asked) if asked else self._bucket.latest(self._key)
        if found is None:
            if asked:
                raise S3Refusal("NoSuchVersion", Key=self._key, VersionId=asked)
            raise S3Refusal("NoSuchKey", Key=self._key)
        if found.is_marker:
            raise self._deleted(found, by_id=bool(asked))
        return found

    def _deleted(self, marker: Version, *, by_id: bool) -> S3Refusal:
        """Return the refusal of a delete marker.

        See https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html.
        """
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.id}
        if not by_id:
            return S3Refusal("NoSuchKey", headers=headers, Key=self._key)
        headers |= {"allow": "DELETE", "last-modified": http_date(marker)}
        return S3Refusal(
            "MethodNotAllowed", headers=headers, Method=self._request.scope["method"], ResourceType="DeleteMarker"
        )

    # --- reads --------------------------------------------------------------------------------------------------------

    def _check_read(self, found: Version) -> None:
        failed = conditions.failed_read(self._headers, found.etag, found.modified)
        for name in conditions.ALL:
            self._headers.pop(name, None)
        if failed in (conditions.IF_NONE_MATCH, conditions.IF_MODIFIED_SINCE):
            unchanged = {"etag": found.etag, "last-modified": http_date(found)}
            if self._bucket.keeps_versions:
                unchanged["x-amz-version-id"] = found.id
            raise S3Refusal("NotModified", headers=unchanged)
        if failed:
            raise S3Refusal("PreconditionFailed", Condition=conditions.spelled(failed))
        if "partNumber" in self._request.query:
            self._check_part(found)
        elif "range" in self._headers:
            self._choose_range(found)

    def _choose_range(self, found: Version) -> None:
        asked = self._headers.pop("range")
        chosen = single_range(asked, found.size)
        if chosen == (0, -1):
            raise S3Refusal("InvalidRange", RangeRequested=asked, ActualObjectSize=found.size)
        if chosen:
            self._headers["range"] = f"bytes={chosen[0]}-{chosen[1]}"

    def _check_part(self, found: Version) -> None:
        number = part_number(self._request.query["partNumber"][0])
        if "range" in self._headers:
            raise S3Refusal("InvalidRequest", "Cannot specify both Range header and partNumber query parameter.")
        parts = len(found.part_sizes) or 1
        if number > parts:
            raise S3Refusal("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=parts)

    def _check_attributes(self) -> None:
        asked = [each.strip() for each in self._headers.get("x-amz-object-attributes", "").split(",") if each.strip()]
        if not asked:
            raise S3Refusal("InvalidRequest", "Missing required header for this request: x-amz-object-attributes")
        if unknown := [each for each in asked if each not in _ATTRIBUTES]:
            raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", unknown[0])
        self._headers["x-amz-object-attributes"] = ",".join(asked)

    # --- writes -------------------------------------------------------------------------------------------------------

    def _check_write(self, operation: str) -> None:
        matching = self._headers.pop(conditions.IF_MATCH, "")
        other = self._headers.pop(conditions.IF_NONE_MATCH, "")
        if other and (other.strip() != "*" or operation == "DeleteObject"):
            raise S3Refusal(
                "NotImplemented", Header="If-None-Match", additionalMessage="We don't accept the provided value"
            )
        if not matching and not other:
            return
        self.write_conditions = WriteConditions(matching, other, operation == "DeleteObject")
        current = self._bucket.current(self._key)
        etag = current.etag if current else None
        if operation == "CompleteMultipartUpload" and current and self._is_completed(current):
            self.write_conditions = None  # it is the object of this upload
        elif failed := self.write_conditions.failed(etag):
            if self.write_conditions.needs_object(etag):
                raise S3Refusal("NoSuchKey", Key=self._key)
            raise S3Refusal("PreconditionFailed", Condition=conditions.spelled(failed))

    # --- uploads ------------------------------------------------------------------------------------------------------

    def _check_upload(self, operation: str) -> None:
        upload_id = self._request.query.get("uploadId", [""])[0]
        current = self._bucket.current(self._key)
        completed = current is not None and operation == "CompleteMultipartUpload" and self._is_completed(current)
        upload = self._bucket.upload(upload_id)
        if not completed and (upload is None or upload.key != self._key):
            raise S3Refusal("NoSuchUpload", UploadId=upload_id)
        if operation in ("UploadPart", "UploadPartCopy"):
            part_number(self._request.query.get("partNumber", [""])[0])

    def _is_completed(self, current: Version) -> bool:
        upload_id = self._request.query.get("uploadId", [""])[0]
        return bool(upload_id) and current.upload == upload_id

    # --- copies -------------------------------------------------------------------------------------------------------

    def _check_copy(self, operation: str) -> None:
        for name, message in _DIRECTIVES.items():
            if self._headers.get(name, "COPY") not in ("COPY", "REPLACE"):
                raise invalid_argument(message, name, self._headers[name])
        bucket, source = self._source()
        if owner := self._headers.get("x-amz-source-expected-bucket-owner"):
            check_owner(bucket, owner)
        given = {
            name: self._headers.pop(header) for header, name in _COPY_CONDITIONS.items() if header in self._headers
        }
        if failed := conditions.failed_read(given, source.etag, source.modified):
            spelled = f"x-amz-copy-source-{conditions.spelled(failed)}"
            raise S3Refusal("PreconditionFailed", Condition=spelled)
        if operation == "UploadPartCopy" and (asked := self._headers.get("x-amz-copy-source-range")):
            check_copy_range(asked, source.size)

    def _source(self) -> tuple[Bucket, Version]:
        """Return the bucket and the version that is copied."""
        header = self._headers["x-amz-copy-source"]
        if header.startswith("arn:"):
            raise NotImplementedByS3(f"The local AWS does not emulate access points, such as the source {header}.")
        name, key, version = copy_source(header)
        if not name or not key:
            wrong = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
            raise invalid_argument(wrong, "x-amz-copy-source", header)
        bucket = find_bucket(name)
        if bucket is None:
            raise S3Refusal("NoSuchBucket", BucketName=name)
        if version is not None and not is_id(version):
            raise invalid_argument("Invalid version id specified", "versionId", version)
        found = bucket.version(key, version) if version is not None else bucket.current(key)
        if found is None:
            raise S3Refusal("NoSuchKey" if version is None else "NoSuchVersion", Key=key)
        if found.is_marker:
            wrong = "The source of a copy request may not specifically refer to a delete marker by version id."
            raise S3Refusal("InvalidRequest", wrong)
        return bucket, found

    @property
    def source_version(self) -> str:
        """The id of the version that a part is copied from, or ''."""
        bucket, found = self._source()
        return found.id if bucket.keeps_versions else ""


def copy_source(header: str) -> tuple[str, str, str | None]:
    """Return bucket, key and version that a copy names; None without a version."""
    path, asked, query = header.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    return bucket, key, unquote(query) if asked else None


def check_copy_range(asked: str, size: int) -> None:
    """Raise :class:`S3Refusal` unless a range of a source of a size can be copied."""
    match = _COPY_RANGE.fullmatch(asked)
    if not match or int(match[1]) > int(match[2]):
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            asked,
        )
    if int(match[2]) >= size:
        wrong = f"Range specified is not valid for source object of size: {size}"
        raise invalid_argument(wrong, "x-amz-copy-source-range", asked)


def check_owner(bucket: Bucket, expected: str) -> None:
    """Raise :class:`S3Refusal` unless a bucket belongs to the account that is expected."""
    if not _ACCOUNT.fullmatch(expected):
        raise S3Refusal("InvalidBucketOwnerAWSAccountID")
    if bucket.account != expected:
        raise S3Refusal("AccessDenied")


def http_date(version: Version) -> str:
    """Return the time of writing as a header has it."""
    return format_datetime(version.modified).replace("-0000", "GMT")
