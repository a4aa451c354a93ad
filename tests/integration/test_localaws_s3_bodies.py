"""Bodies of S3 objects in the local AWS: every way in keeps the same, checks the same, and needs no memory."""

import base64
import hashlib
import os
import uuid
import zlib
from urllib.parse import urlsplit

import anycrc
import boto3
import pytest
from botocore.config import Config

from harness.aws.local import MockAWS
from harness.settings import Settings
from tests.support.proxied import signed as by_role
from tests.support.proxied import tunnel

MB = 1 << 20
SMALL = b"0123456789"
LARGE = os.urandom(2 * MB + 3)
STORED = {
    "CacheControl": "no-cache",
    "ContentDisposition": "attachment",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentType": "application/x-www-form-urlencoded",
    "Metadata": {"a": "b"},
    "StorageClass": "STANDARD_IA",
}
"""Facts that S3 keeps with an object."""


@pytest.fixture(scope="module")
def s3(local):
    return boto3.client("s3", config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4"))


@pytest.fixture(scope="module")
def bucket(s3):
    name = f"bodies-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for each in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])


@pytest.fixture
def raw(local, s3, bucket):
    """Send a request with a presigned URL by hand; return status, headers and body of the answer."""

    def send(operation, body=None, headers=None, **named):
        url = urlsplit(s3.generate_presigned_url(operation, {"Bucket": bucket, "Key": "key", **named}))
        connection = tunnel(local, url.netloc)
        method = "GET" if operation.startswith("get") else "PUT"
        connection.putrequest(method, f"{url.path}?{url.query}", skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    return send


def error_of(s3, call, **arguments):
    with pytest.raises(s3.exceptions.ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def by_put(s3, _raw, where, body):
    s3.put_object(**where, **STORED, Body=body)


def by_parts(s3, _raw, where, body):
    upload = {**where, "UploadId": s3.create_multipart_upload(**where, **STORED)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=body)["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})


def by_url(_s3, raw, where, body):
    headers = {
        "Cache-Control": "no-cache",
        "Content-Disposition": "attachment",
        "Content-Encoding": "gzip",
        "Content-Language": "de",
        "Content-Type": "application/x-www-form-urlencoded",
        "x-amz-meta-a": "b",
        "x-amz-storage-class": "STANDARD_IA",
        "Content-Length": str(len(body)),
    }
    signed = {**where, "Metadata": {"a": "b"}, "StorageClass": "STANDARD_IA"}
    assert raw("put_object", body, headers, **signed)[0] == 200


def by_copy(s3, raw, where, body):
    by_put(s3, raw, {**where, "Key": "source"}, body)
    s3.copy_object(**where, CopySource={**where, "Key": "source"}, StorageClass="STANDARD_IA")


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", [by_put, by_parts, by_url, by_copy])
def test_every_way_in_keeps_the_same_of_a_small_and_of_a_large_object(s3, raw, bucket, way, body):
    where = {"Bucket": bucket, "Key": f"kept/{way.__name__}/{len(body)}"}
    way(s3, raw, where, body)
    for described in (s3.head_object(**where), s3.get_object(**where)):
        assert {name: described.get(name) for name in STORED} == STORED
    assert s3.get_object(**where)["Body"].read() == body


def test_the_coding_of_chunks_alone_is_taken_off(s3, raw, bucket):
    headers = {"Content-Length": "10", "Content-Encoding": "gzip, br"}
    assert raw("put_object", SMALL, headers)[0] == 200
    assert s3.head_object(Bucket=bucket, Key="key")["ContentEncoding"] == "gzip,br"
    s3.put_object(Bucket=bucket, Key="key", Body=SMALL)
    assert "ContentEncoding" not in s3.head_object(Bucket=bucket, Key="key")


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_with_a_forms_content_type_is_data(s3, raw, bucket, body, kind):
    headers = {"Content-Type": kind, "Content-Length": str(len(body))}
    assert raw("put_object", body, headers, Key="form-type")[0] == 200
    stored = s3.get_object(Bucket=bucket, Key="form-type")
    assert (stored["Body"].read(), stored["ContentType"]) == (body, kind)


def crc(name, size):
    return lambda data: anycrc.Model(name).calc(data).to_bytes(size, "big")


DIGESTS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": crc("CRC32C", 4),
    "CRC64NVME": crc("CRC64-NVME", 8),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def checksum(algorithm, data):
    return base64.b64encode(DIGESTS[algorithm](data)).decode()


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_checksum_is_compared_kept_and_returned(s3, bucket, algorithm, body):
    where, name = {"Bucket": bucket, "Key": f"sum/{algorithm}"}, f"Checksum{algorithm}"
    wrong = checksum(algorithm, body + b"!")
    assert error_of(s3, s3.put_object, **where, Body=body, **{name: wrong}) == "BadDigest"
    assert error_of(s3, s3.put_object, **where, Body=body, **{name: "AAAA"}) == "InvalidRequest"
    right = {name: checksum(algorithm, body)}
    s3.put_object(**where, Body=body, **right)
    attributes = s3.get_object_attributes(**where, ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    read, head = (call(**where, ChecksumMode="ENABLED") for call in (s3.get_object, s3.head_object))
    for answer in (read, head, attributes["Checksum"]):
        assert (answer[name], answer["ChecksumType"]) == (right[name], "FULL_OBJECT")
    assert attributes["ObjectSize"] == len(body)


def test_a_checksum_is_returned_only_if_it_is_asked_for_and_not_with_a_range(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="key", Body=SMALL)
    assert not [name for name in raw("get_object")[1] if "checksum" in name]
    part = s3.get_object(Bucket=bucket, Key="key", Range="bytes=0-3", ChecksumMode="ENABLED")
    assert not [name for name in part if name.startswith("Checksum")]


def test_s3_adds_a_checksum_of_its_own_if_a_client_sends_none(s3, raw, bucket):
    answer = raw("put_object", LARGE, {"Content-Length": str(len(LARGE))})[1]
    described = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert described["ChecksumCRC64NVME"] == answer["x-amz-checksum-crc64nvme"] == checksum("CRC64NVME", LARGE)


def test_a_copy_has_the_checksum_that_is_asked_for_or_the_sources(s3, bucket):
    source = {"CopySource": {"Bucket": bucket, "Key": "from"}, "Bucket": bucket, "Key": "to"}
    s3.put_object(Bucket=bucket, Key="from", Body=SMALL, ChecksumAlgorithm="SHA1")
    assert s3.copy_object(**source)["CopyObjectResult"]["ChecksumSHA1"] == checksum("SHA1", SMALL)
    other = s3.copy_object(**source, ChecksumAlgorithm="SHA256")["CopyObjectResult"]
    assert other["ChecksumSHA256"] == checksum("SHA256", SMALL)
    described = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert (described["ChecksumSHA256"], described.get("ChecksumSHA1")) == (checksum("SHA256", SMALL), None)


@pytest.mark.parametrize("size", [10, len(LARGE)])
def test_the_md5_that_a_client_sends_is_compared(s3, bucket, size):
    asked = {"Bucket": bucket, "Key": "md5", "Body": LARGE[:size]}
    other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert error_of(s3, s3.put_object, **asked, ContentMD5=other) == "BadDigest"
    assert error_of(s3, s3.put_object, **asked, ContentMD5="no MD5") == "InvalidDigest"
    s3.put_object(**asked, ContentMD5=base64.b64encode(hashlib.md5(LARGE[:size]).digest()).decode())


PARTS = [LARGE * 3, LARGE]


def upload_parts(s3, where, **planned):
    upload = {**where, "UploadId": s3.create_multipart_upload(**where, **planned)["UploadId"]}
    algorithm = planned["ChecksumAlgorithm"]
    parts = []
    for number, body in enumerate(PARTS, 1):
        sent = {f"Checksum{algorithm}": checksum(algorithm, body)}  # boto3 computes no CRC32C
        answer = s3.upload_part(**upload, PartNumber=number, Body=body, **sent)
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
    return upload, parts


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_composite_checksum_is_that_of_the_parts_checksums_and_their_number(s3, bucket, algorithm):
    where, name = {"Bucket": bucket, "Key": f"composite/{algorithm}"}, f"Checksum{algorithm}"
    upload, parts = upload_parts(s3, where, ChecksumAlgorithm=algorithm)
    without = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    assert error_of(s3, s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": without}) == "InvalidRequest"
    swapped = [part | {name: other[name]} for part, other in zip(parts, parts[::-1], strict=True)]
    assert error_of(s3, s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": swapped}) == "InvalidPart"
    stored = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    expected = checksum(algorithm, b"".join(DIGESTS[algorithm](part) for part in PARTS)) + "-2"
    described = s3.head_object(**where, ChecksumMode="ENABLED")
    for answer in (stored, described):
        assert (answer[name], answer["ChecksumType"]) == (expected, "COMPOSITE")
    listed = s3.get_object_attributes(**where, ObjectAttributes=["ObjectParts"])["ObjectParts"]
    assert [part[name] for part in listed["Parts"]] == [checksum(algorithm, part) for part in PARTS]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_full_checksum_of_parts_is_that_of_the_whole_object(s3, bucket, algorithm):
    where, name = {"Bucket": bucket, "Key": f"full/{algorithm}"}, f"Checksum{algorithm}"
    upload, parts = upload_parts(s3, where, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    whole, complete = b"".join(PARTS), {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    wrong = {name: checksum(algorithm, b"other")}
    assert error_of(s3, s3.complete_multipart_upload, **upload, **complete, **wrong) == "BadDigest"
    size = {"MpuObjectSize": len(whole) - 1}
    assert error_of(s3, s3.complete_multipart_upload, **upload, **complete, **size) == "InvalidRequest"
    stored = s3.complete_multipart_upload(**upload, **complete, **{name: checksum(algorithm, whole)})
    assert (stored[name], stored["ChecksumType"]) == (checksum(algorithm, whole), "FULL_OBJECT")
    assert stored["Location"].startswith(f"https://{bucket}.s3.")


def test_an_upload_of_a_plain_client_gets_the_default_checksum_of_the_whole_object(s3, raw, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    parts = []
    for number, body in enumerate(PARTS, 1):
        sent = {"UploadId": upload, "PartNumber": number}
        etag = raw("upload_part", body, {"Content-Length": str(len(body))}, **sent)[1]["etag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(Bucket=bucket, Key="key", UploadId=upload, MultipartUpload={"Parts": parts})
    described = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert described["ChecksumCRC64NVME"] == checksum("CRC64NVME", b"".join(PARTS))


def test_the_parts_of_an_upload_are_checked_as_s3_does(s3, bucket):
    where = {"Bucket": bucket, "Key": "checked"}
    assert error_of(s3, s3.create_multipart_upload, **where, ChecksumType="COMPOSITE") == "InvalidRequest"
    sha = {"ChecksumAlgorithm": "SHA256"}
    assert error_of(s3, s3.create_multipart_upload, **where, **sha, ChecksumType="FULL_OBJECT") == "InvalidRequest"
    upload, parts = upload_parts(s3, where, **sha)
    assert error_of(s3, s3.upload_part, **upload, PartNumber=3, Body=b"", ChecksumAlgorithm="SHA1") == "InvalidRequest"
    reverse = {"Parts": parts[::-1]}
    assert error_of(s3, s3.complete_multipart_upload, **upload, MultipartUpload=reverse) == "InvalidPartOrder"
    s3.abort_multipart_upload(**upload)
    gone = {"MultipartUpload": {"Parts": parts}}
    assert error_of(s3, s3.complete_multipart_upload, **upload, **gone) == "NoSuchUpload"


def test_a_part_of_an_object_is_read_by_its_number(s3, bucket):
    where = {"Bucket": bucket, "Key": "numbered"}
    upload, parts = upload_parts(s3, where, ChecksumAlgorithm="CRC32")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    second = s3.get_object(**where, PartNumber=2, ChecksumMode="ENABLED")
    start, size = len(PARTS[0]), sum(map(len, PARTS))
    assert second["ContentRange"] == f"bytes {start}-{size - 1}/{size}"
    assert (second["PartsCount"], second["ChecksumCRC32"]) == (2, checksum("CRC32", PARTS[1]))
    assert second["Body"].read() == PARTS[1]
    assert s3.head_object(**where, PartNumber=1)["ContentLength"] == start
    assert error_of(s3, s3.get_object, **where, PartNumber=3) == "InvalidPartNumber"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=1-3", slice(1, 4)), ("bytes=-4", slice(-4, None)), ("bytes=5-3", slice(None)), ("bytes=a", slice(None)),
     ("bytes=0-1,3-4", slice(None)), ("items=0-1", slice(None))],
)  # fmt: skip
def test_a_range_that_s3_does_not_take_is_ignored(s3, bucket, body, asked, expected):
    s3.put_object(Bucket=bucket, Key="range", Body=body)
    answer = s3.get_object(Bucket=bucket, Key="range", Range=asked)
    assert answer["Body"].read() == body[expected]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == (200 if expected == slice(None) else 206)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_an_old_version_is_read_with_headers_of_the_clients_choice(s3, bucket, body):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="version", Body=body)["VersionId"]
    s3.put_object(Bucket=bucket, Key="version", Body=b"new")
    read = s3.get_object(
        Bucket=bucket, Key="version", VersionId=old, ResponseContentType="text/x", ResponseCacheControl="no-store"
    )
    assert (read["ContentType"], read["CacheControl"], read["VersionId"]) == ("text/x", "no-store", old)
    assert read["Body"].read() == body


def chunks(data, trailer=b""):
    return b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(data), data, trailer)


CHUNKED = {
    "Content-Encoding": "aws-chunked",
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": "5",
}
CRC = b"x-amz-checksum-crc32:%s\r\n" % checksum("CRC32", b"12345").encode()
TRAILER = {"x-amz-trailer": "x-amz-checksum-crc32"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (chunks(b"12345", CRC), CHUNKED | TRAILER, 200, ""),
        (chunks(b"12345", CRC.replace(b"y", b"z")), CHUNKED | TRAILER, 400, "BadDigest"),
        (chunks(b"12345"), CHUNKED | TRAILER, 400, "MalformedTrailerError"),
        (chunks(b"12345", CRC), CHUNKED, 400, "MalformedTrailerError"),
        (chunks(b"12345"), CHUNKED | {"x-amz-trailer": "x-amz-meta-a"}, 400, "InvalidRequest"),
        (chunks(b"1234"), CHUNKED, 400, "IncompleteBody"),
        (b"5\r\n12345", CHUNKED, 400, "IncompleteBody"),
        (b"no chunk", CHUNKED, 400, "IncompleteBody"),
        (chunks(b"12345"), CHUNKED | {"x-amz-decoded-content-length": "x"}, 400, "InvalidArgument"),
        (None, {}, 411, "MissingContentLength"),
    ],
)
def test_a_body_that_is_not_as_the_request_says_is_refused(local, bucket, body, headers, status, code):
    host = f"{bucket}.s3.us-east-1.amazonaws.com"
    connection = tunnel(local, host)
    connection.putrequest("PUT", "/key")
    length = {} if body is None else {"Content-Length": str(len(body))}
    for name, value in {**by_role(local, "PUT", f"https://{host}/key", headers), **length}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == status
    assert (f"<Code>{code}</Code>" if code else "") in text


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"ServerSideEncryption": "aws:kms"}, "ServerSideEncryption 'aws:kms'"),
        ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}, "SSECustomerAlgorithm"),
        ({"ChecksumXXHASH3": "AAAAAAAAAAA="}, "x-amz-checksum-xxhash3"),
    ],
)
def test_a_header_that_is_not_emulated_is_refused_by_name(s3, bucket, asked, named):
    with pytest.raises(s3.exceptions.ClientError, match=f"does not emulate .*{named}"):
        s3.put_object(Bucket=bucket, Key="refused", Body=SMALL, **asked)
    assert s3.list_objects_v2(Bucket=bucket, Prefix="refused")["KeyCount"] == 0


