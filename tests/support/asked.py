"""Requests to S3 as the local AWS receives them, made from those that botocore signs."""

from urllib.parse import unquote, urlsplit

from harness.localaws.http.request import Request


def received(method, url, headers=None, body=b""):
    """Return a request as it arrives. Header names may have any case."""
    parts = urlsplit(url)
    given = {"host": parts.netloc} | {name.lower(): value for name, value in (headers or {}).items()}

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "method": method,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    return Request(scope, receive)
