"""Query parameters and ranges, checked as S3 does, and taken out of a request."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from harness.localaws.http.request import Request
from harness.localaws.s3.rules.refusals import invalid_argument

_LARGEST = 2147483647
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LAST_PART = 10_000
LONGEST_PAGE = 1000
"""Most entries of a page of a list."""


def first(request: Request, name: str, default: str = "") -> str:
    """Return the value of a query parameter."""
    return str(request.query.get(name, [default])[0])


def number(request: Request, name: str, default: int) -> int:
    """Return a number that is not negative. An empty parameter counts as none.

    :raises S3Refusal: it is no number, or outside S3's.
    """
    text = first(request, name)
    if not text:
        return default
    if not re.fullmatch(r"-?\d+", text, re.ASCII) or abs(int(text)) > _LARGEST:
        raise invalid_argument(f"Provided {name} not an integer or within integer range", name, text)
    if int(text) < 0:
        raise invalid_argument(f"Argument {name} must be an integer between 0 and {_LARGEST}", name, text)
    return int(text)


def page_size(request: Request, name: str) -> int:
    """Return the size of a page, which is 1,000 at most."""
    return min(number(request, name, LONGEST_PAGE), LONGEST_PAGE)


def encodes(request: Request) -> bool:
    """Return whether names in the answer are encoded as in a URL."""
    asked = first(request, "encoding-type")
    if asked not in ("", "url"):
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", asked)
    return bool(asked)


def part_number(text: str) -> int:
    """Return the number of a part.

    :raises S3Refusal: it is none. The public S3 suite of Ceph and SDK users report this answer.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= _LAST_PART:
        wrong = f"Part number must be an integer between 1 and {_LAST_PART}, inclusive"
        raise invalid_argument(wrong, "partNumber", text)
    return int(text)


def single_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for, None if S3 ignores it, (0, -1) if it is outside."""
    match = _RANGE.fullmatch(header.strip())
    if not match or match.groups() == ("", ""):
        return None
    begin, end = match.groups()
    if not begin:
        length = min(int(end), size)
        return (size - length, size - 1) if length else (0, -1)
    if end and int(end) < int(begin):
        return None
    return (int(begin), min(int(end or size - 1), size - 1)) if int(begin) < size else (0, -1)


def without_parameters(request: Request, *names: str) -> None:
    """Take parameters out of a request's query."""
    for name in names:
        request.query.pop(name, None)
    request.scope = {**request.scope, "query_string": urlencode(request.query, doseq=True).encode()}


def check_list_type(request: Request) -> None:
    """Raise :class:`S3Refusal` unless the version of a list is 2."""
    if (asked := first(request, "list-type")) != "2":
        raise invalid_argument("Invalid List Type specified in Request", "list-type", asked)
