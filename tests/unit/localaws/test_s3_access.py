"""Access to S3 with and without enforced policies: presigned URLs, forms, anonymous callers, bucket policies, ACLs."""

import asyncio
import json
from datetime import datetime, timedelta, timezone

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.s3 import responses
from moto.s3.models import PublicAccessBlock, get_canned_acl, s3_backends
from moto.sts.models import sts_backends

from harness.localaws.exceptions import AWSError
from harness.localaws.iam import buckets, identities
from harness.localaws.iam.authorization import Enforced, Unrestricted
from harness.localaws.s3.deletion import Entry
from tests.support.asked import received

HOST = "https://s3.us-east-1.amazonaws.com"
SAMPLE = "sagemaker-sample-data-us-east-1"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture
def moto():
    """moto's S3 with one bucket, and its IAM with an administrator."""
    buckets.install()
    for kind in (s3_backends, iam_backends, sts_backends):
        kind[DEFAULT_ACCOUNT_ID]["aws"].reset()
    s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    s3.create_bucket("bkt", "us-east-1")
    yield s3
    s3.reset()


@pytest.fixture
def admin(moto):
    found = identities.put_administrator("us-east-1")
    return Credentials(found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"])


def user(name, *statements):
    """Make a user with a policy; return its credentials."""
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", name)
    iam.put_user_policy(name, "own", json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key(name)
    return Credentials(key.access_key_id, key.secret_access_key)


def rules(enforced):
    has = lambda bucket, key: bucket == "bkt" and key in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["bkt"].keys  # noqa: E731
    return Enforced(DEFAULT_ACCOUNT_ID, {}.get, has) if enforced else Unrestricted(DEFAULT_ACCOUNT_ID, has)


def refusal(request, enforced=True):
    """Return status, code and message of the refusal of a request, or None if it is allowed."""
    try:
        asyncio.run(rules(enforced).check(request, {}))
    except AWSError as error:
        return error.status, error.code, error.message
    return None


def presigned(kind, credentials, method="GET", path="/bkt/k", headers=None, ago=0, expires=60, query=""):
    """Return a URL that botocore presigned some seconds ago."""
    request = AWSRequest(method=method, url=f"{HOST}{path}{query}", headers=headers or {})
    more = {} if kind is HmacV1QueryAuth else {"service_name": "s3", "region_name": "us-east-1"}
    auth = kind(credentials, **more, expires=expires)
    if kind is HmacV1QueryAuth:
        auth._get_date = lambda: str(int(datetime.now(timezone.utc).timestamp()) + expires - ago)
        auth.add_auth(request)
        return request.url
    request.context["timestamp"] = f"{datetime.now(timezone.utc) - timedelta(seconds=ago):%Y%m%dT%H%M%SZ}"
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return request.url


def sign(credentials, method, url, headers=None, body=b""):
    request = AWSRequest(method=method, url=url, headers=headers or {}, data=body)
    S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    return received(method, url, dict(request.headers.items()), body)


KINDS = pytest.mark.parametrize("kind", [S3SigV4QueryAuth, HmacV1QueryAuth])
MODES = pytest.mark.parametrize("enforced", [True, False])

# --- presigned URLs -----------------------------------------------------------------------------------------------


@KINDS
@MODES
def test_a_presigned_url_is_good_for_its_method_path_and_query_until_it_expires(admin, kind, enforced):
    url = presigned(kind, admin, query="?response-content-type=text%2Fplain")
    assert refusal(received("GET", url), enforced) is None
    for method, changed in (
        ("PUT", url),
        ("GET", url.replace("/bkt/k?", "/bkt/other?")),
        ("GET", url.replace("text%2Fplain", "text%2Fhtml")),
        ("GET", f"{url}&versionId=1"),
    ):
        status, code, _ = refusal(received(method, changed), enforced)
        assert (status, code) == (403, "SignatureDoesNotMatch"), changed
    assert refusal(received("GET", presigned(kind, admin, ago=59)), enforced) is None
    late = refusal(received("GET", presigned(kind, admin, ago=61)), enforced)
    assert late == (403, "AccessDenied", "Request has expired")


@MODES
def test_an_expired_url_and_a_wrong_signature_are_explained_as_by_s3(admin, enforced):
    with pytest.raises(AWSError) as error:
        asyncio.run(rules(enforced).check(received("GET", presigned(S3SigV4QueryAuth, admin, ago=61)), {}))
    assert error.value.members.keys() == {"X-Amz-Expires", "Expires", "ServerTime"}
    wrong = presigned(S3SigV4QueryAuth, Credentials(admin.access_key, "other"))
    with pytest.raises(AWSError) as error:
        asyncio.run(rules(enforced).check(received("GET", wrong), {}))
    assert error.value.members["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert error.value.members["CanonicalRequest"].startswith("GET\n/bkt/k\nX-Amz-Algorithm=")
    assert error.value.members["AWSAccessKeyId"] == admin.access_key


@MODES
def test_headers_that_a_url_signs_must_be_sent_and_others_of_aws_must_not(admin, enforced):
    url = presigned(S3SigV4QueryAuth, admin, "PUT", headers={"x-amz-meta-a": "1", "Content-Type": "text/csv"})
    sent = {"x-amz-meta-a": "1", "content-type": "text/csv"}
    assert refusal(received("PUT", url, sent), enforced) is None
    for headers in ({}, sent | {"x-amz-meta-a": "2"}, sent | {"content-type": "text/html"}):
        assert refusal(received("PUT", url, headers), enforced)[:2] == (403, "SignatureDoesNotMatch")
    more = sent | {"x-amz-tagging": "a=b"}
    assert refusal(received("PUT", url, more), enforced)[2].endswith("which were not signed")


@MODES
@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "AuthorizationQueryParametersError", "less than a week"),
        ("X-Amz-Expires=60", "", "AuthorizationQueryParametersError", "requires the X-Amz-Algorithm"),
        ("%2Fs3%2F", "%2Fec2%2F", "AuthorizationQueryParametersError", 'incorrect service "ec2"'),
        ("%2Fus-east-1%2F", "%2Feu-west-1%2F", "AuthorizationQueryParametersError", "expecting 'us-east-1'"),
    ],
)
def test_a_malformed_url_is_refused_whoever_signed_it(admin, enforced, old, new, code, message):
    url = presigned(S3SigV4QueryAuth, admin).replace(old, new)
    status, found, text = refusal(received("GET", url), enforced)
    assert (status, found, message in text) == (400, code, True)


