"""Policies of POST forms: what they allow, and what S3 says to the rest."""

import asyncio
import base64
import io
import json
from datetime import datetime, timedelta, timezone

import pytest
from botocore.auth import HmacV1PostAuth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.localaws.exceptions import AWSError
from harness.localaws.iam.signatures import form_signature, post_policy
from harness.localaws.s3.bodies.forms import Form, FormReader

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
FIELDS = {"key": "in/1.csv", "policy": "…", "x-amz-signature": "…", "x-ignore-me": "1"}


def policy(*conditions, expiration="2026-01-31T12:00:01Z", **more):
    document = {"expiration": expiration, "conditions": list(conditions)} | more
    return base64.b64encode(json.dumps(document).encode()).decode()


def outcome(encoded, size=10, **fields):
    """Return None, or the status, code and message of a refusal."""
    given = FIELDS | {name.replace("_", "-").lower(): value for name, value in fields.items()}
    try:
        read = post_policy.read(encoded)
        read.check_fields(given, "bucket", NOW)
        read.check_size(size)
    except AWSError as error:
        return error.status, error.code, error.message
    return None


KEY = ["starts-with", "$key", "in/"]


@pytest.mark.parametrize(
    "conditions",
    [
        [KEY],
        [{"key": "in/1.csv"}],
        [{"KEY": "in/1.csv"}, {"bucket": "bucket"}],
        [["EQ", "$Key", "in/1.csv"]],
        [["starts-with", "$key", ""], ["content-length-range", 10, "10"]],
    ],
)
def test_a_form_that_meets_its_conditions_is_allowed(conditions):
    assert outcome(policy(*conditions)) is None


@pytest.mark.parametrize(
    ("conditions", "fields", "reason"),
    [
        ([["starts-with", "$key", "out/"]], {}, 'Policy Condition failed: ["starts-with", "$key", "out/"]'),
        ([{"key": "in/2.csv"}], {}, 'Policy Condition failed: ["eq", "$key", "in/2.csv"]'),
        ([KEY, {"bucket": "other"}], {}, 'Policy Condition failed: ["eq", "$bucket", "other"]'),
        ([KEY, {"acl": "private"}], {}, 'Policy Condition failed: ["eq", "$acl", "private"]'),
        ([KEY], {"x_amz_meta_a": "1"}, "Extra input fields: x-amz-meta-a"),
        ([], {}, "Extra input fields: key"),
        (
            [KEY, ["starts-with", "$Content-Type", "image/"]],
            {"content_type": "image/png, text/html"},
            'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]',
        ),
    ],
)
def test_a_form_that_breaks_a_condition_or_has_a_field_too_many_is_denied(conditions, fields, reason):
    assert outcome(policy(*conditions), **fields) == (403, "AccessDenied", f"Invalid according to Policy: {reason}")


def test_a_policy_is_good_until_it_expires():
    for end, expected in (("2026-01-31T12:00:00.001Z", None), ("2026-01-31T12:00:00Z", "Policy expired.")):
        found = outcome(policy(KEY, expiration=end))
        assert found == (expected and (403, "AccessDenied", f"Invalid according to Policy: {expected}"))


@pytest.mark.parametrize(("size", "code"), [(4, "EntityTooSmall"), (5, None), (20, None), (21, "EntityTooLarge")])
def test_a_file_has_a_size_in_the_range(size, code):
    found = outcome(policy(KEY, ["content-length-range", 5, 20]), size)
    assert (found and found[:2]) == (code and (400, code))


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        ("!", "invalid Base64 encoding."),
        (base64.b64encode(b"{").decode(), "Invalid JSON."),
        (base64.b64encode(b"[]").decode(), "Invalid JSON."),
        (base64.b64encode(b"[" * 100_000).decode(), "Invalid JSON."),
        (base64.b64encode(b'{"conditions": []}').decode(), "Policy missing expiration."),
        (base64.b64encode(b'{"expiration": "2026-01-31T12:00:00Z"}').decode(), "Policy missing conditions."),
        (policy(expiration="tomorrow"), "Invalid 'expiration' value: 'tomorrow'"),
        (policy(conditions={}), "Invalid 'conditions' value: must be a List."),
        (policy("key"), "Invalid condition test: must be a List or Object."),
        (policy({"a": "1", "b": "2"}), "Simple-Conditions must have exactly one property specified."),
        (policy({"a": 1}), "Invalid Simple-Condition: value must be a string."),
        (policy([]), "Invalid Condition: missing operation identifier."),
        (policy(["in", "$key", "a"]), "Invalid Condition: unknown operation 'in'."),
        (policy(["eq", "$key"]), "Invalid eq: wrong number of arguments."),
        (policy(["eq", "key", "a"]), "Invalid eq: the field 'key' does not start with '$'."),
        (policy(["content-length-range", 1]), "Invalid content-length-range: wrong number of arguments."),
        (policy(["content-length-range", "a", "b"]), "Invalid content-length-range: the bounds must be integers."),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_read_is_named(encoded, reason):
    status, code, message = outcome(encoded)
    assert (status, code) == (400, "InvalidPolicyDocument")
    assert message.startswith("Invalid Policy: ")
    assert message.endswith(reason)


