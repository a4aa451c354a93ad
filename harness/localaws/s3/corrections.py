"""Correction to moto's answers, as the API reference of S3 has it: a missing header."""

from __future__ import annotations

from harness.localaws.http.request import Message, Request, Send

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
