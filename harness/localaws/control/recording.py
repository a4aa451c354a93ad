"""Recording of calls: each answer passes through here on its way to the client."""

from __future__ import annotations

import html
import json
import re
import time

from harness.localaws.control.call_log import CallLog, CallRecord
from harness.localaws.control.fault_effects import act_before_answer
from harness.localaws.http.request import Message, Request, Send

_XML_CODE = re.compile(rb"<Code>([\w.]+)</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


class RecordedAnswer:
    """The way of one answer to the client: it suffers the call's fault, and the call is recorded once."""

    def __init__(self, request: Request, send: Send, calls: CallLog) -> None:
        self._request = request
        self._send = send
        self._calls = calls
        self._began, self._clock = time.time(), time.perf_counter()
        self._code = ""
        self._message = ""
        self._recorded = False
        self.status = 0
        """The answer's HTTP status, once it has begun."""

    async def send(self, message: Message) -> None:
        """Send a part of the answer.

        :raises ClientGone: the call's fault loses the answer.
        """
        request = self._request
        self.status = message.get("status", self.status)
        if self.status >= 400 or request.operation == "DeleteObjects":
            self._code = self._code or _error_code(message)
            self._message = self._message or _error_message(message.get("body", b""))
        if message["type"] == "http.response.start":
            if request.fault:
                act_before_answer(request, request.fault)
            if request.is_kept_waiting:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.record()  # before the client has the answer, and may ask for the log
        await self._send(message)

    def record(self) -> None:
        """Record the call, unless it is recorded."""
        if self._recorded:
            return
        self._recorded = True
        request, seconds = self._request, time.perf_counter() - self._clock
        self._calls.add(
            CallRecord(
                self._began, request.host.service, request.operation, request.host_name, request.path, self.status,
                seconds, request.received, request.headers.get("user-agent", ""), self._code, request.model_seconds,
                self._message,
            )
        )  # fmt: skip


def _error_code(message: Message) -> str:
    """Return the code of the error that a part of an answer holds, in a header or in XML, or ''."""
    headers = {name.lower(): value for name, value in message.get("headers", [])}
    found = _XML_CODE.search(message.get("body", b""))
    code: bytes = headers.get(b"x-amzn-errortype") or (found[1] if found else b"")
    return code.decode("latin-1")


def _error_message(body: bytes) -> str:
    """Return the message of the error that a part of an answer holds, in XML or JSON, or ''."""
    if found := _XML_MESSAGE.search(body):
        return html.unescape(found[1].decode("utf-8", "replace"))
    try:
        members = json.loads(body) if body.startswith(b"{") else {}
    except (ValueError, RecursionError):  # only a part of it, or nested without end
        return ""
    return str(members.get("message") or members.get("Message") or "")
