"""Multipart uploads.

Values are those of https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html, API_UploadPart.html,
API_UploadPartCopy.html, API_CompleteMultipartUpload.html, API_AbortMultipartUpload.html, API_ListParts.html,
API_ListMultipartUploads.html and https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html. The refusals of
part numbers and of ranges to copy are what the public S3 suite of Ceph expects of AWS.
"""

import hashlib

import pytest

from tests.conformance.s3.service import body_of, elements, headers, refused, status, verdict

LEAST = 5 << 20
"""Bytes that each part but the last has at least."""


class Upload:
    def __init__(self, s3, bucket, key, **arguments):
        self.s3 = s3
        self.id = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)["UploadId"]
        self.where = {"Bucket": bucket, "Key": key, "UploadId": self.id}

    def put(self, number, body):
        return {"PartNumber": number, "ETag": self.s3.upload_part(**self.where, PartNumber=number, Body=body)["ETag"]}

    def complete(self, *parts, **arguments):
        return self.s3.complete_multipart_upload(**self.where, MultipartUpload={"Parts": list(parts)}, **arguments)


@pytest.fixture
def upload(s3, bucket, key):
    return Upload(s3, bucket, key)


@pytest.fixture(scope="module")
def in_parts(s3, bucket):
    """An object of three parts, with its parts."""
    upload = Upload(s3, bucket, "in-parts")
    parts = [b"a" * LEAST, b"b" * LEAST, b"the end"]
    upload.complete(*[upload.put(number, part) for number, part in enumerate(parts, 1)])
    return {"Bucket": bucket, "Key": "in-parts"}, parts


def test_parts_become_an_object_with_the_etag_of_their_digests(s3, in_parts):
    where, parts = in_parts
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    found = s3.get_object(**where)
    assert found["ETag"] == f'"{digest}-3"'
    assert found["Body"].read() == b"".join(parts)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_of_an_object_can_be_read(s3, in_parts, number):
    where, parts = in_parts
    answer = s3.get_object(**where, PartNumber=number)
    start = sum(map(len, parts[: number - 1]))
    assert answer["Body"].read() == parts[number - 1]
    assert (status(answer), answer["PartsCount"]) == (206, 3)
    assert answer["ContentRange"] == f"bytes {start}-{start + len(parts[number - 1]) - 1}/{sum(map(len, parts))}"
    assert answer["ETag"] == s3.head_object(**where)["ETag"]


@pytest.mark.parametrize("number", [1, 3])
def test_head_of_a_part_has_its_size(s3, in_parts, number):
    where, parts = in_parts
    answer = s3.head_object(**where, PartNumber=number)
    assert (status(answer), answer["ContentLength"], answer["PartsCount"]) == (206, len(parts[number - 1]), 3)


def test_a_part_beyond_the_last_is_refused(s3, in_parts):
    assert refused(s3.get_object, **in_parts[0], PartNumber=4) == (416, "InvalidPartNumber")
    assert refused(s3.head_object, **in_parts[0], PartNumber=4)[0] == 416


