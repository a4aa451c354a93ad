"""S3's rules for one request: checks before moto is asked, answers without moto, corrected answers."""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager, nullcontext

from harness.localaws.http.request import Message, Request, Send
from harness.localaws.s3.rules import names, placement
from harness.localaws.s3.rules.documents import check_document, parse, parts_to_complete, tag, text_of
from harness.localaws.s3.rules.lists import LISTS, list_buckets
from harness.localaws.s3.rules.objects import ObjectChecks, check_owner
from harness.localaws.s3.rules.refusals import S3Refusal
from harness.localaws.s3.storage.moto_versions import conditions_of_write
from harness.localaws.s3.storage.stored import NULL, Bucket, find_bucket

_WITHOUT_BUCKET = ("ListBuckets", "CreateBucket", "OptionsObject")
"""Operations that answer without a bucket that exists."""
_REGION = b"x-amz-bucket-region"
_WITH_REGION = ("ListObjects", "ListObjectsV2", "HeadBucket", "CreateBucket")
_VERSION = (b"x-amz-version-id", NULL.encode())
_POSSIBLE_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
"""Names of buckets, including those of before March 2018."""


class Rules:
    """The rules for one request."""

    def __init__(self, request: Request, account: str) -> None:
        """Prepare for a request of an account's caller. :meth:`check` comes next."""
        self._request = request
        self._account = account
        self._name, self._key = request.bucket_and_key()
        self._bucket: Bucket | None = None
        self._object: ObjectChecks | None = None
        self._source_version = ""

    def check(self) -> None:
        """Check everything but the body.

        :raises S3Refusal: as S3 would answer.
        """
        operation = self._request.operation
        if operation in _WITHOUT_BUCKET:
            return
        bucket = find_bucket(self._name)
        if bucket is None or placement.is_elsewhere(self._request, bucket.region):
            raise S3Refusal(_missing(self._name), BucketName=self._name)
        self._bucket = bucket
        if owner := self._request.headers.get("x-amz-expected-bucket-owner"):
            check_owner(bucket, owner)
        if self._key:
            self._object = ObjectChecks(self._request, bucket, self._key)
            if operation == "UploadPartCopy":
                self._source_version = self._object.source_version
            self._object.check()

    def check_body(self, body: bytes) -> None:
        """Check the body of an operation that takes XML.

        :raises S3Refusal: as S3 would answer.
        """
        operation = self._request.operation
        if operation == "CompleteMultipartUpload":
            parts_to_complete(body)
        elif operation == "CreateBucket":
            check_document(operation, body)
            placement.check_new_bucket(self._request, self._name, body, self._account)
        else:
            check_document(operation, body)
        if operation == "PutObjectTagging":
            tags = [each for each in parse(body).iter() if tag(each) == "Tag"]
            names.check_tags([(text_of(each, "Key") or "", text_of(each, "Value") or "") for each in tags])

    def own_answer(self) -> bytes | None:
        """Return the answer to a list, which moto does not see, or None."""
        if self._request.operation == "ListBuckets":
            return list_buckets(self._request, self._account)
        answer = LISTS.get(self._request.operation)
        return answer(self._request, self._bucket) if answer and self._bucket else None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of an answer that moto does not make."""
        return {_REGION.decode(): self._bucket.region} if self._bucket and self._names_region else {}

    @property
    def _names_region(self) -> bool:
        return self._request.operation in _WITH_REGION

    def conditions(self) -> AbstractContextManager[None]:
        """Return the context in which moto checks the conditions of a write when it makes it."""
        found = self._object.write_conditions if self._object else None
        return conditions_of_write(found) if found else nullcontext()

    def corrected(self, send: Send) -> Send:
        """Return a ``send`` that corrects the headers of an answer from moto."""

        async def send_corrected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._corrected(list(message["headers"]), message["status"])}
            await send(message)

        return send_corrected

    def _corrected(self, headers: list[tuple[bytes, bytes]], status: int) -> list[tuple[bytes, bytes]]:
        bucket = self._bucket
        if bucket is None or status >= 300:
            return headers
        if not bucket.keeps_versions:
            headers = [each for each in headers if (each[0].lower(), each[1]) != _VERSION]
        elif self._request.operation in ("GetObject", "HeadObject") and not _has(headers, _VERSION[0]):
            headers.append(_VERSION)
        if self._names_region and not _has(headers, _REGION):
            headers.append((_REGION, bucket.region.encode()))
        if self._source_version:
            headers.append((b"x-amz-copy-source-version-id", self._source_version.encode()))
        return headers


def _missing(name: str) -> str:
    """Return the code for a bucket that does not exist, by whether one of that name could."""
    return "NoSuchBucket" if _POSSIBLE_NAME.fullmatch(name) else "InvalidBucketName"


def _has(headers: list[tuple[bytes, bytes]], name: bytes) -> bool:
    return any(each.lower() == name for each, _ in headers)


def with_ids(send: Send) -> Send:
    """Return a ``send`` that gives S3's ids to an answer, and names them in the body of an error.

    See https://docs.aws.amazon.com/AmazonS3/latest/developerguide/RESTCommonResponseHeaders.html
    """
    request_id, host_id = secrets.token_hex(8).upper(), secrets.token_urlsafe(57)
    ids = f"<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>".encode()
    held: list[Message] = []

    async def send_with_ids(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [each for each in message["headers"] if each[0].lower() not in _OURS]
            headers += [
                (b"x-amz-request-id", request_id.encode()), (b"x-amz-id-2", host_id.encode()), (b"server", b"AmazonS3")
            ]  # fmt: skip
            message = {**message, "headers": headers}
            if message["status"] >= 300:
                held.append(message)
                return
        elif held:
            start, body = held.pop(), message.get("body", b"")
            if body.rstrip().endswith(b"</Error>"):
                body = body.rstrip().removesuffix(b"</Error>") + ids
                start["headers"] = [each for each in start["headers"] if each[0].lower() != b"content-length"]
                start["headers"].append((b"content-length", str(len(body)).encode()))
                message = {**message, "body": body}
            await send(start)
        await send(message)

    return send_with_ids


_OURS = (b"x-amz-request-id", b"x-amz-id-2", b"server", b"x-amzn-requestid")
