"""Bucket policies: what is refused when they are put, which are public, and whom they allow what."""

import json

import pytest

from harness.localaws.exceptions import AWSError
from harness.localaws.iam.bucket_policies import Grant, grant, is_public, read
from harness.localaws.iam.identities import Identity

ACCOUNT = "123456789012"
USER = Identity(f"arn:aws:iam::{ACCOUNT}:user/u", f"arn:aws:iam::{ACCOUNT}:user/u", "u")
SESSION = Identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", f"arn:aws:iam::{ACCOUNT}:role/r", "r")
KEY = "arn:aws:s3:::b/k"
HTTP = {"Bool": {"aws:SecureTransport": "false"}}


def statement(effect="Allow", principal="*", action="s3:GetObject", resource="arn:aws:s3:::b/*", **more):
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource} | more


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def given(caller, *statements, action="s3:GetObject", resource=KEY, **context):
    return grant(policy(*statements), caller, action, resource, context)


# --- decisions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "anonymous", "user", "session"),
    [
        ("*", Grant.TO_CALLER, Grant.TO_CALLER, Grant.TO_ROLE),
        ({"AWS": "*"}, Grant.TO_CALLER, Grant.TO_CALLER, Grant.TO_ROLE),
        ({"AWS": [USER.arn, SESSION.arn]}, Grant.NOTHING, Grant.TO_CALLER, Grant.TO_CALLER),
        ({"AWS": SESSION.principal}, Grant.NOTHING, Grant.NOTHING, Grant.TO_ROLE),
        ({"AWS": ACCOUNT}, Grant.NOTHING, Grant.TO_ACCOUNT, Grant.TO_ACCOUNT),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Grant.NOTHING, Grant.TO_ACCOUNT, Grant.TO_ACCOUNT),
        ({"AWS": "arn:aws:iam::210987654321:root"}, Grant.NOTHING, Grant.NOTHING, Grant.NOTHING),
        ({"Service": "logging.s3.amazonaws.com"}, Grant.NOTHING, Grant.NOTHING, Grant.NOTHING),
    ],
)
def test_a_principal_names_callers_in_its_own_way(principal, anonymous, user, session):
    allowing = statement(principal=principal)
    assert [given(caller, allowing) for caller in (None, USER, SESSION)] == [anonymous, user, session]
    denying = statement("Deny", principal)
    denied = [given(caller, statement(), denying) is Grant.DENIED for caller in (None, USER, SESSION)]
    assert denied == [rank is not Grant.NOTHING for rank in (anonymous, user, session)]


def test_a_statement_is_about_its_actions_resources_and_conditions_only():
    assert given(USER, statement(), resource="arn:aws:s3:::other/k") is Grant.NOTHING
    assert given(USER, statement(), action="s3:PutObject") is Grant.NOTHING
    secure = statement("Deny", action="s3:*", Condition=HTTP)
    assert given(USER, secure, **{"aws:SecureTransport": ["true"]}) is Grant.NOTHING
    assert given(USER, secure, **{"aws:SecureTransport": ["false"]}) is Grant.DENIED
    encrypted = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    unencrypted = statement("Deny", action="s3:PutObject", Condition=encrypted)
    assert given(USER, unencrypted, action="s3:PutObject") is Grant.DENIED
    assert given(None, {**statement(), "NotResource": KEY, "Resource": []}) is Grant.NOTHING


