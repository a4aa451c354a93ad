"""The proxy through which AWS clients reach the local AWS.

It accepts ``CONNECT host:443``, ends TLS with a certificate for that host, and passes the HTTP/1.1 requests inside to
an ASGI application. It keeps connections alive as AWS does. It also serves requests in absolute form (plain-http
endpoints), and S3 to clients that follow no proxy (:mod:`harness.localaws.http.direct`). It refuses and reports every
host that is not emulated, which proves that nothing leaves the machine through it.

The proxy's password proves that a client belongs to the run (RFC 7235, "Basic"). Other users of the machine can reach
the port, and so can pages in a browser. The control API is not behind the proxy and has its own token.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import re
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from harness.localaws.client import PROXY_USER
from harness.localaws.http import hosts
from harness.localaws.http.certificates import CertificateAuthority
from harness.localaws.http.direct import DirectS3, is_signed

ASGIApp = Callable[..., Any]

LARGEST_HEAD = 32 * 1024
"""Bytes of a request line with its headers. S3 takes 8 KB of headers, besides a presigned URL and its token:
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonRequestHeaders.html"""
HEAD_SECONDS = 20.0
"""Time for a request's head, and for the TLS handshake. AWS publishes no number."""
BODY_SECONDS = 60.0
"""Longest pause in a body that is being read. S3 answers RequestTimeout after a pause of unpublished length."""
_CHECK_SECONDS = 1.0
_MOST_WAITING = 512
"""Most connections whose client has not sent the password yet. Clients of a run send it at once."""
_KEEP_ALIVE_SECONDS = 300
_LOOPBACK = ("127.0.0.1", "localhost")
_UNFIT_FOR_STATUS = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
"""Characters that no host name has. A client chooses the name, and terminals show the status line."""
_LONGEST_HOST = 253
"""Characters of a host name: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4"""
_TOO_LARGE = f"The request's head is larger than {LARGEST_HEAD:,} bytes."
_NO_PASSWORD = b"""This local AWS serves the run that started it only. Its clients find the password in HTTPS_PROXY.
"""
log = logging.getLogger(__name__)


