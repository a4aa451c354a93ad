"""Presigned URLs: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html.

The tests of refusals need an S3 that checks signatures. The local AWS does with ``--enforce-iam``.
"""

import os
import urllib.request

import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.httpsession import URLLib3Session

from tests.conformance.s3.service import body_of, elements, verdict


@pytest.fixture(scope="module")
def fetch(service):
    http = URLLib3Session(proxies=urllib.request.getproxies(), verify=os.environ.get("AWS_CA_BUNDLE") or True)

    def send(method, url, body=b"", **sent):
        return http.send(AWSRequest(method, url, headers=sent, data=body).prepare())

    return send


@pytest.fixture(scope="module", params=["s3v4", "s3"])
def signer(request, service):
    """A client that signs URLs with version 4, or with version 2 as boto3 does by default in old regions."""
    return service.client(Config(signature_version=request.param))


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_an_object_can_be_stored_and_read_by_url(s3, signer, fetch, bucket, key, size):
    where, data = {"Bucket": bucket, "Key": key}, b"x" * size
    assert fetch("PUT", signer.generate_presigned_url("put_object", where), data).status_code == 200
    assert body_of(s3, **where) == data
    assert fetch("GET", signer.generate_presigned_url("get_object", where)).content == data


def test_head_and_deletion_work_by_url(s3, signer, fetch, stored):
    head = fetch("HEAD", signer.generate_presigned_url("head_object", stored))
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    assert fetch("DELETE", signer.generate_presigned_url("delete_object", stored)).status_code == 204
    gone = fetch("GET", signer.generate_presigned_url("get_object", stored))
    assert verdict(gone) == (404, "NoSuchKey")


@pytest.mark.parametrize("size", [10, 2 << 20])
@pytest.mark.parametrize(("name", "header"), [("ResponseContentType", "content-type"),
    ("ResponseContentDisposition", "content-disposition"), ("ResponseCacheControl", "cache-control")])  # fmt: skip
def test_a_url_can_override_a_header(s3, signer, fetch, bucket, key, size, name, header):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key, name: "a/b; c=d"})
    response = fetch("GET", url)
    assert (response.headers[header], len(response.content)) == ("a/b; c=d", size)


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_a_url_takes_a_range(s3, signer, fetch, bucket, key, size):
    s3.put_object(Bucket=bucket, Key=key, Body=b"0123456789" * (size // 10))
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
    response = fetch("GET", url, range="bytes=2-4")
    assert (response.status_code, response.content) == (206, b"234")


def test_a_part_can_be_uploaded_by_url(s3, signer, fetch, bucket, key):
    where = {"Bucket": bucket, "Key": key}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    response = fetch("PUT", signer.generate_presigned_url("upload_part", {**upload, "PartNumber": 1}), b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": response.headers["etag"]}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert body_of(s3, **where) == b"part"


def test_the_type_of_a_form_does_not_change_a_body(s3, signer, fetch, bucket, key):
    url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
    sent = {} if "X-Amz-Signature" not in url else {"content-type": "application/x-www-form-urlencoded"}
    assert fetch("PUT", url, b"a=1&b=2", **sent).status_code == 200
    assert body_of(s3, Bucket=bucket, Key=key) == b"a=1&b=2"


def test_a_list_can_be_read_by_url(signer, fetch, stored):
    url = signer.generate_presigned_url("list_objects_v2", {"Bucket": stored["Bucket"], "Prefix": stored["Key"]})
    assert elements(fetch("GET", url))["KeyCount"] == "1"


def test_a_version_can_be_read_by_url(s3, signer, fetch, versioned, key):
    where = {"Bucket": versioned, "Key": key}
    first = s3.put_object(**where, Body=b"one")["VersionId"]
    s3.put_object(**where, Body=b"two")
    assert fetch("GET", signer.generate_presigned_url("get_object", {**where, "VersionId": first})).content == b"one"
