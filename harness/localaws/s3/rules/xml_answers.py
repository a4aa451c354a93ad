"""Answers of S3 as XML."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
ElementTree.register_namespace("", NAMESPACE)  # clients in C++ do not know elements with a prefix
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\r]")


def element(name: str, *content: str) -> str:
    """Return an element with other elements in it."""
    return f"<{name}>{''.join(content)}</{name}>"


def field(name: str, value: object) -> str:
    """Return an element with a value in it; nothing for None."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else _text(str(value))
    return f"<{name}>{text}</{name}>"


def _text(value: str) -> str:
    """Return text as S3 writes it: characters that XML cannot have are references nevertheless."""
    return _CONTROLS.sub(lambda match: f"&#x{ord(match[0]):x};", escape(value, {'"': "&quot;"}))


def document(root: str, *content: str) -> bytes:
    """Return a document."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{"".join(content)}</{root}>'
    return text.encode("utf-8", "replace")


def time(moment: datetime) -> str:
    """Return a time as S3's XML has it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def encoded(name: str) -> str:
    """Return a name as ``encoding-type=url`` has it."""
    return quote(name, safe="/", errors="surrogateescape")


def owner(tag: str, identifier: str) -> str:
    """Return an owner."""
    return element(tag, field("ID", identifier), field("DisplayName", "webfile"))
