"""Requests are checked against AWS's description of the operation."""

import re

import pytest

from harness.localaws.api_models import _as_python, check, service_model
from harness.localaws.exceptions import SerializationException, ValidationException
from harness.localaws.sagemaker.control_plane import ControlPlane

VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
CONFIG = {"EndpointConfigName": "config", "ProductionVariants": [VARIANT]}


def broken(operation, request):
    with pytest.raises(ValidationException) as error:
        check("sagemaker", operation, request)
    assert error.value.code == "ValidationException"
    return error.value.message


def test_a_request_that_keeps_the_rules_passes():
    check("sagemaker", "CreateEndpointConfig", CONFIG)


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"EndpointConfigName": None}, "Value null at 'endpointConfigName' failed to satisfy constraint: Member must "
         "not be null"),
        ({"EndpointConfigName": "a_b"}, "Value 'a_b' at 'endpointConfigName' failed to satisfy constraint: Member must "
         "satisfy regular expression pattern: "),
        ({"ProductionVariants": []}, "Value '[]' at 'productionVariants' failed to satisfy constraint: Member must "
         "have length greater than or equal to 1"),
        ({"ProductionVariants": [VARIANT | {"InstanceType": "huge"}]}, "Value 'huge' at 'productionVariants.1.member."
         "instanceType' failed to satisfy constraint: Member must satisfy enum value set: ["),
        ({"ProductionVariants": [VARIANT | {"InitialInstanceCount": 0}]}, "Value '0' at 'productionVariants.1.member."
         "initialInstanceCount' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        ({"Tags": [{"Key": "", "Value": ""}]}, "Value '' at 'tags.1.member.key' failed to satisfy constraint: Member "
         "must have length greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_reported_with_the_message_of_aws(changes, reported):
    message = broken("CreateEndpointConfig", CONFIG | changes)
    assert message.startswith(f"1 validation error detected: {reported}")


def test_all_broken_rules_are_reported_together():
    message = broken("CreateEndpointConfig", {"ProductionVariants": [{"InitialVariantWeight": -1}]})
    assert message.startswith("3 validation errors detected: ")
    assert message.count("failed to satisfy constraint: Member must") == 3


@pytest.mark.parametrize("name", [1, True, ["a"], {}])
def test_a_value_of_the_wrong_type_is_a_serialization_error(name):
    with pytest.raises(SerializationException, match="'endpointConfigName' has the wrong type: expected string"):
        check("sagemaker", "CreateEndpointConfig", CONFIG | {"EndpointConfigName": name})


def test_true_is_not_a_number():
    with pytest.raises(SerializationException, match="expected integer"):
        check("sagemaker", "ListEndpoints", {"MaxResults": True})


@pytest.mark.parametrize(
    ("name", "value"), [("MaxResults", 2**31), ("CreationTimeAfter", 2**63), ("CreationTimeAfter", float("nan"))]
)
def test_a_number_that_its_type_does_not_hold_is_a_serialization_error(name, value):
    with pytest.raises(SerializationException, match="is out of range"):
        check("sagemaker", "ListModelCards", {name: value})


def test_every_pattern_of_the_operations_done_here_is_one_that_python_reads():
    operations = ControlPlane(None, None, None, None, None).operations
    found, waiting, seen = 0, [service_model("sagemaker").operation_model(name).input_shape for name in operations], []
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        seen.append(shape.name)
        if "pattern" in shape.metadata:
            re.compile(_as_python(shape.metadata["pattern"]))
            found += 1
        waiting += list(getattr(shape, "members", {}).values())
        waiting += [getattr(shape, part) for part in ("member", "key", "value") if hasattr(shape, part)]
    assert found > 40


@pytest.mark.parametrize(
    ("pattern", "matches", "other"),
    [(r"\A\S[\p{Print}]*\z", "a b", " b"), (r"[\p{L}\p{N}_.:/=+\-@]*", "ключ=ä1", "a#b"), (r"\p{ASCII}*", "a b", "ä"),
     (r"[\p{L}\p{M}\p{Z}\p{N}\p{P}]{0,9}", "a, b! é́", "a\0"), (r"[\p{Novelty}]+", "anything: ä", "")],
)  # fmt: skip
def test_classes_of_characters_that_python_lacks_are_translated(pattern, matches, other):
    assert _as_python(pattern).fullmatch(matches)
    assert not _as_python(pattern).fullmatch(other)


def test_a_pattern_that_cannot_be_read_refuses_nothing():
    assert _as_python("([a-z]*)${1,128}") is None
