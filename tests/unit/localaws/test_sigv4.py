"""Signatures in queries and of bodies in chunks: AWS's examples are right, and no changed one is."""

from datetime import datetime, timedelta, timezone

import pytest

from harness.localaws.iam.signatures.payloads import Digest, SignedChunks
from harness.localaws.iam.signatures.sigv4 import (
    LONGEST_EXPIRY,
    MalformedSignature,
    Signature,
    is_right,
    read,
    unsigned_headers,
)

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIAL = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
PRESIGNED = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": CREDENTIAL,
    "X-Amz-Date": "20130524T000000Z",
    "X-Amz-Expires": "86400",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
}
"""The query of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""


def presigned(**changes):
    """The claims of the example's query, with changes whose names have _ for X-Amz-."""
    query = PRESIGNED | {f"X-Amz-{name}": value for name, value in changes.items()}
    return read({}, {name: [value] for name, value in query.items()})


def test_a_query_says_by_whom_when_and_for_how_long_it_was_signed():
    assert presigned() == Signature(
        "AKIAIOSFODNN7EXAMPLE",
        datetime(2013, 5, 24, tzinfo=timezone.utc),
        "us-east-1",
        "s3",
        ("host",),
        PRESIGNED["X-Amz-Signature"],
        timedelta(days=1),
    )


def test_the_query_of_aws_s_own_example_is_right_and_no_other():
    query = "&".join(f"{name}={value.replace('/', '%2F')}" for name, value in PRESIGNED.items())
    host, signature = {"host": "examplebucket.s3.amazonaws.com"}, presigned()
    url = f"https://examplebucket.s3.amazonaws.com/test.txt?{query}"
    assert is_right(signature, SECRET, "GET", url, host, "UNSIGNED-PAYLOAD")
    assert not is_right(signature, SECRET, "GET", f"{url}&versionId=1", host, "UNSIGNED-PAYLOAD")
    assert not is_right(signature, SECRET, "PUT", url, host, "UNSIGNED-PAYLOAD")
    assert not is_right(signature, SECRET, "GET", url, {}, "UNSIGNED-PAYLOAD")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Algorithm": "AWS4-ECDSA-P256-SHA256"}, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"'),
        ({"Credential": CREDENTIAL.replace("aws4", "aws5")}, 'incorrect terminal "aws5_request"'),
        ({"Credential": "AKIA/s3/aws4_request"}, "X-Amz-Credential parameter; the Credential is mal-formed"),
        ({"Credential": CREDENTIAL.replace("20130524", "2013052")}, 'incorrect date format "2013052"'),
        ({"Date": "20130525T000000Z"}, 'Invalid credential date "20130524".*X-Amz-Date: "20130525"'),
        ({"Date": "20130524"}, "X-Amz-Date must be in the ISO8601 Long Format"),
        ({"SignedHeaders": ""}, "requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature"),
        ({"Expires": "604801"}, "X-Amz-Expires must be less than a week"),
        ({"Expires": "-1"}, "X-Amz-Expires must be non-negative"),
        ({"Expires": "1h"}, "X-Amz-Expires should be a number"),
        ({"Expires": "9" * 50}, "X-Amz-Expires should be a number"),
    ],
)
def test_a_query_that_is_signed_in_no_way_of_version_4_is_refused(changes, message):
    with pytest.raises(MalformedSignature, match=message):
        presigned(**changes)


def test_a_query_expires_after_a_second_at_least_and_a_week_at_most():
    assert presigned(Expires="1").expiry == timedelta(seconds=1)
    assert presigned(Expires="604800").expiry == LONGEST_EXPIRY == timedelta(days=7)


def test_a_request_without_any_part_of_a_signature_is_not_signed():
    assert read({"host": "s3.amazonaws.com"}, {"list-type": ["2"]}) is None
    for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"):
        with pytest.raises(MalformedSignature):
            read({}, {name: ["x"]})


@pytest.mark.parametrize(
    ("value", "message", "kind"),
    [
        ("Bearer token", "Unsupported Authorization Type", "scheme"),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", "does not emulate Signature Version 4A", "not emulated"),
        ("AWS4-HMAC-SHA256 Credential=x", "requires three components", "malformed"),
    ],
)
def test_a_header_that_is_not_of_version_4_is_refused(value, message, kind):
    with pytest.raises(MalformedSignature, match=message) as error:
        read({"authorization": value}, {})
    assert error.value.kind == kind


