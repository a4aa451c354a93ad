"""Objects: bodies, headers, deletion, missing ones.

Values are those of https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, API_GetObject.html,
API_HeadObject.html, API_DeleteObject.html and of
https://docs.aws.amazon.com/AmazonS3/latest/developerguide/ErrorResponses.html.
"""

import hashlib
from datetime import datetime, timezone

import pytest

from tests.conformance.s3.service import body_of, elements, headers, refused, status, verdict

MB = 1 << 20


@pytest.mark.parametrize("size", [0, 1, 1000, MB - 1, MB, MB + 1, 3 * MB])
def test_a_body_is_returned_as_it_was_stored(s3, bucket, key, size):
    data = bytes(range(251)) * (size // 251 + 1)
    answer = s3.put_object(Bucket=bucket, Key=key, Body=data[:size])
    assert answer["ETag"] == f'"{hashlib.md5(data[:size]).hexdigest()}"'
    found = s3.get_object(Bucket=bucket, Key=key)
    assert found["Body"].read() == data[:size]
    assert (found["ContentLength"], found["ETag"]) == (size, answer["ETag"])


def test_a_second_put_replaces_body_metadata_and_type(s3, stored):
    s3.put_object(**stored, Body=b"new")
    found = s3.get_object(**stored)
    assert found["Body"].read() == b"new"
    assert (found["Metadata"], found["ContentType"]) == ({}, "binary/octet-stream")


SYSTEM = {
    "ContentType": "text/csv; charset=utf-8",
    "CacheControl": "max-age=5",
    "ContentDisposition": 'attachment; filename="a.csv"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "Expires": datetime(2040, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
}


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("size", [5, 2 * MB], ids=["small", "large"])
def test_a_system_header_of_an_object_is_kept(s3, bucket, key, name, size):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size, **{name: SYSTEM[name]})
    for answer in (s3.get_object(Bucket=bucket, Key=key), s3.head_object(Bucket=bucket, Key=key)):
        assert answer[name] == SYSTEM[name]


@pytest.mark.parametrize("size", [5, 2 * MB], ids=["small", "large"])
@pytest.mark.parametrize(
    ("parameter", "header", "value"),
    [
        ("ResponseContentType", "content-type", "text/html"),
        ("ResponseCacheControl", "cache-control", "no-cache"),
        ("ResponseContentDisposition", "content-disposition", "inline"),
        ("ResponseContentEncoding", "content-encoding", "x"),
        ("ResponseContentLanguage", "content-language", "fr"),
        ("ResponseExpires", "expires", "Thu, 01 Dec 2033 16:00:00 GMT"),
    ],
)
def test_a_get_can_override_a_header(s3, bucket, key, size, parameter, header, value):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    answer = s3.get_object(Bucket=bucket, Key=key, **{parameter: value})
    assert headers(answer)[header] == value
    assert len(answer["Body"].read()) == size


def test_head_says_the_same_as_get(s3, stored):
    got, head = s3.get_object(**stored), s3.head_object(**stored)
    for name in ("ContentLength", "ContentType", "ETag", "LastModified", "Metadata", "AcceptRanges"):
        assert got[name] == head[name]
    assert head["AcceptRanges"] == "bytes"


