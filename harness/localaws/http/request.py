"""HTTP requests, with the facts that decide their answers: service, operation, bucket and key, signer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qs, unquote

from harness.localaws.api_models import service_model
from harness.localaws.control.faults import Fault
from harness.localaws.exceptions import (
    AWSError,
    InvalidArgument,
    NotImplementedByS3,
    RequestTooLarge,
    SerializationException,
    UnknownOperation,
)
from harness.localaws.http import hosts
from harness.localaws.s3.operations import CHOOSING, METHODS, s3_operation
from harness.localaws.s3.rules.refusals import S3Refusal

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ACCESS_KEY = re.compile(r"Credential=([^/]+)/|^AWS ([^\s:]+):")
_SCOPE_REGION = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_INVOCATIONS = re.compile(
    r"/endpoints/(?P<name>[^/]+)/(?P<kind>invocations|async-invocations|invocations-response-stream)"
)
_INVOKING = {
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
"""Operations of the runtime other than InvokeEndpoint, by the end of their paths."""
_RPC_PATH = re.compile(r"/service/(?P<service>[^/]+)/operation/(?P<operation>\w+)")
HOST = "host"
"""Key in the state of a request's scope: AWS's host that answers it, if the client sent it to another address."""
_SIGNING = frozenset(
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "date", "expires", "security-token", "signature", "signedheaders")
)
"""Query parameters that sign a URL, in lower case."""
LARGEST_BODY = 64 << 20
"""Bytes of a body that is not streamed: keys to delete, parts of an upload, parameters."""
QUERY_SERVICES = ("sts", "iam")
"""Services of the query protocol. ``Action``, in the query or in a form, names the operation."""


class Verifier(Protocol):
    """Verifies a body block by block."""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""

    @property
    def matches(self) -> bool:
        """True if all bytes so far are the body that was signed."""

    def failure(self) -> AWSError:
        """Return the answer to a body that was not signed."""


class ClientGone(Exception):
    """The client went away before its request was complete, so no answer can be sent."""


class Request:
    """An HTTP request to an emulated service."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            # WSGI, and so moto, would take x_amz_copy_source for x-amz-copy-source.
            if b"_" not in name or name.startswith(b"x-amz-meta-")
        }
        name = scope.get("state", {}).get(HOST) or self.headers.get("host", "").partition(":")[0]
        self.host = hosts.parse(name) or hosts.Host("", None)
        self.host_name = name
        self.path: str = scope["path"]
        self.query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.action = self.query.get("Action", [""])[0]
        """Operation of a service with the query protocol (STS, IAM). A form may name it instead of the query."""
        self.received = 0
        self.model_seconds = 0.0
        """Seconds that a container took to answer, if one was invoked."""
        self.fault: Fault | None = None
        """Fault that happens to this call."""
        self.verifier: Verifier | None = None
        """Verifies the body while it is read, if the request says how it is signed."""
        self._asked = False
        self._body: bytes | None = None

    @property
    def is_kept_waiting(self) -> bool:
        """True while the client waits for permission to send its body. It will not send it after an answer."""
        return "expect" in self.headers and not self._asked

    @property
    def url(self) -> str:
        """The URL as the client sent it, with its percent signs."""
        query = self.scope["query_string"].decode("latin-1")
        return f"https://{self.host_name}{self.scope['raw_path'].decode('latin-1')}{'?' if query else ''}{query}"

    @property
    def body_read(self) -> bytes:
        """The body, if :meth:`body` has read it."""
        return self._body or b""

    @property
    def region(self) -> str:
        """The host's region, or else the signature's."""
        presigned = f"Credential={self.query.get('X-Amz-Credential', [''])[0]}"
        signed = _SCOPE_REGION.search(self.headers.get("authorization", presigned))
        return self.host.region or (signed.group(1) if signed else "us-east-1")

    @property
    def access_key(self) -> str:
        """The caller's access key id, or ''."""
        match = _ACCESS_KEY.search(self.headers.get("authorization", ""))
        presigned = self.query.get("X-Amz-Credential", self.query.get("AWSAccessKeyId", [""]))[0]
        return (match.group(1) or match.group(2)) if match else presigned.partition("/")[0]

    @property
    def session_token(self) -> str:
        """The token of the caller's session, or ''."""
        in_query = self.query.get("X-Amz-Security-Token", self.query.get("x-amz-security-token", [""]))[0]
        return self.headers.get("x-amz-security-token") or in_query

    def take_headers_from_query(self) -> None:
        """Add the headers that a presigned URL has in its query, such as ``x-amz-acl``. S3 reads them there too.

        SDKs move them there: ``moveHeadersToQuery`` in https://github.com/smithy-lang/smithy-typescript
        """
        for name, values in self.query.items():
            lower = name.lower()
            if lower.startswith("x-amz-") and lower not in _SIGNING and not self.headers.get("authorization"):
                self.headers.setdefault(lower, values[0])

    @property
    def operation(self) -> str:
        """The operation's name, as AWS names it."""
        method: str = self.scope["method"]
        if self.host.service == "sagemaker-runtime":
            match = _INVOCATIONS.fullmatch(self.path)
            return _INVOKING.get(match["kind"] if match else "", "InvokeEndpoint")
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
        """True if the path names service and operation, as in Smithy's RPC protocol."""
        return _RPC_PATH.fullmatch(self.path) is not None

    @property
    def speaks_cbor(self) -> bool:
        """True if the request is one of Smithy's RPC protocol in CBOR, to a service that speaks it."""
        protocols = service_model(self.host.service).metadata.get("protocols", ()) if self.is_rpc else ()
        return "smithy-rpc-v2-cbor" in protocols and "cbor" in self.headers.get("content-type", "")

    def check_cbor(self) -> None:
        """Raise :class:`AWSError` if a service that does not speak CBOR gets it. Its parameters could not be read."""
        if not self.speaks_cbor:
            raise SerializationException(f"{self.host_name} takes JSON, and the request's content type is CBOR.")

    def check_unambiguous(self) -> None:
        """Raise :class:`AWSError` unless a request names exactly one operation of its service.

        Permissions are decided for one operation, and another part of the local AWS carries it out.
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
        if bucket and self.scope["method"] not in METHODS:
            refusal = {"Method": self.scope["method"], "ResourceType": "OBJECT" if key else "BUCKET"}
            raise S3Refusal("MethodNotAllowed", **refusal)
        if bucket and self.operation == self.scope["method"]:
            what = f"{'an object' if key else 'a bucket'}{''.join('?' + name for name in choosing)}"
            raise NotImplementedByS3(f"The local AWS does not emulate {self.scope['method']} of {what} of S3.")

    def _names_service(self) -> bool:
        """Return whether a JSON request's target, or an RPC request's path, names the host's service."""
        match = _RPC_PATH.fullmatch(self.path)
        named = match["service"] if match else self.headers.get("x-amz-target", "").rpartition(".")[0]
        return bool(named) and named == service_model(self.host.service).metadata["targetPrefix"]

    @property
    def endpoint_name(self) -> str:
        """Endpoint of an invocation, or ''."""
        match = _INVOCATIONS.fullmatch(self.path)
        return unquote(match["name"]) if match else ""

    def bucket_and_key(self) -> tuple[str, str]:
        """Return the bucket and key of an S3 request, in virtual-hosted or path style."""
        if self.host.bucket:
            return self.host.bucket, self.path.removeprefix("/")
        bucket, _, key = self.path.removeprefix("/").partition("/")
        return bucket, key

    async def receive(self) -> Message:
        """Return the next message, and count the body's bytes."""
        self._asked = True
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.received += len(message.get("body", b""))
        return message

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the body block by block.

        :raises AWSError: at its end, if it differs from the body that was signed.
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
            raise self.verifier.failure()

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
        """Cut the connection, as a network failure does.

        :raises ClientGone: always, because no answer can be sent any more.
        """
        self.scope["state"]["cut"]()
        raise ClientGone
