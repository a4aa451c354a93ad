"""Conditions of reads and writes.

The order of evaluation is that of RFC 7232, section 6, which gives the results of
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html and of
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html for two conditions at once. Writes and deletions
follow https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html and conditional-deletes.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

IF_MATCH, IF_NONE_MATCH = "if-match", "if-none-match"
IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE = "if-modified-since", "if-unmodified-since"
ALL = (IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE)
_SPELLED = {
    IF_MATCH: "If-Match",
    IF_NONE_MATCH: "If-None-Match",
    IF_MODIFIED_SINCE: "If-Modified-Since",
    IF_UNMODIFIED_SINCE: "If-Unmodified-Since",
}


def spelled(name: str) -> str:
    """Return a condition's name as S3's errors have it."""
    return _SPELLED[name]


def failed_read(conditions: Mapping[str, str], etag: str, modified: datetime) -> str:
    """Return the name of the condition of a read that does not hold, or ''.

    :param conditions: headers by lower-case name; others are ignored.
    :param modified: the object's time of writing in UTC, in whole seconds and without a time zone.
    """
    matching, other = conditions.get(IF_MATCH), conditions.get(IF_NONE_MATCH)
    if matching is not None and not matches(matching, etag):
        return IF_MATCH
    unmodified = _date(conditions.get(IF_UNMODIFIED_SINCE))
    if matching is None and unmodified and modified > unmodified:
        return IF_UNMODIFIED_SINCE
    if other is not None and matches(other, etag):
        return IF_NONE_MATCH
    since = _date(conditions.get(IF_MODIFIED_SINCE))
    return IF_MODIFIED_SINCE if other is None and since and modified <= since else ""


def matches(patterns: str, etag: str) -> bool:
    """Return whether one of the ETags in a header, or its star, matches an ETag. Quotes do not count."""
    return any(each.strip() == "*" or each.strip().strip('"') == etag.strip('"') for each in patterns.split(","))


def _date(text: str | None) -> datetime | None:
    """Return a date in UTC without a time zone, or None if it cannot be read: S3 then ignores the condition."""
    try:
        date = parsedate_to_datetime(text or "")
    except (TypeError, ValueError, IndexError):
        return None
    return date.astimezone(timezone.utc).replace(tzinfo=None) if date.tzinfo else date


@dataclass(frozen=True)
class WriteConditions:
    """Conditions of a write or a deletion on the current object of its key."""

    if_match: str = ""
    if_none_match: str = ""
    deletes: bool = False

    def failed(self, etag: str | None) -> str:
        """Return the name of the condition that does not hold, or ''.

        :param etag: of the current object; None if there is none.
        """
        if self.if_none_match and etag is not None and matches(self.if_none_match, etag):
            return IF_NONE_MATCH
        return IF_MATCH if self.if_match and (etag is None or not matches(self.if_match, etag)) else ""

    def needs_object(self, etag: str | None) -> bool:
        """Return whether the condition names an ETag, and there is no object: S3 answers 404 and not 412."""
        return etag is None and bool(self.if_match) and not (self.deletes and self.if_match.strip() == "*")
