"""TLS server that answers InvokeEndpoint with constants at once, to measure the sender alone.

``python -m harness.bench.load.null_server DIRECTORY HOST PREDICTIONS`` writes the certificate of its authority into the
directory, prints its port, and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import trustme

from harness.bench.load.connections import Route
from harness.scratch import make_scratch

_CERTIFICATE = "authority.pem"
_LENGTH = b"content-length:"


@contextmanager
def null_server(url: str, rows: int) -> Iterator[Route]:
    """Start a server for the host of ``url`` that answers every request with ``rows`` predictions; yield its route.

    The server is a separate process, so that its CPU time does not count as the sender's.
    """
    host = str(urlsplit(url).hostname)
    with _directory() as directory:
        command = [sys.executable, "-m", "harness.bench.load.null_server", str(directory), host, str(rows)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                yield Route(str(directory / _CERTIFICATE), instead=f"{host}:443:127.0.0.1:{port}")
            finally:
                process.stdin.close()


@contextmanager
def _directory() -> Iterator[Path]:
    scratch = make_scratch("harness-null-server-")
    try:
        yield scratch.path
    finally:
        scratch.delete()


class _Constant(asyncio.Protocol):
    """Connection that finds the ends of requests and parses nothing else."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._received = b""
        self._left = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._left > len(data):  # inside a body
            self._left -= len(data)
            return
        self._received += data[self._left :]
        if self._left:
            self._transport.write(self._answer)
            self._left = 0
        self._answer_complete()

    def _answer_complete(self) -> None:
        """Answer every complete request, and compute the missing length of the next one."""
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length, begin = _content_length(self._received[:end]), end + 4
            self._left = max(0, begin + length - len(self._received))
            self._received = b"" if self._left else self._received[begin + length :]
            if self._left:
                return
            self._transport.write(self._answer)


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(_LENGTH)
    return int(lower[at + len(_LENGTH) :].partition(b"\r\n")[0]) if at >= 0 else 0


async def _serve(directory: Path, host: str, rows: int) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / _CERTIFICATE))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    body = b",".join([b"7.0"] * rows)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Constant(answer), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
