"""The register: every operation and member of botocore's models is in it once, and it refuses by name."""

import re

import pytest

from harness.localaws.api_models import service_model
from harness.localaws.exceptions import AWSError, NotEmulated, UnknownOperation
from harness.localaws.http import hosts
from harness.localaws.register import coverage
from harness.localaws.register.lookup import MEMBERS, OPERATIONS, leaves, members_of
from harness.localaws.register.member_class import MemberClass, Members, Only, _above
from harness.localaws.register.operation_class import OperationClass, Operations
from harness.localaws.register.refusal import check_invocation, check_operation, check_request

EMULATED = [
    (service, operation)
    for service, operations in OPERATIONS.items()
    for operation in operations.names(OperationClass.EMULATED)
]
CONFIG = {
    "EndpointConfigName": "c",
    "ProductionVariants": [
        {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    ],
}


def test_every_service_is_in_the_register_or_is_s3():
    assert sorted([*OPERATIONS, "s3"]) == hosts.SERVICES


@pytest.mark.parametrize("service", OPERATIONS)
def test_the_register_has_exactly_the_operations_that_botocore_has(service):
    assert sorted(OPERATIONS[service]) == sorted(service_model(service).operation_names)


@pytest.mark.parametrize("service", OPERATIONS)
def test_members_are_listed_of_every_emulated_operation_and_of_no_refused_one(service):
    listed, names = set(MEMBERS[service]), OPERATIONS[service].names
    emulated = set(names(OperationClass.EMULATED))
    assert emulated <= listed <= emulated | set(names(OperationClass.RECORDED))


@pytest.mark.parametrize(("service", "operation"), EMULATED)
def test_every_member_of_an_emulated_operation_is_classified(service, operation):
    members = MEMBERS[service][operation]
    assert [path for path in leaves(service, operation) if not members.lists(path)] == []


@pytest.mark.parametrize(
    ("service", "operation"), [(service, name) for service in MEMBERS for name in MEMBERS[service]]
)
def test_the_register_names_no_member_that_botocore_lacks(service, operation):
    known = leaves(service, operation)
    above = {prefix for path in known for prefix in _above(path)}
    entries = MEMBERS[service][operation].entries
    refused = {path for path, entry in entries.items() if entry.kind is MemberClass.REFUSED}
    assert entries.keys() - refused <= set(known)
    assert refused <= above | set(known)


@pytest.mark.parametrize("operation", MEMBERS["s3"])
def test_every_header_and_query_parameter_of_an_operation_of_s3_is_classified(operation):
    members, shape = MEMBERS["s3"][operation], service_model("s3").operation_model(operation).input_shape
    places = {name: member.serialization.get("location") for name, member in shape.members.items()}
    names = [name for name, place in places.items() if place in ("header", "headers", "querystring")]
    paths = [path for path in leaves("s3", operation) if path.rstrip("[]{}") in names]
    assert [path for path in paths if not members.lists(path)] == []
    assert len(paths) == len(names)


def test_an_operation_or_a_path_is_listed_once():
    with pytest.raises(ValueError, match="A is listed twice"):
        Operations({"x": "A B"}, refused={"y": "A"})
    with pytest.raises(ValueError, match=r"a\[\] is listed twice"):
        Members("a[]", refused={"a[]": "it has none"})


@pytest.mark.parametrize(
    ("service", "operation", "lacks"),
    [
        ("sagemaker", "CreateTransformJob", "batch transform"),
        ("sagemaker", "ListProcessingJobs", "processing jobs"),
        ("logs", "StartQuery", "queries"),
        ("pricing", "DescribeServices", "the catalog of services"),
    ],
)
def test_an_operation_that_is_not_emulated_is_refused_by_name(service, operation, lacks):
    message = f"does not emulate {operation} of {service}: it has no {lacks}. 'harness coverage {service}' lists"
    with pytest.raises(NotEmulated, match=re.escape(message)) as refused:
        check_operation(service, operation)
    assert refused.value.status == 400


def test_an_operation_that_only_a_newer_model_has_is_refused_in_the_same_way(monkeypatch):
    monkeypatch.setattr("harness.localaws.api_models.operation_names", lambda service: {"CreateNovelty"})
    with pytest.raises(NotEmulated, match="does not emulate CreateNovelty of sagemaker: it has no operations that are"):
        check_operation("sagemaker", "CreateNovelty")


@pytest.mark.parametrize(
    ("service", "code"), [("sagemaker", "UnknownOperationException"), ("logs", "UnknownOperationException"),
                          ("iam", "InvalidAction")],
)  # fmt: skip
def test_an_operation_that_the_service_does_not_have_gets_the_services_own_error(service, code):
    with pytest.raises(AWSError, match="CreateNovelty") as unknown:
        check_operation(service, "CreateNovelty")
    assert (unknown.value.code, isinstance(unknown.value, NotEmulated)) == (code, False)
    assert issubclass(UnknownOperation, AWSError)


@pytest.mark.parametrize(
    ("member", "value", "path"),
    [
        ("AsyncInferenceConfig", {"OutputConfig": {"S3OutputPath": "s3://b/k"}}, "AsyncInferenceConfig"),
        ("DataCaptureConfig", {"EnableCapture": False, "InitialSamplingPercentage": 1, "DestinationS3Uri": "s3://b/k",
                               "CaptureOptions": [{"CaptureMode": "Input"}]}, "DataCaptureConfig"),
        ("KmsKeyId", "k", "KmsKeyId"),
        ("NoveltyConfig", {"Enable": True}, "NoveltyConfig"),
    ],
)  # fmt: skip
def test_a_member_that_is_not_emulated_is_refused_by_name(member, value, path):
    check_request("sagemaker", "CreateEndpointConfig", CONFIG)
    with pytest.raises(AWSError, match=f"The local AWS does not emulate {path}: it ") as refused:
        check_request("sagemaker", "CreateEndpointConfig", CONFIG | {member: value})
    assert refused.value.code == "ValidationException"


def test_a_member_is_refused_at_every_depth_and_all_of_them_are_named():
    variant = CONFIG["ProductionVariants"][0] | {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    variant |= {"Novelty": 1, "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}}
    with pytest.raises(AWSError) as refused:
        check_request("sagemaker", "CreateEndpointConfig", CONFIG | {"ProductionVariants": [variant]})
    assert "ProductionVariants[].ServerlessConfig: it has no serverless endpoints" in refused.value.message
    assert "ProductionVariants[].Novelty: it does not know this member" in refused.value.message
    assert "RoutingStrategy 'LEAST_OUTSTANDING_REQUESTS': it does not route" in refused.value.message


def test_what_asks_for_nothing_is_not_refused():
    members = Members("A B{}", only={"C": Only((False,), "it cannot")}, refused={"D E[].F": "it has none"})
    assert list(members.refusals({"A": 1, "B": {"x": "y"}, "C": False, "D": None, "E": []})) == []
    assert [path for path, _ in members.refusals({"C": True, "D": {}, "E": [{"F": 1}]})] == ["C True", "D", "E[].F"]


def test_the_members_that_the_sagemaker_sdk_sends_unasked_are_accepted():
    members = MEMBERS["sagemaker"]["CreateTrainingJob"]
    hook, profiler = {"S3OutputPath": "s3://b/", "CollectionConfigurations": []}, {"S3OutputPath": "s3://b/"}
    sent = {"DebugHookConfig": hook, "ProfilerConfig": profiler | {"DisableProfiler": False}}
    assert list(members.refusals(sent)) == []
    rule = {"DebugRuleConfigurations": [{"RuleConfigurationName": "r"}]}
    assert [path for path, _ in members.refusals(sent | rule)] == ["DebugRuleConfigurations"]


def test_a_record_keeps_every_member_that_botocore_has_and_no_other():
    members = members_of("sagemaker", "CreateModelCard")
    assert list(members.refusals({"ModelCardName": "e", "Tags": [{"Key": "k", "Value": "v"}]})) == []
    assert [path for path, _ in members.refusals({"ModelCardName": "e", "Novelty": 1})] == ["Novelty"]


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [("", True), ("ERROR", True), ("two words", True), ('"a phrase: 1"', True), ("-ERROR", False),
     ("{ $.x = 1 }", False), ("[a, b]", False), ("?a ?b", False)],
)  # fmt: skip
def test_a_pattern_that_moto_would_ignore_is_refused(pattern, taken):
    found = list(MEMBERS["logs"]["FilterLogEvents"].refusals({"filterPattern": pattern}))
    assert bool(found) is not taken


@pytest.mark.parametrize(
    ("header", "refused"),
    [("x-amzn-sagemaker-custom-attributes", None), ("x-amzn-sagemaker-target-variant", None),
     ("x-amzn-sagemaker-inference-id", None), ("content-type", None), ("x-amzn-sagemaker-target-model", "TargetModel"),
     ("x-amzn-sagemaker-session-id", "SessionId"), ("x-amzn-sagemaker-novelty", "x-amzn-sagemaker-novelty")],
)  # fmt: skip
def test_an_invocation_is_refused_by_the_member_that_its_header_carries(header, refused):
    if refused is None:
        check_invocation("InvokeEndpoint", {header: "a"})
        return
    with pytest.raises(AWSError, match=f"does not emulate {refused}: ") as error:
        check_invocation("InvokeEndpoint", {header: "a"})
    assert error.value.code == "ValidationError"


def test_lists_of_members_and_the_readme_come_from_the_register():
    found = coverage.limits("sagemaker")
    assert ("VpcConfig", "refused: it has no VPC, so no subnet and no security group exists") in found["CreateModel"]
    assert ("PrimaryContainer.Mode", "only SingleModel: it has no multi-model endpoints") in found["CreateModel"]
    assert "DescribeModel" not in found
    assert "batch transform" in coverage.features_not_emulated("sagemaker")


def test_each_operation_of_a_service_is_in_its_coverage_once():
    for service in OPERATIONS:
        groups = coverage.operations(service).values()
        names = [name for group in groups for listed in group.values() for name in listed]
        assert sorted(names) == sorted(OPERATIONS[service])
        assert sum(coverage.counts(service).values()) == len(names)
