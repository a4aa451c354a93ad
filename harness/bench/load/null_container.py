"""Serving container that answers 7.0 to every row, to measure everything except the model."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMAND = [sys.executable, "-m", "harness.bench.load.null_container"]
"""Command to register for an image in the local AWS."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a ping."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer an invocation."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b",".join([b"7.0"] * body.count(b"\n")))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256


if __name__ == "__main__":
    assert sys.argv[1] == "serve"
    _Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), _Handler).serve_forever()