def test_a_url_in_version_2_is_refused_where_s3_takes_version_4_only(admin, moto):
    moto.create_bucket("new", "eu-central-1")
    url = presigned(HmacV1QueryAuth, admin, path="/new/k")
    status, code, message = refusal(received("GET", url), enforced=False)
    assert (status, code, "Please use AWS4-HMAC-SHA256" in message) == (400, "InvalidRequest", True)


@KINDS
def test_the_url_of_a_session_needs_the_session_s_token(moto, kind):
    iam, sts = iam_backends[DEFAULT_ACCOUNT_ID]["aws"], sts_backends[DEFAULT_ACCOUNT_ID]["aws"]
    role = iam.create_role("r", "{}", "/", None, "", [], "3600")
    iam.put_role_policy("r", "all", json.dumps(EVERYTHING))
    session = sts.assume_role("us-east-1", "s", role.arn, None, 3600, None)
    key, secret, token = session.access_key_id, session.secret_access_key, session.session_token
    assert refusal(received("GET", presigned(kind, Credentials(key, secret, token)))) is None
    assert refusal(received("GET", presigned(kind, Credentials(key, secret, "x"))))[1] == "InvalidToken"
    assert refusal(received("GET", presigned(kind, Credentials(key, secret))))[1] == "InvalidAccessKeyId"


def test_a_key_that_the_local_iam_lacks_is_unknown_only_where_iam_is_enforced(moto):
    url = presigned(S3SigV4QueryAuth, Credentials("AKIAUNKNOWN", "x"))
    assert refusal(received("GET", url))[:2] == (403, "InvalidAccessKeyId")
    assert refusal(received("GET", url), enforced=False) is None


