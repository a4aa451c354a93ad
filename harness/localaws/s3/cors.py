"""Requests of pages in a browser, which the CORS rules of the bucket must allow."""

from __future__ import annotations

import re

from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import Request
from harness.localaws.moto_backend import Services


def comes_from_page(request: Request) -> bool:
    """Return whether a page of another origin makes the request."""
    return "origin" in request.headers or request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def check_origin(services: Services, request: Request) -> None:
    """Raise :class:`AWSError` unless the bucket's CORS rules allow the page's origin.

    S3 answers a simple request of any origin, and the browser keeps the answer from the page. Here the user's browser
    runs on the same machine, so a request that no rule allows has no effect.
    """
    method: str = request.scope["method"]
    asked = request.headers.get("access-control-request-method", method)
    headers = re.findall(r"[^\s,]+", request.headers.get("access-control-request-headers", ""))
    bucket = request.bucket_and_key()[0] if request.host.service == "s3" else ""
    if not services.allows_origin(bucket, request.headers.get("origin", ""), asked, headers):
        error = AWSError(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
            "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted "
            "by the resource's CORS spec."
        )
        error.status, error.code = 403, "AccessForbidden"
        raise error
