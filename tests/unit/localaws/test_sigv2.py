"""Signature Version 2: what botocore signs is right, and nothing that was changed afterwards."""

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.localaws.iam.signatures.sigv2 import is_right, read, string_to_sign
from harness.localaws.iam.signatures.sigv4 import MalformedSignature
from tests.support.asked import received

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST = "https://s3.us-east-1.amazonaws.com"


def verified(request):
    """Say whether a request has a right signature."""
    claims = read(request.headers, request.query)
    scope = request.scope
    query, path = scope["query_string"].decode(), scope["raw_path"].decode()
    return is_right(claims.value, string_to_sign(claims, scope["method"], path, query, request.headers), SECRET)


def presigned(url, method="GET", headers=None, token=None):
    request = AWSRequest(method=method, url=url, headers=headers or {})
    HmacV1QueryAuth(Credentials("AKIA", SECRET, token), expires=60).add_auth(request)
    return request.url


def test_the_header_of_aws_s_own_example_is_right():
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html, Object GET"""
    given = {
        "Date": "Tue, 27 Mar 2007 19:36:42 +0000",
        "Authorization": "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
    }
    url = "https://s3.amazonaws.com/awsexamplebucket1/photos/puppy.jpg"
    assert verified(received("GET", url, given))
    assert not verified(received("PUT", url, given))
    assert not verified(received("GET", url, given | {"Date": "Tue, 27 Mar 2007 19:36:43 +0000"}))


@pytest.mark.parametrize(
    "query",
    ["", "?acl", "?versionId=3%2FL4kqtJ", "?uploadId=a%20b&partNumber=2", "?prefix=p&max-keys=1",
     "?response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%22&response-content-type=text%2Fplain"],
)  # fmt: skip
def test_a_url_that_botocore_presigns_is_right_with_its_subresources(query):
    url = presigned(f"{HOST}/bucket/a%20b%2Bc/%C3%BC{query}")
    assert verified(received("GET", url))
    assert not verified(received("HEAD", url))
    assert not verified(received("GET", url.replace("/bucket/", "/other/")))
    assert not verified(received("GET", f"{url}&versionId=1"))
    assert not verified(received("GET", url.replace("Expires=1", "Expires=2")))


def test_headers_that_were_presigned_must_be_sent():
    headers = {"Content-Type": "text/csv", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-meta-a": "b"}
    url = presigned(f"{HOST}/bucket/key", "PUT", headers)
    assert verified(received("PUT", url, headers))
    assert not verified(received("PUT", url, headers | {"Content-Type": "text/plain"}))
    assert not verified(received("PUT", url, headers | {"x-amz-meta-a": "c"}))
    assert not verified(received("PUT", url, {"Content-Type": "text/csv"}))
    assert not verified(received("PUT", url, headers | {"x-amz-acl": "public-read"}))
    assert not verified(received("PUT", f"{url}&X-Amz-Acl=public-read", headers))


def test_the_token_of_a_session_is_part_of_what_is_signed():
    url = presigned(f"{HOST}/bucket/key", token="a+token/=")
    request = received("GET", url)
    assert (request.access_key, request.session_token, verified(request)) == ("AKIA", "a+token/=", True)
    assert not verified(received("GET", url.replace("a%2Btoken", "b%2Btoken")))


def test_a_header_that_botocore_signs_is_right_with_either_date():
    for more in ({}, {"x-amz-acl": "private", "Content-Type": "text/csv"}):
        request = AWSRequest(method="PUT", url=f"{HOST}/bucket/key?tagging", headers=more)
        HmacV1Auth(Credentials("AKIA", SECRET)).add_auth(request)
        asked = received("PUT", request.url, dict(request.headers.items()))
        assert (asked.access_key, verified(asked)) == ("AKIA", True)
    dated = received("GET", HOST, {"authorization": "AWS AKIA:x", "x-amz-date": "Tue, 27 Mar 2007 19:36:42 GMT"})
    assert (read(dated.headers, {}).moment.year, read(dated.headers, {}).date) == (2007, "")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"AWSAccessKeyId": "A", "Signature": "s"}, "requires the Signature, Expires and AWSAccessKeyId parameters"),
        ({"Signature": "s", "Expires": "1"}, "requires the Signature, Expires and AWSAccessKeyId parameters"),
        ({"AWSAccessKeyId": "A", "Signature": "s", "Expires": "soon"}, "should be seconds since epoch"),
        ({"AWSAccessKeyId": "A", "Signature": "s", "Expires": str(2**32)}, "should be seconds since epoch"),
    ],
)
def test_a_url_without_all_its_parts_is_malformed(query, message):
    with pytest.raises(MalformedSignature, match=message):
        read({}, {name: [value] for name, value in query.items()})


def test_a_header_without_a_date_or_a_signature_is_malformed():
    for headers, kind in (({"authorization": "AWS A:s"}, "date"), ({"authorization": "AWS As"}, "scheme")):
        with pytest.raises(MalformedSignature) as error:
            read(headers, {})
        assert error.value.kind == kind


def test_a_request_without_signature_or_of_version_4_is_none_of_version_2():
    assert read({}, {"Expires": ["1"]}) is None
    assert read({"authorization": "AWS4-HMAC-SHA256 x"}, {}) is None
