"""Signature Version 2 of S3: the claims of a request about its signature, and their verification.

boto3 presigns URLs with it unless a client has ``signature_version="s3v4"``. See
https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import parse_qsl, unquote

from botocore.auth import HmacV1Auth

from harness.localaws.iam.signatures.sigv4 import MalformedSignature, http_date

REGIONS = frozenset(
    {
        "ap-northeast-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "eu-west-1",
        "sa-east-1",
        "us-east-1",
        "us-gov-west-1",
        "us-west-1",
        "us-west-2",
    }
)
"""Regions that take version 2: https://docs.aws.amazon.com/general/latest/gr/s3.html lists versions 2 and 4 for them.
Regions that opened after January 30, 2014 take version 4 only. boto3 still presigns with version 2, so it is taken,
although AWS announced that buckets made after June 24, 2020 take version 4 only:
https://aws.amazon.com/blogs/aws/amazon-s3-update-sigv2-deprecation-period-extended-modified/."""
_AUTHORIZATION = re.compile(r"AWS (?P<key>[^\s:]+):(?P<signature>\S+)")
_IN_QUERY = ("AWSAccessKeyId", "Signature", "Expires")
_SIGNED_PARAMETERS = frozenset(
    {*HmacV1Auth.QSAOfInterest, "acl", "encryption", "legal-hold", "ownershipControls", "policyStatus"}
    | {"publicAccessBlock", "retention", "attributes", "intelligent-tiering"}
)
"""Query parameters that are part of the signed resource. botocore's list lacks operations that are newer than
version 2, for which S3's own list is not documented."""
_LATEST = 2**32 - 1
"""Largest time that S3 reads in ``Expires``: Swift's tests of S3 show that it refuses 2³²."""


@dataclass(frozen=True)
class Signature:
    """Claims of a request about its signature."""

    key: str
    value: str
    moment: datetime | None
    """Time of signing, of a header; None for a URL."""
    expires: datetime | None
    """Time at which a presigned URL expires; None for a header."""
    date: str
    """The text that is signed as the date."""


def read(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Signature | None:
    """Return the claims in a request's headers (by names in lower case) or its query, or None if it has none.

    :raises MalformedSignature: the claims do not have a form of Signature Version 2.
    """
    if headers.get("authorization", "").startswith("AWS "):
        return _in_header(headers)
    given = {name: query[name][0] for name in _IN_QUERY if query.get(name)}
    if "authorization" in headers or not given.keys() & {"AWSAccessKeyId", "Signature"}:
        return None
    kind = "malformed query of version 2"
    if len(given) < len(_IN_QUERY):
        needed = "Signature, Expires and AWSAccessKeyId"
        raise MalformedSignature(f"Query-string authentication requires the {needed} parameters", kind)
    expires = given["Expires"]
    if not re.fullmatch(r"\d{1,10}", expires, re.ASCII) or int(expires) > _LATEST:
        raise MalformedSignature(f"Invalid date (should be seconds since epoch): {expires}", kind)
    end = datetime.fromtimestamp(int(expires), timezone.utc)
    return Signature(given["AWSAccessKeyId"], given["Signature"], None, end, expires)


def _in_header(headers: Mapping[str, str]) -> Signature:
    match = _AUTHORIZATION.fullmatch(headers["authorization"].strip())
    if match is None:
        raise MalformedSignature("AWS authorization header is invalid.  Expected AwsAccessKeyId:signature", "scheme")
    moment = http_date(headers.get("x-amz-date") or headers.get("date", ""))
    if moment is None:
        raise MalformedSignature("AWS authentication requires a valid Date or x-amz-date header", "date")
    date = "" if "x-amz-date" in headers else headers["date"]
    return Signature(match["key"], match["signature"], moment, None, date)


def string_to_sign(signature: Signature, method: str, resource: str, query: str, headers: Mapping[str, str]) -> str:
    """Return the text that a request's signature is made from.

    :param resource: the bucket and key as a path, with the percent signs that the client sent.
    :param query: as the client sent it. It may have ``x-amz-`` headers of a presigned URL, such as a session's token.
    :param headers: by names in lower case.
    """
    parameters = parse_qsl(query, keep_blank_values=True)
    signed = {name.lower(): value for name, value in parameters if name.lower().startswith("x-amz-")}
    signed |= {name: " ".join(value.split()) for name, value in headers.items() if name.startswith("x-amz-")}
    lines = [method, headers.get("content-md5", ""), headers.get("content-type", ""), signature.date]
    lines += [f"{name}:{signed[name]}" for name in sorted(signed)]
    return "\n".join([*lines, resource + _subresource(query)])


def _subresource(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    chosen = [(name, unquote(value) if equals else None) for name, equals, value in pairs if name in _SIGNED_PARAMETERS]
    chosen.sort(key=lambda pair: pair[0])
    return "?" * bool(chosen) + "&".join(name if value is None else f"{name}={value}" for name, value in chosen)


def is_right(value: str, text: str, secret: str) -> bool:
    """Return whether a signature of a text was made with a secret access key."""
    expected = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest())
    return hmac.compare_digest(expected, value.encode())