def test_a_header_that_a_url_has_in_its_query_acts_as_a_header(admin):
    request = received("PUT", presigned(S3SigV4QueryAuth, admin, "PUT", query="?x-amz-tagging=a%3Db"))
    assert refusal(request) is None
    assert request.headers["x-amz-tagging"] == "a=b"
    assert not {"x-amz-signature", "x-amz-date"} & request.headers.keys()


# --- POST forms ---------------------------------------------------------------------------------------------------


def form_of(credentials, seconds=60):
    """Return the fields of a form that botocore signs, by names in lower case."""
    fields = {"key": "k"}
    request = AWSRequest(method="POST", url=f"{HOST}/bkt")
    request.context["s3-presign-post-fields"] = fields
    end = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    policy = {"expiration": f"{end:%Y-%m-%dT%H:%M:%SZ}", "conditions": [{"key": "k"}, ["content-length-range", 1, 9]]}
    request.context["s3-presign-post-policy"] = policy
    S3SigV4PostAuth(credentials, "s3", "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in fields.items()}


def form_refusal(fields, enforced, size=5):
    try:
        rules(enforced).check_form(received("POST", f"{HOST}/bkt"), fields, size)
    except AWSError as error:
        return error.code
    return None


@MODES
def test_a_form_is_checked_with_and_without_enforced_policies(moto, admin, enforced):
    fields = form_of(admin)
    assert form_refusal(fields, enforced) is None
    assert form_refusal(fields, enforced, size=10) == "EntityTooLarge"
    assert form_refusal(fields | {"key": "other"}, enforced) == "AccessDenied"
    assert form_refusal(fields | {"x-amz-signature": "0" * 64}, enforced) == "SignatureDoesNotMatch"
    assert form_refusal(form_of(admin, -1), enforced) == "AccessDenied"
    assert form_refusal({"key": "k"}, enforced) == "AccessDenied"  # a form without policy has no signer
    unknown = form_of(Credentials("AKIAUNKNOWN", "x"))
    assert form_refusal(unknown, enforced) == ("InvalidAccessKeyId" if enforced else None)
    put_policy(moto, statement("Deny", action="s3:PutObject", Condition={"StringEquals": {"s3:authType": "POST"}}))
    assert form_refusal(fields, enforced) == "AccessDenied"


# --- headers ------------------------------------------------------------------------------------------------------


def test_a_header_in_version_2_is_verified(admin):
    for secret, expected in ((admin.secret_key, None), ("other", "SignatureDoesNotMatch")):
        request = AWSRequest(method="GET", url=f"{HOST}/bkt/k")
        HmacV1Auth(Credentials(admin.access_key, secret)).add_auth(request)
        found = refusal(received("GET", request.url, dict(request.headers.items())))
        assert (found and found[1]) == expected
    for signed in ("/bkt", "/bkt/"):
        request = AWSRequest(method="GET", url=f"{HOST}/bkt", auth_path=signed)
        HmacV1Auth(admin).add_auth(request)
        assert refusal(received("GET", request.url, dict(request.headers.items()))) is None
    old = {"date": "Tue, 27 Mar 2007 19:36:42 GMT", "authorization": f"AWS {admin.access_key}:x"}
    assert refusal(received("GET", f"{HOST}/bkt/k", old))[1] == "RequestTimeTooSkewed"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"x-amz-content-sha256": None}, 400, "InvalidRequest"),
        ({"x-amz-content-sha256": "abc"}, 400, "InvalidArgument"),
        ({"x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, 400, "NotImplemented"),
        ({"x-amz-date": None}, 403, "AccessDenied"),
        ({"authorization": "Bearer token"}, 400, "InvalidArgument"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, 400, "AuthorizationHeaderMalformed"),
    ],
)
def test_a_header_without_one_of_its_parts_is_refused_with_s3_s_code(admin, change, status, code):
    request = sign(admin, "GET", f"{HOST}/bkt/k")
    request.headers = {name: value for name, value in (request.headers | change).items() if value is not None}
    assert refusal(request)[:2] == (status, code)


