"""InvokeEndpoint requests that boto3 resolves, serializes and signs, for another client to send.

boto3 needs about 0.7 ms for a call, too much for thousands a second. A signed request may be sent repeatedly, so each
is signed once a minute, well within the five minutes for which AWS accepts a signature
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

SIGNED_SECONDS = 60.0
"""Age at which a request is signed again."""


class SignedRequest(NamedTuple):
    """One request, ready to send."""

    url: str
    headers: list[str]
    """``Name: value``, without Content-Length."""
    body: bytes


class SignedRequests:
    """Endless cycle of the requests for some bodies."""

    def __init__(
        self, client: Any, endpoint: str, bodies: Sequence[bytes], rows: int, content_type: str = "text/libsvm"
    ) -> None:
        """Invoke ``endpoint`` with each of ``bodies``, of ``rows`` rows each.

        :param client: a boto3 client of ``sagemaker-runtime`` that has no other use: it no longer sends.
        """
        self._client = client
        self._parameters = {"EndpointName": endpoint, "ContentType": content_type, "Accept": "text/csv"}
        self.rows = rows
        self.size = sum(map(len, bodies)) / len(bodies)
        """Average size of a body in bytes."""
        self._prepared: list[AWSPreparedRequest] = []
        client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", self._keep)
        self._signed: list[tuple[float, SignedRequest]] = [(time.monotonic(), self._sign(body)) for body in bodies]
        self._turn = itertools.cycle(range(len(bodies)))

    def next(self) -> SignedRequest:
        """Return the next request."""
        number = next(self._turn)
        signed_at, request = self._signed[number]
        if time.monotonic() - signed_at > SIGNED_SECONDS:
            request = self._sign(request.body)
            self._signed[number] = time.monotonic(), request
        return request

    def _keep(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Keep the request that boto3 is about to send, and answer it instead of the endpoint."""
        self._prepared.append(request)
        return AWSResponse(request.url, 200, {}, _NoBody())

    def _sign(self, body: bytes) -> SignedRequest:
        self._client.invoke_endpoint(Body=body, **self._parameters)
        request = self._prepared.pop()
        return SignedRequest(request.url, list(_header_lines(request.headers.items())), body)


class _NoBody:
    """Raw body of an empty answer."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())


def _header_lines(headers: Iterable[tuple[str, str | bytes]]) -> Iterator[str]:
    for name, value in headers:
        if name.lower() != "content-length":  # the sender adds it
            yield f"{name}: {value.decode() if isinstance(value, bytes) else value}"
    yield "Expect:"  # unlike boto3, libcurl would wait for a 100 before a large body
