"""The ASGI application behind the gateway: tells requests apart by host and hands each to who answers it."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import re
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from a2wsgi import WSGIMiddleware

from harness.localaws.control.call_log import CallLog, CallRecord
from harness.localaws.control.faults import Fault, Faults
from harness.localaws.exceptions import AWSError, SerializationException, UnknownOperation, ValidationError
from harness.localaws.http import hosts
from harness.localaws.http.canonical import is_form, moto_body, moto_scope
from harness.localaws.http.request import QUERY_SERVICES, ClientGone, Message, Receive, Request, Scope, Send
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import MOTO_SERVICES, Services
from harness.localaws.s3 import deletion, streaming
from harness.localaws.s3.disk_bodies import BodyWriter, beside_request
from harness.localaws.sagemaker.control_plane import ControlPlane
from harness.localaws.sagemaker.hosting.instance import Host as Hosting

LARGEST_INVOCATION = 6_291_456
"""Bytes; see "Payload size" in https://docs.aws.amazon.com/general/latest/gr/sagemaker.html"""
Operation = Callable[[str, dict[str, Any], str], dict[str, Any] | str]
"""Answers an operation by name, for parameters and a region, with JSON or with a text of XML."""
_THREADS = 32
_WAITING_THREADS = 128  # for what waits rather than works: invocations, and Describe calls that are held
_LARGEST_BODY = 64 << 20  # of what is not streamed: lists of keys to delete, completions of uploads
_PLAIN_UPLOAD = {"uploadId", "partNumber", "x-id"}
_PRESIGNED = {"AWSAccessKeyId", "Signature", "Expires"}
"""Query parameters of presigned URLs of signature version 2; those of version 4 start with ``X-Amz-``."""
_BODY_HEADERS = (
    "content-md5",
    "content-encoding",
    "x-amz-trailer",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "expect",
)
"""Headers of a request that speak of its body, which moto does not see."""
_XML_CODE = re.compile(rb"<Code>([\w.]+)</Code>")
log = logging.getLogger(__name__)


