"""Time is AWS's where AWS has answered, and a text that holds no time is none."""

from datetime import datetime, timedelta, timezone

import pytest

from harness.aws.cleanup.clock import Clock, moment

NOON = datetime(2031, 5, 1, 12, tzinfo=timezone.utc)


def answer(date):
    return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}


def test_the_time_is_that_of_the_answer_and_goes_forward():
    clock = Clock(answer("Thu, 01 May 2031 12:00:00 GMT"))
    first, second = clock.now(), clock.now()
    assert NOON <= first <= second < NOON + timedelta(minutes=1)


def test_a_moment_of_this_machines_clock_is_moved_to_that_of_aws():
    clock = Clock(answer("Thu, 01 May 2031 12:00:00 GMT"))
    hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    assert abs(clock.at(hour_ago) - (NOON - timedelta(hours=1))) < timedelta(minutes=1)


@pytest.mark.parametrize("wrong", [None, {}, answer("soon"), answer("Thu, 01 May 9999 12:00:00 GMT"), answer(None)])
def test_without_a_date_the_time_is_this_machines(wrong):
    assert abs(Clock(wrong).now() - datetime.now(timezone.utc)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "NaN", "inf", "9" * 5000, "2026-13-01", "\x1b[2J", "2026-11-22T25:00:00"),
        *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1999-12-31"),
    ],
)
def test_an_absurd_text_is_no_time(text):
    assert moment(text) is None


def test_a_time_with_a_zone_or_without_is_in_utc():
    assert (
        moment("2031-05-01T14:00:00+02:00") == moment("2031-05-01T12:00:00") == moment("2031-05-01T12:00:00Z") == NOON
    )
