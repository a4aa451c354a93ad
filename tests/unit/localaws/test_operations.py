"""Operations of S3 are found from method, key and query."""

import pytest

from harness.localaws.s3.operations import s3_operation


@pytest.mark.parametrize(
    ("method", "key", "query", "name"),
    [("GET", "k", "", "GetObject"), ("PUT", "k", "", "PutObject"), ("HEAD", "k", "", "HeadObject"),
     ("DELETE", "k", "", "DeleteObject"), ("POST", "", "delete", "DeleteObjects"), ("GET", "", "", "ListObjects"),
     ("GET", "", "list-type", "ListObjectsV2"), ("PUT", "", "", "CreateBucket"), ("HEAD", "", "", "HeadBucket"),
     ("DELETE", "", "", "DeleteBucket"), ("GET", "", "location", "GetBucketLocation"),
     ("GET", "k", "tagging", "GetObjectTagging"), ("POST", "k", "uploads", "CreateMultipartUpload"),
     ("GET", "", "uploads", "ListMultipartUploads"), ("PUT", "k", "uploadId", "UploadPart"),
     ("POST", "k", "uploadId", "CompleteMultipartUpload"), ("DELETE", "k", "uploadId", "AbortMultipartUpload"),
     ("GET", "k", "uploadId", "ListParts")],
)  # fmt: skip
def test_operations_of_s3_have_the_names_that_aws_gives_them(method, key, query, name):
    assert s3_operation(method, key, [query] if query else []) == name


def test_copies_are_distinguished_from_uploads():
    assert s3_operation("PUT", "k", ["x-id"], copies=True) == "CopyObject"
    assert s3_operation("PUT", "k", ["uploadId"], copies=True) == "UploadPartCopy"
