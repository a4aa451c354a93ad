"""Attacks on signatures, with IAM enforced: missing, old, for another host, or of another request."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode, urlsplit

import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from harness.localaws.iam.signatures import sigv4
from harness.localaws.iam.signatures.payloads import SIGNED_CHUNKS, SignedChunks
from tests.integration.independent import EVERYTHING
from tests.support.proxied import ask, tunnel

S3, IAM, STS = "s3.us-east-1.amazonaws.com", "iam.amazonaws.com", "sts.us-east-1.amazonaws.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
NEW_KEY = "Action=CreateAccessKey&UserName=administrator&Version=2010-05-08"
NOTHING_IN_IAM = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}


def signed(keys, method, url, body=b"", headers=None, service="s3", region="us-east-1", age=timedelta(0)):
    """Return the headers of a request that a caller signs, for any service, region and time."""
    timestamp = (datetime.now(timezone.utc) - age).strftime("%Y%m%dT%H%M%SZ")
    given = {"Host": urlsplit(url).netloc, "X-Amz-Date": timestamp} | (headers or {})
    if service == "s3":
        given.setdefault("X-Amz-Content-SHA256", hashlib.sha256(body).hexdigest())
    request = AWSRequest(method=method, url=url, data=body, headers=given)
    request.context["timestamp"] = timestamp
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials(keys), service, region)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    auth._inject_signature_to_request(request, signature)
    return dict(request.headers.items())


def credentials(keys):
    return Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])


def send(aws, method, url, headers, body=None):
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return ask(tunnel(aws, parts.netloc), method, path, headers, body)


def keys_of(aws):
    return len(aws.client("iam").list_access_keys(UserName="administrator")["AccessKeyMetadata"])


# --- who ----------------------------------------------------------------------------------------------------------


def test_a_key_id_in_the_query_is_no_signature(independent_aws):
    key = independent_aws.connection.administrator["AWS_ACCESS_KEY_ID"]
    date = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    claims = {"X-Amz-Credential": f"{key}/{date[:8]}/us-east-1/s3/aws4_request", "X-Amz-Date": date}
    whole = claims | {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }
    for query in (claims, whole, {"AWSAccessKeyId": key, "Signature": "x", "Expires": "9999999999"}):
        assert send(independent_aws, "PUT", f"https://{S3}/taken?{urlencode(query)}", {})[0] in (400, 403)
    assert independent_aws.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize(("operation", "role"), [("AssumeRoleWithWebIdentity", "open"), ("AssumeRoleWithSAML", "open")])
def test_an_unverifiable_token_gives_no_credentials(independent_aws, operation, role):
    arn = independent_aws.role(
        trust=EVERYTHING | {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]}
    )
    body = urlencode({"Action": operation, "Version": "2011-06-15", "RoleArn": arn, "RoleSessionName": "s",
                      "WebIdentityToken": "garbage", "SAMLAssertion": "garbage", "PrincipalArn": arn})  # fmt: skip
    status, text = send(independent_aws, "POST", f"https://{STS}/", FORM, body)
    assert (status, f"does not emulate {operation}" in text, "SecretAccessKey" in text) == (403, True, False)


def test_a_target_that_needs_no_signature_hides_no_other_operation(independent_aws):
    before = keys_of(independent_aws)
    headers = FORM | {"X-Amz-Target": "x.AssumeRoleWithWebIdentity",
                      "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request"}  # fmt: skip
    for host in (STS, IAM, S3):
        assert send(independent_aws, "POST", f"https://{host}/", headers, NEW_KEY)[0] >= 400
    assert keys_of(independent_aws) == before


# --- where and when -----------------------------------------------------------------------------------------------


def test_a_signature_for_another_service_or_region_is_none_for_this_host(independent_aws):
    user, before = independent_aws.user(NOTHING_IN_IAM), keys_of(independent_aws)
    for host, service in ((S3, "iam"), (IAM, "s3"), (STS, "iam")):
        headers = signed(user, "POST", f"https://{host}/", NEW_KEY.encode(), FORM, service)
        status, text = send(independent_aws, "POST", f"https://{host}/", headers, NEW_KEY)
        assert (status in (400, 403), "correct service" in text or host == S3) == (True, True), host
    assert keys_of(independent_aws) == before
    elsewhere = signed(user, "GET", f"https://{S3}/", region="eu-west-1")
    status, text = send(independent_aws, "GET", f"https://{S3}/", elsewhere)
    assert (status, "the region 'eu-west-1' is wrong; expecting 'us-east-1'" in text) == (400, True)
    assert "<Region>us-east-1</Region>" in text


@pytest.mark.parametrize("age", [timedelta(days=3650), timedelta(minutes=16), timedelta(minutes=-16)])
def test_a_signature_of_another_time_is_refused(independent_aws, age):
    admin = independent_aws.connection.administrator
    status, text = send(independent_aws, "PUT", f"https://{S3}/b", signed(admin, "PUT", f"https://{S3}/b", age=age))
    assert (status, "RequestTimeTooSkewed" in text) == (403, True)
    headers = signed(admin, "POST", f"https://{IAM}/", NEW_KEY.encode(), FORM, "iam", age=age)
    status, text = send(independent_aws, "POST", f"https://{IAM}/", headers, NEW_KEY)
    assert (status, "SignatureDoesNotMatch" in text) == (403, True)


def test_a_signed_url_is_good_until_it_expires(independent_aws):
    url = f"https://{S3}/late"
    for age, status in ((timedelta(seconds=30), 200), (timedelta(seconds=61), 403)):
        request = AWSRequest(method="PUT", url=url, headers={"Host": S3})
        request.context["timestamp"] = (datetime.now(timezone.utc) - age).strftime("%Y%m%dT%H%M%SZ")
        auth = SigV4QueryAuth(credentials(independent_aws.connection.administrator), "s3", "us-east-1", expires=60)
        auth._modify_request_before_signing(request)
        auth.payload = lambda _: "UNSIGNED-PAYLOAD"
        string = auth.string_to_sign(request, auth.canonical_request(request))
        auth._inject_signature_to_request(request, auth.signature(string, request))
        assert send(independent_aws, "PUT", request.url, {})[0] == status, age


# --- what ---------------------------------------------------------------------------------------------------------


def test_a_body_that_was_not_signed_is_not_stored(independent_aws):
    admin, url = independent_aws.connection.administrator, f"https://{S3}/bodies/key"
    s3 = independent_aws.client("s3")
    s3.create_bucket(Bucket="bodies")
    for size in (10, 2_000_000):
        headers = signed(admin, "PUT", url, b"a" * size)
        status, text = send(independent_aws, "PUT", url, headers, b"b" * size)
        assert (status, "XAmzContentSHA256Mismatch" in text) == (400, True)
        assert "Contents" not in s3.list_objects_v2(Bucket="bodies")
        assert send(independent_aws, "PUT", url, headers, b"a" * size)[0] == 200
        s3.delete_object(Bucket="bodies", Key="key")


def test_a_form_is_signed_with_its_body(independent_aws):
    admin, harmless = independent_aws.connection.administrator, b"Action=ListUsers&Version=2010-05-08"
    headers = signed(admin, "POST", f"https://{IAM}/", harmless, FORM, "iam")
    assert send(independent_aws, "POST", f"https://{IAM}/", headers, harmless)[0] == 200
    before = keys_of(independent_aws)
    reported = headers | {"X-Amz-Content-SHA256": hashlib.sha256(harmless).hexdigest()}
    for given in (headers, reported):
        assert send(independent_aws, "POST", f"https://{IAM}/", given, NEW_KEY)[0] == 403
    assert send(independent_aws, "POST", f"https://{IAM}/?{NEW_KEY}", headers, harmless)[0] == 403
    assert keys_of(independent_aws) == before


def test_a_header_of_aws_s_own_that_was_not_signed_is_refused(independent_aws):
    admin, s3 = independent_aws.connection.administrator, independent_aws.client("s3")
    s3.create_bucket(Bucket="copies")
    s3.put_object(Bucket="copies", Key="secret", Body=b"secret")
    url = f"https://{S3}/copies/key"
    headers = signed(admin, "PUT", url) | {"X-Amz-Copy-Source": "copies/secret"}
    status, text = send(independent_aws, "PUT", url, headers)
    assert (status, "<HeadersNotSigned>x-amz-copy-source</HeadersNotSigned>" in text) == (403, True)


def chunked(signature, secret, parts, spoil=None):
    """Return a body in signed chunks; ``spoil`` changes the data of one after it was signed."""
    signer, body = SignedChunks(signature, secret), b""
    for number, part in enumerate([*parts, b""]):
        signer._data = hashlib.sha256(part)
        signer._end_chunk()
        data = b"!" * len(part) if number == spoil else part
        body += f"{len(part):x};chunk-signature={signer._previous}\r\n".encode() + data + b"\r\n"
    return body


@pytest.mark.parametrize("spoil", [None, 0, 1])
@pytest.mark.parametrize("size", [9_000, 2_000_000])
def test_each_chunk_of_a_body_is_verified(independent_aws, size, spoil):
    admin, url = independent_aws.connection.administrator, f"https://{S3}/chunks/key"
    s3, parts = independent_aws.client("s3"), [b"a" * size, b"b" * size]
    s3.create_bucket(Bucket="chunks")
    length = len(chunked(sigv4.read(EXAMPLE, {}), "", parts))
    declared = {
        "X-Amz-Content-SHA256": SIGNED_CHUNKS[0],
        "X-Amz-Decoded-Content-Length": str(2 * size),
        "Content-Encoding": "aws-chunked",
        "Content-Length": str(length),
    }
    headers = signed(admin, "PUT", url, headers=declared)
    signature = sigv4.read({name.lower(): value for name, value in headers.items()}, {})
    body = chunked(signature, admin["AWS_SECRET_ACCESS_KEY"], parts, spoil)
    assert send(independent_aws, "PUT", url, headers, body)[0] == (200 if spoil is None else 403)
    stored = "Contents" in s3.list_objects_v2(Bucket="chunks")
    assert stored == (spoil is None)


EXAMPLE = {
    "authorization": "AWS4-HMAC-SHA256 Credential=K/20130524/us-east-1/s3/aws4_request,"
    "SignedHeaders=host,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    "x-amz-date": "20130524T000000Z",
}


def test_the_chunks_of_aws_s_own_example_are_verified():
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
    chain = [
        (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ]
    body = b"".join(f"{size:x};chunk-signature={value}\r\n".encode() + b"a" * size + b"\r\n" for size, value in chain)
    for changed, right in ((body, True), (body.replace(b"a\r\n", b"b\r\n", 1), False), (body[:-100], False)):
        verifier = SignedChunks(sigv4.read(EXAMPLE, {}), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        for start in range(0, len(changed), 1000):
            verifier.feed(changed[start : start + 1000])
        assert verifier.matches == right


def test_clients_sign_as_the_local_aws_verifies(independent_aws):
    """botocore signs digests, and sends unsigned chunks with a trailing checksum."""
    s3 = independent_aws.client("s3")
    s3.create_bucket(Bucket="clients")
    for key, config in (("digest", {"payload_signing_enabled": True}), ("trailer", {"payload_signing_enabled": False})):
        client = s3_client(independent_aws, s3=config)
        client.put_object(Bucket="clients", Key=key, Body=b"x" * 2_000_000, ChecksumAlgorithm="CRC32")
        assert s3.get_object(Bucket="clients", Key=key)["Body"].read() == b"x" * 2_000_000


# --- S3 without an SDK ------------------------------------------------------------------------------------------------


def s3_client(aws, user=None, **config):
    user = user or aws.connection.administrator
    return aws._aws._session.client(
        "s3", region_name="us-east-1", verify=aws.connection.pem,
        aws_access_key_id=user["AWS_ACCESS_KEY_ID"], aws_secret_access_key=user["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={"https": aws.connection.client_proxy}, **config),
    )  # fmt: skip


def ask_url(aws, method, url, headers=None, body=None):
    parts = urlsplit(url)
    return ask(tunnel(aws, parts.netloc), method, f"{parts.path}?{parts.query}", headers, body)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_the_urls_that_boto3_presigns_are_served_for_what_they_name(independent_aws, version, style):
    s3 = s3_client(independent_aws, signature_version=version, s3={"addressing_style": style})
    s3.create_bucket(Bucket="presigned")
    named = {"Bucket": "presigned", "Key": "a b+ü"}
    upload = s3.generate_presigned_url("put_object", named | {"ContentType": "text/csv"})
    kind = {"Content-Type": "text/csv"}
    assert ask_url(independent_aws, "PUT", upload, kind, b"1,2")[0] == 200
    assert ask_url(independent_aws, "PUT", upload, {"Content-Type": "text/html"}, b"<p>")[0] == 403
    url = s3.generate_presigned_url("get_object", named | {"ResponseContentDisposition": 'attachment; filename="a+b"'})
    assert ask_url(independent_aws, "GET", url) == (200, "1,2")
    status, text = ask_url(independent_aws, "GET", url.replace("presigned", "other-one"))
    assert (status, "<StringToSign>" in text, "<SignatureProvided>" in text) == (403, True, True)


FIELDS = {"acl": "bucket-owner-full-control", "x-amz-meta-a": "1"}


def posted(aws, form, content=b"photo", **changes):
    """Post a form that boto3 signed; return the status and the code of an error."""
    fields = form["fields"] | changes
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="p.jpg"\r\n\r\n'
    body = ("".join(parts) + file).encode() + content + b"\r\n--b--\r\n"
    status, text = ask_url(aws, "POST", form["url"], {"Content-Type": "multipart/form-data; boundary=b"}, body)
    return status, text.partition("<Code>")[2].partition("</Code>")[0]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_form_that_boto3_presigns_uploads_what_its_policy_allows(independent_aws, version):
    s3 = s3_client(independent_aws, signature_version=version)
    s3.create_bucket(Bucket="forms")
    conditions = [{name: value} for name, value in FIELDS.items()] + [["content-length-range", 1, 9]]
    form = s3.generate_presigned_post("forms", "in/photo", FIELDS, conditions, 60)
    assert posted(independent_aws, form) == (204, "")
    assert s3.get_object(Bucket="forms", Key="in/photo")["Body"].read() == b"photo"
    assert posted(independent_aws, form, key="out/photo") == (403, "AccessDenied")
    assert posted(independent_aws, form | {"url": f"{form['url']}?key=out/photo"})[0] == 204
    assert posted(independent_aws, form, b"too large a photo") == (400, "EntityTooLarge")
    assert posted(independent_aws, form, policy="e30=") == (403, "SignatureDoesNotMatch")
    assert posted(independent_aws, form, **{"x-amz-meta-b": "2"}) == (403, "AccessDenied")
    assert posted(independent_aws, {"url": form["url"], "fields": {"key": "k"}}) == (403, "AccessDenied")
    late = s3.generate_presigned_post("forms", "in/photo", FIELDS, conditions, -1)
    assert posted(independent_aws, late) == (403, "AccessDenied")
    assert independent_aws.everything()["S3 object"] == ["s3://forms/in/photo"]


def test_a_form_does_what_its_signer_may_do(independent_aws):
    independent_aws.client("s3").create_bucket(Bucket="forms")
    mine = allowing({"Action": "s3:PutObject", "Resource": "arn:aws:s3:::forms/mine/*"})
    s3 = s3_client(independent_aws, independent_aws.user(mine))
    for key, expected in (("mine/1", (204, "")), ("other/1", (403, "AccessDenied"))):
        assert posted(independent_aws, s3.generate_presigned_post("forms", key)) == expected


def test_callers_without_credentials_read_public_data_only(independent_aws):
    s3, anyone = independent_aws.client("s3"), s3_client(independent_aws, signature_version=UNSIGNED)
    s3.create_bucket(Bucket="private")
    s3.put_object(Bucket="private", Key="k", Body=b"secret")
    sample = "sagemaker-sample-data-us-east-1"
    (key, *_) = [found["Key"] for found in anyone.list_objects_v2(Bucket=sample, Prefix="spark/mnist/")["Contents"]]
    assert anyone.get_object(Bucket=sample, Key=key, Range="bytes=0-3")["ContentLength"] == 4
    assert ask_url(independent_aws, "HEAD", f"https://{sample}.{S3}/{key}")[0] == 200
    for call, given in (
        (anyone.get_object, {"Bucket": "private", "Key": "k"}),
        (anyone.put_object, {"Bucket": "private", "Key": "k", "Body": b"x"}),
        (anyone.put_object, {"Bucket": sample, "Key": "k", "Body": b"x"}),
        (anyone.list_buckets, {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(**given)


def test_a_bucket_is_public_once_its_owner_lets_it_be(independent_aws):
    s3, anyone = independent_aws.client("s3"), s3_client(independent_aws, signature_version=UNSIGNED)
    s3.create_bucket(Bucket="public")
    s3.put_object(Bucket="public", Key="k", Body=b"x")
    reading = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [reading]})
    with pytest.raises(ClientError, match="BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket="public", Policy=document)
    assert s3.get_public_access_block(Bucket="public")["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]
    s3.delete_public_access_block(Bucket="public")
    s3.put_bucket_policy(Bucket="public", Policy=document)
    assert anyone.get_object(Bucket="public", Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_object(Bucket="public", Key="k", Body=b"x", ACL="public-read")


# --- one request, one operation -----------------------------------------------------------------------------------

LOGS, JSON = "logs.us-east-1.amazonaws.com", {"Content-Type": "application/x-amz-json-1.1"}


def allowing(*statements):
    return {"Version": "2012-10-17", "Statement": [{"Resource": "*", "Effect": "Allow"} | each for each in statements]}


def logs_request(aws, user, operation, body, headers=JSON):
    given = headers | {"X-Amz-Target": f"Logs_20140328.{operation}"}
    if user:
        given = signed(user, "POST", f"https://{LOGS}/", body.encode(), given, "logs")
    return send(aws, "POST", f"https://{LOGS}/", given, body)


def test_a_body_hides_no_other_operation(independent_aws):
    logs = independent_aws.client("logs")
    logs.create_log_group(logGroupName="/kept")
    user = independent_aws.user(allowing({"Action": "logs:DescribeLogGroups"}))
    body = '{"logGroupName": "/kept", "x": "&Action=DeleteLogGroup&"}'
    assert logs_request(independent_aws, None, "OptionsObject", body)[0] == 400
    logs_request(independent_aws, user, "DescribeLogGroups", body)
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["/kept"]
    logs.create_log_stream(logGroupName="/kept", logStreamName="s")
    event = {"timestamp": 1_800_000_000_000, "message": "a&Action=x&b"}
    logs.put_log_events(logGroupName="/kept", logStreamName="s", logEvents=[event])


def test_cbor_hides_no_resource(independent_aws):
    independent_aws.client("logs").create_log_group(logGroupName="/kept")
    user = independent_aws.user(allowing({"Action": "logs:*"}, {"Effect": "Deny", "Action": "logs:DeleteLogGroup",
                                         "Resource": "arn:aws:logs:*:*:log-group:/kept*"}))  # fmt: skip
    headers = {"Content-Type": "application/cbor"}
    assert logs_request(independent_aws, user, "DeleteLogGroup", '{"logGroupName": "/kept"}', headers)[0] == 400
    assert "/kept" in independent_aws.everything()["log group"]


def test_an_underscore_in_a_header_is_not_taken_for_a_hyphen(independent_aws):
    s3 = independent_aws.client("s3")
    s3.create_bucket(Bucket="victim")
    s3.put_object(Bucket="victim", Key="secret", Body=b"TOP")
    s3.create_bucket(Bucket="mine-only")
    user = independent_aws.user(allowing({"Action": "s3:*Object", "Resource": "arn:aws:s3:::mine-only/*"}))
    url = f"https://{S3}/mine-only/k"
    send(independent_aws, "PUT", url, signed(user, "PUT", url) | {"x_amz_copy_source": "victim/secret"})
    assert s3.get_object(Bucket="mine-only", Key="k")["Body"].read() == b""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<Delete><Object><Key>secret</Key></Object><a:b/></Delete>", 400),
        ("<Delete><Object><Key>secret</Key><VersionId>{}</VersionId></Object></Delete>", 200),
    ],
)
def test_a_deletion_of_many_is_decided_as_it_is_carried_out(independent_aws, body, status):
    s3 = independent_aws.client("s3")
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="versions", Key="secret", Body=b"x")["VersionId"]
    user = independent_aws.user(
        allowing({"Action": "s3:DeleteObject"} if status == 200 else {"Action": "s3:ListBucket"})
    )
    url, sent = f"https://{S3}/versions?delete=", body.format(version).encode()
    assert send(independent_aws, "POST", url, signed(user, "POST", url, sent), sent)[0] == status
    assert s3.get_object(Bucket="versions", Key="secret", VersionId=version)["Body"].read() == b"x"


@pytest.mark.parametrize("more", ["PolicySourceArn={arn}", "RoleName=x", "PolicyArn={arn}"])
def test_an_unknown_parameter_does_not_name_the_resource(independent_aws, more):
    own = "arn:aws:iam::*:user/${aws:username}"
    user = independent_aws.user(allowing({"Action": "iam:*", "Resource": [own, "arn:aws:iam::*:role/x"]}))
    before, body = keys_of(independent_aws), f"{NEW_KEY}&{more.format(arn=independent_aws.name_of(user))}".encode()
    headers = signed(user, "POST", f"https://{IAM}/", body, FORM, "iam")
    assert send(independent_aws, "POST", f"https://{IAM}/", headers, body)[0] == 403
    assert keys_of(independent_aws) == before


def test_a_user_is_denied_by_the_path_it_has_and_groups_are_decided_about_as_groups(independent_aws):
    iam, name = independent_aws.client("iam"), "boss"
    iam.create_user(UserName=name, Path="/admins/")
    iam.create_group(GroupName="admins")
    user = independent_aws.user(allowing(
        {"Action": "iam:*", "Resource": "arn:aws:iam::*:user/*"},
        {"Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::*:user/admins/*"},
    ))  # fmt: skip
    theirs = independent_aws.client("iam", user)
    for call, arguments in (
        (theirs.create_access_key, {"UserName": name}),
        (
            theirs.add_user_to_group,
            {"GroupName": "admins", "UserName": independent_aws.name_of(user).rpartition("/")[2]},
        ),
    ):
        with pytest.raises(ClientError, match="not authorized"):
            call(**arguments)


@pytest.mark.parametrize(
    "bucket", ["www.victim", "localhost.x", "localstack.y", "1.2.3.4", "s3.us-east-1.amazonaws.com"]
)
def test_a_bucket_s_name_in_the_host_names_exactly_that_bucket(independent_aws, bucket):
    s3 = independent_aws.client("s3")
    for name in ("victim", "victim-2"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="victim", Key="secret", Body=b"TOP")
    for path in ("/secret", "/victim/secret"):
        url = f"https://{bucket}.s3.us-east-1.amazonaws.com{path}"
        send(independent_aws, "PUT", url, signed(independent_aws.connection.administrator, "PUT", url, b"x"), b"x")
    assert s3.get_object(Bucket="victim", Key="secret")["Body"].read() == b"TOP"


def test_keys_are_of_one_partition(independent_aws):
    admin = independent_aws.connection.administrator
    for host, region in (("s3.cn-north-1.amazonaws.com.cn", "cn-north-1"), ("s3.amazonaws.com", "cn-north-1")):
        headers = signed(admin, "GET", f"https://{host}/", region=region)
        assert send(independent_aws, "GET", f"https://{host}/", headers)[0] in (400, 403)
    headers = signed(admin, "POST", "https://iam.us-gov.amazonaws.com/", NEW_KEY.encode(), FORM, "iam", "us-gov-west-1")
    assert send(independent_aws, "POST", "https://iam.us-gov.amazonaws.com/", headers, NEW_KEY)[0] == 403


def test_limits_of_permissions_that_are_not_evaluated_are_refused(independent_aws):
    sts, arn = independent_aws.client("sts"), independent_aws.role(trust=EVERYTHING | {
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})  # fmt: skip
    with pytest.raises(ClientError, match="does not emulate PolicyArns"):
        sts.assume_role(
            RoleArn=arn, RoleSessionName="session", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]
        )
    with pytest.raises(ClientError, match="does not emulate PermissionsBoundary"):
        independent_aws.client("iam").create_user(UserName="u", PermissionsBoundary="arn:aws:iam::aws:policy/x")
