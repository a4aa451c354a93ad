"""The proxy through which AWS clients reach the local AWS.

It accepts ``CONNECT host:443``, ends TLS with a certificate for that host, and hands the HTTP/1.1 requests inside to an
ASGI application; the connection is kept alive as AWS keeps it. Requests in absolute form (plain-http endpoints) are
served too. Any host that is not emulated is refused and reported: that is the proof that nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from harness.localaws import hosts
from harness.localaws.certificates import CertificateAuthority

ASGIApp = Callable[..., Any]

_LARGEST_HEAD = 16 * 1024
_KEEP_ALIVE_SECONDS = 300
_LOOPBACK = ("127.0.0.1", "localhost")
log = logging.getLogger(__name__)


class Gateway:
    """A proxy listening on loopback."""

    def __init__(
        self, app: ASGIApp, control: ASGIApp, authority: CertificateAuthority, refused: Callable[[str], None]
    ) -> None:
        """Serve ``app`` to every emulated host and ``control`` to loopback; call ``refused`` with any other host."""
        self._config = _http_config(app)
        self._control_config = _http_config(control)
        self._state = ServerState()
        self._control_state = ServerState()
        self._cut = False
        self._authority = authority
        self._refused = refused
        self._server: asyncio.AbstractServer | None = None

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1 and return the port.

        :raises OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        return cast("int", self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._server:
            self._server.close()
        for connection in [*self._state.connections, *self._control_state.connections]:
            connection.shutdown()

    def cut(self, cut: bool) -> None:
        """Drop every connection of clients and refuse new ones, or take them again; the control API stays."""
        self._cut = cut
        for connection in list(self._state.connections) if cut else ():
            connection.transport.abort()

    def http(self, host: str) -> HttpToolsProtocol | None:
        """Return a protocol that reads HTTP/1.1 and calls the application for ``host``; None if there is none."""
        if host in _LOOPBACK:
            return HttpToolsProtocol(self._control_config, self._control_state, {})
        if not hosts.parse(host):
            return None
        given: dict[str, Any] = {}  # the application finds it in a request's scope
        protocol = HttpToolsProtocol(self._config, self._state, given)
        given["cut"] = lambda: protocol.transport.abort()  # noqa: PLW0108 - it has no transport yet
        return protocol

    def drops(self, host: str) -> bool:
        """Return whether a new connection to ``host`` is dropped, since the network is cut."""
        return self._cut and host not in _LOOPBACK

    async def tunnel(self, transport: asyncio.Transport, host: str, protocol: HttpToolsProtocol) -> None:
        """Answer the CONNECT for ``host`` and speak TLS, then HTTP, on the connection."""
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        loop = asyncio.get_running_loop()
        context = await loop.run_in_executor(None, self._authority.context, host)
        early = _EarlyData()
        try:
            secure = await loop.start_tls(transport, early, context, server_side=True)
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
        """Answer that ``host`` is not to be reached from here."""
        self._refused(host)
        reason = f"The local AWS does not emulate {host}; it emulates {', '.join(hosts.SERVICES)}.\n".encode()
        head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(reason)}\r\nConnection: close\r\n\r\n"
        transport.write(head.encode() + reason)
        transport.close()


class _EarlyData(asyncio.Protocol):
    """Keeps a request that comes together with the end of the TLS handshake, before its protocol is connected."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self.lost = True


class _Connection(asyncio.Protocol):
    """A new connection, until its first head tells whether it is a tunnel or a plain request."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._head = b""
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head:
            self._route(self._head)
        elif len(self._head) > _LARGEST_HEAD:
            self._transport.close()

    def _route(self, head: bytes) -> None:
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].decode("latin-1")
        if method == b"CONNECT":
            self._connect(target.rpartition(":")[0])
        else:
            self._plain(target, head)

    def _connect(self, host: str) -> None:
        if self._gateway.drops(host):
            self._transport.abort()
            return
        protocol = self._gateway.http(host)
        if protocol is None:
            self._gateway.refuse(self._transport, host)
            return
        self._transport.pause_reading()  # until TLS takes over
        self._task = asyncio.ensure_future(self._gateway.tunnel(self._transport, host, protocol))

    def _plain(self, target: str, head: bytes) -> None:
        named = target.removeprefix("http://").partition("/")[0] if target.startswith("http://") else _host_header(head)
        host = named.rpartition(":")[0] or named
        if self._gateway.drops(host):
            self._transport.abort()
            return
        protocol = self._gateway.http(host)
        if protocol is None:
            self._gateway.refuse(self._transport, host)
            return
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(head)


def _host_header(head: bytes) -> str:
    lines = head.decode("latin-1").split("\r\n")
    values = [value.strip() for name, _, value in (line.partition(":") for line in lines) if name.lower() == "host"]
    return values[0] if values else ""


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
