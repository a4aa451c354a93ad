"""AWS's time, taken from the ``Date`` header of a response. A machine's clock may be wrong by hours, AWS's is not.

Expiry times are written and compared on that one clock. So a wrong clock neither ends a run early nor keeps it forever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

_YEARS = range(2000, 2200)


class Clock:
    """AWS's time, counted from a response; this machine's time if no response has a date."""

    def __init__(self, answer: Mapping[str, Any] | None = None) -> None:
        """Take the time from a boto3 client's response."""
        here = datetime.now(timezone.utc)
        self._ahead = (_date_of(answer or {}) or here) - here
        self._start, self._began = here + self._ahead, time.monotonic()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def at(self, here: datetime) -> datetime:
        """Return AWS's time at a moment on this machine's clock, such as a file's last change."""
        return here + self._ahead


def _date_of(answer: Mapping[str, Any]) -> datetime | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return moment(parsedate_to_datetime(headers["date"]).isoformat())
    except (KeyError, TypeError, ValueError):
        return None


def moment(text: str) -> datetime | None:
    """Return the time, in UTC, of an ISO 8601 text in a tag or a ledger. Return None if it is no time of 2000 to 2199.

    Adding a duration or a time zone to others could leave the calendar.
    """
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.year not in _YEARS:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
