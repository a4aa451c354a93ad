"""Whether a request was signed with the secret of its key: Signature Version 4, as botocore computes it.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>\w+)"
)


def is_signed_with(secret: str, method: str, url: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether a request has the signature that its headers and a secret access key give.

    :param url: as it was sent, with its percent signs.
    :param headers: by names in lower case.
    :param body: what was sent, unless a header tells its digest.
    """
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    names = match["headers"].split(";") if match else []
    if not match or "x-amz-date" not in headers or not headers.keys() >= set(names):
        return False
    signed = {name: headers[name] for name in names}
    digest = {name: value for name, value in headers.items() if name == "x-amz-content-sha256"}
    request = AWSRequest(method=method, url=url, data=body, headers=signed | digest)
    request.context["timestamp"] = headers["x-amz-date"]
    kind = _OfHeadersS3 if match["service"] == "s3" else _OfHeaders
    auth = kind(Credentials(match["key"], secret), match["service"], match["region"])
    auth.names = names
    signature: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return hmac.compare_digest(signature, match["signature"])


class _OfHeaders(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """Signs the headers that the request says, whichever botocore would choose."""

    names: list[str]

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name in self.names:
            headers[name] = request.headers[name]
        return headers


class _OfHeadersS3(_OfHeaders, S3SigV4Auth):  # type: ignore[misc]
    """The same by the rules of S3, where a path is signed as it is."""
