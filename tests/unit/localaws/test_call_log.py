"""The log of calls has a bounded size."""

import pytest

from harness.localaws.control.call_log import CallLog, CallRecord
from harness.localaws.control.recording import _error_message


def called(operation, number=0):
    return CallRecord(number, "s3", operation, "s3.amazonaws.com", "/", 200, 0.1, 0, "agent")


def test_calls_are_counted_by_operation():
    log = CallLog()
    for operation in ("GetObject", "PutObject", "GetObject"):
        log.add(called(operation))
    assert log.as_json()["counts"] == {"GetObject": 2, "PutObject": 1}
    assert [call["operation"] for call in log.as_json()["calls"]] == ["GetObject", "PutObject", "GetObject"]


def test_the_log_keeps_the_latest_calls_and_counts_all():
    log = CallLog()
    for number in range(10_005):
        log.add(called("GetObject", number))
    assert len(log.as_json()["calls"]) == 10_000
    assert log.as_json()["calls"][0]["time"] == 5
    assert log.as_json()["counts"] == {"GetObject": 10_005}


def test_the_log_keeps_no_more_names_and_texts_than_its_bounds():
    log = CallLog()
    for number in range(1_100):
        log.add(called(f"{number}" + "x" * 10_000))
        log.refuse(f"{number}.example.com")
    reported = log.as_json()
    assert (len(reported["counts"]), len(reported["refused"]), reported["refused"][-1]) == (
        1_000,
        1_000,
        "1099.example.com",
    )
    assert max(map(len, reported["counts"])) == len(reported["calls"][-1]["operation"]) == 4_096


def test_clearing_forgets_calls_and_not_refusals():
    log = CallLog()
    log.add(called("GetObject"))
    log.refuse("example.com")
    log.clear()
    assert log.as_json() == {"calls": [], "counts": {}, "refused": ["example.com"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [(b'{"message": "no"}', "no"), (b'{"Message": "no", "Code": 1}', "no"), (b'{"message"', ""), (b"{}", ""), (b"", ""),
     (b"<Error><Code>A</Code><Message>a &lt; b</Message></Error>", "a < b"), (b"[1]", ""), (b"\xbfgmessage", "")],
)  # fmt: skip
def test_the_message_of_an_error_is_read_in_json_and_xml(body, message):
    assert _error_message(body) == message
