"""Evaluation of policies, and permissions that requests need."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import Request
from harness.localaws.iam import identities
from harness.localaws.iam.asked import Asked
from harness.localaws.iam.authorization import Enforced
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.policy_evaluation import Decision, arn_like, evaluate, keys_missing, like, names, trusts
from harness.localaws.iam.required_actions import needs
from harness.localaws.iam.signatures.sigv4 import is_right, read

ALLOWED, IMPLICIT, EXPLICIT = Decision.ALLOWED, Decision.IMPLICIT_DENY, Decision.EXPLICIT_DENY
KEY = "arn:aws:s3:::bucket/mine/1"


def statement(effect="Allow", action="s3:GetObject", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource} | more


def decided(*statements, action="s3:GetObject", resource=KEY, **context):
    return evaluate([{"Statement": list(statements)}], action, resource, context)


def under(condition, **context):
    """Return the decision of a statement with this condition, in a context whose keys have ``_`` for ``:``."""
    return decided(
        statement(Condition=condition), **{key.replace("_", ":", 1): values for key, values in context.items()}
    )


# --- statements ---------------------------------------------------------------------------------------------------


def test_an_action_that_nothing_allows_is_denied_and_a_denial_wins_in_any_position():
    assert decided() is IMPLICIT
    assert decided(statement()) is ALLOWED
    assert decided(statement("Deny"), statement()) is EXPLICIT
    assert decided(statement(), statement("Deny")) is EXPLICIT
    assert evaluate([{"Statement": statement()}, {"Statement": statement("Deny")}], "s3:GetObject", KEY, {}) is EXPLICIT


@pytest.mark.parametrize(
    ("pattern", "decision"),
    [
        ("*", ALLOWED),
        ("s3:*", ALLOWED),
        ("S3:getobject", ALLOWED),
        ("s3:Get?bject", ALLOWED),
        ("s3:Get*", ALLOWED),
        (["s3:PutObject", "s3:GetObject"], ALLOWED),
        ("s3:GetObjectAcl", IMPLICIT),
        ("s3:Get", IMPLICIT),
        ("s3.GetObject", IMPLICIT),
    ],
)
def test_actions_are_matched_in_any_case_with_wildcards(pattern, decision):
    assert decided(statement(action=pattern)) is decision


@pytest.mark.parametrize(
    ("pattern", "decision"),
    [
        ("*", ALLOWED),
        ("arn:aws:s3:::bucket/*", ALLOWED),
        ("arn:aws:s3:::bucket/mine/?", ALLOWED),
        ("arn:*:s3:::*", ALLOWED),
        ("arn:aws:s3:::BUCKET/*", IMPLICIT),
        ("arn:aws:s3:::bucket", IMPLICIT),
        ("arn:aws:s3:::bucke./*", IMPLICIT),
        ("arn:aws:*:bucket/*", IMPLICIT),
        ([], IMPLICIT),
        (["arn:aws:s3:::other/*", "arn:aws:s3:::bucket/mine/*"], ALLOWED),
    ],
)
def test_resources_are_matched_in_their_case_and_a_dot_is_a_dot(pattern, decision):
    assert decided(statement(resource=pattern)) is decision


def test_a_wildcard_does_not_reach_over_the_colons_between_an_arn_s_parts():
    assert arn_like("arn:aws:logs:*:1:log-group:/aws/*", "arn:aws:logs:us-east-1:1:log-group:/aws/x:log-stream:y")
    assert not arn_like("arn:aws:sagemaker:*:model/m", "arn:aws:sagemaker:us-east-1:1:model/m")
    assert not arn_like("arn:aws:*", "arn:aws:sagemaker:us-east-1:1:model/m")
    assert arn_like("*/m", "arn:aws:sagemaker:us-east-1:1:model/m")


def matches(pattern, text):
    """Return whether a text matches a pattern, by the definition of its first character."""
    if not pattern or not text:
        return not text and not pattern.strip("*")
    if pattern[0] == "*":
        return matches(pattern[1:], text) or matches(pattern, text[1:])
    return pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])


@given(st.text("ab.*?", max_size=8), st.text("ab.\n", max_size=8))
def test_wildcards_match_what_their_definition_says(pattern, text):
    assert like(pattern, text) is matches(pattern, text)


@pytest.mark.parametrize(
    "pattern", ["*a" * 10 + "b", "*?" * 1000 + "b", "*" * 3000 + "b", "*a*b" * 300, "*aa?a" * 20 + "b"]
)
def test_wildcards_take_no_time_that_grows_with_their_power(pattern):
    text = "a" * 3000
    assert not like(pattern, text)
    assert decided(statement(resource=f"arn:aws:s3:::{pattern}"), resource=f"arn:aws:s3:::{text}") is IMPLICIT
    assert like(pattern + "*", "aaaab" * 600)


@pytest.mark.slow
def test_a_variable_that_never_ends_is_text():
    assert decided(statement(resource="${" * 50_000), resource="arn:aws:s3:::bucket") is IMPLICIT


def test_a_wildcard_in_the_value_of_a_variable_is_a_character():
    own = statement(resource="arn:aws:s3:::bucket/${aws:username}")
    assert decided(own, **{"aws:username": ["*"]}) is IMPLICIT
    assert decided(own, resource="arn:aws:s3:::bucket/*", **{"aws:username": ["*"]}) is ALLOWED
    assert under({"StringEquals": {"aws:PrincipalTag/a": "${*}"}}, **{"aws_PrincipalTag/a": ["*"]}) is ALLOWED


def test_not_action_and_not_resource_are_all_others():
    others = {"Effect": "Allow", "NotAction": ["s3:Delete*"], "NotResource": "arn:aws:s3:::bucket/secret/*"}
    assert decided(others) is ALLOWED
    assert decided(others, action="s3:DeleteObject") is IMPLICIT
    assert decided(others, resource="arn:aws:s3:::bucket/secret/1") is IMPLICIT


def test_a_variable_in_a_resource_is_filled_in_and_one_without_value_matches_nothing():
    own = statement(resource="arn:aws:s3:::bucket/${aws:username}/*")
    assert decided(own, **{"aws:username": ["mine"]}) is ALLOWED
    assert decided(own, **{"aws:username": ["other"]}) is IMPLICIT
    assert decided(own) is IMPLICIT
    literal = statement(resource="arn:aws:s3:::bucket/${*}")
    assert decided(literal, resource="arn:aws:s3:::bucket/*") is ALLOWED
    assert decided(literal, resource="arn:aws:s3:::bucket/x") is IMPLICIT


# --- conditions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"),
    [
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "*", "a", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringLike", "a*", "abc", True),
        ("StringLike", "a?", "abc", False),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotLike", "a*", "b", True),
        ("ArnLike", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/x", True),
        ("ArnNotEquals", "arn:*:iam::1:role/x", "arn:aws:iam::1:role/x", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "false", False),
        ("BinaryEquals", "YQ==", "YQ==", True),
        ("BinaryEquals", "YQ==", "Yg==", False),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "9.5", True),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericLessThanEquals", "10", "11", False),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericGreaterThan", "10", "11", True),
        ("NumericGreaterThanEquals", "10", "10", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("NumericGreaterThan", 10, "9", False),
        ("NumericNotEquals", "10", "10.0", False),
        ("DateLessThan", "2030-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", True),
        ("DateLessThan", "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z", False),
        ("DateEquals", "2026-01-01T00:00:00", "1767225600", True),
        ("DateEquals", "1767225600.5", "2026-01-01T00:00:00.500Z", True),
        ("DateNotEquals", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", False),
        ("IpAddress", "127.0.0.0/8", "127.0.0.1", True),
        ("IpAddress", "127.0.0.1/8", "127.9.9.9", True),
        ("IpAddress", "127.0.0.1", "127.0.0.2", False),
        ("NotIpAddress", "127.0.0.0/8", "127.0.0.1", False),
    ],
)
def test_operators_compare_as_iam_does(operator, wanted, value, holds):
    assert under({operator: {"x:Key": wanted}}, x_key=[value]) is (ALLOWED if holds else IMPLICIT)


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("StringNotLikeIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("Bool", False),
        ("ArnNotLike", True),
        ("NumericNotEquals", True),
        ("DateNotEquals", True),
        ("NotIpAddress", True),
    ],
)
def test_a_missing_key_fails_positive_operators_and_passes_negated_ones(operator, holds):
    assert under({operator: {"x:Key": "a"}}) is (ALLOWED if holds else IMPLICIT)


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "c"], False),
        ("ForAnyValue:StringEquals", ["c", "a"], True),
        ("ForAnyValue:StringEquals", ["c"], False),
    ],
)
def test_keys_with_many_values_are_quantified(operator, values, holds):
    assert under({operator: {"aws:TagKeys": ["a", "b"]}}, aws_TagKeys=values) is (ALLOWED if holds else IMPLICIT)


def test_null_asks_whether_a_key_is_there():
    assert under({"Null": {"aws:RequestTag/run": "false"}}) is IMPLICIT
    assert under({"Null": {"aws:RequestTag/run": "true"}}) is ALLOWED
    assert under({"Null": {"aws:RequestTag/run": "false"}}, **{"aws_RequestTag/run": ["x"]}) is ALLOWED


def test_all_conditions_must_hold_and_one_that_does_not_is_no_denial():
    both = {"StringEquals": {"x:One": "1", "x:Two": "2"}}
    assert under(both, x_one=["1"], x_two=["2"]) is ALLOWED
    assert under(both, x_one=["1"], x_two=["3"]) is IMPLICIT
    denied = statement("Deny", Condition={"StringEquals": {"x:One": "1"}})
    assert decided(statement(), denied, **{"x:One": ["2"]}) is ALLOWED


def test_an_unknown_operator_is_an_error():
    with pytest.raises(ValueError, match="no condition operator StringAlmost"):
        under({"StringAlmost": {"x:Key": "a"}}, x_key=["a"])


def test_missing_condition_keys_are_named():
    about = [
        {"Statement": [statement(Condition={"StringEquals": {"x:One": "1", "x:Two": "2"}}), statement("Deny", "sts:*")]}
    ]
    assert keys_missing(about, "s3:GetObject", KEY, {"X:one": ["1"]}) == ["x:Two"]


def test_a_trust_names_a_service_an_account_or_a_caller():
    user = "arn:aws:iam::123456789012:user/me"

    def trusting(principal):
        return trusts(
            {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]},
            "sts:AssumeRole",
            user,
            {},
        )

    named = ["*", {"AWS": "*"}, {"AWS": [user]}, {"AWS": "123456789012"}, {"AWS": "arn:aws:iam::123456789012:root"}]
    assert all(map(trusting, named))
    others = [{"Service": "sagemaker.amazonaws.com"}, {"AWS": user + "2"}, {"AWS": "arn:aws:iam::999999999999:root"}]
    assert not any(map(trusting, others))


def test_a_trust_is_for_its_actions_and_conditions_and_a_denial_of_it_wins():
    service = "sagemaker.amazonaws.com"
    allowed = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": "sts:AssumeRole"}
    condition = {"StringEquals": {"sts:ExternalId": "1"}}
    assert trusts({"Statement": allowed}, "sts:AssumeRole", service, {})
    assert not trusts({"Statement": allowed}, "sts:TagSession", service, {})
    assert not trusts({"Statement": allowed | {"Condition": condition}}, "sts:AssumeRole", service, {})
    assert trusts(
        {"Statement": allowed | {"Condition": condition}}, "sts:AssumeRole", service, {"STS:ExternalID": ["1"]}
    )
    assert not trusts({"Statement": [allowed, allowed | {"Effect": "Deny"}]}, "sts:AssumeRole", service, {})
    assert not trusts({}, "sts:AssumeRole", service, {})


def test_a_trust_policy_names_a_caller_and_not_the_account_that_it_is_of():
    user = "arn:aws:iam::123456789012:user/me"
    assert names({"Statement": [{"Principal": {"AWS": ["arn:x", user]}}]}, user)
    assert names({"Statement": {"Principal": user}}, user)
    assert not names({"Statement": [{"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, {}]}, user)


# --- what requests need -------------------------------------------------------------------------------------------


def needed(service, operation, parameters=None, **more):
    asked = Asked(service, operation, "us-east-1", "123456789012", parameters or {}, **more)
    return [(need.action, need.resource) for need in needs(asked)]


@pytest.mark.parametrize(
    ("operation", "key", "actions"),
    [
        ("GetObject", "k", ["s3:GetObject"]),
        ("HeadObject", "k", ["s3:GetObject"]),
        ("PutObject", "k", ["s3:PutObject"]),
        ("UploadPart", "k", ["s3:PutObject"]),
        ("CompleteMultipartUpload", "k", ["s3:PutObject"]),
        ("AbortMultipartUpload", "k", ["s3:AbortMultipartUpload"]),
        ("ListParts", "k", ["s3:ListMultipartUploadParts"]),
        ("DeleteObject", "k", ["s3:DeleteObject"]),
        ("GetObjectTagging", "k", ["s3:GetObjectTagging"]),
        ("DeleteObjects", "", []),
        ("HeadBucket", "", ["s3:ListBucket"]),
        ("ListObjects", "", ["s3:ListBucket"]),
        ("ListObjectsV2", "", ["s3:ListBucket"]),
        ("ListMultipartUploads", "", ["s3:ListBucketMultipartUploads"]),
        ("CreateBucket", "", ["s3:CreateBucket"]),
        ("GetBucketLocation", "", ["s3:GetBucketLocation"]),
        ("PutBucketEncryption", "", ["s3:PutEncryptionConfiguration"]),
        ("ListBuckets", "", ["s3:ListAllMyBuckets"]),
    ],
)
def test_operations_of_s3_need_the_actions_that_iam_names(operation, key, actions):
    found = needed("s3", operation, bucket="b", key=key)
    assert [action for action, _ in found] == actions
    assert {resource for _, resource in found} <= {"*", "arn:aws:s3:::b", "arn:aws:s3:::b/k"}


def test_a_copy_needs_its_source_and_its_target():
    headers = {"x-amz-copy-source": "/from/a%20b?versionId=1"}
    assert needed("s3", "CopyObject", bucket="b", key="k", headers=headers) == [
        ("s3:PutObject", "arn:aws:s3:::b/k"),
        ("s3:GetObjectVersion", "arn:aws:s3:::from/a b"),
    ]


def test_a_version_of_an_object_has_a_separate_action():
    assert needed("s3", "GetObject", bucket="b", key="k", query={"versionId": "1"})[0][0] == "s3:GetObjectVersion"


def test_creating_a_training_job_needs_the_job_its_role_and_its_tags():
    role = "arn:aws:iam::123456789012:role/r"
    job = "arn:aws:sagemaker:us-east-1:123456789012:training-job/my-job"
    parameters = {"TrainingJobName": "My-Job", "RoleArn": role, "Tags": [{"Key": "run", "Value": "1"}]}
    parameters["ResourceConfig"] = {"InstanceType": "ml.m4.xlarge"}
    asked = Asked("sagemaker", "CreateTrainingJob", "us-east-1", "123456789012", parameters)
    found = {need.action: need for need in needs(asked)}
    assert {action: need.resource for action, need in found.items()} == {
        "sagemaker:CreateTrainingJob": job,
        "sagemaker:AddTags": job,
        "iam:PassRole": role,
    }
    assert found["sagemaker:CreateTrainingJob"].context == {
        "aws:RequestTag/run": ["1"],
        "aws:TagKeys": ["run"],
        "sagemaker:InstanceTypes": ["ml.m4.xlarge"],
    }
    assert found["iam:PassRole"].context["iam:PassedToService"] == ["sagemaker.amazonaws.com"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        ("sagemaker", "ListEndpoints", {}, "sagemaker:ListEndpoints", "*"),
        ("sagemaker", "AddTags", {"ResourceArn": "arn:x"}, "sagemaker:AddTags", "arn:x"),
        (
            "sagemaker",
            "DescribeEndpointConfig",
            {"EndpointConfigName": "C"},
            "sagemaker:DescribeEndpointConfig",
            "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c",
        ),
        ("iam", "GetRole", {"RoleName": "r"}, "iam:GetRole", "arn:aws:iam::123456789012:role/r"),
        ("iam", "ListRoles", {}, "iam:ListRoles", "*"),
        (
            "iam",
            "AttachRolePolicy",
            {"RoleName": "r", "PolicyArn": "arn:p"},
            "iam:AttachRolePolicy",
            "arn:aws:iam::123456789012:role/r",
        ),
        ("iam", "GetPolicy", {"PolicyArn": "arn:p"}, "iam:GetPolicy", "arn:p"),
        ("sts", "AssumeRole", {"RoleArn": "arn:r"}, "sts:AssumeRole", "arn:r"),
        (
            "logs",
            "DescribeLogGroups",
            {},
            "logs:DescribeLogGroups",
            "arn:aws:logs:us-east-1:123456789012:log-group::log-stream:",
        ),
        (
            "logs",
            "GetLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            "logs:GetLogEvents",
            "arn:aws:logs:us-east-1:123456789012:log-group:g:log-stream:s",
        ),
        ("pricing", "GetProducts", {}, "pricing:GetProducts", "*"),
        ("service-quotas", "ListServiceQuotas", {}, "servicequotas:ListServiceQuotas", "*"),
        ("resourcegroupstaggingapi", "GetResources", {}, "tag:GetResources", "*"),
    ],
)
def test_other_operations_need_the_action_of_their_name(service, operation, parameters, action, resource):
    assert needed(service, operation, parameters) == [(action, resource)]


def test_an_invocation_is_an_action_of_sagemaker_on_the_endpoint():
    endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"
    assert needed("sagemaker-runtime", "InvokeEndpoint", endpoint="E") == [("sagemaker:InvokeEndpoint", endpoint)]


def test_an_endpoint_is_created_from_a_config_that_is_decided_too():
    found = needed("sagemaker", "CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"})
    assert [resource.rpartition(":")[2] for _, resource in found] == ["endpoint/e", "endpoint-config/c"]


def test_every_caller_may_get_its_identity():
    assert needed("sts", "GetCallerIdentity") == []


# --- who calls ----------------------------------------------------------------------------------------------------


def asking(host, service, token, key):
    credential = f"{key}/20260101/us-east-1/{service}/aws4_request"
    headers = {
        "host": host,
        "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00",
        "x-amz-security-token": token,
        "x-amz-date": "20260101T000000Z",
    }
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"headers": given, "path": "/", "query_string": b"", "method": "GET"}, None)


EXAMPLE = {
    "host": "examplebucket.s3.amazonaws.com",
    "range": "bytes=0-9",
    "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x-amz-date": "20130524T000000Z",
    "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
    "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
}
"""GET Object of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""