# --- publicness ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "public"),
    [
        ({}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/0"]}}}, True),
        ({"Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, False),
        ({"Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/r"}}}, True),
        ({"Condition": {"StringEqualsIfExists": {"aws:PrincipalAccount": ACCOUNT}}}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": ACCOUNT}}, False),
    ],
)
def test_a_policy_is_public_unless_it_limits_everyone_to_fixed_values(more, public):
    assert is_public(policy(statement() | more)) is public


# --- form ---------------------------------------------------------------------------------------------------------


def refused(document, exists=lambda _: True):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(AWSError) as error:
        read(content, "b", exists)
    assert error.value.status == 400
    return error.value.code, error.value.message


def without(element):
    return {name: value for name, value in statement().items() if name != element}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "Policies must be valid JSON and the first byte must be '{'"),
        (b"[]", "Policies must be valid JSON and the first byte must be '{'"),
        (b"{" + b" " * 20480 + b"}", "Policies must be 20 KB or less in size"),
        ({"Version": "2012-10-17"}, "Missing required field Statement"),
        ({"Statement": [statement()], "Version": "2026"}, "The policy must contain a valid version string"),
        ({"Statement": [statement()], "Other": 1}, "Unknown field Other"),
        (policy(without("Principal")), "Missing required field Principal"),
        (policy(without("Effect")), "Missing required field Effect"),
        (policy(without("Action")), "Missing required field Action"),
        (policy(without("Resource")), "Missing required field Resource"),
        (policy(statement("Maybe")), "Invalid effect"),
        (policy(statement(Other="x")), "Unknown field Other"),
        (policy(statement(action="iam:GetUser")), "Policy has invalid action"),
        (policy(statement(resource="arn:aws:s3:::other/*")), "Policy has invalid resource"),
        (policy(statement(resource="b/*")), "Policy has invalid resource"),
        (policy(statement(resource="arn:aws:s3:::b")), "Action does not apply to any resource(s) in statement"),
        (policy(statement(action="s3:ListBucket")), "Action does not apply to any resource(s) in statement"),
        (policy(statement(principal={"AWS": "me"})), "Invalid principal in policy"),
        (policy(statement(principal={"Human": "me"})), "Invalid principal in policy"),
        (policy(statement(Condition={"StringIs": {"s3:prefix": "a"}})), "Invalid Condition type"),
        (policy(statement(Condition="true")), "Invalid Condition type"),
    ],
)  # fmt: skip
def test_a_malformed_policy_is_refused_as_by_s3(document, message):
    assert refused(document) == ("MalformedPolicy", message)


def test_a_principal_that_does_not_exist_is_invalid():
    named = policy(statement(principal={"AWS": USER.arn}))
    assert refused(named, exists=lambda _: False) == ("MalformedPolicy", "Invalid principal in policy")


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"NotPrincipal": {"AWS": USER.arn}}, "NotPrincipal"),
        ({"Principal": {"CanonicalUser": "a"}}, "a Principal of type CanonicalUser"),
        ({"Principal": {"Federated": "a"}}, "a Principal of type Federated"),
        ({"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}, "the condition key aws:sourcevpce"),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, "the condition key aws:principalorgid"),
    ],
)
def test_a_part_that_is_not_evaluated_is_refused_by_name(more, part):
    found = refused(policy(statement() | more))
    assert found == ("NotImplemented", f"The local AWS does not evaluate {part} of a bucket policy.")


@pytest.mark.parametrize(
    "one",
    [
        statement(principal={"AWS": [USER.arn, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"]}),
        statement(principal={"Service": "logging.s3.amazonaws.com"}, action="s3:PutObject"),
        statement("Deny", action="s3:*", resource=["arn:aws:s3:::b", "arn:aws:s3:::b/*"], Condition=HTTP),
        statement(action=["s3:ListBucket", "s3:GetObject"], resource=["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
        statement(action="s3:GetObject", resource="arn:aws:s3:::b*"),
        {**without("Action"), "NotAction": "s3:DeleteObject"},
        statement(Condition={"StringEquals": {"s3:ExistingObjectTag/a": "1", "aws:PrincipalTag/b": "2"}}),
    ],
)
def test_a_policy_that_s3_takes_is_taken(one):
    assert read(json.dumps(policy(one)).encode(), "b", lambda _: True) == policy(one)
    assert read(json.dumps(policy(one) | {"Statement": one}).encode(), "b", lambda _: True)["Statement"] == one