def test_a_bucket_of_another_owner_than_expected_is_refused(s3, local, bucket):
    asked = {"Bucket": bucket, "Key": "owner"}
    assert error_of(s3, s3.put_object, **asked, Body=SMALL, ExpectedBucketOwner="1" * 12) == "AccessDenied"
    assert error_of(s3, s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="1" * 12) == "AccessDenied"
    assert error_of(s3, s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="1") == "InvalidBucketOwnerAWSAccountID"
    s3.put_object(**asked, Body=SMALL, ExpectedBucketOwner=local.account)


FORM = "multipart/form-data; boundary=line"


def test_a_small_body_is_compared_with_its_checksum_too(s3, bucket):
    s3.put_object(Bucket=bucket, Key="kept", Body=SMALL)
    asked = {"Bucket": bucket, "Delete": {"Objects": [{"Key": "kept"}]}}
    s3.meta.events.register("before-sign.s3.DeleteObjects", replace_checksum)
    assert error_of(s3, s3.delete_objects, **asked) == "BadDigest"
    s3.meta.events.unregister("before-sign.s3.DeleteObjects", replace_checksum)
    assert s3.head_object(Bucket=bucket, Key="kept")["ContentLength"] == len(SMALL)


def replace_checksum(request, **_):
    request.headers.replace_header("x-amz-checksum-crc32", "AAAAAA==")


