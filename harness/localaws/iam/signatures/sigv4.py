"""Signature Version 4: the claims of a request about its signature, and their verification.

A signature may be in a header, in the query, or in a POST form:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html. botocore does the computation.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_EXPIRY = timedelta(days=7)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<credential>[^\s,]+),\s*SignedHeaders=(?P<headers>[^\s,]+),\s*"
    r"Signature=(?P<signature>\w+)"
)
_TIME = "%Y%m%dT%H%M%SZ"
_SIGNATURE_PARAMETER = re.compile(r"(?:^|&)X-Amz-Signature=[^&]*")
_IN_QUERY = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Expires")
_SHAPE = 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'


class MalformedSignature(ValueError):
    """A request's claims about its signature are malformed."""

    def __init__(self, message: str, kind: str = "malformed") -> None:
        """Refuse with a message, which is S3's where that is known.

        :param kind: the kind of refusal, see :mod:`harness.localaws.iam.refusals`.
        """
        super().__init__(message)
        self.kind = kind


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
        return self.moment.strftime(_TIME)

    @property
    def scope(self) -> str:
        """The credential's scope."""
        return f"{self.moment:%Y%m%d}/{self.region}/{self.service}/aws4_request"


def read(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Signature | None:
    """Return the claims in a request's headers (by names in lower case) or its query, or None if it is not signed.

    :raises MalformedSignature: the claims do not have a form of Signature Version 4.
    """
    if "authorization" in headers:
        return _in_header(headers)
    given = {name: values[0] for name, values in query.items()}
    return _in_query(given) if given.keys() & {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"} else None


def _in_header(headers: Mapping[str, str]) -> Signature:
    given = headers["authorization"].strip()
    match = _AUTHORIZATION.fullmatch(given)
    if match is None and given.startswith("AWS4-ECDSA"):
        raise MalformedSignature("The local AWS does not emulate Signature Version 4A.", "not emulated")
    if match is None and not given.startswith(ALGORITHM):
        raise MalformedSignature("Unsupported Authorization Type", "scheme")
    if match is None:
        needed = "the authorization header requires three components: Credential, SignedHeaders, and Signature."
        raise MalformedSignature(needed)
    moment = _moment(headers.get("x-amz-date") or headers.get("date", ""))
    if moment is None:
        raise MalformedSignature("AWS authentication requires a valid Date or x-amz-date header", "date")
    return _signature(match["credential"], moment, match["headers"], match["signature"], None)


def _in_query(given: Mapping[str, str]) -> Signature:
    kind = "malformed query"
    if any(not given.get(name) for name in ("X-Amz-Algorithm", *_IN_QUERY)):
        needed = (
            "X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires"
        )
        raise MalformedSignature(f"Query-string authentication version 4 requires the {needed} parameters.", kind)
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise MalformedSignature(f'X-Amz-Algorithm only supports "{ALGORITHM}" in the local AWS', kind)
    credential, date, signed, value, expires = (given[name] for name in _IN_QUERY)
    try:
        moment = datetime.strptime(date, _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        form = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        raise MalformedSignature(form, kind) from None
    try:
        return _signature(credential, moment, signed, value, _expiry(expires))
    except MalformedSignature as error:
        where = "" if "X-Amz-" in str(error) else "Error parsing the X-Amz-Credential parameter; "
        raise MalformedSignature(f"{where}{error}", kind) from None


def _expiry(text: str) -> timedelta:
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise MalformedSignature("X-Amz-Expires should be a number")
    if int(text) < 0:
        raise MalformedSignature("X-Amz-Expires must be non-negative")
    if int(text) > LONGEST_EXPIRY.total_seconds():
        longest = int(LONGEST_EXPIRY.total_seconds())
        raise MalformedSignature(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{longest} seconds"
        )
    return timedelta(seconds=int(text))


def _moment(date: str) -> datetime | None:
    """Return the time of a header: ``20260131T120000Z``, or the form of HTTP's Date."""
    try:
        return datetime.strptime(date, _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return http_date(date)


def http_date(date: str) -> datetime | None:
    """Return the time of a Date header, or None if it is none."""
    try:
        return parsedate_to_datetime(date).astimezone(timezone.utc)
    except (ValueError, TypeError, OverflowError):
        return None


def _signature(credential: str, moment: datetime, headers: str, value: str, expiry: timedelta | None) -> Signature:
    key, date, region, service = read_credential(credential)
    if date != (signed := f"{moment:%Y%m%d}"):
        message = f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{signed}".'
        raise MalformedSignature(message)
    return Signature(key, moment, region, service, tuple(headers.split(";")), value.lower(), expiry)


def read_credential(credential: str) -> tuple[str, str, str, str]:
    """Return the key, date, region and service of a credential.

    :raises MalformedSignature: it has another form.
    """
    *key, date, region, service, terminal = credential.split("/") if credential.count("/") >= 4 else [""] * 5
    if not any(key) or not all((region, service, terminal)):
        raise MalformedSignature(_SHAPE)
    if not re.fullmatch(r"\d{8}", date, re.ASCII):
        form = 'This date in the credential must be in the format "yyyyMMdd".'
        raise MalformedSignature(f'incorrect date format "{date}". {form}')
    if terminal != "aws4_request":
        raise MalformedSignature(f'incorrect terminal "{terminal}". This endpoint uses "aws4_request".')
    return "/".join(key), date, region, service


def unsigned_headers(signature: Signature, headers: Mapping[str, str]) -> list[str]:
    """Return the unsigned headers that AWS requires to be signed: ``host`` and all ``x-amz-`` headers."""
    return sorted(
        name for name in headers if (name == "host" or name.startswith("x-amz-")) and name not in signature.headers
    )


# --- verification -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calculation:
    """The signature that a request should have, and the texts that it results from."""

    value: str
    string_to_sign: str
    canonical_request: str


def is_right(signature: Signature, secret: str, method: str, url: str, headers: Mapping[str, str], digest: str) -> bool:
    """Return whether a request has the signature that :func:`calculate` returns."""
    expected = calculate(signature, secret, method, url, headers, digest)
    complete = headers.keys() >= set(signature.headers)
    return complete and hmac.compare_digest(expected.value.encode(), signature.value.encode())


def calculate(
    signature: Signature, secret: str, method: str, url: str, headers: Mapping[str, str], digest: str
) -> Calculation:
    """Return the signature that a request's headers and a secret access key result in.

    :param url: the URL as the client sent it, with its percent signs.
    :param headers: by names in lower case. Those that the request names as signed and lacks are signed as if empty.
    :param digest: the SHA-256 of the body in hexadecimal digits, or the word that is signed instead.
    """
    parts = urlsplit(url)
    query = _SIGNATURE_PARAMETER.sub("", parts.query).lstrip("&")
    request = AWSRequest(method=method, url=urlunsplit(parts._replace(query=query)))
    request.context["timestamp"] = signature.timestamp
    kind = _GivenS3 if signature.service == "s3" else _Given
    auth = kind(Credentials(signature.key, secret), signature.service, signature.region)
    auth.signed = {name: headers.get(name, "") for name in signature.headers}
    auth.digest = digest
    canonical: str = auth.canonical_request(request)
    string: str = auth.string_to_sign(request, canonical)
    return Calculation(auth.signature(string, request), string, canonical)


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


def signing_key(scope: str, secret: str) -> bytes:
    """Return the key that signs chunks and policies: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
