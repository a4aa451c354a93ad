"""Every operation of every emulated service, with requests drawn from botocore's models.

The local AWS has a resource of each kind, whose names are drawn often. Nothing is hosted: the one image runs ``true``,
and the endpoint's model data is gone, so that requests that succeed start no process that lasts.
"""

import io
import json
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, seed, settings

from harness.aws.local import MockAWS
from harness.localaws.api_models import service_model
from harness.localaws.register.lookup import OPERATIONS
from harness.localaws.register.operation_class import OperationClass
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.drawn_requests import BODIES, HOSTS, Drawing, Wire, missing
from tests.support.outside import OUTSIDE

IMAGE = "quick:1"
NAMED = (
    *("ModelName", "EndpointName", "EndpointConfigName", "TrainingJobName", "ModelPackageGroupName", "ModelCardName"),
    *("UserName", "RoleName", "GroupName", "PolicyName"),
    *("logGroupName", "logStreamName", "logStreamNames", "logStreamNamePrefix", "logGroupNamePrefix"),
)
"""Members that name a resource that exists."""
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
TRUSTING = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
MOST_SECONDS = 10


@pytest.fixture(scope="module")
def apart():
    """A separate local AWS, with a resource of each kind, called ``known``."""
    with MockAWS.start(Settings()) as apart:
        apart.register_container(IMAGE, ["true"])
        make_known(apart)
        yield apart


