"""Conditional reads, writes and deletions.

Values are those of https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html,
conditional-writes.html and conditional-deletes.html, and of the operations' pages.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from tests.conformance.s3.service import body_of, elements, error_of, headers, refused, status, verdict

BEFORE = datetime(1990, 1, 1, tzinfo=timezone.utc)
OTHER = '"00000000000000000000000000000000"'
SIZES = [10, 2 << 20]


@pytest.fixture(params=SIZES, ids=["small", "large"])
def sized(request, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * request.param)
    return {"Bucket": bucket, "Key": key}


def changed(s3, where):
    return s3.head_object(**where)["LastModified"]


def with_etag(s3, where, conditions):
    etag = s3.head_object(**where)["ETag"]
    return {name: etag if value == "etag" else value for name, value in conditions.items()}


HOLD = [
    {"IfMatch": "etag"}, {"IfMatch": "*"}, {"IfNoneMatch": OTHER}, {"IfModifiedSince": BEFORE},
    {"IfMatch": "etag", "IfUnmodifiedSince": BEFORE}, {"IfNoneMatch": OTHER, "IfModifiedSince": "now"},
]  # fmt: skip
FAIL = [({"IfMatch": OTHER}, 412), ({"IfUnmodifiedSince": BEFORE}, 412), ({"IfNoneMatch": "etag"}, 304),
    ({"IfNoneMatch": "*"}, 304), ({"IfModifiedSince": "now"}, 304),
    ({"IfNoneMatch": "etag", "IfModifiedSince": BEFORE}, 304), ({"IfMatch": OTHER, "IfNoneMatch": "etag"}, 412),
]  # fmt: skip


def dated(s3, where, conditions):
    now = changed(s3, where)
    return {name: now if value == "now" else value for name, value in with_etag(s3, where, conditions).items()}


@pytest.mark.parametrize("conditions", HOLD, ids=str)
@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_a_read_whose_conditions_hold_is_answered(s3, sized, operation, conditions):
    answer = getattr(s3, operation)(**sized, **dated(s3, sized, conditions))
    assert status(answer) == 200


@pytest.mark.parametrize(("conditions", "expected"), FAIL, ids=str)
@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_a_read_whose_conditions_fail_is_refused(s3, sized, operation, conditions, expected):
    answer = error_of(getattr(s3, operation), **sized, **dated(s3, sized, conditions))
    assert status(answer) == expected
    if expected == 304:
        assert headers(answer)["etag"] == s3.head_object(**sized)["ETag"]
    elif operation == "get_object":
        assert answer["Error"]["Code"] == "PreconditionFailed"


@pytest.mark.parametrize("since", [timedelta(0), timedelta(hours=1)], ids=str)
def test_unmodified_since_holds_from_the_second_of_the_change(s3, sized, since):
    when = changed(s3, sized) + since
    assert status(s3.get_object(**sized, IfUnmodifiedSince=when)) == 200


def test_an_etag_may_be_without_quotes(s3, sized):
    etag = s3.head_object(**sized)["ETag"].strip('"')
    assert status(s3.get_object(**sized, IfMatch=etag)) == 200
    assert status(s3.head_object(**sized, IfMatch=etag)) == 200
    assert status(error_of(s3.head_object, **sized, IfNoneMatch=etag)) == 304


def test_a_condition_on_a_missing_object_is_not_found(s3, bucket):
    for condition in ({"IfMatch": OTHER}, {"IfNoneMatch": "*"}):
        assert refused(s3.get_object, Bucket=bucket, Key="missing", **condition) == (404, "NoSuchKey")


@pytest.mark.parametrize("value", ["yesterday", "2020-01-01", ""])
def test_a_date_that_cannot_be_read_is_ignored(raw, stored, value):
    response = raw("GET", stored["Bucket"], stored["Key"], headers={"if-modified-since": value})
    assert response.status_code == 200


# --- writes -----------------------------------------------------------------------------------------------------------


def put(s3, where, size, **conditions):
    return s3.put_object(**where, Body=b"n" * size, **conditions)


def copy(s3, where, size, **conditions):
    source = {**where, "Key": where["Key"] + "-source"}
    s3.put_object(**source, Body=b"n" * size)
    return s3.copy_object(**where, CopySource=source, **conditions)


def complete(s3, where, size, **conditions):
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"n" * size)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    return s3.complete_multipart_upload(**upload, MultipartUpload=parts, **conditions)


WRITES = {"put": put, "copy": copy, "complete": complete}


@pytest.fixture(params=WRITES)
def write(request):
    return WRITES[request.param]


@pytest.mark.parametrize("size", SIZES)
def test_a_write_of_a_new_key_only_is_made_once(s3, bucket, key, write, size):
    where = {"Bucket": bucket, "Key": key}
    write(s3, where, size, IfNoneMatch="*")
    assert refused(write, s3=s3, where=where, size=size + 1, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert s3.head_object(**where)["ContentLength"] == size


@pytest.mark.parametrize("size", SIZES)
def test_a_write_over_the_etag_known_is_made(s3, sized, write, size):
    etag = s3.head_object(**sized)["ETag"]
    write(s3, sized, size, IfMatch=etag)
    assert body_of(s3, **sized) == b"n" * size


@pytest.mark.parametrize("size", SIZES)
def test_a_write_over_another_etag_is_refused(s3, sized, write, size):
    before = body_of(s3, **sized)
    assert refused(write, s3=s3, where=sized, size=size, IfMatch=OTHER) == (412, "PreconditionFailed")
    assert body_of(s3, **sized) == before


def test_a_write_over_the_etag_of_a_missing_object_is_refused(s3, bucket, key, write):
    where = {"Bucket": bucket, "Key": key}
    assert refused(write, s3=s3, where=where, size=3, IfMatch=OTHER) == (404, "NoSuchKey")


def test_a_marker_counts_as_no_object_for_a_write(s3, versioned, key, write):
    where = {"Bucket": versioned, "Key": key}
    etag = s3.put_object(**where, Body=b"x")["ETag"]
    s3.delete_object(**where)
    assert refused(write, s3=s3, where=where, size=3, IfMatch=etag) == (404, "NoSuchKey")
    write(s3, where, 3, IfNoneMatch="*")
    assert body_of(s3, **where) == b"nnn"


def test_of_many_writes_of_a_new_key_at_once_one_is_made(s3, bucket, key):
    def attempt(number):
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "made"

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(attempt, range(24)))
    assert results.count("made") == 1
    assert set(results) <= {"made", "PreconditionFailed", "ConditionalRequestConflict"}


def test_only_a_star_can_be_what_no_key_matches(s3, bucket, key):
    """S3 documents the star alone: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html."""
    assert refused(s3.put_object, Bucket=bucket, Key=key, IfNoneMatch=OTHER) == (501, "NotImplemented")


def test_a_failed_condition_is_named_in_the_error(raw, stored):
    response = raw("PUT", stored["Bucket"], stored["Key"], headers={"if-none-match": "*"}, body=b"x")
    assert verdict(response) == (412, "PreconditionFailed")
    assert elements(response)["Condition"] == "If-None-Match"


# --- deletions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", ["etag", "*"])
def test_a_deletion_whose_condition_holds_is_made(s3, stored, match):
    etag = s3.head_object(**stored)["ETag"] if match == "etag" else match
    assert status(s3.delete_object(**stored, IfMatch=etag)) == 204
    assert refused(s3.head_object, **stored)[0] == 404


def test_a_deletion_of_another_etag_is_refused(s3, stored):
    assert refused(s3.delete_object, **stored, IfMatch=OTHER) == (412, "PreconditionFailed")
    assert body_of(s3, **stored) == b"0123456789"


def test_a_deletion_of_the_etag_of_a_missing_object_is_refused(s3, bucket):
    assert refused(s3.delete_object, Bucket=bucket, Key="missing", IfMatch=OTHER) == (404, "NoSuchKey")


def test_a_deletion_of_any_etag_needs_a_current_version(s3, versioned, key):
    where = {"Bucket": versioned, "Key": key}
    s3.put_object(**where)
    s3.delete_object(**where)
    assert refused(s3.delete_object, **where, IfMatch="*") == (412, "PreconditionFailed")


@pytest.mark.parametrize("match", ["etag", OTHER])
def test_each_of_many_keys_to_delete_may_have_a_condition(s3, stored, match):
    etag = s3.head_object(**stored)["ETag"] if match == "etag" else match
    asked = {"Objects": [{"Key": stored["Key"], "ETag": etag}]}
    answer = s3.delete_objects(Bucket=stored["Bucket"], Delete=asked)
    if match == "etag":
        assert [each["Key"] for each in answer["Deleted"]] == [stored["Key"]]
    else:
        assert [each["Code"] for each in answer["Errors"]] == ["PreconditionFailed"]
        assert body_of(s3, **stored) == b"0123456789"
