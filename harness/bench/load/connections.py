"""Keep-alive HTTPS connections for many concurrent requests, by libcurl. Failures are returned as classes.

Measured CPU time of a 1 KB request to a TLS server with constant answers: libcurl 26 to 44 µs, asyncio's TLS
with httptools 28 to 53, aiohttp 119 to 158. libcurl also has proxies, timeouts and precise errors.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pycurl
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser

from harness.aws import AWS
from harness.bench.load.signing import SignedRequest, SignedRequests

MOST = 256
"""Most connections; further requests wait in order of arrival."""
TIMEOUT_SECONDS = 60.0
"""Timeout of a request; SageMaker itself gives a model 60 s."""
_CONNECT_SECONDS = 10.0
_LONGEST_WAIT = 0.1
_LOOKING_UP_SECONDS = 0.001
_SHOWN_BYTES = 2000
_STATUS_OK = 200


class Route(NamedTuple):
    """Route to AWS."""

    certificates: str
    """File of trusted certificate authorities."""
    proxy: str = ""
    no_proxy: str = ""
    """Hosts that bypass the proxy."""
    instead: str = ""
    """Replacement address, in the form of libcurl's CONNECT_TO option (``host:443:127.0.0.1:4443``)."""

    @classmethod
    def to(cls, aws: AWS) -> Route:
        """Return the same route as boto3: the proxy and the certificate authorities in the environment."""
        environment = {**os.environ, **aws.environment()}
        proxy, no_proxy = (
            environment.get(name) or environment.get(name.upper(), "") for name in ("https_proxy", "no_proxy")
        )
        return cls(environment.get("AWS_CA_BUNDLE") or str(get_cert_path(True)), proxy, no_proxy)


@dataclass(slots=True)
class Query:
    """One or more requests, answered once all of them are. Times are values of ``time.perf_counter``."""

    scheduled: float
    """Scheduled time of sending."""
    requests: int = 1
    ended: float = 0.0
    left: int = 0
    failed: bool = False


class Finished(NamedTuple):
    """A request that ended."""

    query: Query
    failure: str
    """Class of the failure, or ''."""
    message: str
    """Message of the failure."""
    last: bool
    """True for the last request of its query."""


@dataclass(slots=True)
class _Transfer:
    """A libcurl handle and its request."""

    handle: Any
    query: Query | None = None
    request: SignedRequest | None = None
    headers: list[bytes] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)