def test_the_sizes_of_parts_are_attributes(s3, in_parts):
    where, parts = in_parts
    answer = s3.get_object_attributes(**where, ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (answer["ObjectSize"], answer["ObjectParts"]["TotalPartsCount"]) == (sum(map(len, parts)), 3)


def test_one_small_part_is_an_object(s3, upload):
    answer = upload.complete(upload.put(1, b"x"))
    assert answer["ETag"].endswith('-1"')
    assert body_of(s3, Bucket=upload.where["Bucket"], Key=upload.where["Key"]) == b"x"


def test_an_upload_may_be_completed_twice(upload):
    part = upload.put(1, b"x")
    assert upload.complete(part)["ETag"] == upload.complete(part)["ETag"]


def test_completing_names_bucket_key_and_location(upload, service):
    answer = upload.complete(upload.put(1, b"x"))
    where = upload.where
    assert (answer["Bucket"], answer["Key"]) == (where["Bucket"], where["Key"])
    assert answer["Location"].startswith("http")
    assert where["Bucket"] in answer["Location"]
    assert answer["Location"].endswith(where["Key"])
    assert "VersionId" not in answer


def test_parts_may_have_gaps_and_any_order_of_upload(s3, upload):
    parts = {number: upload.put(number, bytes([number % 250]) * LEAST) for number in (7, 3)}
    upload.complete(parts[3], parts[7])
    body = body_of(s3, Bucket=upload.where["Bucket"], Key=upload.where["Key"])
    assert body == b"\x03" * LEAST + b"\x07" * LEAST


def test_a_part_sent_again_replaces_the_first(s3, upload):
    first, second = upload.put(1, b"first"), upload.put(1, b"second")
    assert refused(lambda: upload.complete(first)) == (400, "InvalidPart")
    upload.complete(second)
    assert body_of(s3, Bucket=upload.where["Bucket"], Key=upload.where["Key"]) == b"second"


def test_parts_that_are_not_named_are_left_out(s3, upload):
    parts = [upload.put(number, str(number).encode()) for number in (1, 2)]
    upload.complete(parts[1])
    assert body_of(s3, Bucket=upload.where["Bucket"], Key=upload.where["Key"]) == b"2"


def test_an_etag_without_quotes_is_taken(upload):
    part = upload.put(1, b"x")
    upload.complete({**part, "ETag": part["ETag"].strip('"')})


def test_a_part_but_the_last_that_is_too_small_is_refused(upload):
    parts = [upload.put(number, b"x" * 10) for number in (1, 2)]
    assert refused(lambda: upload.complete(*parts)) == (400, "EntityTooSmall")


@pytest.mark.parametrize("wrong", [{"PartNumber": 9}, {"ETag": '"00000000000000000000000000000000"'}, {"ETag": "x"}])
def test_a_part_that_was_not_uploaded_is_refused(upload, wrong):
    part = upload.put(1, b"x")
    assert refused(lambda: upload.complete({**part, **wrong})) == (400, "InvalidPart")


def test_parts_out_of_order_are_refused(upload):
    parts = [upload.put(number, b"x" * LEAST) for number in (1, 2)]
    assert refused(lambda: upload.complete(*parts[::-1])) == (400, "InvalidPartOrder")
    assert refused(lambda: upload.complete(parts[0], parts[0])) == (400, "InvalidPartOrder")


@pytest.mark.parametrize("body", [b"", b"<CompleteMultipartUpload/>", b"not xml", b"<Other><Part/></Other>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
])  # fmt: skip
def test_a_list_of_parts_that_is_none_is_refused(raw, upload, body):
    upload.put(1, b"x")
    response = raw("POST", upload.where["Bucket"], upload.where["Key"], f"uploadId={upload.id}", body=body)
    expected = "InvalidRequest" if not body else "MalformedXML"
    assert verdict(response) == (400, expected)


BY_UPLOAD = {
    "upload_part": {"PartNumber": 1, "Body": b"x"},
    "list_parts": {},
    "abort_multipart_upload": {},
    "complete_multipart_upload": {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]}},
}


@pytest.mark.parametrize("operation", BY_UPLOAD)
@pytest.mark.parametrize("upload_id", ["no-such-upload", "VXBsb2FkIElE"])
def test_an_unknown_upload_is_refused(s3, bucket, operation, upload_id):
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    assert refused(getattr(s3, operation), **where, **BY_UPLOAD[operation]) == (404, "NoSuchUpload")


def test_a_copy_into_an_unknown_upload_is_refused(s3, stored):
    asked = {**stored, "UploadId": "none", "PartNumber": 1, "CopySource": stored}
    assert refused(s3.upload_part_copy, **asked) == (404, "NoSuchUpload")


@pytest.mark.parametrize("operation", BY_UPLOAD)
def test_an_upload_belongs_to_its_key(s3, upload, operation):
    where = {**upload.where, "Key": "another-key"}
    assert refused(getattr(s3, operation), **where, **BY_UPLOAD[operation]) == (404, "NoSuchUpload")


@pytest.mark.parametrize("operation", ["upload_part", "list_parts", "abort_multipart_upload"])
def test_an_aborted_upload_is_gone(s3, upload, operation):
    upload.put(1, b"x")
    assert status(s3.abort_multipart_upload(**upload.where)) == 204
    assert refused(getattr(s3, operation), **upload.where, **BY_UPLOAD[operation]) == (404, "NoSuchUpload")


