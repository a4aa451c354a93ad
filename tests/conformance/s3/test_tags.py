"""Tags of objects and buckets.

Limits are those of https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html.
"""

import pytest

from tests.conformance.s3.service import headers, refused, verdict


def tag_set(count):
    return [{"Key": f"k{number}", "Value": f"v{number}"} for number in range(count)]


@pytest.mark.parametrize(
    "tags", [[], tag_set(1), tag_set(10), [{"Key": "a b", "Value": ""}], [{"Key": "ü", "Value": "+=@"}]]
)
def test_tags_of_an_object_are_returned(s3, stored, tags):
    s3.put_object_tagging(**stored, Tagging={"TagSet": tags})
    found = s3.get_object_tagging(**stored)["TagSet"]
    assert sorted(found, key=str) == sorted(tags, key=str)
    count = headers(s3.head_object(**stored)).get("x-amz-tagging-count")
    assert count == (str(len(tags)) if tags else None)


WRONG = [
    (tag_set(11), "BadRequest"),
    ([{"Key": "k" * 129, "Value": "v"}], "InvalidTag"),
    ([{"Key": "k", "Value": "v" * 257}], "InvalidTag"),
    ([{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}], "InvalidTag"),
    ([{"Key": "aws:x", "Value": "v"}], "InvalidTag"),
    ([{"Key": "k", "Value": "a&b"}], "InvalidTag"),
]


@pytest.mark.parametrize(("tags", "code"), WRONG, ids=lambda value: str(value)[:30])
def test_tags_outside_the_limits_are_refused(s3, stored, tags, code):
    assert refused(s3.put_object_tagging, **stored, Tagging={"TagSet": tags}) == (400, code)


@pytest.mark.parametrize(
    ("header", "tags"),
    [("a=1&b=2", {"a": "1", "b": "2"}), ("a", {"a": ""}), ("a%20b=c%2Bd", {"a b": "c+d"}), ("a=", {"a": ""}), ("", {})],
)
@pytest.mark.parametrize("size", [3, 2 << 20])
def test_tags_can_be_given_with_the_object(s3, bucket, key, size, header, tags):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size, Tagging=header)
    found = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == tags


@pytest.mark.parametrize("header", ["&".join(f"k{n}=v" for n in range(11)), f"{'k' * 129}=v", "a=1&a=2"])
def test_tags_given_with_the_object_have_the_same_limits(s3, bucket, key, header):
    status, code = refused(s3.put_object, Bucket=bucket, Key=key, Tagging=header)
    assert (status, code in ("BadRequest", "InvalidTag", "InvalidArgument")) == (400, True)
    assert refused(s3.head_object, Bucket=bucket, Key=key)[0] == 404


def test_tags_of_an_object_can_be_deleted(s3, stored):
    s3.put_object_tagging(**stored, Tagging={"TagSet": tag_set(2)})
    s3.delete_object_tagging(**stored)
    assert s3.get_object_tagging(**stored)["TagSet"] == []


def test_a_new_object_has_no_tags_of_the_old_one(s3, stored):
    s3.put_object_tagging(**stored, Tagging={"TagSet": tag_set(2)})
    s3.put_object(**stored)
    assert s3.get_object_tagging(**stored)["TagSet"] == []


@pytest.mark.parametrize("operation", ["get_object_tagging", "delete_object_tagging", "put_object_tagging"])
def test_tags_of_a_missing_object_are_refused(s3, bucket, operation):
    arguments = {"Tagging": {"TagSet": []}} if operation.startswith("put") else {}
    assert refused(getattr(s3, operation), Bucket=bucket, Key="missing", **arguments) == (404, "NoSuchKey")


@pytest.mark.parametrize(
    "body", [b"", b"x", b"<Tagging/>", b"<Other><TagSet/></Other>", b"<Tagging><TagSet><Tag/></TagSet></Tagging>"]
)
def test_a_body_that_is_no_tag_set_is_refused(raw, stored, body):
    response = raw("PUT", stored["Bucket"], stored["Key"], "tagging", body=body)
    assert verdict(response) == (400, "MalformedXML" if body else "MissingRequestBodyError")


def test_a_bucket_without_tags_is_refused_and_with_them_named(s3, own_bucket):
    assert refused(s3.get_bucket_tagging, Bucket=own_bucket) == (404, "NoSuchTagSet")
    s3.put_bucket_tagging(Bucket=own_bucket, Tagging={"TagSet": tag_set(2)})
    assert s3.get_bucket_tagging(Bucket=own_bucket)["TagSet"] == tag_set(2)
    s3.delete_bucket_tagging(Bucket=own_bucket)
    assert refused(s3.get_bucket_tagging, Bucket=own_bucket) == (404, "NoSuchTagSet")
