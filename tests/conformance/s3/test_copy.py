"""Copies: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html.

A copy to itself without a change, and messages, are those that the public S3 suite of Ceph and SDK users report of AWS.
"""

from datetime import datetime, timezone

import pytest

from tests.conformance.s3.service import body_of, elements, refused, verdict

BEFORE, AFTER = datetime(1990, 1, 1, tzinfo=timezone.utc), datetime(2099, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("size", [0, 10, 2 << 20])
def test_a_copy_has_the_body_of_its_source(s3, bucket, key, size):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    answer = s3.copy_object(Bucket=bucket, Key=f"{key}-copy", CopySource={"Bucket": bucket, "Key": key})
    assert answer["CopyObjectResult"]["ETag"] == s3.head_object(Bucket=bucket, Key=key)["ETag"]
    assert body_of(s3, Bucket=bucket, Key=f"{key}-copy") == b"x" * size


def test_a_copy_keeps_metadata_type_and_tags(s3, stored):
    s3.put_object_tagging(**stored, Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    target = {**stored, "Key": stored["Key"] + "-copy"}
    s3.copy_object(**target, CopySource=stored)
    head = s3.head_object(**target)
    assert (head["Metadata"], head["ContentType"]) == ({"colour": "red"}, "text/plain")
    assert s3.get_object_tagging(**target)["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_a_copy_can_replace_metadata_and_type(s3, stored):
    target = {**stored, "Key": stored["Key"] + "-copy"}
    new = {"Metadata": {"size": "9"}, "ContentType": "text/x", "MetadataDirective": "REPLACE"}
    s3.copy_object(**target, CopySource=stored, **new)
    head = s3.head_object(**target)
    assert (head["Metadata"], head["ContentType"]) == ({"size": "9"}, "text/x")


def test_metadata_without_the_directive_is_ignored(s3, stored):
    target = {**stored, "Key": stored["Key"] + "-copy"}
    s3.copy_object(**target, CopySource=stored, Metadata={"size": "9"})
    assert s3.head_object(**target)["Metadata"] == {"colour": "red"}


def test_a_copy_can_replace_the_tags(s3, stored):
    s3.put_object_tagging(**stored, Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    target = {**stored, "Key": stored["Key"] + "-copy"}
    s3.copy_object(**target, CopySource=stored, TaggingDirective="REPLACE", Tagging="n=2")
    assert s3.get_object_tagging(**target)["TagSet"] == [{"Key": "n", "Value": "2"}]


def test_a_copy_to_itself_without_a_change_is_refused(s3, stored):
    assert refused(s3.copy_object, **stored, CopySource=stored) == (400, "InvalidRequest")


@pytest.mark.parametrize("change", [{"MetadataDirective": "REPLACE", "Metadata": {"n": "1"}},
    {"StorageClass": "STANDARD_IA"}, {"ServerSideEncryption": "AES256"}], ids=str)  # fmt: skip
def test_a_copy_to_itself_with_a_change_is_made(s3, stored, change):
    s3.copy_object(**stored, CopySource=stored, **change)
    assert body_of(s3, **stored) == b"0123456789"
    if "Metadata" in change:
        assert s3.head_object(**stored)["Metadata"] == {"n": "1"}


def test_a_source_that_does_not_exist_is_refused(s3, stored):
    for missing, code in (({"Key": "none"}, "NoSuchKey"), ({"Bucket": "conformance-none-such"}, "NoSuchBucket")):
        assert refused(s3.copy_object, **stored, CopySource={**stored, **missing}) == (404, code)


@pytest.mark.parametrize("source", ["", "/", "bucket-without-key", "bucket/", "/bucket"])
def test_a_source_without_bucket_and_key_is_refused(raw, stored, source):
    response = raw("PUT", stored["Bucket"], stored["Key"], headers={"x-amz-copy-source": source})
    assert verdict(response) == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["a b", "a+b", "a%b", "a%20b", "é", "a?b", "a&b=c", "?versionId", "_", " "])
def test_a_source_s_key_of_any_characters_is_found(s3, bucket, key, name):
    s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": name})
    assert body_of(s3, Bucket=bucket, Key=key) == name.encode()


def test_a_source_may_begin_with_a_slash(raw, s3, stored, key):
    source = {"x-amz-copy-source": f"/{stored['Bucket']}/{stored['Key']}"}
    assert raw("PUT", stored["Bucket"], key + "-copy", headers=source).status_code == 200


@pytest.mark.parametrize(
    ("directive", "value"), [("x-amz-metadata-directive", "MERGE"), ("x-amz-tagging-directive", "MERGE")]
)
def test_an_unknown_directive_is_refused(raw, stored, key, directive, value):
    sent = {"x-amz-copy-source": f"{stored['Bucket']}/{stored['Key']}", directive: value}
    assert verdict(raw("PUT", stored["Bucket"], key + "-copy", headers=sent)) == (400, "InvalidArgument")


FAIL = {
    "CopySourceIfMatch": '"other"',
    "CopySourceIfNoneMatch": "etag",
    "CopySourceIfModifiedSince": AFTER,
    "CopySourceIfUnmodifiedSince": BEFORE,
}
HOLD = {
    "CopySourceIfMatch": "etag",
    "CopySourceIfNoneMatch": '"other"',
    "CopySourceIfModifiedSince": BEFORE,
    "CopySourceIfUnmodifiedSince": AFTER,
}


def conditions(s3, stored, *chosen):
    etag = s3.head_object(**stored)["ETag"]
    return {name: etag if value == "etag" else value for name, value in chosen}


@pytest.mark.parametrize("name", FAIL)
def test_a_condition_on_the_source_that_does_not_hold_is_refused(s3, stored, name):
    asked = conditions(s3, stored, (name, FAIL[name] if FAIL[name] != AFTER else datetime.now(timezone.utc)))
    target = {**stored, "Key": stored["Key"] + "-copy"}
    assert refused(s3.copy_object, **target, CopySource=stored, **asked) == (412, "PreconditionFailed")


@pytest.mark.parametrize("name", HOLD)
def test_a_condition_on_the_source_that_holds_is_accepted(s3, stored, name):
    asked = conditions(s3, stored, (name, HOLD[name] if HOLD[name] != AFTER else datetime.now(timezone.utc)))
    s3.copy_object(**{**stored, "Key": stored["Key"] + "-copy"}, CopySource=stored, **asked)


def test_a_matching_etag_wins_over_an_unmodified_since_that_does_not_hold(s3, stored):
    asked = conditions(s3, stored, ("CopySourceIfMatch", "etag"), ("CopySourceIfUnmodifiedSince", BEFORE))
    s3.copy_object(**{**stored, "Key": stored["Key"] + "-copy"}, CopySource=stored, **asked)


def test_a_matching_none_match_wins_over_a_modified_since_that_holds(s3, stored):
    asked = conditions(s3, stored, ("CopySourceIfNoneMatch", "etag"), ("CopySourceIfModifiedSince", BEFORE))
    target = {**stored, "Key": stored["Key"] + "-copy"}
    assert refused(s3.copy_object, **target, CopySource=stored, **asked) == (412, "PreconditionFailed")


def test_a_source_in_another_bucket_is_copied(s3, service, stored):
    other = service.make_bucket()
    s3.copy_object(Bucket=other, Key="copy", CopySource=stored)
    assert body_of(s3, Bucket=other, Key="copy") == b"0123456789"


def test_the_answer_has_the_time_of_the_copy(s3, stored):
    target = {**stored, "Key": stored["Key"] + "-copy"}
    result = s3.copy_object(**target, CopySource=stored)["CopyObjectResult"]
    assert result["LastModified"].replace(microsecond=0) == s3.head_object(**target)["LastModified"]


def test_a_copy_of_parts_is_one_part(s3, bucket, key):
    upload = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    s3.copy_object(Bucket=bucket, Key=f"{key}-copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.head_object(Bucket=bucket, Key=f"{key}-copy")["ETag"] == etag
    assert refused(s3.get_object, Bucket=bucket, Key=f"{key}-copy", PartNumber=2) == (416, "InvalidPartNumber")


def test_a_failed_condition_is_named(raw, stored):
    sent = {"x-amz-copy-source": f"{stored['Bucket']}/{stored['Key']}", "x-amz-copy-source-if-match": '"x"'}
    response = raw("PUT", stored["Bucket"], "k-copy", headers=sent)
    assert elements(response)["Condition"].lower() == "x-amz-copy-source-if-match"
