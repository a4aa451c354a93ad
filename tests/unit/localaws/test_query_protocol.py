"""Forms of the query protocol as structures, and CBOR bodies as values."""

import botocore.parsers
import pytest
from botocore.serialize import create_serializer

from harness.localaws.api_models import service_model
from harness.localaws.exceptions import SerializationException
from harness.localaws.http import cbor
from harness.localaws.http.query_protocol import structure

REQUESTS = [
    ("iam", "CreateRole", {"RoleName": "r", "MaxSessionDuration": 3600, "Tags": [{"Key": "a", "Value": "b"}] * 11}),
    ("iam", "CreatePolicyVersion", {"PolicyArn": "arn", "PolicyDocument": "{}", "SetAsDefault": True}),
    ("iam", "SimulatePrincipalPolicy", {"PolicySourceArn": "a", "ActionNames": ["x", "y"], "ContextEntries": [
        {"ContextKeyName": "k", "ContextKeyValues": ["v", "w"]}]}),
    ("iam", "UntagRole", {"RoleName": "r", "TagKeys": []}),
    ("sts", "GetCallerIdentity", {}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "parameters"), REQUESTS)
def test_a_form_is_the_structure_that_botocore_made_it_from(service, operation, parameters):
    model = service_model(service).operation_model(operation)
    form = create_serializer("query", include_validation=False).serialize_to_request(parameters, model)["body"]
    assert structure(service, operation, {**form, "X-Amz-Date": "now"}) == parameters


def test_a_member_that_the_model_lacks_is_kept():
    assert structure("iam", "GetRole", {"RoleName": "r", "Novelty.A": "1"}) == {"RoleName": "r", "Novelty": {"A": "1"}}


@pytest.mark.parametrize(
    "form",
    [
        *({"Tags": "x"}, {"Tags.1.Key": "x"}, {"Tags.member.x.Key": "y"}, {"RoleName.a": "x"}),
        *({"RoleName": "r", "RoleName.a": ""}, {"RoleName.a": "", "RoleName": "r"}),
        *({"MaxSessionDuration": "long"}, {"PermissionsBoundary.member.1": "x"}),
    ],
)
def test_a_form_of_another_shape_is_a_serialization_error(form):
    with pytest.raises(SerializationException):
        structure("iam", "CreateRole", form)


def test_an_error_in_cbor_is_read_by_botocore():
    long = "ü" * 70_000
    body = cbor.encoded({"__type": "NotEmulated", "message": long})
    answer = {"status_code": 400, "headers": cbor.PROTOCOL, "body": body}
    shape = service_model("resourcegroupstaggingapi").operation_model("GetResources").output_shape
    error = botocore.parsers.create_parser("smithy-rpc-v2-cbor").parse(answer, shape)["Error"]
    assert error == {"Code": "NotEmulated", "Message": long}
    assert cbor.decoded(body) == {"__type": "NotEmulated", "message": long}


@pytest.mark.parametrize("body", [b"\xbf\x01", b"\xff", b"\x7b", b"\x9b" + b"\xff" * 8, b"\x81" * 5000])
def test_a_body_that_is_no_cbor_is_a_serialization_error(body):
    with pytest.raises(SerializationException, match="not CBOR"):
        cbor.decoded(body)
    assert cbor.decoded(b"") == {}