class LocalAWSApp:
    """Answers for every emulated host."""

    def __init__(
        self,
        services: Services,
        plane: ControlPlane,
        hosting: Hosting,
        authorization: Authorization,
        own: Mapping[tuple[str, str], Operation],
        faults: Faults,
        calls: CallLog,
    ) -> None:
        """Answer with these parts.

        :param own: the operations, by service and name, that are neither moto's nor the control plane's.
        """
        self._services = services
        self._plane = plane
        self._hosting = hosting
        self._authorization = authorization
        self._own = own
        self._faults = faults
        self._calls = calls
        self._moto = WSGIMiddleware(services.wsgi(), workers=_THREADS)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="request")
        # Pools of their own, so that neither slow models nor held calls keep anything else waiting.
        self._invocations = ThreadPoolExecutor(_WAITING_THREADS, thread_name_prefix="invocation")
        self._held = ThreadPoolExecutor(_WAITING_THREADS, thread_name_prefix="held")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        answered = 0
        code = ""
        recorded = False
        began, clock = time.time(), time.perf_counter()

        def record() -> None:
            nonlocal recorded
            recorded = True
            seconds = time.perf_counter() - clock
            self._calls.add(
                CallRecord(
                    began, request.host.service, request.operation, request.host_name, request.path, answered, seconds,
                    request.received, request.headers.get("user-agent", ""), code, request.model_seconds,
                )
            )  # fmt: skip

        async def watched(message: Message) -> None:
            nonlocal answered, code
            answered = message.get("status", answered)
            if answered >= 400 or request.operation == "DeleteObjects":
                code = code or _error_code(message)
            if message["type"] == "http.response.start":
                _suffer_before_answer(request)
                if request.is_kept_waiting:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                record()  # before the client has the answer, and may ask what was called
            await send(message)

        try:
            try:
                await self._answer(request, watched)
            except ClientGone:
                raise
            except AWSError as error:
                await _send_error(request, watched, error)
            except Exception as error:
                if answered:
                    raise
                await _send_error(request, watched, self._unexpected(error))
        except ClientGone:
            log.info("the client went away during %s", request.operation)
        finally:
            if not recorded:
                record()

    async def _answer(self, request: Request, send: Send) -> None:
        if not request.host.service:
            # The first request of a connection is judged by the gateway; others on a plain one end up here.
            self._calls.refuse(request.host_name)
            raise _refusal(request.host_name)
        request.check_unambiguous()
        if "origin" in request.headers or request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            await self._in_thread(self._check_origin, request)
        parameters = await self._parameters(request)
        await self._authorization.check(request, parameters)
        request.fault = self._faults.take(request.operation, request.access_key)
        if request.fault:
            await self._suffer(request, request.fault)
        if request.host.service == "sagemaker-runtime":
            await self._invoke(request, send)
        elif own := self._own.get((request.host.service, request.operation)):
            await self._answer_ourselves(own, request, parameters, send)
        elif request.host.service == "sagemaker":
            await self._control(request, parameters, send)
        elif request.host.service != "s3":
            await self._ask_moto(request, send, body=moto_body(request, parameters, request.body_read))
        else:
            if self._services.lacks_sample_data(bucket := request.bucket_and_key()[0]):
                await self._in_thread(self._services.provide_sample_data, bucket)
            if self._is_large_upload(request):
                await self._upload(request, send)
            elif self._is_large_download(request):
                await self._download(request, send)
            else:
                body = moto_body(request, {}, await request.body(_LARGEST_BODY))
                delete = self._delete_objects if request.operation == "DeleteObjects" else self._ask_moto
                await delete(request, send, body=body)

    async def _parameters(self, request: Request) -> dict[str, Any]:
        """Return what a request asks for in its body, where that is not a body to store or to pass on."""
        if request.host.service == "s3":
            return {}
        body = await request.body(LARGEST_INVOCATION if request.endpoint_name else _LARGEST_BODY)
        if request.host.service == "sagemaker-runtime":
            return {}
        if request.host.service in QUERY_SERVICES:
            fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
            form = {name: values[0] for name, values in {**request.query, **fields}.items()}
            request.action = form.get("Action", "")
            return form
        if "cbor" in request.headers.get("content-type", ""):
            request.check_cbor()
            return {}
        try:
            parameters = json.loads(body or b"{}")
        except ValueError as error:
            raise SerializationException(f"The body is no JSON: {error}") from None
        return parameters if isinstance(parameters, dict) else {}

    async def _answer_ourselves(
        self, answers: Operation, request: Request, parameters: dict[str, Any], send: Send
    ) -> None:
        """Answer an operation that is neither moto's nor one of SageMaker's resources."""
        answer = await self._in_thread(answers, request.operation, parameters, request.region)
        if isinstance(answer, str):
            await _send(send, 200, "text/xml", answer.encode())
        else:
            await _send(send, 200, "application/x-amz-json-1.1", json.dumps(answer).encode())

    async def _ask_moto(
        self,
        request: Request,
        send: Send,
        *,
        body: bytes = b"",
        method: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Let moto answer the request, or the same with another method, headers or body."""
        if request.host.service not in MOTO_SERVICES:
            raise UnknownOperation(f"The local AWS does not emulate {request.operation} of {request.host.service}.")
        scope = moto_scope(request, method or request.scope["method"], headers or request.headers, body)
        answer = _Answer()  # in one piece, so that its end is known before it is sent
        await self._moto(scope, _replay(body), answer.send)
        await answer.forward(send)

    async def _delete_objects(self, request: Request, send: Send, *, body: bytes) -> None:
        """Let moto delete what the caller may delete, and add to its answer what the caller may not."""
        entries = deletion.entries_to_delete(body)
        refused = await self._in_thread(self._authorization.refused_entries, request, entries)
        if entries and refused.keys() == set(entries):
            await _send(send, 200, "application/xml", deletion.with_refused(deletion.NOTHING_DELETED, refused))
            return
        answer = _Answer()
        headers = {name: value for name, value in request.headers.items() if name not in _BODY_HEADERS}
        await self._ask_moto(request, answer.send, body=deletion.without_entries(body, refused), headers=headers)
        if refused:
            answer.rewrite(lambda told: deletion.with_refused(told, refused) if answer.status == 200 else told)
        await answer.forward(send)

    def _check_origin(self, request: Request) -> None:
        """Raise :class:`AWSError` for what a page in a browser asks, unless the bucket's CORS rules allow its origin.

        S3 answers a simple request of any origin, and the browser keeps the answer from the page; here, where the
        user's browser runs on the same machine, nothing is done for a page that no rule names.
        """
        method: str = request.scope["method"]
        asked = request.headers.get("access-control-request-method", method)
        headers = re.findall(r"[^\s,]+", request.headers.get("access-control-request-headers", ""))
        bucket = request.bucket_and_key()[0] if request.host.service == "s3" else ""
        if not self._services.allows_origin(bucket, request.headers.get("origin", ""), asked, headers):
            error = AWSError(
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
                "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted "
                "by the resource's CORS spec."
            )
            error.status, error.code = 403, "AccessForbidden"
            raise error

    # --- S3 bodies ------------------------------------------------------------------------------------------------

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
            await self._ask_moto(request, send, headers=headers | upload.trailers)

    def _is_large_download(self, request: Request) -> bool:
        size = self._services.object_size(*request.bucket_and_key()) if request.operation == "GetObject" else None
        return size is not None and size >= streaming.STREAMED_FROM and _asked_about(request) <= {"x-id"}

    async def _download(self, request: Request, send: Send) -> None:
        """Let moto answer as for HEAD, then send the body, or the range asked for."""
        answer = _Answer()
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        for condition in headers.keys() & {"if-match", "if-none-match"}:
            headers[condition] = '"{}"'.format(headers[condition].strip('"'))  # S3A leaves the quotes out
        with beside_request() as beside:
            await self._ask_moto(request, answer.send, method="HEAD", headers=headers)
            body = beside.found
        if answer.status != 200 or body is None:  # a condition that does not hold: moto answers it, without a body
            await self._ask_moto(request, send, headers=headers)
            return
        start, length = 0, body.size
        if asked := self._range(request, body.size):
            start, length = asked[0], asked[1] - asked[0] + 1
            answer.status = 206
            answer.replace("content-range", f"bytes {asked[0]}-{asked[1]}/{body.size}")
            answer.drop("x-amz-checksum-")  # of the whole object, and S3 sends none with a part of it
        answer.replace("content-length", str(length))
        await answer.forward(send, ends=not length)
        await streaming.send_body(body.read, self._in_thread, send, start, length)

    def _range(self, request: Request, size: int) -> tuple[int, int] | None:
        try:
            return streaming.parse_range(request.headers.get("range", ""), size)
        except IndexError:
            error = AWSError("The requested range is not satisfiable")
            error.status, error.code = 416, "InvalidRange"
            raise error from None

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await _in_pool(self._threads, function, *arguments)

    async def _suffer(self, request: Request, fault: Fault) -> None:
        if fault.effect != "stuck":
            await asyncio.sleep(fault.delay)
        if fault.effect == "cut":
            request.cut()
        if fault.effect == "signal" and not fault.after:
            _signal(fault)
        if fault.effect == "error":
            error = AWSError(fault.message)
            error.status, error.code = fault.status, fault.code
            raise error
        if fault.effect == "disk_full":
            raise OSError(errno.ENOSPC, "No space left on device")

    def _unexpected(self, error: Exception) -> AWSError:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            directory = self._services.directory
            free = shutil.disk_usage(directory).free
            # 400 is retried neither by the SDKs nor by S3A, which spends minutes on 507: waiting does not help.
            full = AWSError(
                f"The local AWS has no disk left in {directory} ({free:,} bytes free). "
                "Free some, or point TMPDIR elsewhere."
            )
            full.status, full.code = 400, "InsufficientStorage"
            return full
        log.exception("unexpected error", exc_info=error)
        unexpected = AWSError(f"The local AWS failed: {error!r}")
        unexpected.status = 500
        return unexpected

    # --- SageMaker's control plane --------------------------------------------------------------------------------

    async def _control(self, request: Request, parameters: dict[str, Any], send: Send) -> None:
        operation = request.operation
        if not self._plane.handles(operation, parameters):
            await self._ask_moto(request, send, body=await request.body(_LARGEST_BODY))
            return
        account = self._services.account_of(request.access_key)
        agent = request.headers.get("user-agent", "")
        pool = self._held if self._plane.may_hold(operation, agent) else self._threads
        stuck = request.fault.delay if request.fault and request.fault.effect == "stuck" else 0.0
        answer = await _in_pool(pool, self._plane.call, operation, parameters, request.region, account, agent, stuck)
        await _send(send, 200, "application/x-amz-json-1.1", json.dumps(answer).encode())

    # --- SageMaker's runtime --------------------------------------------------------------------------------------

    async def _invoke(self, request: Request, send: Send) -> None:
        name = request.endpoint_name
        if not name:
            raise ValidationError(f"The local AWS does not emulate {request.scope['method']} {request.path}.")
        dies = request.fault is not None and request.fault.effect == "kill_container"
        body = await request.body(LARGEST_INVOCATION)
        endpoint = self._plane.endpoint(name, request.region)
        if endpoint is None or not endpoint.variants:
            account = self._services.account_of(request.access_key)
            raise ValidationError(f"Endpoint {name} of account {account} not found.")
        passed = {
            header: value
            for header, value in request.headers.items()
            if header in ("content-type", "accept") or header.startswith("x-amzn-sagemaker-")
        }
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        invoke = self._hosting.invoke
        clock = time.perf_counter()
        answer, variant = await _in_pool(self._invocations, invoke, endpoint, body, passed, target, dies)
        request.model_seconds = time.perf_counter() - clock
        custom = {name: value for name, value in answer.headers.items() if name.lower().startswith("x-amzn-sagemaker-")}
        headers = {"x-amzn-invoked-production-variant": variant.name, **custom}
        await _send(send, answer.status, answer.content_type or "application/octet-stream", answer.body, headers)


def _error_code(message: Message) -> str:
    """Return the code of the error that a part of an answer tells of, in a header or in XML, or ''."""
    headers = {name.lower(): value for name, value in message.get("headers", [])}
    found = _XML_CODE.search(message.get("body", b""))
    told: bytes = headers.get(b"x-amzn-errortype") or (found[1] if found else b"")
    return told.decode("latin-1")


def _suffer_before_answer(request: Request) -> None:
    """Do what a fault does once a call is applied and before it is answered."""
    fault = request.fault
    if fault and fault.effect == "lose_answer":
        request.cut()
    if fault and fault.effect == "signal" and fault.after:
        _signal(fault)


def _asked_about(request: Request) -> set[str]:
    """Return the names of a request's query parameters, without those that sign it."""
    return {name for name in request.query.keys() - _PRESIGNED if not name.lower().startswith("x-amz-")}


def _signal(fault: Fault) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(fault.pid, signal.Signals[fault.signal])


async def _in_pool(pool: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


def _refusal(host: str) -> AWSError:
    error = AWSError(f"The local AWS does not emulate {host}; it emulates {', '.join(hosts.SERVICES)}.")
    error.status, error.code = 403, "AccessDenied"
    return error


def _replay(body: bytes) -> Receive:
    """Return a ``receive`` that gives a body already read."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


class _Answer:
    """An answer of moto's, kept to be changed before it is sent."""

    def __init__(self) -> None:
        self.status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], list(message["headers"])
        else:
            self._body += message.get("body", b"")

    def replace(self, name: str, value: str) -> None:
        """Give the answer a header, in place of one of that name."""
        kept = [field for field in self._headers if field[0].lower() != name.encode()]
        self._headers = [*kept, (name.encode(), value.encode())]

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Change the answer's body."""
        self._body = change(self._body)
        self.replace("content-length", str(len(self._body)))

    def drop(self, prefix: str) -> None:
        """Take the headers away whose name starts with ``prefix``."""
        self._headers = [field for field in self._headers if not field[0].lower().startswith(prefix.encode())]

    async def forward(self, send: Send, *, ends: bool = True) -> None:
        """Send the answer; unless it ``ends`` there, its body follows."""
        await send({"type": "http.response.start", "status": self.status, "headers": self._headers})
        if ends:
            await send({"type": "http.response.body", "body": self._body})


async def _send(
    send: Send, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    fields = {"content-type": content_type, "content-length": str(len(body)), "x-amzn-requestid": str(uuid.uuid4())}
    fields.update(headers or {})
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _send_error(request: Request, send: Send, error: AWSError) -> None:
    """Answer an error in the service's own form."""
    if request.host.service in ("s3", "sts", "iam"):
        text = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error>{text}</Error>'
        if request.host.service != "s3":
            body = f"<ErrorResponse><Error>{text}</Error></ErrorResponse>"
        await _send(send, error.status, "application/xml", body.encode())
        return
    if request.host.service == "sagemaker-runtime":
        content = {"Message": error.message, **error.members}
    else:
        content = {"__type": error.code, "message": error.message, **error.members}
    headers = {"x-amzn-errortype": error.code}
    await _send(send, error.status, "application/x-amz-json-1.1", json.dumps(content).encode(), headers)