def make_known(aws):
    sagemaker, s3, logs, iam = (aws.client(name) for name in ("sagemaker", "s3", "logs", "iam"))
    s3.create_bucket(Bucket="known")
    for key in ("data/0", "model.tar.gz"):
        s3.put_object(Bucket="known", Key=key, Body=an_archive())
    container = {"Image": IMAGE, "ModelDataUrl": "s3://known/model.tar.gz"}
    sagemaker.create_model(ModelName="known", ExecutionRoleArn=aws.role, PrimaryContainer=container)
    variant = {"VariantName": "known", "ModelName": "known", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="known", ProductionVariants=[variant])
    s3.delete_object(Bucket="known", Key="model.tar.gz")
    sagemaker.create_endpoint(EndpointName="known", EndpointConfigName="known")
    sagemaker.create_training_job(
        TrainingJobName="known",
        RoleArn=aws.role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://known/out"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    sagemaker.create_model_package_group(ModelPackageGroupName="known")
    sagemaker.create_model_card(ModelCardName="known", Content="{}", ModelCardStatus="Draft")
    logs.create_log_group(logGroupName="known")
    logs.create_log_stream(logGroupName="known", logStreamName="known")
    iam.create_user(UserName="known")
    iam.create_group(GroupName="known")
    iam.create_role(RoleName="known", AssumeRolePolicyDocument=TRUSTING)
    iam.create_policy(PolicyName="known", PolicyDocument=ALLOW)
    status = lambda: sagemaker.describe_training_job(TrainingJobName="known")["TrainingJobStatus"]  # noqa: E731
    wait_until(lambda: status() == "Completed", "the job to end")


def an_archive():
    archive = io.BytesIO()
    tarfile.open(fileobj=archive, mode="w:gz").close()
    return archive.getvalue()


@pytest.fixture(scope="module")
def wire(apart):
    return Wire(apart)


@pytest.fixture(scope="module")
def drawing(apart):
    arns = [
        f"arn:aws:sagemaker:{apart.region}:{apart.account}:{kind}/known"
        for kind in ("model", "endpoint", "training-job", "model-package-group", "model-card", "experiment")
    ]
    group = f"arn:aws:logs:{apart.region}:{apart.account}:log-group:known"
    existing = {
        "ResourceArn": arns,
        "PolicyArn": [f"arn:aws:iam::{apart.account}:policy/known", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
        "PolicySourceArn": [f"arn:aws:iam::{apart.account}:user/known"],
        "RoleArn": [apart.role],
        "ExecutionRoleArn": [apart.role],
        "TrainingImage": [IMAGE],
        "Image": [IMAGE],
        "S3OutputPath": ["s3://known/out"],
        "S3Uri": ["s3://known/data/"],
        "PolicyDocument": [ALLOW, "{}"],
        "AssumeRolePolicyDocument": [TRUSTING],
        "ServiceCode": ["sagemaker"],
        "resourceArn": [group],
        "logGroupIdentifier": ["known", group],
    }
    return Drawing(existing | {name: ["known"] for name in NAMED})


def drive(wire, drawing, service, operation, examples):
    """Send drawn requests of an operation, and check each answer."""
    refused = OPERATIONS[service].find(operation)[0] is OperationClass.REFUSED

    @seed(operation)
    @settings(
        max_examples=max(2, examples // 20) if refused else examples,  # no member is read of one that is refused
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawing.requests(service, operation))
    def each(request):
        check(wire.call(service, operation, request), service, operation, refused)

    each()


def check(answer, service, operation, refused):
    assert answer.status < 500
    assert answer.seconds < MOST_SECONDS
    assert (answer.code == "NotEmulated") is refused
    assert answer.code != "LocalAWSFault", answer.content
    if answer.status < 300:
        shape = service_model(service).operation_model(operation).output_shape
        assert set(missing(shape, answer.content)) <= LACKING.get(operation, set())
    else:
        assert answer.code
        assert answer.content["Error"]["Message"]


LACKING = {}
"""Members that botocore's model requires, and AWS's answers lack at times."""


@pytest.mark.parametrize("examples", [12, pytest.param(500, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("service", OPERATIONS)
def test_every_operation_is_answered_or_refused_whatever_the_request(wire, drawing, service, examples):
    deletions_last = sorted(OPERATIONS[service], key=lambda name: (name.startswith("Delete"), name))
    for operation in deletions_last:
        drive(wire, drawing, service, operation, examples)


@pytest.mark.parametrize("service", sorted(HOSTS.keys() - {"iam", "sts", "sagemaker-runtime"}))
def test_a_body_that_is_no_structure_is_answered_with_an_error_of_the_request(wire, service):
    for operation in OPERATIONS[service].names(OperationClass.EMULATED):
        for body in BODIES:
            answer = wire.body(service, operation, body)
            assert 200 <= answer.status < 500
            assert answer.code != "LocalAWSFault", (operation, body, answer.content)


def one_client(aws, service, mode):
    return boto3.session.Session().client(
        service,
        region_name=aws.region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        verify=aws.connection.pem,
        config=Config(proxies={"https": aws.connection.client_proxy}, retries={"mode": mode}),
    )


def times(aws, operation):
    return aws.calls()["counts"].get(operation, 0)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        ("sagemaker", "list_hubs", {}),
        ("logs", "start_query", {"startTime": 0, "endTime": 1, "queryString": "fields @message"}),
        ("pricing", "describe_services", {}),
        ("iam", "list_mfa_device_tags", {"SerialNumber": "s" * 9}),
        ("resourcegroupstaggingapi", "describe_report_creation", {}),
        ("sagemaker-runtime", "invoke_endpoint_async", {"EndpointName": "known", "InputLocation": "s3://known/k"}),
    ],
)
def test_a_refused_operation_is_asked_for_once_by_boto3_in_every_retry_mode(apart, mode, service, method, arguments):
    client = one_client(apart, service, mode)
    operation = client.meta.method_to_api_mapping[method]
    before = times(apart, operation)
    with pytest.raises(ClientError, match=f"The local AWS does not emulate {operation} of {service}") as refused:
        getattr(client, method)(**arguments)
    assert refused.value.response["Error"]["Code"] == "NotEmulated"
    assert times(apart, operation) == before + 1


def test_a_refused_operation_is_asked_for_once_by_the_aws_cli(apart):
    before = times(apart, "ListWorkteams")
    command = [Path(sys.executable).parent / "aws", "sagemaker", "list-workteams"]
    environment = OUTSIDE | apart.environment()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "(NotEmulated)" in ended.stderr
    assert times(apart, "ListWorkteams") == before + 1


def test_a_fault_that_a_test_injects_keeps_its_status(apart):
    apart.faults.add("ListModelCards", effect="error", status=503, code="ServiceUnavailable", times=1)
    answer = Wire(apart).call("sagemaker", "ListModelCards", {})
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")
    assert Wire(apart).call("sagemaker", "ListModelCards", {}).status == 200


@pytest.mark.parametrize("kind", ["model", "model-package-group", "model-card", "pipeline", "novelty"])
@pytest.mark.parametrize("operation", ["AddTags", "ListTags", "DeleteTags"])
def test_tags_of_a_resource_that_does_not_exist_are_an_error_of_the_request(apart, kind, operation):
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:{kind}/missing"
    given = {"AddTags": {"Tags": [{"Key": "k", "Value": "v"}]}, "DeleteTags": {"TagKeys": ["k"]}}
    answer = Wire(apart).call("sagemaker", operation, {"ResourceArn": arn} | given.get(operation, {}))
    assert (answer.status, answer.code) == (400, "ValidationException")


def test_events_are_searched_in_the_streams_that_a_prefix_names(apart):
    logs = apart.client("logs")
    logs.create_log_group(logGroupName="searched")
    for stream in ("job-1/a", "job-1/b", "job-2/a"):
        logs.create_log_stream(logGroupName="searched", logStreamName=stream)
        event = {"timestamp": int(time.time() * 1000), "message": stream}
        logs.put_log_events(logGroupName="searched", logStreamName=stream, logEvents=[event])
    for prefix, found in (("job-1/", ["job-1/a", "job-1/b"]), ("job-2", ["job-2/a"]), ("job-3", [])):
        events = logs.filter_log_events(logGroupName="searched", logStreamNamePrefix=prefix)["events"]
        assert sorted(event["message"] for event in events) == found


@pytest.mark.parametrize(
    ("member", "value"), [("TargetModel", "m"), ("InferenceComponentName", "c"), ("EnableExplanations", "`true`")]
)
def test_an_invocation_with_a_member_that_is_not_emulated_is_refused_by_name(apart, member, value):
    runtime = apart.client("sagemaker-runtime")
    with pytest.raises(ClientError, match=f"The local AWS does not emulate {member}: it has no") as refused:
        runtime.invoke_endpoint(EndpointName="known", Body=b"1,2", **{member: value})
    assert refused.value.response["Error"]["Code"] == "ValidationError"
