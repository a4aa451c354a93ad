"""AWS's time, taken from the ``Date`` of an answer: a machine's own clock may be wrong by hours, and AWS's is not.

Expiry times are written and compared on one clock, so that a wrong one neither ends a run early nor keeps it for ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

_YEARS = range(2000, 2200)


class Clock:
    """AWS's time since an answer; this machine's where there is no answer with a date."""

    def __init__(self, answer: Mapping[str, Any] | None = None) -> None:
        """Take the time from what a boto3 client returned."""
        here = datetime.now(timezone.utc)
        self._ahead = (_date_of(answer or {}) or here) - here
        self._start, self._began = here + self._ahead, time.monotonic()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def at(self, here: datetime) -> datetime:
        """Return the time for a moment on this machine's clock, such as a file's last change."""
        return here + self._ahead


def _date_of(answer: Mapping[str, Any]) -> datetime | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return moment(parsedate_to_datetime(headers["date"]).isoformat())
    except (KeyError, TypeError, ValueError):
        return None


def moment(text: str) -> datetime | None:
    """Return the time, in UTC, that a tag or a ledger holds in ISO 8601; None if it holds none of this century or the
    next, whose neighbours a sum or a time zone could leave the calendar with.
    """
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.year not in _YEARS:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
