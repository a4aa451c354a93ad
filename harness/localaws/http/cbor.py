"""CBOR, as Smithy's RPC protocol has it: bodies of requests are read, and errors are written.

boto3 speaks it with the Resource Groups Tagging API. See https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

from typing import Any

from harness.localaws.exceptions import SerializationException

CONTENT_TYPE = "application/cbor"
PROTOCOL = {"smithy-protocol": "rpc-v2-cbor"}
"""Header of every answer."""


def decoded(body: bytes) -> Any:
    """Return the value that a body holds; an empty body is an empty map.

    :raises SerializationException: it is not CBOR.
    """
    from botocore.parsers import BaseCBORParser, ResponseParserError  # noqa: PLC0415 - older botocore has no CBOR

    parser = BaseCBORParser()
    try:
        return parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    except (ResponseParserError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise SerializationException(f"The body is not CBOR: {error}") from None


def encoded(members: dict[str, str]) -> bytes:
    """Return a map of texts (RFC 8949, major types 5 and 3)."""
    texts = [text.encode(errors="replace") for pair in members.items() for text in pair]
    return bytes([0xA0 | len(members)]) + b"".join(b"\x7a" + len(text).to_bytes(4, "big") + text for text in texts)