def test_a_large_part_of_an_unknown_upload_is_refused(s3, bucket):
    asked = {"Bucket": bucket, "Key": "k", "UploadId": "none", "PartNumber": 1, "Body": b"x" * (2 << 20)}
    assert refused(s3.upload_part, **asked) == (404, "NoSuchUpload")


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x"])
def test_a_number_of_a_part_outside_the_rules_is_refused(raw, upload, number):
    query = f"partNumber={number}&uploadId={upload.id}"
    assert verdict(raw("PUT", upload.where["Bucket"], upload.where["Key"], query, body=b"x")) == (
        400,
        "InvalidArgument",
    )


def test_the_last_number_of_a_part_is_10000(upload):
    upload.complete(upload.put(10000, b"x"))


def test_metadata_type_and_tags_of_an_upload_are_those_of_the_object(s3, bucket, key):
    given = {"Metadata": {"a": "b"}, "ContentType": "text/x", "CacheControl": "no-store"}
    upload = Upload(s3, bucket, key, **given, Tagging="t=1", StorageClass="STANDARD_IA")
    upload.complete(upload.put(1, b"x"))
    head = s3.head_object(Bucket=bucket, Key=key)
    assert {name: head[name] for name in given} == given
    assert head["StorageClass"] == "STANDARD_IA"
    assert s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_an_upload_under_way_is_no_object(s3, upload):
    upload.put(1, b"x")
    assert refused(s3.head_object, Bucket=upload.where["Bucket"], Key=upload.where["Key"])[0] == 404


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def five(s3, bucket):
    upload = Upload(s3, bucket, "five")
    for number in (1, 2, 4, 8, 16):
        upload.put(number, b"x" * number)
    yield upload
    s3.abort_multipart_upload(**upload.where)


def test_parts_are_listed_with_size_etag_and_time(s3, five):
    answer = s3.list_parts(**five.where)
    assert [(part["PartNumber"], part["Size"]) for part in answer["Parts"]] == [(n, n) for n in (1, 2, 4, 8, 16)]
    assert answer["Parts"][0]["ETag"] == f'"{hashlib.md5(b"x").hexdigest()}"'
    assert (answer["IsTruncated"], answer["MaxParts"], answer["StorageClass"]) == (False, 1000, "STANDARD")
    assert answer["UploadId"] == five.id


@pytest.mark.parametrize(
    ("asked", "numbers", "following"),
    [({"MaxParts": 2}, [1, 2], 2), ({"MaxParts": 2, "PartNumberMarker": 2}, [4, 8], 8),
     ({"PartNumberMarker": 4}, [8, 16], None), ({"PartNumberMarker": 3}, [4, 8, 16], None),
     ({"PartNumberMarker": 16}, [], None), ({"MaxParts": 5}, [1, 2, 4, 8, 16], None)],
)  # fmt: skip
def test_parts_can_be_listed_page_by_page(s3, five, asked, numbers, following):
    answer = s3.list_parts(**five.where, **asked)
    assert [part["PartNumber"] for part in answer.get("Parts", [])] == numbers
    assert answer["IsTruncated"] is (following is not None)
    if following:
        assert answer["NextPartNumberMarker"] == following


@pytest.mark.parametrize("query", ["max-parts=x", "max-parts=-1", "part-number-marker=x", "part-number-marker=-1"])
def test_a_page_of_parts_outside_the_rules_is_refused(raw, five, query):
    where = five.where
    assert verdict(raw("GET", where["Bucket"], where["Key"], f"uploadId={five.id}&{query}")) == (400, "InvalidArgument")


# --- uploads ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def under_way(service, s3):
    """A bucket with uploads under way: their keys, one of them twice."""
    name = service.make_bucket()
    uploads = [Upload(s3, name, key) for key in ("a", "dir/one", "dir/two", "z", "a")]
    return name, uploads


@pytest.mark.parametrize(
    ("asked", "keys", "prefixes"),
    [({}, ["a", "a", "dir/one", "dir/two", "z"], []), ({"Prefix": "dir/"}, ["dir/one", "dir/two"], []),
     ({"Delimiter": "/"}, ["a", "a", "z"], ["dir/"]), ({"KeyMarker": "a"}, ["dir/one", "dir/two", "z"], []),
     ({"Prefix": "none"}, [], []), ({"Prefix": "dir/", "Delimiter": "/"}, ["dir/one", "dir/two"], [])],
)  # fmt: skip
def test_uploads_under_way_are_listed(s3, under_way, asked, keys, prefixes):
    answer = s3.list_multipart_uploads(Bucket=under_way[0], **asked)
    assert [upload["Key"] for upload in answer.get("Uploads", [])] == keys
    assert [each["Prefix"] for each in answer.get("CommonPrefixes", [])] == prefixes
    assert answer["IsTruncated"] is False