def test_the_signature_of_aws_s_own_example_is_recognised_and_no_other():
    secret, url = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "https://examplebucket.s3.amazonaws.com/test.txt"
    signature, digest = read(EXAMPLE, {}), EXAMPLE["x-amz-content-sha256"]
    assert is_right(signature, secret, "GET", url, EXAMPLE, digest)
    assert not is_right(signature, secret + "x", "GET", url, EXAMPLE, digest)
    assert not is_right(signature, secret, "GET", url + "x", EXAMPLE, digest)
    assert not is_right(signature, secret, "GET", url, EXAMPLE | {"range": "bytes=0-8"}, digest)
    assert not is_right(signature, secret, "GET", url, EXAMPLE, "UNSIGNED-PAYLOAD")
    assert not is_right(signature, secret, "GET", url, {"host": "examplebucket.s3.amazonaws.com"}, digest)


@pytest.mark.parametrize(
    ("host", "service", "status", "code"),
    [
        ("s3.us-east-1.amazonaws.com", "s3", 400, "ExpiredToken"),
        ("sts.us-east-1.amazonaws.com", "sts", 403, "ExpiredToken"),
        ("api.sagemaker.us-east-1.amazonaws.com", "sagemaker", 400, "ExpiredTokenException"),
    ],
)
def test_an_expired_session_is_reported_in_each_protocol(host, service, status, code, monkeypatch):
    over = datetime.now(timezone.utc) - timedelta(seconds=1)
    session = Identity("arn:aws:sts::1:assumed-role/r/s", "arn:aws:iam::1:role/r", "r", "secret", "token", expires=over)
    monkeypatch.setattr(identities, "find_caller", {"ASIA1": session}.get)
    with pytest.raises(AWSError) as error:
        asyncio.run(
            Enforced("123456789012", {}.get, lambda *_: True).check(asking(host, service, "token", "ASIA1"), {})
        )
    assert (error.value.status, error.value.code) == (status, code)
