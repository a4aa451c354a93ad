"""S3 at an address of loopback, for clients that follow no proxy but read ``AWS_ENDPOINT_URL_S3``.

Such clients are pyarrow (since version 16), and with it pandas. Their requests have no proxy password. The signature
proves instead that a client belongs to the run: only the run's clients know a secret access key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.localaws.exceptions import AWSError
from harness.localaws.http.answers import send_error
from harness.localaws.http.request import HOST, Receive, Request, Scope, Send
from harness.localaws.iam import identities
from harness.localaws.iam.signatures import sigv4
from harness.localaws.iam.signatures.sigv4 import MalformedSignature
from harness.regions import domain

_UNSIGNED = "UNSIGNED-PAYLOAD"
_FIX = "Clients of the run find credentials in the environment, or in the profile that AWS_PROFILE names."


class DirectS3:
    """An ASGI application that passes signed requests on to S3 of the region that they are signed for."""

    def __init__(self, app: Callable[..., Any]) -> None:
        """Pass requests on to ``app``, which answers for AWS's hosts."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        region = _signed_region(Request(scope, receive))
        scope["state"][HOST] = f"s3.{region or 'us-east-1'}.{domain(region or 'us-east-1')}"
        if region is None:
            error = AWSError(f"This address serves requests that the run's clients signed, and not this one. {_FIX}")
            error.status, error.code = 403, "AccessDenied"
            await send_error(Request(scope, receive), send, error)
            return
        await self._app(scope, receive, send)


def is_signed(head: bytes) -> bool:
    """Return whether the head of a request has a signature, which requests to the control API have not."""
    return b"AWS4-HMAC-SHA256" in head


def _signed_region(request: Request) -> str | None:
    """Return the region that a request was signed for with a key of the run, or None if it was not.

    The body is not compared with its digest: see :mod:`harness.localaws.iam.authorization`.
    """
    try:
        signature = sigv4.read(request.headers, request.query)
    except MalformedSignature:
        return None
    caller = identities.find_caller(signature.key) if signature and signature.service == "s3" else None
    if signature is None or caller is None or caller.expired:
        return None
    digest = request.headers.get("x-amz-content-sha256", _UNSIGNED)
    method = request.scope["method"]
    is_ours = sigv4.is_right(signature, caller.secret, method, request.url, request.headers, digest)
    return signature.region if is_ours else None
