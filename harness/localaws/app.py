"""The ASGI application behind the gateway: tells requests apart by host and hands each to who answers it."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from a2wsgi import WSGIMiddleware

from harness.localaws import hosts
from harness.localaws.calls import CallLog, CallRecord
from harness.localaws.exceptions import AWSError, RequestTooLarge, SerializationException, ValidationError
from harness.localaws.faults import Fault, Faults
from harness.localaws.hosting import Host as Hosting
from harness.localaws.sagemaker import ControlPlane
from harness.localaws.services import Services

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_INVOCATION = 6_291_456
"""Bytes; see "Payload size" in https://docs.aws.amazon.com/general/latest/gr/sagemaker.html"""
_LARGEST_JSON = 16 << 20
_INVOCATIONS = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
_SCOPE_REGION = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_THREADS = 32
_SPOOL_BYTES = 1 << 20
_BLOCK = 1 << 20
log = logging.getLogger(__name__)


class Request:
    """An HTTP request, with what the answer needs to know about it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        name = self.headers.get("host", "").partition(":")[0]
        self.host = hosts.parse(name) or hosts.Host("", None)
        self.host_name = name
        self.path: str = scope["path"]
        self.query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.received = 0

    @property
    def region(self) -> str:
        """The region of the host, or else of the signature."""
        signed = _SCOPE_REGION.search(self.headers.get("authorization", ""))
        return self.host.region or (signed.group(1) if signed else "us-east-1")

    @property
    def access_key(self) -> str:
        """The caller's access key id, or ''."""
        match = _ACCESS_KEY.search(self.headers.get("authorization", ""))
        return match.group(1) if match else ""

    @property
    def operation(self) -> str:
        """The operation's name, as AWS names it."""
        if self.host.service == "sagemaker-runtime":
            return "InvokeEndpoint"
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if self.host.service == "s3":
            return s3_operation(self.scope["method"], self.bucket_and_key()[1], self.query)
        return self.scope["method"] if "Action" not in self.query else self.query["Action"][0]

    def bucket_and_key(self) -> tuple[str, str]:
        """Return the bucket and key an S3 request is about, in virtual-hosted or path style."""
        if self.host.bucket:
            return self.host.bucket, self.path.lstrip("/")
        bucket, _, key = self.path.lstrip("/").partition("/")
        return bucket, key

    async def receive(self) -> Message:
        """Return the next message, counting the body's bytes."""
        message = await self._receive()
        self.received += len(message.get("body", b""))
        return message

    async def spool(self, target: IO[bytes]) -> None:
        """Write the body to ``target`` as it comes."""
        more = True
        while more:
            message = await self.receive()
            target.write(message.get("body", b""))
            more = message.get("more_body", False)

    async def body(self, most: int) -> bytes:
        """Return the whole body.

        :raises RequestTooLarge: it is larger than ``most`` bytes.
        """
        parts = []
        while True:
            message = await self.receive()
            parts.append(message.get("body", b""))
            if self.received > most:
                raise RequestTooLarge(f"The request is larger than {most:,} bytes.")
            if not message.get("more_body"):
                return b"".join(parts)


def s3_operation(method: str, key: str, query: Mapping[str, Any]) -> str:
    """Return the name of an S3 operation from how it is asked for over HTTP."""
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}.get(method, "ListParts")
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if "delete" in query:
        return "DeleteObjects"
    if key:
        return f"{method.capitalize()}Object"
    return "ListObjects" if method == "GET" else f"{'Create' if method == 'PUT' else method.capitalize()}Bucket"


