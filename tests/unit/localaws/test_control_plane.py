"""The control plane of SageMaker: operations are found by name, and what is not emulated is refused by name."""

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.control_plane import ControlPlane
from harness.localaws.sagemaker.resources.call import Call


@pytest.fixture
def plane():
    """A control plane that can list resources, but neither train nor serve."""
    return ControlPlane(None, None, None, None, None)


def call(**parameters):
    return Call(parameters, "us-east-1", "123456789012")


def test_each_operation_belongs_to_one_kind_of_resource(plane):
    parts = [plane._tag_operations, *(kind.operations() for kind in plane._kinds.values())]
    assert len(plane.operations) == sum(map(len, parts)) == 21


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("WarmPoolStatusEquals", "InUse"),
        ("TrainingPlanArnEquals", "arn:aws:sagemaker:us-east-1:123456789012:training-plan/longest-plan"),
    ],
)
def test_a_member_that_is_not_emulated_is_refused_by_name(plane, member, value):
    with pytest.raises(ValidationException, match=f"The local AWS does not emulate {member}: it has no"):
        plane.call("ListTrainingJobs", call(**{member: value}))


def test_a_request_is_checked_before_its_operation(plane):
    with pytest.raises(ValidationException, match="Value '0' at 'maxResults' failed to satisfy constraint"):
        plane.call("ListModels", call(MaxResults=0))


@pytest.mark.parametrize(
    ("operation", "parameters", "here"),
    [
        ("ListModels", {}, True),
        ("ListTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"}, True),
        ("ListTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p"}, False),
        ("ListTags", {}, False),
        ("ListPipelines", {}, False),
    ],
)
def test_moto_gets_the_operations_and_the_tags_of_other_resources(plane, operation, parameters, here):
    assert plane.handles(operation, parameters) is here


@pytest.mark.parametrize(
    ("operation", "agent", "waits"),
    [
        ("DescribeEndpoint", "SageMaker-Spark-SDK/1.4.5 aws-sdk-java", True),
        ("DescribeEndpoint", "Boto3/1.40", False),
        ("ListEndpoints", "SageMaker-Spark-SDK/1.4.5", False),
    ],
)
def test_only_the_spark_sdk_waits_and_only_for_the_end_of_what_it_describes(plane, operation, agent, waits):
    assert plane.may_wait(operation, agent) is waits
