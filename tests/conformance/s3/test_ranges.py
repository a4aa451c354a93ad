"""Ranges of an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html and RFC 9110, section 14."""

import pytest

from tests.conformance.s3.service import elements, headers, refused, status, verdict

SMALL = b"0123456789"
LARGE = bytes(range(256)) * 6000
SIZES = {"small": SMALL, "large": LARGE}


@pytest.fixture(scope="module", params=SIZES)
def ranged(request, s3, bucket):
    """A bucket's object of a size, with its body."""
    where = {"Bucket": bucket, "Key": f"ranged-{request.param}"}
    s3.put_object(**where, Body=SIZES[request.param])
    return where, SIZES[request.param]


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-0", slice(0, 1)), ("bytes=1-3", slice(1, 4)), ("bytes=4-", slice(4, None)),
     ("bytes=-3", slice(-3, None)), ("bytes=0-99999999", slice(0, None)), ("bytes=-99999999", slice(0, None)),
     ("bytes=9-9", slice(9, 10))],
)  # fmt: skip
def test_a_range_is_exactly_its_bytes(s3, ranged, asked, part):
    where, data = ranged
    answer = s3.get_object(**where, Range=asked)
    assert status(answer) == 206
    assert answer["Body"].read() == data[part]
    first, last, _ = part.indices(len(data))
    assert answer["ContentRange"] == f"bytes {first}-{last - 1}/{len(data)}"
    assert answer["ContentLength"] == last - first


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
def test_a_range_outside_the_object_is_refused(raw, ranged, asked):
    where, data = ranged
    response = raw("GET", where["Bucket"], where["Key"], headers={"range": asked})
    assert verdict(response) == (416, "InvalidRange")
    assert elements(response)["ActualObjectSize"] == str(len(data))
    assert elements(response)["RangeRequested"] == asked


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=", "bytes=a-b", "lines=0-1", "0-1", "bytes=-"])
def test_a_range_that_cannot_be_read_is_ignored(raw, ranged, asked):
    where, data = ranged
    response = raw("GET", where["Bucket"], where["Key"], headers={"range": asked})
    assert (response.status_code, response.content) == (200, data)


def test_several_ranges_are_answered_with_the_whole_object(raw, ranged):
    where, data = ranged
    response = raw("GET", where["Bucket"], where["Key"], headers={"range": "bytes=0-1,3-4"})
    assert (response.status_code, response.content) == (200, data)


def test_head_takes_a_range(s3, ranged):
    where, data = ranged
    answer = s3.head_object(**where, Range="bytes=1-3")
    assert (status(answer), answer["ContentLength"]) == (206, 3)
    assert headers(answer)["content-range"] == f"bytes 1-3/{len(data)}"


def test_head_of_a_range_outside_the_object_is_refused(s3, ranged):
    where, _ = ranged
    assert refused(s3.head_object, **where, Range="bytes=99999999-")[0] == 416


def test_an_empty_object_has_no_range(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key)
    assert refused(s3.get_object, Bucket=bucket, Key=key, Range="bytes=0-") == (416, "InvalidRange")


def test_a_range_keeps_the_metadata_and_the_etag(s3, stored):
    whole, part = s3.get_object(**stored), s3.get_object(**stored, Range="bytes=2-4")
    assert (part["ETag"], part["Metadata"], part["ContentType"]) == (whole["ETag"], {"colour": "red"}, "text/plain")


def test_a_range_may_be_conditional(s3, stored):
    etag = s3.head_object(**stored)["ETag"]
    assert s3.get_object(**stored, Range="bytes=0-1", IfMatch=etag)["Body"].read() == b"01"
    assert refused(s3.get_object, **stored, Range="bytes=0-1", IfMatch='"other"') == (412, "PreconditionFailed")