class LocalAWSApp:
    """Answers for every emulated host."""

    def __init__(self, services: Services, plane: ControlPlane, hosting: Hosting, faults: Faults, calls: CallLog) -> None:
        self._services = services
        self._plane = plane
        self._hosting = hosting
        self._faults = faults
        self._calls = calls
        self._moto = WSGIMiddleware(services.wsgi(), workers=_THREADS)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        answered = 0
        began, clock = time.time(), time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = message.get("status", answered)
            await send(message)

        try:
            await self._answer(request, watched)
        except AWSError as error:
            await _send_error(request, watched, error)
        except Exception as error:
            if answered:
                raise
            await _send_error(request, watched, self._unexpected(error))
        finally:
            seconds = time.perf_counter() - clock
            self._calls.add(
                CallRecord(
                    began, request.host.service, request.operation, request.host_name, request.path, answered, seconds,
                    request.received, request.headers.get("user-agent", ""),
                )
            )  # fmt: skip

    async def _answer(self, request: Request, send: Send) -> None:
        fault = self._faults.take(request.operation)
        if fault:
            await self._suffer(fault, request)
        if request.host.service == "sagemaker-runtime":
            await self._invoke(request, send)
        elif request.host.service == "sagemaker":
            await self._control(request, send)
        else:
            if request.host.service == "s3":
                await self._in_thread(self._services.provide_sample_data, request.bucket_and_key()[0])
            await self._pass_to_moto(request, send)

    async def _pass_to_moto(self, request: Request, send: Send) -> None:
        """Let moto answer, with a body of known length: WSGI knows no chunked ones."""
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=self._services.directory) as body:
            await request.spool(body)
            scope = {**request.scope, "headers": _with_length(request.scope["headers"], request.received)}
            body.seek(0)
            await self._moto(scope, _replay(body), send)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _suffer(self, fault: Fault, request: Request) -> None:
        await asyncio.sleep(fault.delay)
        if fault.effect == "error":
            error = AWSError(fault.message)
            error.status, error.code = fault.status, fault.code
            raise error
        if fault.effect == "disk_full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if fault.effect == "kill_container":
            self._kill_containers(request)

    def _kill_containers(self, request: Request) -> None:
        match = _INVOCATIONS.fullmatch(request.path)
        endpoint = self._plane.endpoint(unquote(match["name"]), request.region) if match else None
        for variant in endpoint.variants if endpoint else []:
            for instance in variant.instances:
                instance.kill()

    def _unexpected(self, error: Exception) -> AWSError:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            directory = self._services.directory
            free = shutil.disk_usage(directory).free
            # 507 is not retried by the SDKs: waiting does not help.
            full = AWSError(f"The local AWS has no disk left in {directory} ({free:,} bytes free). Free some, or point TMPDIR elsewhere.")
            full.status, full.code = 507, "InsufficientStorage"
            return full
        log.exception("unexpected error", exc_info=error)
        unexpected = AWSError(f"The local AWS failed: {error!r}")
        unexpected.status = 500
        return unexpected

    # --- SageMaker's control plane --------------------------------------------------------------------------------

    async def _control(self, request: Request, send: Send) -> None:
        body = await request.body(_LARGEST_JSON)
        try:
            parameters = json.loads(body or b"{}")
        except ValueError as error:
            raise SerializationException(f"The body is no JSON: {error}") from None
        operation = request.operation
        if not self._plane.handles(operation, parameters):
            await self._moto(request.scope, _replay(io.BytesIO(body)), send)
            return
        account = self._services.account_of(request.access_key)
        agent = request.headers.get("user-agent", "")
        answer = await self._in_thread(self._plane.call, operation, parameters, request.region, account, agent)
        await _send(send, 200, "application/x-amz-json-1.1", json.dumps(answer).encode())

    # --- SageMaker's runtime --------------------------------------------------------------------------------------

    async def _invoke(self, request: Request, send: Send) -> None:
        match = _INVOCATIONS.fullmatch(request.path)
        if not match:
            raise ValidationError(f"The local AWS does not emulate {request.scope['method']} {request.path}.")
        name = unquote(match["name"])
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
        answer, variant = await self._in_thread(self._hosting.invoke, endpoint, body, passed, target)
        custom = {name: value for name, value in answer.headers.items() if name.lower().startswith("x-amzn-sagemaker-")}
        headers = {"x-amzn-invoked-production-variant": variant.name, **custom}
        await _send(send, answer.status, answer.content_type or "application/octet-stream", answer.body, headers)


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name not in (b"transfer-encoding", b"content-length")]
    return [*kept, (b"content-length", str(length).encode())]


def _replay(body: IO[bytes]) -> Receive:
    """Return a ``receive`` that gives a body already read."""

    async def receive() -> Message:
        block = body.read(_BLOCK)
        return {"type": "http.request", "body": block, "more_body": len(block) == _BLOCK}

    return receive


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