class Gateway:
    """A proxy listening on loopback."""

    def __init__(
        self,
        app: ASGIApp,
        control: ASGIApp,
        authority: CertificateAuthority,
        password: str,
        refused: Callable[[str], None],
    ) -> None:
        """Serve ``app`` to every emulated host and ``control`` to loopback; call ``refused`` with any other host.

        :param password: proves that a client belongs to the run.
        """
        self._credentials = b"Basic " + base64.b64encode(f"{PROXY_USER}:{password}".encode())
        self._config = _http_config(app)
        self._direct_config = _http_config(DirectS3(app))
        self._control_config = _http_config(control)
        self._state = ServerState()
        self._control_state = ServerState()
        self._cut = False
        self._authority = authority
        self._refused = refused
        self._server: asyncio.AbstractServer | None = None
        self._checking: asyncio.Task[None] | None = None
        self._waiting: dict[_Connection, None] = {}

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1, and return the port.

        :raises OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        self._checking = loop.create_task(self._check_connections())
        return cast("int", self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, and close every connection."""
        if self._server:
            self._server.close()
        if self._checking:
            self._checking.cancel()
        for connection in [*self._state.connections, *self._control_state.connections]:
            connection.shutdown()

    def cut(self, cut: bool) -> None:
        """Drop every client's connection and refuse new ones, or accept them again. The control API stays open."""
        self._cut = cut
        for connection in list(self._state.connections) if cut else ():
            connection.transport.abort()

    async def _check_connections(self) -> None:
        """End connections whose client stopped inside a request, and update the Date of answers."""
        loop = asyncio.get_running_loop()
        while True:
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            await asyncio.sleep(_CHECK_SECONDS)
            for connection in [*self._state.connections, *self._control_state.connections]:
                if isinstance(connection, _HTTP) and connection.stalled(loop.time()):
                    connection.transport.abort()

    def admits(self, host: str, head: bytes) -> bool:
        """Return whether a request may reach ``host``: it has the password, or something else checks it.

        The control API asks for its token, and S3 on loopback for a signature.
        """
        given = _header(head, b"proxy-authorization")
        is_checked = host in _LOOPBACK and not head.startswith(b"CONNECT ")
        return is_checked or hmac.compare_digest(given, self._credentials)

    def waits(self, connection: _Connection, waits: bool) -> None:
        """Count a connection without a password, or no longer. If there are too many, abort the oldest."""
        if not waits:
            self._waiting.pop(connection, None)
            return
        self._waiting[connection] = None
        if len(self._waiting) > _MOST_WAITING:
            next(iter(self._waiting)).abort()

    def http(self, host: str, head: bytes) -> _HTTP | None:
        """Return the HTTP/1.1 protocol that calls the application for ``host``, or None if there is none."""
        if _is_for_control(host, head):
            return _HTTP(self._control_config, self._control_state, {})
        if host not in _LOOPBACK and not hosts.parse(host):
            return None
        given: dict[str, Any] = {}  # the state in the scope of a request
        protocol = _HTTP(self._direct_config if host in _LOOPBACK else self._config, self._state, given)
        given["cut"] = lambda: protocol.transport.abort()  # noqa: PLW0108 - it has no transport yet
        return protocol

    def drops(self, host: str, head: bytes) -> bool:
        """Return whether a new connection to ``host`` is dropped because the network is cut."""
        return self._cut and not _is_for_control(host, head)

    async def tunnel(self, transport: asyncio.Transport, host: str, protocol: _HTTP) -> None:
        """Answer the CONNECT for ``host``, then speak TLS and HTTP on the connection."""
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        loop = asyncio.get_running_loop()
        context = await loop.run_in_executor(None, self._authority.context, host)
        early = _EarlyData()
        try:
            secure = await loop.start_tls(
                transport, early, context, server_side=True, ssl_handshake_timeout=HEAD_SECONDS
            )
        except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError is an OSError
            log.info("TLS with a client asking for %s failed: %s", host, error)
            transport.close()
            return
        if secure is not None and self._cut:
            secure.abort()
        elif secure is not None and not early.lost:
            secure.set_protocol(protocol)
            protocol.connection_made(secure)
            if early.data:
                protocol.data_received(early.data)

    def refuse(self, transport: asyncio.Transport, host: str) -> None:
        """Answer that ``host`` cannot be reached."""
        name = _UNFIT_FOR_STATUS.sub("?", host)[:_LONGEST_HOST]
        self._refused(name)
        what = f"The local AWS does not emulate {name}"
        reason = f"{what}; it emulates {', '.join(hosts.SERVICES)}.\n".encode()
        # Of an answer to CONNECT, Python, curl and pip show the status line only.
        head = f"HTTP/1.1 403 {what}\r\nContent-Length: {len(reason)}\r\nConnection: close\r\n\r\n"
        transport.write(head.encode() + reason)
        transport.close()


class _EarlyData(asyncio.Protocol):
    """Keeps a request that arrives with the end of the TLS handshake, before its protocol is connected."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self.lost = True


class _HTTP(HttpToolsProtocol):
    """HTTP/1.1 with limits on the size and time of a request's head, and on pauses in its body."""

    def __init__(self, config: Config, state: ServerState, given: dict[str, Any]) -> None:
        super().__init__(config, state, given)
        self._in_head = False
        self._head_began = 0.0
        self._head_size = 0
        self._last_data = 0.0

    def data_received(self, data: bytes) -> None:
        self._last_data = self.loop.time()
        began_before = self._in_head
        super().data_received(data)
        if began_before and self._in_head:
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_began, self._head_size = True, self.loop.time(), 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > LARGEST_HEAD:
            raise ValueError(_TOO_LARGE)  # the parser answers 400
        super().on_headers_complete()

    def stalled(self, now: float) -> bool:
        """Return whether the client has stopped inside a head, or inside a body that is being read."""
        if self._in_head:
            return now - self._head_began > HEAD_SECONDS
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body:
            return False
        waits = self.flow.read_paused or cycle.waiting_for_100_continue  # then the client waits
        return not waits and now - self._last_data > BODY_SECONDS


class _Connection(asyncio.Protocol):
    """A new connection, until its first head shows a tunnel or a plain request."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._head = b""
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._stop_waiting()

    def abort(self) -> None:
        """End the connection at once."""
        self._stop_waiting()
        self._transport.abort()

    def _stop_waiting(self) -> None:
        self._gateway.waits(self, False)
        if self._timer:
            self._timer.cancel()

    def _expect_head(self) -> None:
        self._head = b""
        self._gateway.waits(self, True)
        self._timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head:
            self._stop_waiting()
            self._route(self._head)
        elif len(self._head) > LARGEST_HEAD:
            self._transport.close()

    def _route(self, head: bytes) -> None:
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].decode("latin-1")
        tunnels = method == b"CONNECT"
        host = target.rpartition(":")[0] if tunnels else _host(target, head)
        if self._gateway.drops(host, head):
            self._transport.abort()
            return
        if not self._gateway.admits(host, head):
            self._ask_for_password(keeps=tunnels)
            return
        protocol = self._gateway.http(host, head)
        if protocol is None:
            self._gateway.refuse(self._transport, host)
        elif tunnels:
            self._transport.pause_reading()  # until TLS takes over
            self._task = asyncio.ensure_future(self._gateway.tunnel(self._transport, host, protocol))
        else:
            self._transport.set_protocol(protocol)
            protocol.connection_made(self._transport)
            protocol.data_received(head)

    def _ask_for_password(self, *, keeps: bool) -> None:
        """Answer 407. Java's clients send the password only after it, on the same connection if it stays open."""
        connection = "keep-alive" if keeps else "close"  # a plain request may have a body, which is not read
        head = (
            'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="local AWS"\r\n'
            f"Content-Length: {len(_NO_PASSWORD)}\r\nConnection: {connection}\r\n\r\n"
        )
        self._transport.write(head.encode() + _NO_PASSWORD)
        if keeps:
            self._expect_head()
        else:
            self._transport.close()


def _is_for_control(host: str, head: bytes) -> bool:
    """Return whether a request calls the control API, and not S3 on loopback."""
    return host in _LOOPBACK and not is_signed(head)


def _host(target: str, head: bytes) -> str:
    """Return the host of a plain request, from its target in absolute form or from its Host header."""
    absolute = target.removeprefix("http://").partition("/")[0] if target.startswith("http://") else ""
    named = absolute or _header(head, b"host").decode("latin-1")
    return named.rpartition(":")[0] or named


def _header(head: bytes, wanted: bytes) -> bytes:
    """Return the first value of a header in a head, or nothing if there is none."""
    fields = (line.partition(b":") for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    return next((value.strip() for name, _, value in fields if name.strip().lower() == wanted), b"")


def _http_config(app: ASGIApp) -> Config:
    config = Config(
        app,
        http=HttpToolsProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    config.load()
    return config
