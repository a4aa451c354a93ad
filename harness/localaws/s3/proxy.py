"""S3 in front of moto: bodies are streamed past it and checked, and moto answers all the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import partial

from harness.localaws.http.answers import send_answer
from harness.localaws.http.moto_proxy import MotoProxy, moto_body
from harness.localaws.http.request import LARGEST_BODY, Request, Send
from harness.localaws.http.threads import Threads
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.s3 import corrections, headers
from harness.localaws.s3.bodies.checksums import BodyChecks
from harness.localaws.s3.bodies.copies import Copies
from harness.localaws.s3.bodies.downloads import Downloads
from harness.localaws.s3.bodies.multipart import MultipartUploads
from harness.localaws.s3.bodies.uploads import Uploads
from harness.localaws.s3.deletion import DeletionRequest
from harness.localaws.s3.rules import placement
from harness.localaws.s3.rules.gate import Rules

_STREAMED = ("PutObject", "UploadPart", "PostObject")
_DECIDED_BY_BODY = ("PutBucketAcl", "PutBucketPolicy", "PutObjectAcl")
"""Operations whose body decides about permissions."""
Answer = Callable[[Request, Send], Awaitable[None]]


class S3Proxy:
    """Answers S3's requests."""

    def __init__(self, services: Services, moto: MotoProxy, authorization: Authorization, threads: Threads) -> None:
        self._services = services
        self._moto = moto
        self._authorization = authorization
        self._threads = threads
        uploads, downloads = Uploads(services, moto, authorization, threads), Downloads(moto, threads)
        multipart, copies = MultipartUploads(services, moto, threads), Copies(services, moto)
        self._answers: dict[str, Answer] = {
            "PutObject": uploads.put,
            "UploadPart": uploads.put,
            "PostObject": uploads.post,
            "GetObject": downloads.get,
            "HeadObject": downloads.get,
            "GetObjectAttributes": downloads.attributes,
            "CreateMultipartUpload": multipart.create,
            "CompleteMultipartUpload": multipart.complete,
            "CopyObject": copies.copy,
            "UploadPartCopy": copies.copy_part,
            "DeleteObjects": self._delete_objects,
        }

    def check_place(self, request: Request) -> None:
        """Check the endpoint and the signature's region of a request, before anything else is.

        :raises S3Refusal: as S3 would answer.
        """
        placement.check_place(request, self._services.partition_of_key(request.access_key))

    async def answer(self, request: Request, send: Send) -> None:
        """Answer one request.

        :raises AWSError: as S3 would answer.
        """
        if self._services.lacks_sample_data(bucket := request.bucket_and_key()[0]):
            await self._threads.run(self._services.provide_sample_data, bucket)
        headers.check(request)
        rules = Rules(request, self._services.account_of(request.access_key))
        rules.check()
        send = rules.corrected(corrections.with_encryption(request, send))
        with rules.conditions():
            if request.operation not in _STREAMED:
                await self._check_body(request, rules)
            if (content := await self._threads.run(rules.own_answer)) is not None:
                await send_answer(send, 200, "application/xml", content, rules.headers)
            else:
                await self._answers.get(request.operation, self._other)(request, send)

    async def _check_body(self, request: Request, rules: Rules) -> None:
        """Raise :class:`AWSError` if a small body, such as a list of keys, is not what its request says.

        The checksums of CompleteMultipartUpload are the object's.
        """
        body = await request.body(LARGEST_BODY)
        if body and request.operation != "CompleteMultipartUpload":
            checks = BodyChecks(request.headers)
            checks.write(body)
            checks.finish(hashlib.md5(body, usedforsecurity=False).hexdigest(), {})
        if request.operation in _DECIDED_BY_BODY:
            await self._threads.run(self._authorization.check_content, request, body)
        rules.check_body(body)

    async def _other(self, request: Request, send: Send) -> None:
        """Let moto answer a request whose body is small: a configuration, or none."""
        await self._moto.answer(request, send, body=moto_body(request, {}, request.body_read))

    async def _delete_objects(self, request: Request, send: Send) -> None:
        """Delete the keys that the caller may delete, and answer with errors for the others."""
        asked = DeletionRequest(request.body_read)
        refused = await self._threads.run(self._authorization.refused_entries, request, asked.entries)
        bypass = request.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
        content = await self._threads.run(partial(asked.carry_out, request.bucket_and_key()[0], refused, bypass=bypass))
        await send_answer(send, 200, "application/xml", content)
