"""Keys and names of buckets.

Keys: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html. Names:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
"""

import pytest
from botocore.config import Config

from tests.conformance.s3.service import body_of, refused, verdict

KEYS = [
    "plain", "a/b/c", "a//b", "/leading", "//two", "trailing/", "a b", "a+b", "a%b", "a%20b", "%2F", "a%2Fb", "a?b",
    "a#b", "a&b=c", "a;b", "a:b@c", "a,b", "a=b", "a'b\"c", "a<b>c", "a*b", "a~b", "a|b", "a\\b", "a{b}c", "a^b`c",
    "a[b]c", "é/ü", "日本語", "🙂", "a\tb", "a\nb", "a/./b", "a/../b", "./a", ".", "..a", "a..", "$x", "(1)",
    "versions", "acl", "x?versionId=1",
]  # fmt: skip


@pytest.fixture(scope="module", params=["auto", "path"])
def styled(request, service):
    return service.client(Config(s3={"addressing_style": request.param}))


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_any_characters_is_kept(styled, bucket, name):
    styled.put_object(Bucket=bucket, Key=name, Body=name.encode())
    assert body_of(styled, Bucket=bucket, Key=name) == name.encode()
    assert name in [each["Key"] for each in styled.list_objects_v2(Bucket=bucket, Prefix=name)["Contents"]]
    styled.delete_object(Bucket=bucket, Key=name)
    assert refused(styled.head_object, Bucket=bucket, Key=name)[0] == 404


@pytest.mark.parametrize("letter", ["k", "é", "日"])
def test_a_key_has_at_most_1024_bytes(s3, bucket, letter):
    width = len(letter.encode())
    longest = letter * (1024 // width)
    s3.put_object(Bucket=bucket, Key=longest, Body=b"x")
    assert body_of(s3, Bucket=bucket, Key=longest) == b"x"
    assert refused(s3.put_object, Bucket=bucket, Key=longest + letter) == (400, "KeyTooLongError")


@pytest.mark.parametrize("operation", ["get_object", "create_multipart_upload", "delete_object"])
def test_every_operation_refuses_a_key_that_is_too_long(s3, bucket, operation):
    assert refused(getattr(s3, operation), Bucket=bucket, Key="k" * 1025) == (400, "KeyTooLongError")


@pytest.mark.parametrize("name", ["../a", "a/../../b", "..", "a/../..", "../../a/b/c"])
def test_a_key_that_climbs_above_its_bucket_is_refused(raw, bucket, name):
    assert raw("PUT", bucket, name, body=b"x").status_code == 400


INVALID = [
    "ab", "a" * 64, "Upper", "under_score", "-start", "end-", ".start", "end.", "two..dots", "192.168.5.4", "xn--a",
    "sthree-a",
    "amzn-s3-demo-a", "a-s3alias", "a--ol-s3", "a.mrap", "a--x-s3", "a--table-s3",
]  # fmt: skip


@pytest.mark.parametrize("name", INVALID)
def test_a_bucket_s_name_outside_the_rules_is_refused(raw, name):
    assert verdict(raw("PUT", name)) == (400, "InvalidBucketName")


@pytest.mark.parametrize("name", ["{}.with.dots", "{}-1-2", "1{}", "{}9"])
def test_a_bucket_s_name_within_the_rules_is_taken(service, s3, name):
    whole = name.format(service.name())
    service.made.append(whole)
    place = {} if service.region == "us-east-1" else {"LocationConstraint": service.region}
    s3.create_bucket(Bucket=whole, **({"CreateBucketConfiguration": place} if place else {}))
    s3.head_bucket(Bucket=whole)
