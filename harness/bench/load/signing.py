"""InvokeEndpoint as boto3 sends it: resolved, signed and serialised by boto3 itself, then sent by others.

boto3 spends about 0.7 ms on a call, too much to send thousands a second. A request and its signature may be sent more
than once, so each is made once a minute: well within the five minutes for which AWS takes a signature
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

SIGNED_SECONDS = 60.0
"""For how long a request is sent again before it is signed anew."""


class SignedRequest(NamedTuple):
    """One request, ready to be sent."""

    url: str
    headers: list[str]
    """``Name: value``, without Content-Length."""
    body: bytes


class SignedRequests:
    """The requests for some bodies, in turn and for ever."""

    def __init__(
        self, client: Any, endpoint: str, bodies: Sequence[bytes], rows: int, content_type: str = "text/libsvm"
    ) -> None:
        """Invoke ``endpoint`` with each of ``bodies``, of ``rows`` rows each.

        :param client: a boto3 client of ``sagemaker-runtime`` that is used for nothing else: it no longer sends.
        """
        self._client = client
        self._parameters = {"EndpointName": endpoint, "ContentType": content_type, "Accept": "text/csv"}
        self.rows = rows
        self.size = sum(map(len, bodies)) / len(bodies)
        """Bytes of a body, on average."""
        self._prepared: list[AWSPreparedRequest] = []
        client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", self._keep)
        self._signed: list[tuple[float, SignedRequest]] = [(time.monotonic(), self._sign(body)) for body in bodies]
        self._turn = itertools.cycle(range(len(bodies)))

    def next(self) -> SignedRequest:
        """Return the request whose turn it is."""
        number = next(self._turn)
        signed_at, request = self._signed[number]
        if time.monotonic() - signed_at > SIGNED_SECONDS:
            request = self._sign(request.body)
            self._signed[number] = time.monotonic(), request
        return request

    def _keep(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Take what boto3 would send now, and answer in the endpoint's stead."""
        self._prepared.append(request)
        return AWSResponse(request.url, 200, {}, _NoBody())

    def _sign(self, body: bytes) -> SignedRequest:
        self._client.invoke_endpoint(Body=body, **self._parameters)
        request = self._prepared.pop()
        return SignedRequest(request.url, list(_header_lines(request.headers.items())), body)


class _NoBody:
    """The raw body of an answer that has none."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())


def _header_lines(headers: Iterable[tuple[str, str | bytes]]) -> Iterator[str]:
    for name, value in headers:
        if name.lower() != "content-length":  # which the sender knows
            yield f"{name}: {value.decode() if isinstance(value, bytes) else value}"
    yield "Expect:"  # libcurl would ask before it sends a large body, and boto3 does not
