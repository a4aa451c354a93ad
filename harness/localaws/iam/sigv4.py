"""Signature Version 4: the claims of a request about its signature, and their verification.

A signature may be in a header or in the query. It may cover the whole body, chunks, or no body:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html. botocore does the computation.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOADS = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
SIGNED_CHUNKS = (f"STREAMING-{ALGORITHM}-PAYLOAD", f"STREAMING-{ALGORITHM}-PAYLOAD-TRAILER")
LONGEST_EXPIRY = timedelta(days=7)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<credential>[^\s,]+),\s*SignedHeaders=(?P<headers>[^\s,]+),\s*"
    r"Signature=(?P<signature>\w+)"
)
_CREDENTIAL = re.compile(r"(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_SIGNATURE_PARAMETER = re.compile(r"(?:^|&)X-Amz-Signature=[^&]*")
_EMPTY = hashlib.sha256(b"").hexdigest()


class MalformedSignature(ValueError):
    """A request's claims about its signature are malformed."""


@dataclass(frozen=True)
class Signature:
    """Claims of a request about its signature."""

    key: str
    """The access key id."""
    moment: datetime
    """Time of signing."""
    region: str
    service: str
    """Signing name of the service: ``sagemaker`` for SageMaker's runtime too."""
    headers: tuple[str, ...]
    """Names of the signed headers, in lower case."""
    value: str
    expiry: timedelta | None = None
    """Validity of a presigned URL; None if a header has the signature."""

    @property
    def timestamp(self) -> str:
        """The moment in the form that is signed."""
        return self.moment.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        """The credential's scope."""
        return f"{self.moment:%Y%m%d}/{self.region}/{self.service}/aws4_request"


