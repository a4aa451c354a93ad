"""What an HTTP request asks for: the service, the operation, the bucket and key, and who signed it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote

from harness.localaws import hosts
from harness.localaws.exceptions import RequestTooLarge
from harness.localaws.faults import Fault

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")
_SCOPE_REGION = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")
_INVOCATIONS = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
_RPC_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")
_S3_PARTS = {
    "acl": "Acl",
    "cors": "Cors",
    "encryption": "Encryption",
    "lifecycle": "LifecycleConfiguration",
    "location": "Location",
    "logging": "Logging",
    "notification": "NotificationConfiguration",
    "ownershipControls": "OwnershipControls",
    "policy": "Policy",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "Replication",
    "requestPayment": "RequestPayment",
    "tagging": "Tagging",
    "versioning": "Versioning",
    "website": "Website",
}
"""What an S3 request may be about: its query parameter, and the end of the operation's name."""


class ClientGone(Exception):
    """The client went away before its request was whole; there is nobody to answer."""


class Request:
    """An HTTP request, with what the answer needs to know about it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
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
        if "x-amz-target" in self.headers:
            return self.headers["x-amz-target"].rpartition(".")[2]
        if self.host.service == "s3":
            copies = "x-amz-copy-source" in self.headers
            bucket, key = self.bucket_and_key()
            return s3_operation(method, key, self.query, copies=copies) if bucket else "ListBuckets"
        if match := _RPC_PATH.fullmatch(self.path):
            return match.group(1)
        return self.action or method

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
        """Yield the body as it comes."""
        more = True
        while more:
            message = await self.receive()
            yield message.get("body", b"")
            more = message.get("more_body", False)

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


def s3_operation(method: str, key: str, query: Mapping[str, Any], *, copies: bool = False) -> str:
    """Return the name of an S3 operation from how it is asked for over HTTP.

    :param copies: whether the request names an object to copy from.
    """
    if "uploadId" in query:
        upload = "UploadPartCopy" if copies else "UploadPart"
        return {"PUT": upload, "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}.get(
            method, "ListParts"
        )
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if "delete" in query:
        return "DeleteObjects"
    about = "".join(name for parameter, name in _S3_PARTS.items() if parameter in query)
    if key:
        return "CopyObject" if copies else f"{method.capitalize()}Object{about}"
    if about:
        return f"{method.capitalize()}Bucket{about}"
    lists = "ListObjectVersions" if "versions" in query else "ListObjectsV2" if "list-type" in query else "ListObjects"
    return {"GET": lists, "PUT": "CreateBucket"}.get(method, f"{method.capitalize()}Bucket")