def test_a_request_that_is_signed_twice_is_refused(admin):
    headers = dict(sign(admin, "GET", f"{HOST}/bkt/k").headers)
    for kind in (S3SigV4QueryAuth, HmacV1QueryAuth):
        status, code, message = refusal(received("GET", presigned(kind, admin), headers))
        assert (status, code, message[:27]) == (400, "InvalidArgument", "Only one auth mechanism all")


def test_a_body_is_compared_with_the_digest_that_was_signed(admin):
    request = sign(admin, "PUT", f"{HOST}/bkt/k", body=b"right")
    assert refusal(request) is None
    for body, matches in ((b"right", True), (b"wrong", False)):
        assert refusal(request) is None
        request.verifier.feed(body)
        assert request.verifier.matches is matches
    assert request.verifier.failure().code == "XAmzContentSHA256Mismatch"


# --- callers without credentials ----------------------------------------------------------------------------------


def anonymous(method, path, headers=None):
    return received(method, f"{HOST}{path}", headers)


@MODES
def test_everyone_may_read_the_sample_data_and_no_one_may_write_it(admin, enforced):
    for method, path in (("GET", f"/{SAMPLE}/spark/k"), ("HEAD", f"/{SAMPLE}/k"), ("GET", f"/{SAMPLE}?list-type=2")):
        assert refusal(anonymous(method, path), enforced) is None
    for method in ("PUT", "DELETE"):
        assert refusal(anonymous(method, f"/{SAMPLE}/k"), enforced) == (403, "AccessDenied", "Access Denied")
        assert refusal(sign(admin, method, f"{HOST}/{SAMPLE}/k"), enforced)[:2] == (403, "AccessDenied")
    assert refusal(sign(admin, "GET", f"{HOST}/{SAMPLE}/k"), enforced) is None


@MODES
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/bkt"), ("GET", "/bkt/k"), ("HEAD", "/bkt/k"), ("PUT", "/bkt/k"), ("DELETE", "/bkt/k"),
     ("PUT", "/c"), ("POST", "/bkt/k?uploads"), ("GET", "/bkt?policy")],
)  # fmt: skip
def test_no_one_without_credentials_may_use_a_private_bucket(moto, enforced, method, path):
    assert refusal(anonymous(method, path), enforced) == (403, "AccessDenied", "Access Denied")


def test_a_bucket_that_does_not_exist_is_reported_as_such(moto):
    assert refusal(anonymous("GET", "/none/k"), enforced=False) is None  # and moto answers NoSuchBucket


def put_policy(moto, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    moto.put_bucket_policy("bkt", json.dumps(document).encode())


def statement(effect="Allow", principal="*", action="s3:GetObject", resource="arn:aws:s3:::bkt/*", **more):
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource} | more


@MODES
def test_a_bucket_policy_lets_everyone_in_unless_public_access_is_restricted(moto, enforced):
    moto.put_object("bkt", "k", b"x")
    put_policy(moto, statement())
    assert refusal(anonymous("GET", "/bkt/k"), enforced)[1] == "AccessDenied"
    moto.buckets["bkt"].public_access_block = PublicAccessBlock(True, True, True, False)
    assert refusal(anonymous("GET", "/bkt/k"), enforced) is None
    assert refusal(anonymous("GET", "/bkt/missing"), enforced)[1] == "AccessDenied"  # without permission to list
    assert refusal(anonymous("PUT", "/bkt/k"), enforced)[1] == "AccessDenied"
    put_policy(moto, statement(), statement("Deny", resource="arn:aws:s3:::bkt/k"))
    assert refusal(anonymous("GET", "/bkt/k"), enforced)[1] == "AccessDenied"


