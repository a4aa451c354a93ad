"""What an HTTP request asks for: the service, the operation, the bucket and key, and who signed it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qs, unquote

from harness.localaws.api_models import service_model
from harness.localaws.control.faults import Fault
from harness.localaws.exceptions import (
    ContentMismatch,
    InvalidArgument,
    NotImplementedByS3,
    RequestTooLarge,
    SerializationException,
    UnknownOperation,
)
from harness.localaws.http import hosts
from harness.localaws.s3.operations import CHOOSING, s3_operation

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
_SCOPE_REGION = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_INVOCATIONS = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
_RPC_PATH = re.compile(r"/service/(?P<service>[^/]+)/operation/(?P<operation>\w+)")
LARGEST_BODY = 64 << 20
"""Bytes of a body that is not streamed: keys to delete, parts of an upload, parameters."""
QUERY_SERVICES = ("sts", "iam")
"""Services of the query protocol: the operation is ``Action``, in the query or in a form."""


class Verifier(Protocol):
    """Verifies a body as it comes."""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""

    @property
    def matches(self) -> bool:
        """Whether all that came is the body that was signed."""


class ClientGone(Exception):
    """The client went away before its request was whole; there is nobody to answer."""


class Request:
    """An HTTP request, with what the answer needs to know about it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            # To WSGI, x_amz_copy_source is x-amz-copy-source, and so it would be to moto.
            if b"_" not in name or name.startswith(b"x-amz-meta-")
        }
        name = self.headers.get("host", "").partition(":")[0]
        self.host = hosts.parse(name) or hosts.Host("", None)
        self.host_name = name
        self.path: str = scope["path"]
        self.query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.action = self.query.get("Action", [""])[0]
        """The operation of a service with the query protocol (STS, IAM), which may also be told in a form."""
        self.received = 0
        self.model_seconds = 0.0
        """How long a container took to answer, if one was asked."""
        self.fault: Fault | None = None
        """What this call is to suffer."""
        self.verifier: Verifier | None = None
        """Verifies the body, as it is read, where the request says how it is signed."""
        self._asked = False
        self._body: bytes | None = None

    @property
    def is_kept_waiting(self) -> bool:
        """Whether the client still waits for leave to send its body, and will not send it after an answer."""
        return "expect" in self.headers and not self._asked

    @property
    def url(self) -> str:
        """The URL as it was sent, with its percent signs."""
        query = self.scope["query_string"].decode("latin-1")
        return f"https://{self.host_name}{self.scope['raw_path'].decode('latin-1')}{'?' if query else ''}{query}"

    @property
    def body_read(self) -> bytes:
        """The body as far as :meth:`body` has read it."""
        return self._body or b""

    @property
    def region(self) -> str:
        """The region of the host, or else of the signature."""
        signed = _SCOPE_REGION.search(self.headers.get("authorization", ""))
        return self.host.region or (signed.group(1) if signed else "us-east-1")

    @property
    def access_key(self) -> str:
        """The caller's access key id, or ''."""
        match = _ACCESS_KEY.search(self.headers.get("authorization", ""))
        presigned = self.query.get("X-Amz-Credential", [""])[0]
        return match.group(1) if match else presigned.partition("/")[0]

    @property
    def session_token(self) -> str:
        """The token of the caller's session, or ''."""
        return self.headers.get("x-amz-security-token") or self.query.get("X-Amz-Security-Token", [""])[0]

    @property
    def operation(self) -> str:
        """The operation's name, as AWS names it."""
        method: str = self.scope["method"]
        if self.host.service == "sagemaker-runtime":
            return "InvokeEndpoint"
        if self.host.service == "s3":
            bucket, key = self.bucket_and_key()
            if not bucket:
                return "ListBuckets"
            return s3_operation(method, key, self.query, copies="x-amz-copy-source" in self.headers) or method
        if self.host.service in QUERY_SERVICES:
            return self.action or method
        if match := _RPC_PATH.fullmatch(self.path):
            return match["operation"]
        return self.headers.get("x-amz-target", "").rpartition(".")[2] or method

    @property
    def is_rpc(self) -> bool:
        """Whether the path names service and operation, as in Smithy's RPC protocol."""
        return _RPC_PATH.fullmatch(self.path) is not None

    def check_cbor(self) -> None:
        """Raise :class:`AWSError` for CBOR where the service does not speak it: what it asks for would not be seen."""
        if not self.is_rpc or "smithy-rpc-v2-cbor" not in service_model(self.host.service).metadata["protocols"]:
            raise SerializationException(f"{self.host_name} takes JSON, and the request's content type is CBOR.")

    def check_unambiguous(self) -> None:
        """Raise :class:`AWSError` if a request asks for no operation of its service, or could be taken for two.

        Permissions are decided for one operation, which another part of the local AWS carries out.
        """
        if self.host.service == "s3":
            self._check_s3()
        elif self.host.service in QUERY_SERVICES:
            if repeated := [name for name, values in self.query.items() if len(values) > 1]:
                raise InvalidArgument(f"Query string parameters given twice: {', '.join(repeated)}")
        elif self.host.service != "sagemaker-runtime" and not self._names_service():
            raise UnknownOperation(f"{self.host_name} has no operation {self.headers.get('x-amz-target', self.path)}.")

    def _check_s3(self) -> None:
        bucket, key = self.bucket_and_key()
        choosing = sorted(CHOOSING & self.query.keys())
        if len(choosing) > 1:
            raise InvalidArgument(f"Conflicting query string parameters: {', '.join(choosing)}")
        if not bucket and (self.path != "/" or self.scope["method"] != "GET" or choosing):
            raise InvalidArgument(f"{self.scope['method']} {self.path} names no bucket.")
        if bucket and self.operation == self.scope["method"]:
            what = f"{'an object' if key else 'a bucket'}{''.join('?' + name for name in choosing)}"
            raise NotImplementedByS3(f"The local AWS does not emulate {self.scope['method']} of {what} of S3.")

    def _names_service(self) -> bool:
        """Return whether a JSON request's target, or the path of an RPC request, is one of the host's service."""
        match = _RPC_PATH.fullmatch(self.path)
        named = match["service"] if match else self.headers.get("x-amz-target", "").rpartition(".")[0]
        return bool(named) and named == service_model(self.host.service).metadata["targetPrefix"]

    @property
    def endpoint_name(self) -> str:
        """The endpoint that an invocation is for, or ''."""
        match = _INVOCATIONS.fullmatch(self.path)
        return unquote(match["name"]) if match else ""

    def bucket_and_key(self) -> tuple[str, str]:
        """Return the bucket and key an S3 request is about, in virtual-hosted or path style."""
        if self.host.bucket:
            return self.host.bucket, self.path.removeprefix("/")
        bucket, _, key = self.path.removeprefix("/").partition("/")
        return bucket, key

    async def receive(self) -> Message:
        """Return the next message, counting the body's bytes."""
        self._asked = True
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.received += len(message.get("body", b""))
        return message

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        :raises AWSError: at its end, if it is not the body that was signed.
        """
        more = True
        while more:
            message = await self.receive()
            block = message.get("body", b"")
            if self.verifier:
                self.verifier.feed(block)
            yield block
            more = message.get("more_body", False)
        if self.verifier and not self.verifier.matches:
            raise ContentMismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")

    async def body(self, most: int) -> bytes:
        """Return the whole body.

        :raises RequestTooLarge: it is larger than ``most`` bytes.
        """
        if self._body is None:
            parts = []
            async for block in self.blocks():
                parts.append(block)
                if self.received > most:
                    raise RequestTooLarge(f"The request is larger than {most:,} bytes.")
            self._body = b"".join(parts)
        return self._body

    def cut(self) -> NoReturn:
        """Cut the connection, as a network that breaks does.

        :raises ClientGone: always, since there is nobody to answer any more.
        """
        self.scope["state"]["cut"]()
        raise ClientGone
