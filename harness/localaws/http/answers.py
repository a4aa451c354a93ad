"""Answers of the local AWS as ASGI messages: whole ones, errors, and those that are changed before they are sent."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from harness.localaws.exceptions import AWSError
from harness.localaws.http import cbor
from harness.localaws.http.request import Message, Request, Send

JSON = "application/x-amz-json-1.1"
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot have, even escaped: https://www.w3.org/TR/xml/#charsets"""


async def send_answer(
    send: Send, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole answer."""
    fields = {"content-type": content_type, "content-length": str(len(body)), "x-amzn-requestid": str(uuid.uuid4())}
    fields.update(headers or {})
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, content: dict[str, Any]) -> None:
    """Send the answer to an operation of a JSON service."""
    await send_answer(send, 200, JSON, json.dumps(content).encode())


async def send_error(request: Request, send: Send, error: AWSError) -> None:
    """Send an error in the form of the request's service."""
    if request.host.service in ("s3", "sts", "iam"):
        message = escape(_NOT_XML.sub("\ufffd", error.message))
        text = f"<Code>{error.code}</Code><Message>{message}</Message>"
        if request.host.service == "s3":
            members = {name: escape(_NOT_XML.sub("\ufffd", str(value))) for name, value in error.members.items()}
            text += "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error>{text}</Error>'
        if request.host.service != "s3":
            body = f"<ErrorResponse><Error>{text}</Error></ErrorResponse>"
        sent = b"" if error.status == 304 else body.encode()
        await send_answer(send, error.status, "application/xml", sent, error.headers)
        return
    if request.speaks_cbor:
        encoded = cbor.encoded({"__type": error.code, "message": error.message})
        await send_answer(send, error.status, cbor.CONTENT_TYPE, encoded, cbor.PROTOCOL)
        return
    if request.host.service == "sagemaker-runtime":
        content = {"Message": error.message, **error.members}
    else:
        content = {"__type": error.code, "message": error.message, **error.members}
    headers = {"x-amzn-errortype": error.code}
    await send_answer(send, error.status, JSON, json.dumps(content).encode(), headers)


class HeldAnswer:
    """An answer that is kept, so that it can be changed before it is sent."""

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
        """Set a header, in place of those of that name."""
        kept = [field for field in self._headers if field[0].lower() != name.encode()]
        self._headers = [*kept, (name.encode(), value.encode())]

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Change the body."""
        self._body = change(self._body)
        self.replace("content-length", str(len(self._body)))

    def drop(self, prefix: str) -> None:
        """Remove the headers whose name starts with ``prefix``."""
        self._headers = [field for field in self._headers if not field[0].lower().startswith(prefix.encode())]

    def value(self, name: str) -> str:
        """Return the value of a header, or ''."""
        return next((its.decode("latin-1") for field, its in self._headers if field.lower() == name.encode()), "")

    async def forward(self, send: Send, *, ends: bool = True) -> None:
        """Send the answer. Unless it ``ends`` there, the caller sends the body next."""
        await send({"type": "http.response.start", "status": self.status, "headers": self._headers})
        if ends:
            await send({"type": "http.response.body", "body": self._body})