def test_an_acl_lets_everyone_in_only_where_acls_are_enabled_and_not_ignored(moto):
    moto.put_object("bkt", "k", b"x").set_acl(get_canned_acl("public-read"))
    bucket = moto.buckets["bkt"]
    for ownership, ignored, allowed in (
        ("BucketOwnerEnforced", False, False),
        ("ObjectWriter", True, False),
        ("ObjectWriter", False, True),
    ):
        bucket.ownership_rule, bucket.public_access_block = ownership, PublicAccessBlock(False, ignored, False, False)
        assert (refusal(anonymous("GET", "/bkt/k"), enforced=False) is None) is allowed
    assert refusal(anonymous("GET", "/bkt"), enforced=False)[1] == "AccessDenied"
    bucket.set_acl(get_canned_acl("public-read-write"))
    assert refusal(anonymous("GET", "/bkt"), enforced=False) is None
    assert refusal(anonymous("PUT", "/bkt/new"), enforced=False) is None


def test_a_preflight_request_of_a_browser_needs_no_credentials(moto):
    for enforced in (True, False):
        assert refusal(anonymous("OPTIONS", "/bkt/k"), enforced) is None


# --- bucket policies ----------------------------------------------------------------------------------------------


@MODES
def test_an_explicit_denial_in_a_bucket_policy_binds_an_administrator(moto, admin, enforced):
    put_policy(moto, statement("Deny", action="s3:PutObject", Condition={"Null": {"s3:x-amz-storage-class": "true"}}))
    arn = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:user/administrator"
    assert refusal(sign(admin, "PUT", f"{HOST}/bkt/k"), enforced) == (
        403,
        "AccessDenied",
        f'User: {arn} is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::bkt/k" with an explicit '
        "deny in a resource-based policy",
    )
    assert refusal(sign(admin, "PUT", f"{HOST}/bkt/k", {"x-amz-storage-class": "STANDARD"}), enforced) is None
    assert refusal(sign(admin, "GET", f"{HOST}/bkt/k"), enforced) is None