def test_a_list_and_head_agree_on_the_time_and_the_size(s3, stored):
    listed = s3.list_objects_v2(Bucket=stored["Bucket"], Prefix=stored["Key"])["Contents"][0]
    head = s3.head_object(**stored)
    assert listed["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert (listed["Size"], listed["ETag"], listed["StorageClass"]) == (10, head["ETag"], "STANDARD")


def test_a_deleted_object_is_gone_and_a_second_deletion_succeeds(s3, stored):
    assert status(s3.delete_object(**stored)) == 204
    assert refused(s3.get_object, **stored) == (404, "NoSuchKey")
    assert status(s3.delete_object(**stored)) == 204


def test_a_missing_key_is_named(raw, bucket):
    response = raw("GET", bucket, "no/such key")
    assert verdict(response) == (404, "NoSuchKey")
    assert elements(response)["Key"] == "no/such key"
    assert elements(response)["Message"] == "The specified key does not exist."


def test_head_of_a_missing_object_has_no_body(raw, bucket):
    response = raw("HEAD", bucket, "missing")
    assert (response.status_code, response.content) == (404, b"")


ON_BUCKETS = {
    "get_object": {"Key": "k"},
    "put_object": {"Key": "k", "Body": b"x"},
    "delete_object": {"Key": "k"},
    "get_object_tagging": {"Key": "k"},
    "list_objects": {},
    "list_objects_v2": {},
    "list_object_versions": {},
    "list_multipart_uploads": {},
    "create_multipart_upload": {"Key": "k"},
    "delete_objects": {"Delete": {"Objects": [{"Key": "k"}]}},
    "get_bucket_location": {},
    "get_bucket_versioning": {},
    "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
    "delete_bucket": {},
    "copy_object": {"Key": "k", "CopySource": {"Bucket": "conformance-none-such", "Key": "k"}},
}


@pytest.mark.parametrize("operation", ON_BUCKETS)
def test_a_bucket_that_does_not_exist_is_refused(s3, service, operation):
    arguments = {"Bucket": service.name(), **ON_BUCKETS[operation]}
    assert refused(getattr(s3, operation), **arguments) == (404, "NoSuchBucket")


@pytest.mark.parametrize("operation", ["head_bucket", "head_object"])
def test_head_in_a_bucket_that_does_not_exist_is_404(s3, service, operation):
    arguments = {"Bucket": service.name()} | ({"Key": "k"} if operation == "head_object" else {})
    assert refused(getattr(s3, operation), **arguments) == (404, "404")


@pytest.mark.parametrize("metadata", [{"a": "b"}, {"empty": ""}, {"one": "1", "two-2": "2 2"}, {"upper": "VaLue"}])
def test_user_metadata_is_returned(s3, bucket, key, metadata):
    s3.put_object(Bucket=bucket, Key=key, Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == metadata


def test_names_of_user_metadata_are_stored_in_lower_case(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Metadata={"CamelCase": "Value"})
    assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == {"camelcase": "Value"}


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_user_metadata_has_at_most_two_kilobytes(s3, bucket, key, names):
    """Names and values count together: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html."""
    each = 1800 // len(names)
    s3.put_object(Bucket=bucket, Key=key, Metadata=dict.fromkeys(names, "v" * each))
    large = {name: "v" * (2100 // len(names)) for name in names}
    assert refused(s3.put_object, Bucket=bucket, Key=key, Metadata=large) == (400, "MetadataTooLarge")
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key=key, Metadata=large) == (400, "MetadataTooLarge")


@pytest.mark.parametrize("storage", ["REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING"])
def test_a_storage_class_other_than_standard_is_reported(s3, bucket, key, storage):
    s3.put_object(Bucket=bucket, Key=key, StorageClass=storage)
    assert s3.head_object(Bucket=bucket, Key=key)["StorageClass"] == storage


def test_the_standard_storage_class_is_not_reported(s3, stored):
    assert "StorageClass" not in s3.head_object(**stored)


def test_an_unknown_storage_class_is_refused(s3, bucket, key):
    assert refused(s3.put_object, Bucket=bucket, Key=key, StorageClass="BEST") == (400, "InvalidStorageClass")


def test_an_object_is_encrypted_by_default(s3, stored):
    """See https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html."""
    assert s3.head_object(**stored)["ServerSideEncryption"] == "AES256"


def test_the_only_part_of_an_object_that_was_stored_at_once_is_all_of_it(s3, stored):
    answer = s3.get_object(**stored, PartNumber=1)
    assert (status(answer), answer["ContentRange"], answer["Body"].read()) == (206, "bytes 0-9/10", b"0123456789")
    assert refused(s3.get_object, **stored, PartNumber=2) == (416, "InvalidPartNumber")


@pytest.mark.parametrize("number", ["0", "10001", "x", "-1"])
def test_a_part_number_outside_the_rules_is_refused(raw, stored, number):
    response = raw("GET", stored["Bucket"], stored["Key"], f"partNumber={number}")
    assert verdict(response) == (400, "InvalidArgument")


def test_a_part_and_a_range_together_are_refused(s3, stored):
    assert refused(s3.get_object, **stored, PartNumber=1, Range="bytes=0-1") == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("attribute", "member", "value"),
    [("ObjectSize", "ObjectSize", 10), ("ETag", "ETag", "781e5e245d69b566979b86e28d23f2c7"),
     ("StorageClass", "StorageClass", "STANDARD")],
)  # fmt: skip
def test_an_attribute_of_an_object_is_returned_if_it_is_asked_for(s3, stored, attribute, member, value):
    answer = s3.get_object_attributes(**stored, ObjectAttributes=[attribute])
    assert answer[member] == value
    assert len(answer.keys() & {"ObjectSize", "ETag", "StorageClass"}) == 1


@pytest.mark.parametrize("attributes", ["", "Color", "ETag,Color"])
def test_unknown_attributes_are_refused(raw, stored, attributes):
    asked = {"x-amz-object-attributes": attributes} if attributes else {}
    response = raw("GET", stored["Bucket"], stored["Key"], "attributes", asked)
    assert verdict(response) == (400, "InvalidArgument" if attributes else "InvalidRequest")


def test_attributes_of_a_missing_object_are_refused(s3, bucket):
    asked = {"Bucket": bucket, "Key": "missing", "ObjectAttributes": ["ETag"]}
    assert refused(s3.get_object_attributes, **asked) == (404, "NoSuchKey")


def test_a_body_with_a_form_s_type_is_stored_as_it_is(raw, s3, bucket, key):
    sent = {"content-type": "application/x-www-form-urlencoded"}
    assert raw("PUT", bucket, key, headers=sent, body=b"a=1&b=2").status_code == 200
    assert body_of(s3, Bucket=bucket, Key=key) == b"a=1&b=2"
