"""Bodies of requests that must be XML, deletions of many keys, and the form of errors.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html and
https://docs.aws.amazon.com/AmazonS3/latest/developerguide/ErrorResponses.html.
"""

import pytest

from tests.conformance.s3.service import elements, headers, refused, status, verdict

BROKEN = {
    "words": b"words",
    "open": b"<Delete><Object>",
    "other": b"<Other/>",
    "entity": b"<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e;</x>",
}
CONFIGURATIONS = ["versioning", "tagging", "cors", "lifecycle", "encryption", "website", "publicAccessBlock",
    "ownershipControls", "accelerate", "logging", "notification", "delete"]  # fmt: skip


def send(raw, bucket, query, body):
    return raw("POST" if query == "delete" else "PUT", bucket, query=query, body=body)


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("query", CONFIGURATIONS)
def test_a_body_that_is_not_the_configuration_s_xml_is_refused(raw, bucket, query, broken):
    assert verdict(send(raw, bucket, query, BROKEN[broken])) == (400, "MalformedXML")


@pytest.mark.parametrize("query", CONFIGURATIONS)
def test_an_empty_body_is_refused(raw, bucket, query):
    response = send(raw, bucket, query, b"")
    assert verdict(response) in ((400, "MissingRequestBodyError"), (400, "MalformedXML"))


@pytest.mark.parametrize("body", [b"<Delete/>", b"<Delete><Object/></Delete>", b"<Delete><Quiet>true</Quiet></Delete>",
    b"<Delete><Object><VersionId>x</VersionId></Object></Delete>",
    b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>"], ids=range(5))  # fmt: skip
def test_a_deletion_of_no_keys_or_too_many_is_refused(raw, bucket, body):
    assert verdict(raw("POST", bucket, query="delete", body=body)) == (400, "MalformedXML")


def test_a_thousand_keys_can_be_deleted_at_once(s3, bucket):
    asked = {"Objects": [{"Key": f"k{number}"} for number in range(1000)]}
    assert len(s3.delete_objects(Bucket=bucket, Delete=asked)["Deleted"]) == 1000


def test_keys_that_do_not_exist_count_as_deleted(s3, stored):
    asked = {"Objects": [{"Key": stored["Key"]}, {"Key": "missing"}]}
    answer = s3.delete_objects(Bucket=stored["Bucket"], Delete=asked)
    assert [each["Key"] for each in answer["Deleted"]] == [stored["Key"], "missing"]
    assert "Errors" not in answer


def test_a_quiet_deletion_answers_nothing(s3, stored):
    asked = {"Objects": [{"Key": stored["Key"]}], "Quiet": True}
    answer = s3.delete_objects(Bucket=stored["Bucket"], Delete=asked)
    assert "Deleted" not in answer
    assert refused(s3.head_object, **stored)[0] == 404


@pytest.mark.parametrize("name", ["a b", "a&b", "<a>", "a\"b'", "é", " padded ", "a+b", "a%20b", "a\tb"])
def test_keys_of_any_characters_can_be_deleted_together(s3, bucket, name):
    s3.put_object(Bucket=bucket, Key=name)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name}]})
    assert answer["Deleted"] == [{"Key": name}]
    assert refused(s3.head_object, Bucket=bucket, Key=name)[0] == 404


def test_a_deletion_of_many_keys_makes_markers(s3, versioned, key):
    s3.put_object(Bucket=versioned, Key=key)
    (deleted,) = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": key}]})["Deleted"]
    assert (deleted["Key"], deleted["DeleteMarker"]) == (key, True)
    markers = s3.list_object_versions(Bucket=versioned, Prefix=key)["DeleteMarkers"]
    assert [each["VersionId"] for each in markers] == [deleted["DeleteMarkerVersionId"]]
    assert "VersionId" not in deleted


def test_a_deletion_of_many_versions_removes_them(s3, versioned, key):
    ids = [
        s3.put_object(Bucket=versioned, Key=key)["VersionId"],
        s3.delete_object(Bucket=versioned, Key=key)["VersionId"],
    ]
    asked = {"Objects": [{"Key": key, "VersionId": each} for each in ids]}
    answer = s3.delete_objects(Bucket=versioned, Delete=asked)["Deleted"]
    assert [each["VersionId"] for each in answer] == ids
    assert (answer[1]["DeleteMarker"], answer[1]["DeleteMarkerVersionId"]) == (True, ids[1])
    assert "DeleteMarker" not in answer[0]
    listed = s3.list_object_versions(Bucket=versioned, Prefix=key)
    assert "Versions" not in listed
    assert "DeleteMarkers" not in listed


def test_a_key_of_many_whose_version_is_none_is_an_error(s3, versioned, key):
    s3.put_object(Bucket=versioned, Key=key)
    asked = {"Objects": [{"Key": key, "VersionId": "none"}]}
    (error,) = s3.delete_objects(Bucket=versioned, Delete=asked)["Errors"]
    assert (error["Key"], error["Code"], error["VersionId"]) == (key, "NoSuchVersion", "none")


# --- errors -----------------------------------------------------------------------------------------------------------

ERRORS = [
    ("GET", "{bucket}", "missing", "", {"Code": "NoSuchKey", "Key": "missing"}),
    ("GET", "conformance-none-such", "", "", {"Code": "NoSuchBucket", "BucketName": "conformance-none-such"}),
    ("PUT", "Bad_Name", "", "", {"Code": "InvalidBucketName", "BucketName": "Bad_Name"}),
    ("GET", "{bucket}", "k", "uploadId=none", {"Code": "NoSuchUpload", "UploadId": "none"}),
    (
        "GET",
        "{bucket}",
        "k",
        "versionId=none",
        {"Code": "InvalidArgument", "ArgumentName": "versionId", "ArgumentValue": "none"},
    ),
    (
        "GET",
        "{bucket}",
        "",
        "max-keys=x",
        {"Code": "InvalidArgument", "ArgumentName": "max-keys", "ArgumentValue": "x"},
    ),
    ("PUT", "{bucket}", "k" * 1025, "", {"Code": "KeyTooLongError", "Size": "1025", "MaxSizeAllowed": "1024"}),
    ("PATCH", "{bucket}", "k", "", {"Code": "MethodNotAllowed", "Method": "PATCH"}),
]


@pytest.mark.parametrize(("method", "where", "name", "query", "expected"), ERRORS, ids=lambda value: str(value)[:12])
def test_an_error_has_its_code_and_details(raw, bucket, method, where, name, query, expected):
    response = raw(method, where.format(bucket=bucket), name, query)
    found = elements(response)
    assert {part: found.get(part) for part in expected} == expected
    assert found["Message"]
    assert response.headers["content-type"] == "application/xml"
    assert found["RequestId"] == response.headers["x-amz-request-id"]
    assert found["HostId"] == response.headers["x-amz-id-2"]


@pytest.mark.parametrize(
    "operation", ["get_object", "head_object", "put_object", "delete_object", "get_object_tagging"]
)
def test_every_answer_has_the_ids_of_the_request(s3, stored, operation):
    answer = getattr(s3, operation)(**stored)
    assert headers(answer)["x-amz-request-id"]
    assert headers(answer)["x-amz-id-2"]
    assert headers(answer)["server"] == "AmazonS3"


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions", "head_bucket"])
def test_every_answer_about_a_bucket_has_the_ids_of_the_request(s3, bucket, operation):
    answer = getattr(s3, operation)(Bucket=bucket)
    assert status(answer) == 200
    assert headers(answer)["x-amz-request-id"]
    assert headers(answer)["x-amz-id-2"]