def form(fields, file, filename="a file.txt"):
    head = "".join(
        f'--line\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    file_head = f'--line\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return f"{head}{file_head}".encode() + file + b"\r\n--line--\r\n"


def signed(s3, bucket, fields):
    """Return the fields of a form with a policy that allows them, and its signature."""
    own = {name: value for name, value in fields.items() if name != "key"}
    conditions = [{name: value} for name, value in own.items()]
    return s3.generate_presigned_post(bucket, fields["key"], own, conditions)["fields"]


def post(local, bucket, content, kind=FORM):
    connection = tunnel(local, f"{bucket}.s3.us-east-1.amazonaws.com")
    connection.request("POST", "/", content, {"Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


@pytest.mark.parametrize("body", [SMALL, LARGE + b"\r\n--lin"], ids=["small", "large"])
def test_a_form_stores_its_file_with_its_fields(s3, local, bucket, body):
    fields = {"key": "forms/${filename}", "Content-Type": "text/x", "x-amz-meta-a": "b", "success_action_status": "201"}
    status, headers, text = post(local, bucket, form(signed(s3, bucket, fields), body))
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert (status, headers["ETag"], "<Key>forms/a file.txt</Key>" in text) == (201, etag, True)
    stored = s3.get_object(Bucket=bucket, Key="forms/a file.txt")
    assert (stored["Body"].read(), stored["ContentType"], stored["Metadata"]) == (body, "text/x", {"a": "b"})


def test_a_form_is_answered_as_it_asks(s3, local, bucket):
    def answer(**asked):
        return post(local, bucket, form(signed(s3, bucket, {"key": "f"} | asked), SMALL))

    assert answer()[0] == 204
    assert answer(success_action_status="200")[0] == 200
    status, headers, _ = answer(success_action_redirect="https://e.org/?a=1")
    assert (status, headers["Location"][:29]) == (303, f"https://e.org/?a=1&bucket={bucket}"[:29])


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (form({"a": "b"}, SMALL), FORM, "InvalidArgument"),
        (form({"key": "f", "a": "x" * 21_000}, SMALL), FORM, "MaxPostPreDataLength"),
        (b"--line\r\nno form", FORM, "MalformedPOSTRequest"),
        (b"key=f&file=x", "application/x-www-form-urlencoded", "PreconditionFailed"),
    ],
)
def test_a_form_that_s3_does_not_take_is_refused(local, bucket, content, kind, code):
    status, _, text = post(local, bucket, content, kind)
    assert status in (400, 412)
    assert f"<Code>{code}" in text


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-server-side-encryption", "aws:kms", "NotImplemented"),
    ],
)
def test_a_field_that_s3_does_not_take_is_refused(s3, local, bucket, name, value, code):
    status, _, text = post(local, bucket, form(signed(s3, bucket, {"key": "f", name: value}), SMALL))
    assert status == 400
    assert f"<Code>{code}" in text