def test_uploads_can_be_listed_page_by_page(s3, under_way):
    found, marker = [], {}
    while True:
        answer = s3.list_multipart_uploads(Bucket=under_way[0], MaxUploads=2, **marker)
        assert len(answer["Uploads"]) <= 2
        found += [(upload["Key"], upload["UploadId"]) for upload in answer["Uploads"]]
        if not answer["IsTruncated"]:
            break
        marker = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
    assert sorted(found) == sorted((each.where["Key"], each.id) for each in under_way[1])


@pytest.mark.parametrize("query", ["max-uploads=x", "max-uploads=-1", "encoding-type=x"])
def test_a_page_of_uploads_outside_the_rules_is_refused(raw, under_way, query):
    assert verdict(raw("GET", under_way[0], query=f"uploads&{query}")) == (400, "InvalidArgument")


# --- copied parts -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=bytes(range(200)))
    return {"Bucket": bucket, "Key": "source"}


@pytest.mark.parametrize(("asked", "part"), [(None, slice(None)), ("bytes=0-9", slice(0, 10)),
    ("bytes=5-5", slice(5, 6)), ("bytes=190-199", slice(190, 200))])  # fmt: skip
def test_a_part_can_be_copied_whole_or_in_part(s3, upload, source, asked, part):
    ranged = {"CopySourceRange": asked} if asked else {}
    copied = s3.upload_part_copy(**upload.where, PartNumber=1, CopySource=source, **ranged)["CopyPartResult"]
    upload.complete({"PartNumber": 1, "ETag": copied["ETag"]})
    assert body_of(s3, Bucket=source["Bucket"], Key=upload.where["Key"]) == bytes(range(200))[part]


@pytest.mark.parametrize("asked", ["0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-",
    "bytes=0-2,3-5", "bytes=-5", "bytes=5-", "bytes=3-2"])  # fmt: skip
def test_a_range_to_copy_that_cannot_be_read_is_refused(s3, upload, source, asked):
    copy = {**upload.where, "PartNumber": 1, "CopySource": source, "CopySourceRange": asked}
    assert refused(s3.upload_part_copy, **copy) == (400, "InvalidArgument")


def test_a_range_to_copy_beyond_the_end_is_refused(s3, upload, source):
    copy = {**upload.where, "PartNumber": 1, "CopySource": source, "CopySourceRange": "bytes=0-200"}
    assert refused(s3.upload_part_copy, **copy) in (
        (400, "InvalidRange"),
        (416, "InvalidRange"),
        (400, "InvalidArgument"),
    )


@pytest.mark.parametrize("missing", [{"Key": "none"}, {"Bucket": "conformance-none-such"}])
def test_a_source_of_a_part_that_does_not_exist_is_refused(s3, upload, source, missing):
    copy = {**upload.where, "PartNumber": 1, "CopySource": {**source, **missing}}
    code = "NoSuchKey" if "Key" in missing else "NoSuchBucket"
    assert refused(s3.upload_part_copy, **copy) == (404, code)


@pytest.mark.parametrize(("condition", "held"), [("CopySourceIfMatch", False), ("CopySourceIfNoneMatch", True)])
def test_a_condition_on_the_source_of_a_part_is_checked(s3, upload, source, condition, held):
    etag = s3.head_object(**source)["ETag"] if held else '"other"'
    copy = {**upload.where, "PartNumber": 1, "CopySource": source, condition: etag}
    assert refused(s3.upload_part_copy, **copy) == (412, "PreconditionFailed")


def test_creating_an_upload_reports_its_encryption(s3, bucket, key):
    answer = s3.create_multipart_upload(Bucket=bucket, Key=key)
    assert headers(answer)["x-amz-server-side-encryption"] == "AES256"


def test_the_error_of_an_unknown_upload_names_it(raw, bucket):
    response = raw("GET", bucket, "k", "uploadId=unknown")
    assert elements(response)["UploadId"] == "unknown"
    assert elements(response)["Message"].startswith("The specified upload does not exist.")
