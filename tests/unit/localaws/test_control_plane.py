"""The control plane of SageMaker: operations are found by name, and what is not emulated is refused by name."""

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.register.lookup import OPERATIONS
from harness.localaws.register.operation_class import OperationClass
from harness.localaws.sagemaker.control_plane import ControlPlane
from harness.localaws.sagemaker.images import Images
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


def test_the_control_plane_has_the_operations_that_the_register_lists_as_emulated(plane):
    assert sorted(plane.operations) == OPERATIONS["sagemaker"].names(OperationClass.EMULATED)


class Records:
    """moto, with one model card."""

    def keeps_tags(self, region, arn):
        return arn.endswith(":model-card/c")


@pytest.mark.parametrize(
    ("operation", "resource", "here"),
    [
        ("ListModels", "", True),
        ("ListTags", "model/m", True),
        ("ListTags", "model-card/c", False),
        ("ListTags", "model-card/other", True),
        ("ListTags", "", True),
        ("ListModelCards", "", False),
    ],
)
def test_moto_gets_records_and_their_tags(operation, resource, here):
    plane = ControlPlane(Records(), None, None, None, None)
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:{resource}"
    assert plane.handles(operation, {"ResourceArn": arn} if resource else {}, "us-east-1") is here


@pytest.mark.parametrize(
    ("image", "refused"),
    [("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", False), ("mine:1", True)],
)
def test_network_isolation_is_refused_where_a_container_might_open_connections(image, refused):
    images = Images()
    images.register("mine:1", ["python", "mine.py"])
    plane = ControlPlane(None, images, None, None, None)
    request = {"PrimaryContainer": {"Image": image}, "EnableNetworkIsolation": True}
    if refused:
        with pytest.raises(ValidationException, match="does not emulate EnableNetworkIsolation for mine:1"):
            plane._check_isolation(request)
    else:
        plane._check_isolation(request)


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