def read(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Signature | None:
    """Return the claims in a request's headers (by names in lower case) or its query, or None if it is not signed.

    :raises MalformedSignature: the claims do not have a form of Signature Version 4.
    """
    given = {name: values[0] for name, values in query.items()}
    if "authorization" in headers and ("X-Amz-Algorithm" in given or "Signature" in given):
        raise MalformedSignature("it has both an Authorization header and a signature in its query")
    if "authorization" in headers:
        match = _AUTHORIZATION.fullmatch(headers["authorization"].strip())
        if match is None:
            raise MalformedSignature("its Authorization header is not one of AWS4-HMAC-SHA256")
        return _signature(
            match["credential"], headers.get("x-amz-date", ""), match["headers"], match["signature"], None
        )
    if not given.keys() & {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "AWSAccessKeyId", "Signature"}:
        return None
    if given.get("X-Amz-Algorithm") != ALGORITHM:
        raise MalformedSignature("its query's X-Amz-Algorithm is not AWS4-HMAC-SHA256")
    names = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Expires")
    if missing := [name for name in names if not given.get(name)]:
        raise MalformedSignature(f"its query has no {', '.join(missing)}")
    credential, date, signed, value, expiry = (given[name] for name in names)
    if not expiry.isdecimal() or not timedelta(0) < timedelta(seconds=min(int(expiry), 10**9)) <= LONGEST_EXPIRY:
        raise MalformedSignature(f"X-Amz-Expires is {expiry}, and must be between 1 and 604800 seconds")
    return _signature(credential, date, signed, value, timedelta(seconds=int(expiry)))


def _signature(credential: str, date: str, headers: str, value: str, expiry: timedelta | None) -> Signature:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None:
        raise MalformedSignature(f"its credential {credential!r} is not KEY/DATE/REGION/SERVICE/aws4_request")
    try:
        moment = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise MalformedSignature(f"its X-Amz-Date {date!r} is not a date such as 20260131T120000Z") from None
    if date[:8] != match["date"]:
        raise MalformedSignature(f"its credential is of {match['date']}, and its X-Amz-Date of {date[:8]}")
    return Signature(match["key"], moment, match["region"], match["service"], tuple(headers.split(";")), value, expiry)


def unsigned_headers(signature: Signature, headers: Mapping[str, str]) -> list[str]:
    """Return the unsigned headers that AWS requires to be signed: ``host`` and all ``x-amz-`` headers."""
    return sorted(
        name for name in headers if (name == "host" or name.startswith("x-amz-")) and name not in signature.headers
    )


def is_right(signature: Signature, secret: str, method: str, url: str, headers: Mapping[str, str], digest: str) -> bool:
    """Return whether a request has the signature that its headers and a secret access key result in.

    :param url: the URL as the client sent it, with its percent signs.
    :param headers: by names in lower case.
    :param digest: the SHA-256 of the body in hexadecimal digits, or the word that is signed instead.
    """
    if not headers.keys() >= set(signature.headers):
        return False
    parts = urlsplit(url)
    query = _SIGNATURE_PARAMETER.sub("", parts.query).lstrip("&")
    request = AWSRequest(method=method, url=urlunsplit(parts._replace(query=query)))
    request.context["timestamp"] = signature.timestamp
    kind = _GivenS3 if signature.service == "s3" else _Given
    auth = kind(Credentials(signature.key, secret), signature.service, signature.region)
    auth.signed = {name: headers[name] for name in signature.headers}
    auth.digest = digest
    expected: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return hmac.compare_digest(expected, signature.value)


class _Given(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """Signs the headers and the digest that a request names, not those that botocore would choose."""

    signed: dict[str, str]
    digest: str

    def headers_to_sign(self, request: Any) -> HTTPHeaders:  # noqa: ARG002 - botocore's
        headers = HTTPHeaders()
        for name, value in self.signed.items():
            headers[name] = value
        return headers

    def payload(self, request: Any) -> str:  # noqa: ARG002
        return self.digest


class _GivenS3(_Given, S3SigV4Auth):  # type: ignore[misc]
    """The same by S3's rules: a path is signed unchanged."""


# --- bodies -----------------------------------------------------------------------------------------------------------


class Digest:
    """Compares a body, block by block, with the signed SHA-256."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._found = hashlib.sha256()

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        self._found.update(block)

    @property
    def matches(self) -> bool:
        """True if all bytes so far are the body that was signed."""
        return hmac.compare_digest(self._found.hexdigest(), self._expected)


_LONGEST_LINE = 4096


class SignedChunks:
    """Verifies a body in signed chunks, ``<hex size>;chunk-signature=…CRLF data CRLF``, block by block."""

    def __init__(self, signature: Signature, secret: str) -> None:
        """Verify the chunks of a request whose signature was verified."""
        self._signature = signature
        self._secret = _signing_key(signature, secret)
        self._previous = signature.value
        self._buffer = bytearray()
        self._left = -1  # bytes of the chunk's data and its line end that are to come; -1 in a line
        self._expected = ""
        self._data = hashlib.sha256()
        self._trailers = bytearray()
        self._ended = False
        self._right = True
        self._trailer_signature = ""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        self._buffer += block
        while self._right and (self._take_data() if self._left >= 0 else self._take_line()):
            pass

    @property
    def matches(self) -> bool:
        """True if all chunks arrived, and they and the trailing headers, if any, have the right signatures."""
        if self._trailers or self._trailer_signature:
            signed = self._sign("TRAILER", hashlib.sha256(self._trailers).hexdigest())
            self._right = self._right and hmac.compare_digest(signed, self._trailer_signature)
        return self._right and self._ended

    def _take_line(self) -> bool:
        line, found, rest = bytes(self._buffer).partition(b"\n")
        if not found:
            self._right = len(self._buffer) <= _LONGEST_LINE
            return False
        self._buffer = bytearray(rest)
        if self._ended:
            self._take_trailer(line.strip())
            return True
        size, _, extension = line.strip().partition(b";")
        name, _, value = extension.partition(b"=")
        self._right = name == b"chunk-signature" and re.fullmatch(rb"[0-9a-fA-F]{1,16}", size) is not None
        self._expected = value.decode("latin-1")
        self._data = hashlib.sha256()
        if self._right:
            self._left = int(size, 16) + 2
            if self._left == 2:
                self._left, self._ended = -1, True
                self._end_chunk()
        return True

    def _take_data(self) -> bool:
        taken = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._data.update(taken[: max(0, self._left - 2)])
        self._left -= len(taken)
        if self._left:
            return False
        self._left = -1
        self._end_chunk()
        return True

    def _take_trailer(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"x-amz-trailer-signature":
            self._trailer_signature = value.strip().decode("latin-1")
        elif name:
            self._trailers += name.strip().lower() + b":" + value.strip() + b"\n"

    def _end_chunk(self) -> None:
        signed = self._sign("PAYLOAD", f"{_EMPTY}\n{self._data.hexdigest()}")
        self._right = hmac.compare_digest(signed, self._expected)
        self._previous = signed

    def _sign(self, kind: str, digests: str) -> str:
        parts = (f"{ALGORITHM}-{kind}", self._signature.timestamp, self._signature.scope, self._previous, digests)
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _signing_key(signature: Signature, secret: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in signature.scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
