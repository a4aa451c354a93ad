"""Pages of lists: which entries and groups a page has, and where the next one begins.

Keys are sorted by code point, which is the order of their bytes in UTF-8, and S3's order. See
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ListingKeysUsingAPIs.html.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Entry = TypeVar("Entry")
_PROOF = 6
"""Bytes that prove that a token was given here."""


@dataclass
class Page(Generic[Entry]):
    """A page of a list."""

    entries: list[Entry] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    is_truncated: bool = False
    last: str = ""
    """Key of the last entry, or the last group."""

    def __len__(self) -> int:
        return len(self.entries) + len(self.groups)


def page(
    entries: Iterable[Entry], key_of: Callable[[Entry], str], *, prefix: str, delimiter: str, marker: str, size: int
) -> Page[Entry]:
    """Return the first page of sorted entries, whose keys all have the prefix.

    The caller skips entries before the marker, since only it knows which of several with the same key are before it.
    Groups are skipped here unless they come after the marker, as S3 documents it.

    :param delimiter: groups keys up to its first occurrence after the prefix; '' groups nothing.
    :param size: most entries and groups together. A page of none is complete.
    """
    found: Page[Entry] = Page()
    for entry in entries if size else ():
        key = key_of(entry)
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        group = key[: end + len(delimiter)] if end >= 0 else ""
        if group and (group <= marker or (found.groups and found.groups[-1] == group)):
            continue
        if len(found) == size:
            found.is_truncated = True
            break
        found.last = group or key
        if group:
            found.groups.append(group)
        else:
            found.entries.append(entry)
    return found


def token_of(key: str) -> str:
    """Return the token with which a list continues after a key."""
    name = key.encode("utf-8", "surrogateescape")
    return base64.b64encode(_proof(name) + name).decode()


def key_of_token(token: str) -> str | None:
    """Return the key that a token continues after, or None if the token was not given here."""
    try:
        content = base64.b64decode(token, validate=True)
        name = content[_PROOF:]
        return name.decode("utf-8", "surrogateescape") if content[:_PROOF] == _proof(name) and name else None
    except (binascii.Error, ValueError):
        return None


def _proof(name: bytes) -> bytes:
    return hashlib.sha256(b"continue after " + name).digest()[:_PROOF]
