"""The control API of the local AWS: its state, its faults, its log of calls. JSON over HTTP on the gateway's port.

Every request carries the run's token, so that no other user of the machine can control the local AWS.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[[dict[str, Any]], Any]
TOKEN_HEADER = "x-harness-token"
LARGEST_BODY = 16 << 20
"""Bytes of a request's body. A price list's products are the largest."""


class ControlApp:
    """An ASGI application with one handler for each (method, path)."""

    def __init__(self, token: str, handlers: dict[tuple[str, str], Handler]) -> None:
        self._token = token
        self._handlers = handlers

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        close: list[tuple[bytes, bytes]] = []
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token.encode()):
            status, answer, close = 403, {"error": "the token is missing or wrong"}, _CLOSE
        elif (body := await _read(receive)) is None:
            status, answer, close = 413, {"error": f"the body is larger than {LARGEST_BODY:,} bytes"}, _CLOSE
        else:
            status, answer = await self._answer(scope["method"], scope["path"], body)
        content = json.dumps(answer).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *close]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        handler = self._handlers.get((method, path))
        if handler is None:
            return 404, {"error": f"there is no {method} {path}"}
        try:
            answer = handler(json.loads(body or b"{}"))
            return 200, await answer if hasattr(answer, "__await__") else answer
        except (ValueError, TypeError, KeyError) as error:
            return 400, {"error": str(error)}


_CLOSE = [(b"connection", b"close")]
"""Headers of an answer that is sent before the request's body was read."""


async def _read(receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes | None:
    """Return a request's body, or None as soon as it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            return None
    return body