def test_a_bucket_policy_allows_a_user_what_its_own_policies_do_not(moto):
    moto.put_object("bkt", "k", b"x")
    reader = user("reader", {"Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"})
    request = lambda: sign(reader, "GET", f"{HOST}/bkt/k")  # noqa: E731 - signed each time
    assert refusal(request())[1] == "AccessDenied"
    put_policy(moto, statement(principal={"AWS": DEFAULT_ACCOUNT_ID}))
    assert refusal(request())[2].endswith("because no identity-based policy allows the s3:GetObject action")
    put_policy(moto, statement(action="s3:*", principal={"AWS": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:user/reader"}))
    assert refusal(request()) is None
    denied = refusal(sign(reader, "GET", f"{HOST}/bkt/k?acl"))
    assert denied[2].endswith("with an explicit deny in an identity-based policy")


def test_tags_versions_and_the_way_of_signing_are_conditions(moto, admin):
    moto.put_object("bkt", "k", b"x")
    moto.put_object_tagging(moto.get_object("bkt", "k"), {"secret": "yes"})
    for condition in (
        {"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}},
        {"StringEquals": {"s3:authType": "REST-HEADER", "s3:signatureversion": "AWS4-HMAC-SHA256"}},
        {"NumericLessThan": {"s3:signatureAge": "60000"}},
        {"Null": {"s3:VersionId": "true"}},
    ):
        put_policy(moto, statement("Deny", Condition=condition))
        assert refusal(sign(admin, "GET", f"{HOST}/bkt/k"))[1] == "AccessDenied", condition
    put_policy(moto, statement("Deny", Condition={"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}))
    assert refusal(sign(admin, "GET", f"{HOST}/bkt/k")) is None
    assert refusal(received("GET", presigned(HmacV1QueryAuth, admin)))[1] == "AccessDenied"


def test_each_key_of_a_deletion_is_denied_by_the_bucket_s_policy_too(moto, admin):
    put_policy(moto, statement("Deny", action="s3:DeleteObject", resource="arn:aws:s3:::bkt/kept/*"))
    entries: list[Entry] = [("kept/1", ""), ("other", ""), ("kept/1", "v")]
    for enforced in (True, False):
        refused = rules(enforced).refused_entries(sign(admin, "POST", f"{HOST}/bkt?delete"), entries)
        assert refused.keys() == {("kept/1", "")}
        refused = rules(enforced).refused_entries(anonymous("POST", "/bkt?delete"), entries)
        assert refused.keys() == set(entries)


def content_refusal(request, content, enforced=False):
    try:
        rules(enforced).check_content(request, json.dumps(content).encode() if isinstance(content, dict) else content)
    except AWSError as error:
        return error.code, error.message
    return None


def test_a_public_policy_is_refused_while_the_bucket_blocks_it(moto, admin):
    public = {"Version": "2012-10-17", "Statement": [statement()]}
    request = sign(admin, "PUT", f"{HOST}/bkt?policy")
    code, message = content_refusal(request, public)
    assert (code, "prevented by the BlockPublicPolicy setting" in message) == ("AccessDenied", True)
    moto.buckets["bkt"].public_access_block = None
    assert content_refusal(request, public) is None
    other = {"Version": "2012-10-17", "Statement": [statement(principal={"AWS": "arn:aws:iam::123456789012:user/x"})]}
    assert content_refusal(request, other) == ("MalformedPolicy", "Invalid principal in policy")


# --- ACLs ---------------------------------------------------------------------------------------------------------

ALL_USERS = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'


@MODES
@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("PUT", "/bkt/k", {"x-amz-acl": "public-read"}, "AccessControlListNotSupported"),
        ("PUT", "/bkt/k", {"x-amz-grant-read": ALL_USERS}, "AccessControlListNotSupported"),
        ("PUT", "/bkt/k", {"x-amz-acl": "bucket-owner-full-control"}, None),
        ("PUT", "/bkt/k?acl", {}, "AccessControlListNotSupported"),
        ("PUT", "/bkt?acl", {"x-amz-acl": "private"}, "AccessControlListNotSupported"),
        ("PUT", "/c", {"x-amz-acl": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
        ("PUT", "/c", {"x-amz-acl": "private"}, None),
        (
            "PUT",
            "/c",
            {"x-amz-acl": "public-read", "x-amz-object-ownership": "ObjectWriter"},
            "InvalidBucketAclWithBlockPublicAccessError",
        ),
    ],
)
def test_a_new_bucket_takes_no_acl(admin, enforced, method, path, headers, code):
    found = refusal(sign(admin, method, f"{HOST}{path}", headers), enforced)
    assert (found and found[1]) == code


def test_a_bucket_with_acls_refuses_public_ones_while_it_blocks_them(moto, admin):
    bucket = moto.buckets["bkt"]
    bucket.ownership_rule = "ObjectWriter"
    request = lambda: sign(admin, "PUT", f"{HOST}/bkt/k?acl", {"x-amz-acl": "public-read"})  # noqa: E731
    body = b"<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>"
    assert refusal(request())[1] == "AccessDenied"
    assert content_refusal(sign(admin, "PUT", f"{HOST}/bkt/k?acl"), body)[0] == "AccessDenied"
    bucket.public_access_block = None
    assert refusal(request()) is None
    assert content_refusal(sign(admin, "PUT", f"{HOST}/bkt/k?acl"), body) is None


def test_the_status_of_a_policy_says_what_decides_about_public_access(moto):
    secure = statement(Condition={"Bool": {"aws:SecureTransport": "true"}})
    for one, public in ((secure, True), (statement(principal={"AWS": DEFAULT_ACCOUNT_ID}), False)):
        document = json.dumps({"Version": "2012-10-17", "Statement": one}).encode()
        assert responses.bucket_policy_is_public(document) is public


def test_a_new_bucket_has_s3_s_defaults_and_moto_decides_nothing(moto):
    bucket = moto.buckets["bkt"]
    assert all(bucket.public_access_block.to_config_dict().values())
    assert bucket.ownership_rule == "BucketOwnerEnforced"
    put_policy(moto, statement("Deny", principal={"AWS": "123456789012"}))
    assert bucket.get_permission("s3:GetObject", "arn:aws:s3:::bkt/k").name == "PERMITTED"
    assert (buckets.region_of("bkt"), buckets.region_of("none"), buckets.region_of(SAMPLE)) == (
        "us-east-1",
        None,
        "us-east-1",
    )
