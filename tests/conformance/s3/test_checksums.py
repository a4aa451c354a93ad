"""Checksums: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.

Refusals are those of https://docs.aws.amazon.com/AmazonS3/latest/developerguide/ErrorResponses.html.
"""

import base64
import hashlib
import zlib

import pytest

from tests.conformance.s3.service import body_of, refused, verdict

SMALL, LARGE = b"0123456789", b"x" * (2 << 20)
LEAST = 5 << 20


def encoded(digest):
    return base64.b64encode(digest).decode()


SUMS = {
    "CRC32": lambda data: encoded(zlib.crc32(data).to_bytes(4, "big")),
    "SHA1": lambda data: encoded(hashlib.sha1(data).digest()),
    "SHA256": lambda data: encoded(hashlib.sha256(data).digest()),
}
BODIES = pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])


@BODIES
@pytest.mark.parametrize("algorithm", SUMS)
def test_a_checksum_is_kept_and_returned_if_it_is_asked_for(s3, bucket, key, algorithm, data):
    where, member = {"Bucket": bucket, "Key": key}, f"Checksum{algorithm}"
    stored = s3.put_object(**where, Body=data, ChecksumAlgorithm=algorithm)
    assert stored[member] == SUMS[algorithm](data)
    for answer in (s3.get_object(**where, ChecksumMode="ENABLED"), s3.head_object(**where, ChecksumMode="ENABLED")):
        assert answer[member] == SUMS[algorithm](data)
        assert answer["ChecksumType"] == "FULL_OBJECT"
    attributes = s3.get_object_attributes(**where, ObjectAttributes=["Checksum"])
    assert attributes["Checksum"][member] == SUMS[algorithm](data)


@BODIES
def test_no_checksum_is_returned_unless_it_is_asked_for(raw, s3, bucket, key, data):
    s3.put_object(Bucket=bucket, Key=key, Body=data, ChecksumAlgorithm="SHA256")
    response = raw("HEAD", bucket, key)
    assert not [name for name in response.headers if name.lower().startswith("x-amz-checksum")]


@BODIES
@pytest.mark.parametrize("algorithm", SUMS)
def test_a_wrong_checksum_is_refused(s3, bucket, key, algorithm, data):
    wrong = {f"Checksum{algorithm}": SUMS[algorithm](b"other")}
    assert refused(s3.put_object, Bucket=bucket, Key=key, Body=data, **wrong) == (400, "BadDigest")
    assert refused(s3.head_object, Bucket=bucket, Key=key)[0] == 404


@BODIES
@pytest.mark.parametrize("algorithm", SUMS)
def test_a_checksum_that_is_none_is_refused(plain_s3, bucket, key, algorithm, data):
    code = refused(plain_s3.put_object, Bucket=bucket, Key=key, Body=data, **{f"Checksum{algorithm}": "bad"})
    assert code in ((400, "InvalidRequest"), (400, "BadDigest"))


@BODIES
def test_a_right_md5_is_accepted(raw, s3, bucket, key, data):
    sent = {"content-md5": encoded(hashlib.md5(data).digest())}
    assert raw("PUT", bucket, key, headers=sent, body=data).status_code == 200
    assert body_of(s3, Bucket=bucket, Key=key) == data


@BODIES
@pytest.mark.parametrize(
    ("value", "code"),
    [(encoded(hashlib.md5(b"other").digest()), "BadDigest"), ("YWJyYWNhZGFicmE=", "InvalidDigest"),
     ("not base64!", "InvalidDigest")],
)  # fmt: skip
def test_a_wrong_md5_is_refused(raw, s3, bucket, key, value, code, data):
    assert verdict(raw("PUT", bucket, key, headers={"content-md5": value}, body=data)) == (400, code)
    assert refused(s3.head_object, Bucket=bucket, Key=key)[0] == 404


@BODIES
def test_a_wrong_md5_of_a_part_is_refused(raw, s3, bucket, key, data):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    sent = {"content-md5": encoded(hashlib.md5(b"other").digest())}
    response = raw("PUT", bucket, key, f"uploadId={upload}&partNumber=1", sent, data)
    assert verdict(response) == (400, "BadDigest")


def test_a_range_has_no_checksum_of_the_whole(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=SMALL, ChecksumAlgorithm="SHA256")
    answer = s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-1", ChecksumMode="ENABLED")
    assert "ChecksumSHA256" not in answer


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "CRC32"])
def test_the_checksum_of_parts_is_that_of_their_checksums(s3, bucket, key, algorithm):
    parts, member = [b"a" * LEAST, b"the end"], f"Checksum{algorithm}"
    upload = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ChecksumAlgorithm=algorithm)["UploadId"]
    listed = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(**upload, PartNumber=number, Body=part, ChecksumAlgorithm=algorithm)
        assert answer[member] == SUMS[algorithm](part)
        listed.append({"PartNumber": number, "ETag": answer["ETag"], member: answer[member]})
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})
    whole = b"".join(base64.b64decode(SUMS[algorithm](part)) for part in parts)
    assert done[member] == f"{SUMS[algorithm](whole)}-2"
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert (head[member], head["ChecksumType"]) == (done[member], "COMPOSITE")


def test_a_full_checksum_of_parts_is_that_of_the_object(s3, bucket, key):
    parts = [b"a" * LEAST, b"the end"]
    upload = {"Bucket": bucket, "Key": key}
    given = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, **given)["UploadId"]
    listed = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(**upload, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32")
        listed.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed}, ChecksumType="FULL_OBJECT")
    assert done["ChecksumCRC32"] == SUMS["CRC32"](b"".join(parts))
    assert s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["ChecksumType"] == "FULL_OBJECT"


def test_a_copy_keeps_the_checksum(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=SMALL, ChecksumAlgorithm="SHA256")
    copied = s3.copy_object(Bucket=bucket, Key=f"{key}-copy", CopySource={"Bucket": bucket, "Key": key})
    assert copied["CopyObjectResult"]["ChecksumSHA256"] == SUMS["SHA256"](SMALL)


@pytest.mark.parametrize(
    "codings",
    ["aws-chunked", "gzip", "aws-chunked,gzip", "gzip,aws-chunked"],
)
@BODIES
def test_the_coding_that_uploads_add_is_not_stored(s3, bucket, key, codings, data):
    s3.put_object(Bucket=bucket, Key=key, Body=data, ChecksumAlgorithm="CRC32", ContentEncoding=codings)
    kept = ",".join(each for each in codings.split(",") if each != "aws-chunked")
    assert s3.head_object(Bucket=bucket, Key=key).get("ContentEncoding", "") == kept
