"""Requests to moto, made from what was decided about a client's request, so that moto decides the same.

moto looks for the operation in a form, the query, the body and the headers. It looks for the bucket in the host name,
and for account and region in headers. None of these reaches it as the client wrote them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from a2wsgi import WSGIMiddleware

from harness.localaws.exceptions import LocalAWSFault, NotEmulated
from harness.localaws.http.answers import HeldAnswer
from harness.localaws.http.request import QUERY_SERVICES, Message, Receive, Request, Scope, Send
from harness.regions import domain

log = logging.getLogger(__name__)
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
"""Content types in whose bodies moto looks for fields."""
_NO_BODY = ("GET", "HEAD", "DELETE")
_KEEP_TYPE = ("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "PostObject")
"""S3 operations that store a request's content type, or read it."""


class MotoProxy:
    """Lets moto answer requests."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], services: Collection[str], threads: int) -> None:
        """Ask the WSGI application, which answers for these services, from at most ``threads`` threads at once."""
        self._app = WSGIMiddleware(wsgi, workers=threads)
        self._services = services

    async def answer(
        self,
        request: Request,
        send: Send,
        *,
        body: bytes = b"",
        method: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Let moto answer the request, with another method, other headers or another body if they are given.

        :raises NotEmulated: moto does not answer for the service here.
        :raises LocalAWSFault: moto failed, which AWS would not.
        """
        if request.host.service not in self._services:
            raise NotEmulated(f"The local AWS does not emulate {request.operation} of {request.host.service}.")
        scope = moto_scope(request, method or request.scope["method"], headers or request.headers, body)
        answer = HeldAnswer()  # in one piece, so that its end is known before it is sent
        try:
            await self._app(scope, _replay(body), answer.send)
        except Exception as error:
            log.exception("moto failed at %s", request.operation, exc_info=error)
            raise failed(request, repr(error)) from None
        if answer.status >= 500:  # moto has written the traceback to the log
            raise failed(request, f"moto answered {answer.status}")
        await answer.forward(send)


def failed(request: Request, reason: str) -> LocalAWSFault:
    """Return the answer to a request at which the local AWS failed. It is not one that SDKs retry."""
    return LocalAWSFault(
        f"The local AWS failed at {request.operation} of {request.host.service}: {reason}. The fault is not the "
        "request's, and AWS may answer it. The log of the local AWS has more."
    )


def _replay(body: bytes) -> Receive:
    """Return a ``receive`` that gives a body already read."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def moto_scope(request: Request, method: str, headers: Mapping[str, str], body: bytes) -> Scope:
    """Return the ASGI scope of a request to moto. Its entry ``service`` names the service.

    :param method: replaces the client's.
    :param headers: replace the client's.
    """
    kept = {
        name: value
        for name, value in headers.items()
        if name not in ("transfer-encoding", "x-amz-target", "user-agent") and not name.startswith("x-moto")
    }
    service = request.host.service
    kept["host"] = f"{_label(service)}.{request.region}.{domain(request.region)}"
    kept["content-length"] = str(len(body))
    scope = {**request.scope, "service": service, "method": method}
    if service == "s3":
        scope |= _path_style(request)
        scope["path"] = scope["path"].replace("\n", "_")  # moto's routes take one line, and the key is in raw_path
        if is_form(kept) and request.operation not in _KEEP_TYPE:
            kept["content-type"] = "application/xml"  # moto would read operations and versions from a form
    elif service in QUERY_SERVICES:
        kept["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
        scope |= {"method": "POST", "path": "/", "raw_path": b"/", "query_string": b""}
    else:
        scope["query_string"] = urlencode({"Action": request.operation}).encode()
        if not request.is_rpc:
            kept["content-type"] = "application/x-amz-json-1.1"
            scope |= {"method": "POST", "path": "/", "raw_path": b"/"}
    return {**scope, "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.items()]}


def moto_body(request: Request, parameters: Mapping[str, Any], body: bytes) -> bytes:
    """Return the body of a request to moto."""
    if request.host.service in QUERY_SERVICES:
        return urlencode(parameters).encode()
    if request.host.service == "s3" and request.scope["method"] in _NO_BODY:
        return b""
    return body


def is_form(headers: Mapping[str, str]) -> bool:
    """Return whether moto looks for fields in a body with these headers."""
    return headers.get("content-type", "").lower().startswith(_FORMS)


def _label(service: str) -> str:
    return {"service-quotas": "servicequotas", "resourcegroupstaggingapi": "tagging"}.get(service, service)


def _path_style(request: Request) -> dict[str, Any]:
    if not request.host.bucket:
        return {}
    bucket = f"/{request.host.bucket}"
    raw: bytes = request.scope["raw_path"]
    return {"path": bucket + request.path, "raw_path": quote(bucket).encode() + raw}
