"""Bodies sent to S3: streamed to disk and checked, and stored by moto, which sees all of the request but the body."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from harness.localaws.exceptions import AWSError, IncompleteBody, NotImplementedByS3
from harness.localaws.http.answers import HeldAnswer, send_answer
from harness.localaws.http.moto_proxy import MotoProxy
from harness.localaws.http.request import Request, Send
from harness.localaws.http.threads import Threads
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.s3 import headers, streaming
from harness.localaws.s3.bodies import forms, multipart
from harness.localaws.s3.bodies.body import Body, BodyWriter
from harness.localaws.s3.bodies.checksums import HEADER, SDK_ALGORITHM, BodyChecks, Checksum
from harness.localaws.s3.disk_bodies import beside_request
from harness.localaws.s3.rules.gate import Rules

_OF_BODY = (
    "content-md5",
    "x-amz-trailer",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "expect",
    SDK_ALGORITHM,
)
"""Headers that describe a request's body, which moto does not see."""
_LARGEST = 5 << 30
"""Bytes of a body: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html"""


class Uploads:
    """Answers PutObject, UploadPart and PostObject, whatever the size and the coding of the body."""

    def __init__(self, services: Services, moto: MotoProxy, authorization: Authorization, threads: Threads) -> None:
        self._services = services
        self._moto = moto
        self._authorization = authorization
        self._threads = threads

    async def put(self, request: Request, send: Send) -> None:
        """Receive an object or a part, and let moto store it.

        :raises AWSError: the body is not the one that the request describes.
        """
        _check_length(request.headers)
        plan = multipart.plan_of(self._services, request) if request.operation == "UploadPart" else None
        checks = BodyChecks(request.headers, plan.algorithm if plan else "")
        if plan:
            plan.check_part(checks.algorithm)
        with BodyWriter() as writer:
            upload = await streaming.receive_body(request.blocks(), request.headers, writer, checks)
            body = writer.finish(upload.md5)
        _check_decoded_length(request.headers, upload.size)
        checksum = checks.finish(upload.md5, upload.trailers)
        answer = await self._store(request, body, checksum)
        await answer.forward(send)

    async def post(self, request: Request, send: Send) -> None:
        """Receive a form, and let moto store its file as with PutObject.

        :raises AWSError: it is not a form that S3 takes.
        """
        with BodyWriter() as writer:
            target = streaming.Measured(writer)
            form = await forms.FormReader(request.headers.get("content-type", ""), target).read(request.blocks())
            body = writer.finish(target.md5)
        await self._threads.run(self._authorization.check_form, request, form.fields, form.size)
        put = forms.as_put(request, form)
        headers.check(put)
        Rules(put, self._services.account_of(request.access_key)).check()
        checks = BodyChecks(put.headers)
        for block in body.blocks(0, body.size):
            checks.write(block)
        answer = await self._store(put, body, checks.finish(body.md5, {}))
        if answer.status != 200:
            await answer.forward(send)
            return
        status, fields, content = forms.success(request, form, f'"{body.md5}"')
        await send_answer(send, status, fields.pop("content-type", "text/plain"), content, fields)

    async def _store(self, request: Request, body: Body, checksum: Checksum) -> HeldAnswer:
        answer = HeldAnswer()
        with beside_request(body, checksum):
            await self._moto.answer(request, answer.send, headers=_stored(request.headers, body))
        if answer.status == 200:
            for name, value in checksum.headers().items():
                if request.operation != "UploadPart" or name != f"{HEADER}type":  # S3's answer to it has no type
                    answer.replace(name, value)
        return answer


def _stored(given: Mapping[str, str], body: Body) -> dict[str, str]:
    """Return the headers of an upload that say more than how its body is sent."""
    kept = {name: value for name, value in given.items() if name not in _OF_BODY and not name.startswith(HEADER)}
    codings = [coding.strip() for coding in kept.pop("content-encoding", "").split(",")]
    if stored := ",".join(coding for coding in codings if coding and coding != "aws-chunked"):
        kept["content-encoding"] = stored
    if "content-md5" in given or any(name.startswith(HEADER) or name == "x-amz-trailer" for name in given):
        kept["content-md5"] = base64.b64encode(bytes.fromhex(body.md5)).decode()  # an object lock asks for a checksum
    return kept


def _check_length(given: Mapping[str, str]) -> None:
    """Raise :class:`AWSError` if a request does not say how long its body is, or if it is too long.

    S3 takes HTTP's chunks only around AWS's:
    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (MissingContentLength), and
    https://github.com/Automattic/knox/issues/43 for the answer to ``Transfer-Encoding``.
    """
    chunked = streaming.is_aws_chunked(given)
    name = "x-amz-decoded-content-length" if chunked else "content-length"
    length = given.get(name)
    if length is None and "transfer-encoding" in given and not chunked:
        text = "A header you provided implies functionality that is not implemented"
        error: AWSError = NotImplementedByS3(text, Header="Transfer-Encoding")
        error.status = 501
        raise error
    if length is None:
        error = AWSError("You must provide the Content-Length HTTP header.")
        error.status, error.code = 411, "MissingContentLength"
        raise error
    if not (length.isascii() and length.isdecimal()):
        error = AWSError(f"The {name} header has the value {length[:40]!r}, which is not a number of bytes.")
        error.code = "InvalidArgument"
        raise error
    if int(length) > _LARGEST:
        error = AWSError("Your proposed upload exceeds the maximum allowed size")
        error.code = "EntityTooLarge"
        raise error


def _check_decoded_length(given: Mapping[str, str], size: int) -> None:
    said = given.get("x-amz-decoded-content-length")
    if streaming.is_aws_chunked(given) and said is not None and int(said) != size:
        raise IncompleteBody(
            "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header: "
            f"it says {said}, and the chunks have {size}."
        )