class Connections:
    """Connections to one endpoint."""

    def __init__(
        self, requests: SignedRequests, route: Route, *, most: int = MOST, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._requests = requests
        self._route = route
        self._most = most
        self._timeout = timeout
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most)
        self._idle: list[_Transfer] = []
        self._busy: dict[Any, _Transfer] = {}
        self._waiting: deque[Query] = deque()
        self.rows = requests.rows
        self.waited = 0
        """Number of requests that found all connections busy."""
        self.opened = 0

    @property
    def unanswered(self) -> int:
        """Number of requests that were submitted and have not ended."""
        return len(self._busy) + len(self._waiting)

    def send(self, query: Query) -> None:
        """Send the requests of a query, or queue them for a connection."""
        query.left = query.requests
        for _ in range(query.requests):
            if len(self._busy) < self._most:
                self._start(query)
            else:
                self.waited += 1
                self._waiting.append(query)

    def collect(self, seconds: float) -> list[Finished]:
        """Send and receive for at most ``seconds``; return the requests that ended."""
        finished = self._advance()
        if not finished and seconds > 0:
            self._wait(min(seconds, _LONGEST_WAIT))
            finished = self._advance()
        return finished

    def _wait(self, seconds: float) -> None:
        """Wait until a socket is ready."""
        if not self._busy:
            time.sleep(seconds)
        elif self._multi.select(seconds) < 0:  # libcurl has no socket yet: it is resolving the host
            time.sleep(min(seconds, _LOOKING_UP_SECONDS))

    def settle(self) -> None:
        """Discard queued requests, then receive and discard the outstanding answers."""
        self._waiting.clear()
        while self._busy:
            self.collect(_LONGEST_WAIT)

    def close(self) -> None:
        """Abandon unanswered requests and close all connections."""
        for transfer in self._busy.values():
            self._multi.remove_handle(transfer.handle)
        for transfer in (*self._busy.values(), *self._idle):
            transfer.handle.close()
        self._busy.clear()
        self._idle.clear()
        self._waiting.clear()
        self._multi.close()

    def _start(self, query: Query) -> None:
        transfer = self._idle.pop() if self._idle else _Transfer(self._new_handle())
        request = self._requests.next()
        if request is not transfer.request:
            transfer.handle.setopt(pycurl.URL, request.url)
            transfer.handle.setopt(pycurl.HTTPHEADER, request.headers)
            transfer.handle.setopt(pycurl.POSTFIELDS, request.body)
        transfer.query, transfer.request = query, request
        transfer.headers, transfer.body = [], []
        transfer.handle.setopt(pycurl.WRITEFUNCTION, transfer.body.append)
        transfer.handle.setopt(pycurl.HEADERFUNCTION, transfer.headers.append)
        self._busy[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)

    def _new_handle(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.CAINFO, self._route.certificates)
        handle.setopt(pycurl.PROXY, self._route.proxy)  # '' also keeps libcurl from reading the environment
        handle.setopt(pycurl.NOPROXY, self._route.no_proxy)
        handle.setopt(pycurl.CONNECT_TO, [self._route.instead] if self._route.instead else [])
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(_CONNECT_SECONDS * 1000))
        handle.setopt(pycurl.TIMEOUT_MS, int(self._timeout * 1000))
        return handle

    def _advance(self) -> list[Finished]:
        self._multi.perform()
        finished = []
        more = True
        while more:
            more, succeeded, failed = self._multi.info_read()
            finished += [self._take(handle, 0, "") for handle in succeeded]
            finished += [self._take(handle, code, message) for handle, code, message in failed]
        return finished

    def _take(self, handle: Any, code: int, message: str) -> Finished:
        """Return the result of the request on a handle, and reuse the handle for the next queued request."""
        transfer = self._busy.pop(handle)
        self._multi.remove_handle(handle)
        assert transfer.query is not None
        query = transfer.query
        query.ended = time.perf_counter()
        query.left -= 1
        self.opened += handle.getinfo(pycurl.NUM_CONNECTS)
        failure, reason = _curl_failure(code, message) if code else self._judge(transfer)
        query.failed = query.failed or bool(failure)
        self._idle.append(transfer)
        if self._waiting:
            self._start(self._waiting.popleft())
        return Finished(query, failure, reason, last=query.left == 0)

    def _judge(self, transfer: _Transfer) -> tuple[str, str]:
        """Return the class and message of a failed answer; two empty strings for a good one."""
        status, body = transfer.handle.getinfo(pycurl.RESPONSE_CODE), b"".join(transfer.body)
        if status != _STATUS_OK:
            return aws_failure(status, transfer.headers, body)
        if (transfer.handle.getinfo(pycurl.CONTENT_TYPE) or "").startswith("text/csv"):
            return count_failure(body, self.rows)
        return "", ""


def _curl_failure(code: int, message: str) -> tuple[str, str]:
    """Return the class and libcurl's message of a request without an answer."""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return "timeout", message
    if code in (pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY):
        return "no connection", message
    if code in (pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION):
        return "TLS", message
    return "connection lost", message


_PARSER = create_parser("rest-json")


def aws_failure(status: int, header_lines: list[bytes], body: bytes) -> tuple[str, str]:
    """Return ``<status> <AWS error code>`` and the message of an error answer, as boto3 parses them."""
    lines = (line.decode("latin-1").partition(":") for line in header_lines if b":" in line)
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    try:
        error = _PARSER.parse({"status_code": status, "headers": headers, "body": body}, None)["Error"]
    except Exception:  # the sender is not AWS
        return str(status), body[:_SHOWN_BYTES].decode(errors="replace")
    code = re.split("[:#]", str(error["Code"]))[0]
    return (f"{status} {code}" if code != str(status) else code), str(error["Message"])


def count_failure(body: bytes, rows: int) -> tuple[str, str]:
    """Return the failure of a CSV answer without one prediction for each row; two empty strings if it is good."""
    predictions = len(body.strip(b",\r\n ").replace(b"\n", b",").split(b",")) if body.strip() else 0
    if predictions == rows:
        return "", ""
    return "wrong answer", f"{predictions:,} predictions for {rows:,} rows"