MOST_GROWTH = 100 * MB
"""Bytes by which the local AWS may grow while bodies of any size pass through it."""


def test_bodies_of_any_size_are_not_held_in_memory():
    block = os.urandom(64 * MB)
    with MockAWS.start(Settings()) as local:
        s3 = local.client("s3")
        s3.create_bucket(Bucket="large")
        s3.put_object(Bucket="large", Key="warm", Body=LARGE)
        s3.head_bucket(Bucket="sagemaker-sample-data-us-east-1")  # it is written now, and not while this measures
        before = local.status()["memory"]
        for number in range(10):
            url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "large", "Key": str(number % 2)}))
            connection = tunnel(local, url.netloc)
            connection.request("PUT", f"{url.path}?{url.query}", block)
            assert connection.getresponse().status == 200
            connection.close()
        assert post(local, "large", form(signed(s3, "large", {"key": "form"}), block))[0] == 204
        read = urlsplit(s3.generate_presigned_url("get_object", {"Bucket": "large", "Key": "form"}))
        connection = tunnel(local, read.netloc)
        connection.request("GET", f"{read.path}?{read.query}")
        assert connection.getresponse().read() == block
        grown = local.status()["peak_memory"] - before
    assert grown < MOST_GROWTH, f"grew by {grown / MB:.0f} MiB"