def test_a_header_s_time_may_be_in_its_date_and_must_be_somewhere():
    signed = {"authorization": f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=date;host, Signature=00"}
    found = read(signed | {"date": "Fri, 24 May 2013 00:00:00 GMT"}, {})
    assert found.timestamp == "20130524T000000Z"
    for date in ({}, {"x-amz-date": "2013-05-24T00:00:00Z"}, {"date": "yesterday"}):
        with pytest.raises(MalformedSignature, match="requires a valid Date or x-amz-date header") as error:
            read(signed | date, {})
        assert error.value.kind == "date"


def test_the_host_and_all_headers_of_aws_must_be_signed():
    assert unsigned_headers(presigned(), {"host": "h", "x-amz-date": "d", "x-amz-acl": "a", "range": "r"}) == [
        "x-amz-acl",
        "x-amz-date",
    ]
    assert unsigned_headers(presigned(SignedHeaders="range"), {"host": "h"}) == ["host"]


def test_a_body_matches_its_own_digest_only():
    for block, matches in [(b"", True), (b"x", False)]:
        digest = Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        digest.feed(block)
        assert digest.matches is matches


# --- chunks: the examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and, with a trailing
# --- header, of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html

FIRST = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNKS = [
    ("10000", "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", b"a" * 65536),
    ("400", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", b"a" * 1024),
    ("0", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", b""),
]
WITH_TRAILER = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILED = [
    ("10000", "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", b"a" * 65536),
    ("400", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7", b"a" * 1024),
    ("0", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992", b""),
]
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def body(chunks):
    return b"".join(f"{size};chunk-signature={value}\r\n".encode() + data + b"\r\n" for size, value, data in chunks)


def verified(content, first=FIRST, block=1000, trailer=False):
    """Say whether a body in chunks is right, fed in blocks."""
    signature = Signature("K", datetime(2013, 5, 24, tzinfo=timezone.utc), "us-east-1", "s3", ("host",), first)
    chunks = SignedChunks(signature, SECRET, trailer=trailer)
    for start in range(0, len(content), block):
        chunks.feed(content[start : start + block])
    return chunks.matches


@pytest.mark.parametrize("block", [1, 1000, 100_000])
def test_the_chunks_of_aws_s_own_example_are_right_however_they_come(block):
    assert verified(body(CHUNKS), block=block)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        body(CHUNKS[:2]),
        body(CHUNKS[:1]),
        body(CHUNKS[1:]),
        body([CHUNKS[0], ("400", CHUNKS[1][1], b"b" * 1024), CHUNKS[2]]),
        body([CHUNKS[0], ("3ff", CHUNKS[1][1], b"a" * 1024), CHUNKS[2]]),
        body([(size, value[::-1], data) for size, value, data in CHUNKS]),
        body(CHUNKS).replace(b"chunk-signature", b"chunk-digest"),
        body(CHUNKS).replace(b"\r\n400;", b"\r\n-400;"),
        body(CHUNKS).replace(b"\r\n400;", b"\r\n" + b"0" * 17 + b"400;"),
    ],
)
def test_chunks_that_are_missing_changed_or_misread_are_wrong(content):
    assert not verified(content)


def test_the_trailing_header_of_aws_s_own_example_is_right_and_no_other():
    chunks = body(TRAILED).removesuffix(b"\r\n")
    assert verified(chunks + TRAILER, WITH_TRAILER)
    assert not verified(chunks + TRAILER.replace(b"sOO8", b"sOO9"), WITH_TRAILER)
    assert not verified(chunks + TRAILER.replace(b":d81f", b":d81e"), WITH_TRAILER)
    assert not verified(chunks + TRAILER.partition(b"\r\n")[0] + b"\r\n\r\n", WITH_TRAILER)


def test_a_trailer_that_was_declared_cannot_be_left_away():
    chunks = body(TRAILED).removesuffix(b"\r\n")
    assert verified(chunks + TRAILER, WITH_TRAILER, trailer=True)
    assert not verified(chunks + b"\r\n", WITH_TRAILER, trailer=True)


def test_a_line_that_does_not_end_is_wrong_before_all_of_it_has_come():
    assert not verified(b"0" * 5000 + b"\r\n" + body(CHUNKS))