# --- signatures of forms ------------------------------------------------------------------------------------------


def signed(kind, region="us-east-1"):
    """Return the fields of a form that botocore signs, by names in lower case."""
    fields = {}
    later = f"{datetime.now(timezone.utc) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    request = AWSRequest(method="POST", url="https://bucket.s3.amazonaws.com/")
    request.context["s3-presign-post-fields"] = fields
    request.context["s3-presign-post-policy"] = {"expiration": later, "conditions": []}
    kind(Credentials("AKIA", "secret"), "s3", region).add_auth(request)
    return {name.lower(): value for name, value in fields.items()}


@pytest.mark.parametrize("kind", [S3SigV4PostAuth, HmacV1PostAuth])
def test_a_form_that_botocore_signs_is_right_and_no_other(kind):
    fields = signed(kind)
    signature = form_signature.read(fields, "us-east-1")
    assert (signature.key, signature.is_right("secret"), signature.is_right("other")) == ("AKIA", True, False)
    changed = form_signature.read(fields | {"policy": fields["policy"] + "IA=="}, "us-east-1")
    assert not changed.is_right("secret")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x-amz-signature": ""}, "must contain a field named 'X-Amz-Signature'"),
        ({"x-amz-date": ""}, "must contain a field named 'X-Amz-Date'"),
        ({"x-amz-algorithm": "AWS4-ECDSA-P256-SHA256"}, "X-Amz-Algorithm only supports"),
        ({"x-amz-credential": "AKIA/s3"}, "the Credential is mal-formed"),
        (
            {"x-amz-credential": "AKIA/20260131/us-east-1/ec2/aws4_request"},
            'incorrect service "ec2"',
        ),
        ({"x-amz-credential": "AKIA/20260131/eu-west-1/s3/aws4_request"}, 'expecting "us-east-1"'),
    ],
)
def test_a_form_s_signature_that_cannot_be_read_is_named(change, message):
    with pytest.raises(AWSError, match=message) as error:
        form_signature.read(signed(S3SigV4PostAuth) | change, "us-east-1")
    assert (error.value.status, error.value.code) == (400, "InvalidArgument")


def test_a_form_in_version_2_is_refused_where_s3_takes_version_4_only():
    with pytest.raises(AWSError, match="Please use AWS4-HMAC-SHA256"):
        form_signature.read(signed(HmacV1PostAuth), "eu-central-1")
    assert form_signature.read({"key": "k"}, "eu-central-1") is None


# --- forms --------------------------------------------------------------------------------------------------------

TYPE = "multipart/form-data; boundary=b"


def form(*parts, end="--b--\r\n"):
    """Return the body of a form with parts (name, content), and a name for the file."""
    file = 'name="file"; filename="C:\\\\dir\\\\photo.jpg"\r\nContent-Type: image/jpeg'
    heads = {name: file if name == "file" else f'name="{name}"' for name, _ in parts}
    texts = [f"--b\r\nContent-Disposition: form-data; {heads[name]}\r\n\r\n{text}\r\n" for name, text in parts]
    return ("".join(texts) + end).encode()


def read(content, content_type, file):
    async def blocks():
        for start in range(0, len(content), 7):
            yield content[start : start + 7]

    return asyncio.run(FormReader(content_type, file).read(blocks()))


def test_the_fields_before_the_file_count_with_its_name_in_place():
    content = form(("Key", "in/${filename}"), ("x-amz-meta-a", "ü"), ("file", "\r\n\x00--b"), ("key", "late"))
    file = io.BytesIO()
    assert read(content, TYPE, file) == Form({"key": "in/photo.jpg", "x-amz-meta-a": "ü"}, 6)
    assert file.getvalue() == b"\r\n\x00--b"


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"key=k", "application/x-www-form-urlencoded", 412, "PreconditionFailed"),
        (b"", "", 412, "PreconditionFailed"),
        (b"key=k", TYPE, 400, "MalformedPOSTRequest"),
        (form(("key", "k"), ("file", "x"), end=""), TYPE, 400, "MalformedPOSTRequest"),
        (form(("key", "k")), "multipart/form-data", 400, "MalformedPOSTRequest"),
        (form(("file", "x"), ("key", "k")), TYPE, 400, "InvalidArgument"),
        (form(("key", "k")), TYPE, 400, "InvalidArgument"),
        (form(("key", "k"), ("KEY", "other"), ("file", "x")), TYPE, 400, "InvalidArgument"),
        (form(("key", "k"), ("a", "x" * 20_000), ("file", "x")), TYPE, 400, "MaxPostPreDataLengthExceededError"),
    ],
)  # fmt: skip
def test_a_form_that_s3_does_not_take_is_refused(content, content_type, status, code):
    with pytest.raises(AWSError) as error:
        read(content, content_type, io.BytesIO())
    assert (error.value.status, error.value.code) == (status, code)
