"""S3 in front of moto: large bodies are streamed past it, and moto answers all the rest."""

from __future__ import annotations

from functools import partial

from harness.localaws.exceptions import AWSError
from harness.localaws.http.answers import HeldAnswer, send_answer
from harness.localaws.http.moto_proxy import MotoProxy, is_form, moto_body
from harness.localaws.http.request import LARGEST_BODY, Request, Send
from harness.localaws.http.threads import Threads
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.s3 import corrections, post_form, streaming
from harness.localaws.s3.deletion import DeletionRequest
from harness.localaws.s3.disk_bodies import BodyWriter, beside_request
from harness.localaws.s3.rules import placement
from harness.localaws.s3.rules.gate import Rules

_PLAIN_UPLOAD = {"uploadId", "partNumber", "x-id"}
_PRESIGNED = {"AWSAccessKeyId", "Signature", "Expires"}
"""Query parameters of presigned URLs of signature version 2. Those of version 4 start with ``X-Amz-``."""
_DECIDED_BY_BODY = ("PutBucketAcl", "PutBucketPolicy", "PutObjectAcl")
"""Operations whose body decides about permissions."""
_BODY_HEADERS = (
    "content-md5",
    "content-encoding",
    "x-amz-trailer",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "expect",
)
"""Headers that describe a request's body, which moto does not see."""


class S3Proxy:
    """Answers S3's requests."""

    def __init__(self, services: Services, moto: MotoProxy, authorization: Authorization, threads: Threads) -> None:
        self._services = services
        self._moto = moto
        self._authorization = authorization
        self._threads = threads

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
        rules = Rules(request, self._services.account_of(request.access_key))
        rules.check()
        send = rules.corrected(corrections.with_encryption(request, send))
        with rules.conditions():
            if self._is_large_upload(request):
                await self._upload(request, send)
            elif self._is_large_download(request):
                await self._download(request, send)
            else:
                await self._answer_small(request, rules, send)

    async def _answer_small(self, request: Request, rules: Rules, send: Send) -> None:
        """Answer a request whose body is small, and so is that of the answer."""
        body = await request.body(LARGEST_BODY)
        if request.operation == "PostObject":
            await self._post(request, send, body)
            return
        if request.operation in _DECIDED_BY_BODY:
            await self._threads.run(self._authorization.check_content, request, body)
        rules.check_body(body)
        if (content := await self._threads.run(rules.own_answer)) is not None:
            await send_answer(send, 200, "application/xml", content, rules.headers)
        elif request.operation == "DeleteObjects":
            await self._delete_objects(request, send, body=body)
        elif change := rules.rewrite():
            answer = HeldAnswer()
            await self._moto.answer(request, answer.send, body=moto_body(request, {}, body))
            if answer.status == 200:
                answer.rewrite(change)
            await answer.forward(send)
        else:
            await self._moto.answer(request, send, body=moto_body(request, {}, body))

    async def _post(self, request: Request, send: Send, content: bytes) -> None:
        """Let moto store the file of a form whose signer may store it."""
        form = post_form.read(content, request.headers.get("content-type", ""))
        await self._threads.run(self._authorization.check_form, request, form.fields, len(form.file))
        kind, body = form.encoded()
        request.scope = {**request.scope, "query_string": b""}  # moto would look there for fields
        await self._moto.answer(request, send, headers=request.headers | {"content-type": kind}, body=body)

    def _is_large_upload(self, request: Request) -> bool:
        if request.operation not in ("PutObject", "UploadPart"):
            return False
        if not _asked_about(request) <= _PLAIN_UPLOAD:
            return False
        length = request.headers.get("content-length")  # a body in HTTP's chunks may be of any length
        form = is_form(request.headers)  # moto would take the body for its fields
        return (
            form
            or length is None
            or int(length) >= streaming.STREAMED_FROM
            or streaming.is_aws_chunked(request.headers)
        )

    async def _upload(self, request: Request, send: Send) -> None:
        """Receive the body and let moto store it without seeing it."""
        with BodyWriter() as writer:
            upload = await streaming.receive_body(request.blocks(), request.headers, writer)
            body = writer.finish(upload.md5)
        headers = {name: value for name, value in request.headers.items() if name not in _BODY_HEADERS}
        with beside_request(body):
            await self._moto.answer(request, send, headers=headers | upload.trailers)

    def _is_large_download(self, request: Request) -> bool:
        size = self._services.object_size(*request.bucket_and_key()) if request.operation == "GetObject" else None
        return size is not None and size >= streaming.STREAMED_FROM and _asked_about(request) <= {"x-id"}

    async def _download(self, request: Request, send: Send) -> None:
        """Let moto answer as for HEAD, then send the body, or the range asked for."""
        answer = HeldAnswer()
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        for condition in headers.keys() & {"if-match", "if-none-match"}:
            headers[condition] = '"{}"'.format(headers[condition].strip('"'))  # S3A sends it without quotes
        with beside_request() as beside:
            await self._moto.answer(request, answer.send, method="HEAD", headers=headers)
            body = beside.found
        if answer.status != 200 or body is None:  # a condition that does not hold: moto answers it, without a body
            await self._moto.answer(request, send, headers=headers)
            return
        start, length = 0, body.size
        if asked := _range(request, body.size):
            start, length = asked[0], asked[1] - asked[0] + 1
            answer.status = 206
            answer.replace("content-range", f"bytes {asked[0]}-{asked[1]}/{body.size}")
            answer.drop("x-amz-checksum-")  # of the whole object; S3 sends none with a part of it
        answer.replace("content-length", str(length))
        await answer.forward(send, ends=not length)
        await streaming.send_body(body.read, self._threads.run, send, start, length)

    async def _delete_objects(self, request: Request, send: Send, *, body: bytes) -> None:
        """Delete the keys that the caller may delete, and answer with errors for the others."""
        asked = DeletionRequest(body)
        refused = await self._threads.run(self._authorization.refused_entries, request, asked.entries)
        bypass = request.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
        content = await self._threads.run(partial(asked.carry_out, request.bucket_and_key()[0], refused, bypass=bypass))
        await send_answer(send, 200, "application/xml", content)


def _asked_about(request: Request) -> set[str]:
    """Return the names of a request's query parameters, without those that sign it."""
    return {name for name in request.query.keys() - _PRESIGNED if not name.lower().startswith("x-amz-")}


def _range(request: Request, size: int) -> tuple[int, int] | None:
    try:
        return streaming.parse_range(request.headers.get("range", ""), size)
    except IndexError:
        error = AWSError("The requested range is not satisfiable")
        error.status, error.code = 416, "InvalidRange"
        raise error from None
