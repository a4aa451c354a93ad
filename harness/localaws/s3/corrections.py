"""Corrections to moto, as the API reference of S3 has it: queries that moto reads otherwise, and a missing header."""

from __future__ import annotations

from urllib.parse import urlencode

from harness.localaws.http.request import Message, Request, Send

_LONGEST_PAGE = 1000
_PAGE_SIZES = ("max-keys", "max-uploads", "max-parts")
_LISTS = ("ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts")
_ENCRYPTED = (
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "GetObject",
    "HeadObject",
    "PostObject",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
)
_ENCRYPTION = b"x-amz-server-side-encryption"


def correct_query(request: Request) -> None:
    """Change the query of a list so that moto reads it as S3 does.

    A page has at most 1,000 items, whatever is asked for. S3A asks for 5,000. ``fetch-owner=false`` asks for no owner,
    and moto takes any value for true.
    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    if request.operation not in _LISTS:
        return
    query = dict(request.query)
    for name in _PAGE_SIZES:
        if query.get(name, [""])[0].isdecimal():
            query[name] = [str(min(int(query[name][0]), _LONGEST_PAGE))]
    if query.get("fetch-owner", ["true"])[0].lower() != "true":
        del query["fetch-owner"]
    request.scope = {**request.scope, "query_string": urlencode(query, doseq=True).encode()}


def with_encryption(request: Request, send: Send) -> Send:
    """Return a ``send`` that adds the encryption to answers about an object. S3 encrypts every object since 2023.

    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
    """
    if request.operation not in _ENCRYPTED:
        return send

    async def send_with_header(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 300:
            headers = list(message["headers"])
            if all(name.lower() != _ENCRYPTION for name, _ in headers):
                message = {**message, "headers": [*headers, (_ENCRYPTION, b"AES256")]}
        await send(message)

    return send_with_header
