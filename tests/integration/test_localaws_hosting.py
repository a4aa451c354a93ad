"""Endpoints of the local AWS: brought into service, updated and invoked with boto3."""

import io
import itertools
import json
import sys
import tarfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import psutil
import pytest
import xgboost as xgb
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import libsvm
from harness.localaws.exceptions import ModelError
from harness.localaws.sagemaker import invocations
from harness.localaws.sagemaker.hosting import instance as instances
from harness.localaws.sagemaker.hosting.endpoint import Endpoint, Variant
from harness.localaws.sagemaker.hosting.instance import Instance
from harness.localaws.sagemaker.images import Image
from harness.waiting import wait_until

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
FEATURES = 4
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=30)
numbers = itertools.count()


@pytest.fixture(scope="module")
def sagemaker(local):
    return boto3.client("sagemaker")


@pytest.fixture(scope="module")
def runtime(local):
    return boto3.client("sagemaker-runtime", config=ONCE)


@pytest.fixture(scope="module")
def booster():
    values = np.random.default_rng(1).integers(0, 9, (200, FEATURES)).astype(float)
    settings = {"objective": "multi:softmax", "num_class": 3, "max_depth": 3}
    return xgb.train(settings, xgb.DMatrix(values, values[:, 0] // 3), 2)


@pytest.fixture(scope="module")
def bucket(local, booster):
    name = f"models-{uuid.uuid4().hex}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=archive("xgboost-model", bytes(booster.save_raw())))
    s3.put_object(Bucket=name, Key="text.tar.gz", Body=archive("model", b"what the script reads"))
    s3.put_object(Bucket=name, Key="broken.tar.gz", Body=b"no archive")
    return name


@pytest.fixture(scope="module")
def make(local, sagemaker, bucket):
    """Make models, configs and endpoints with unique names, and delete them at the end."""
    made = _Maker(local, sagemaker, bucket)
    yield made
    made.delete()


class _Maker:
    def __init__(self, local, sagemaker, bucket):
        self.local, self.sagemaker, self.bucket = local, sagemaker, bucket
        self.endpoints = []

    def model(self, data="model.tar.gz", image=IMAGE, **container):
        name = f"model-{uuid.uuid4().hex}"
        container |= {"Image": image}
        if "ModelDataSource" not in container:
            container["ModelDataUrl"] = data if "://" in data else f"s3://{self.bucket}/{data}"
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self.local.role)
        return name

    def model_without_data(self):
        """Make a model whose data is deleted then."""
        s3, key = boto3.client("s3"), f"{uuid.uuid4().hex}.tar.gz"
        s3.put_object(Bucket=self.bucket, Key=key, Body=b"")
        name = self.model(key)
        s3.delete_object(Bucket=self.bucket, Key=key)
        return name

    def config(self, *models, instances=1, weights=(1, 1)):
        name = f"config-{uuid.uuid4().hex}"
        variants = [
            {"VariantName": f"v{number}", "ModelName": model, "InstanceType": "ml.m4.xlarge",
             "InitialInstanceCount": instances, "InitialVariantWeight": weight}
            for number, (model, weight) in enumerate(zip(models, weights, strict=False), 1)
        ]  # fmt: skip
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def endpoint(self, config, **more):
        name = f"endpoint-{uuid.uuid4().hex}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, **more)
        self.endpoints.append(name)
        return name

    def script(self, text, path):
        """Return an image backed by Python code that answers POST requests with ``answer(body)``."""
        image = f"script-{uuid.uuid4().hex}"
        (path / "container.py").write_text(SERVER.format(answer=text))
        self.local.register_container(image, [sys.executable, str(path / "container.py")])
        return image

    def delete(self):
        for name in self.endpoints:
            settled(self.sagemaker, name)
            self.sagemaker.delete_endpoint(EndpointName=name)


SERVER = """
import http.server, os, signal, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = float(os.environ.get("IDLE_SECONDS", "60"))
    def do_GET(self): self.send(b"")
    def do_POST(self): self.send({answer})
    def body(self): return self.rfile.read(int(self.headers["Content-Length"]))
    def send(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


def archive(name, content):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def settled(sagemaker, name):
    return wait_until(
        lambda: sagemaker.describe_endpoint(EndpointName=name),
        f"endpoint {name} to settle",
        done=lambda endpoint: endpoint["EndpointStatus"] in ("InService", "Failed"),
    )


def in_service(sagemaker, name):
    endpoint = settled(sagemaker, name)
    assert endpoint["EndpointStatus"] == "InService", endpoint
    return endpoint


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response


def message(call, **arguments):
    return refusal(call, **arguments)["Error"]["Message"]


def invoke(runtime, name, body, content_type="text/x-libsvm", **more):
    return runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type, **more)["Body"].read()


def pids(local, name):
    return local.status()["endpoints"][name]["pids"]


# --- life ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint(make, sagemaker):
    """An endpoint with two instances of the XGBoost model."""
    name = make.endpoint(make.config(make.model(), instances=2), Tags=[{"Key": "team", "Value": "blue"}])
    in_service(sagemaker, name)
    return name


def test_an_endpoint_in_service_describes_its_variants(sagemaker, endpoint):
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    assert described["EndpointArn"] == f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{endpoint}"
    (variant,) = described["ProductionVariants"]
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert (variant["VariantName"], variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == ("v1", 2, 2)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["PrimaryContainer"]["Image"] == IMAGE
    assert sagemaker.list_tags(ResourceArn=described["EndpointArn"])["Tags"] == [{"Key": "team", "Value": "blue"}]


def test_each_instance_is_a_separate_process(local, endpoint):
    found = pids(local, endpoint)
    assert len(set(found)) == 2
    assert all("harness.containers.xgboost" in psutil.Process(pid).cmdline() for pid in found)


def test_the_container_writes_its_log_where_cloudwatch_would_have_it(endpoint):
    logs = boto3.client("logs")
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    streams = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert len(streams) == 2
    events = logs.get_log_events(logGroupName=group, logStreamName=streams[0])["events"]
    assert any("Serving on" in event["message"] for event in events)


def test_tags_can_be_added_and_deleted(make, sagemaker):
    arn = sagemaker.describe_model(ModelName=make.model())["ModelArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_a_taken_name_is_refused(make, sagemaker, local, endpoint):
    model = make.model()
    container = {"Image": IMAGE, "ModelDataUrl": "s3://b/k"}
    again = message(sagemaker.create_model, ModelName=model, PrimaryContainer=container, ExecutionRoleArn=local.role)
    assert again == f'Cannot create already existing model "arn:aws:sagemaker:us-east-1:123456789012:model/{model}".'
    config = make.config(model)
    variant = {"VariantName": "v", "ModelName": model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    assert "Cannot create already existing endpoint configuration" in message(
        sagemaker.create_endpoint_config, EndpointConfigName=config, ProductionVariants=[variant]
    )
    assert "Cannot create already existing endpoint" in message(
        sagemaker.create_endpoint, EndpointName=endpoint, EndpointConfigName=config
    )


@pytest.mark.parametrize("call", ["describe", "delete"])
def test_a_missing_resource_is_reported_with_the_message_of_aws(sagemaker, call):
    kinds = {"model": ("Model", "model"), "endpoint-config": ("EndpointConfig", "endpoint configuration"),
             "endpoint": ("Endpoint", "endpoint")}  # fmt: skip
    for kind, (member, words) in kinds.items():
        method = getattr(sagemaker, f"{call}_{kind.replace('-', '_')}")
        answer = refusal(method, **{f"{member}Name": "Missing"})["Error"]
        assert answer["Code"] == "ValidationException"
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:{kind}/missing"
        assert answer["Message"] == f'Could not find {words} "{arn}".'


def test_a_name_that_differs_only_in_case_is_taken(make, sagemaker, local):
    model = make.model()
    arguments = {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": local.role}
    assert "Cannot create already existing model" in message(
        sagemaker.create_model, ModelName=model.upper(), **arguments
    )


def test_a_reference_to_a_missing_resource_is_refused(make, sagemaker, local):
    variant = {"VariantName": "v", "ModelName": "missing", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    assert "Could not find model" in message(
        sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[variant]
    )
    assert "Could not find endpoint configuration" in message(
        sagemaker.create_endpoint, EndpointName="e", EndpointConfigName="missing"
    )
    container = {"Image": IMAGE, "ModelDataUrl": "s3://b/k"}
    role = "arn:aws:iam::123456789012:role/missing"
    assert f"Could not assume role {role}" in message(
        sagemaker.create_model, ModelName="m", PrimaryContainer=container, ExecutionRoleArn=role
    )


def test_lists_are_filtered_sorted_and_paged(make, sagemaker):
    models = sorted(make.model() for _ in range(3))
    arguments = {"NameContains": "model-", "SortBy": "Name", "SortOrder": "Ascending"}
    pages = sagemaker.get_paginator("list_models").paginate(**arguments, PaginationConfig={"PageSize": 2})
    listed = [model["ModelName"] for page in pages for model in page["Models"]]
    assert listed == sorted(listed)
    assert set(models) <= set(listed)
    newest = sagemaker.list_models(SortBy="CreationTime", SortOrder="Descending", MaxResults=1)["Models"]
    assert newest[0]["ModelName"] in models
    assert sagemaker.list_models(NameContains=models[1])["Models"][0]["ModelName"] == models[1]
    assert sagemaker.list_models(NameContains="nothing-like-it")["Models"] == []


def test_the_usual_clean_up_loop_deletes_every_model(make, sagemaker, local):
    prefix = f"many-{uuid.uuid4().hex}"
    arguments = {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": local.role}
    for number in range(7):
        sagemaker.create_model(ModelName=f"{prefix}-{number}", **arguments)
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=prefix, PaginationConfig={"PageSize": 2})
    for page in pages:
        for model in page["Models"]:
            sagemaker.delete_model(ModelName=model["ModelName"])
    assert sagemaker.list_models(NameContains=prefix)["Models"] == []


def test_endpoints_are_listed_by_status(sagemaker, endpoint):
    def names(**asked):
        return [item["EndpointName"] for item in sagemaker.list_endpoints(MaxResults=100, **asked)["Endpoints"]]

    assert endpoint in names(StatusEquals="InService")
    assert endpoint not in names(StatusEquals="Failed")
    configs = sagemaker.list_endpoint_configs(MaxResults=100)["EndpointConfigs"]
    used = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    assert used in [config["EndpointConfigName"] for config in configs]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, 'Failed to download model data for container "container_1" from URL: "s3://'),
     ("broken.tar.gz", 'Failed to extract model data archive for container "container_1" from URL "s3://'),
     ("text.tar.gz", "for production variant v1 did not pass the ping health check. Please check CloudWatch logs for "
      "this endpoint. Its last output was: [ERROR] ")],
)  # fmt: skip
def test_a_model_that_cannot_be_served_fails_the_endpoint_with_a_reason(make, sagemaker, runtime, data, reason):
    name = make.endpoint(make.config(make.model(data) if data else make.model_without_data()))
    failed = settled(sagemaker, name)
    assert failed["EndpointStatus"] == "Failed"
    assert reason in failed["FailureReason"]
    assert make.local.connection.directory not in failed["FailureReason"]
    assert "[bt]" not in failed["FailureReason"]
    assert not list(Path(make.local.connection.directory).glob(f"endpoints/*/{name}/*"))
    assert f"Endpoint {name} of account 123456789012 not found." in message(
        runtime.invoke_endpoint, EndpointName=name, Body=b"0 1:1", ContentType="text/libsvm"
    )


def test_a_deleted_endpoint_is_gone_with_its_processes(make, local, sagemaker, runtime, tmp_path):
    ignoring = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"  # so that it takes seconds to end
    (tmp_path / "lasting.py").write_text(ignoring + SERVER.format(answer="b''"))
    local.register_container("lasting", [sys.executable, str(tmp_path / "lasting.py")])
    config = make.config(make.model(image="lasting"))
    name = make.endpoint(config)
    make.endpoints.remove(name)
    assert "Cannot update in-progress endpoint" in message(sagemaker.delete_endpoint, EndpointName=name)
    in_service(sagemaker, name)
    (pid,) = pids(local, name)
    sagemaker.delete_endpoint(EndpointName=name)
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Deleting"
    assert name in [each["EndpointName"] for each in sagemaker.list_endpoints(StatusEquals="Deleting")["Endpoints"]]
    assert name not in local.resources()["endpoint"]
    assert "Cannot create already existing endpoint" in message(
        sagemaker.create_endpoint, EndpointName=name, EndpointConfigName=config
    )
    assert "Cannot update in-progress endpoint" in message(sagemaker.delete_endpoint, EndpointName=name)
    refused = refusal(runtime.invoke_endpoint, EndpointName=name, Body=b"0 1:1")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    wait_until(lambda: not psutil.pid_exists(pid), "the container to be gone")
    assert "Could not find endpoint" in message(sagemaker.describe_endpoint, EndpointName=name)
    answer = refusal(runtime.invoke_endpoint, EndpointName=name, Body=b"0 1:1")
    assert answer["Error"] == refused["Error"]
    assert answer["Error"]["Code"] == "ValidationError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400


# --- model data -------------------------------------------------------------------------------------------------------


def test_model_data_is_checked_when_the_model_is_created(make, sagemaker):
    assert message(make.model, data="missing.tar.gz") == (
        f"Could not find model data at s3://{make.bucket}/missing.tar.gz."
    )
    assert "must point to a single gzip compressed tar archive (.tar.gz suffix)" in message(make.model, data="model")
    assert "Invalid S3 URI: https://example.com/m.tar.gz names no bucket of S3" in message(
        make.model, data="https://example.com/m.tar.gz"
    )
    boto3.client("s3", region_name="eu-west-1").create_bucket(
        Bucket=f"far-{make.bucket}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    far = f"s3://far-{make.bucket}/m.tar.gz"
    reported = message(make.model, data=far)
    assert reported.startswith(f"Could not access model data at {far}. ")
    assert "that the object is located in us-east-1. The bucket is in eu-west-1." in reported


def test_an_image_of_another_region_is_refused(make):
    other = "433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:1"
    assert message(make.model, image=other) == (
        f'Region of "{other}" does not match expected region of us-east-1. Cross region ECR image pulls are not '
        "allowed."
    )


def test_model_data_may_be_a_url(make, sagemaker, runtime):
    url = f"https://{make.bucket}.s3.us-east-1.amazonaws.com/model.tar.gz"
    model = make.model(url)
    assert sagemaker.describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"] == url
    name = make.endpoint(make.config(model))
    in_service(sagemaker, name)
    assert invoke(runtime, name, b"0 1:1")


def source(bucket, key, kind, compression):
    where = {"S3Uri": f"s3://{bucket}/{key}", "S3DataType": kind, "CompressionType": compression}
    return {"S3DataSource": where}


def test_uncompressed_model_data_is_laid_out_by_its_keys(make, sagemaker, runtime, scripted):
    for key in ("raw/a", "raw/deep/b", "raw/deep/", "rawest"):
        boto3.client("s3").put_object(Bucket=make.bucket, Key=key, Body=key.encode())
    listed = "(self.body(), repr(sorted(os.path.relpath(os.path.join(d, f), 'model') "
    listed += "for d, _, fs in os.walk('model', followlinks=True) for f in fs)).encode())[1]"
    wanted = {("raw/", "S3Prefix"): b"['a', 'deep/b']", ("raw/deep/b", "S3Object"): b"['b']"}
    for (key, kind), files in wanted.items():
        model = scripted(listed, ModelDataSource=source(make.bucket, key, kind, "None"))
        name = make.endpoint(make.config(model))
        in_service(sagemaker, name)
        assert invoke(runtime, name, b"x") == files


def test_a_model_data_source_is_checked_when_the_model_is_created(make):
    nothing = source(make.bucket, "nothing/", "S3Prefix", "None")
    assert message(make.model, ModelDataSource=nothing) == f"Could not find model data at s3://{make.bucket}/nothing/."
    for key, kind, compression in (("raw", "S3Prefix", "None"), ("raw/", "S3Prefix", "Gzip")):
        wrong = source(make.bucket, key, kind, compression)
        assert "an S3Prefix ends with a forward slash" in message(make.model, ModelDataSource=wrong)
    assert "(.tar.gz suffix)" in message(make.model, ModelDataSource=source(make.bucket, "raw/a", "S3Object", "Gzip"))


# --- several models behind one endpoint ----------------------------------------------------------------------------


@pytest.fixture
def scripted(make, tmp_path):
    """Return a function that makes a model from Python code that answers invocations."""

    def scripted(answer, **container):
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        return make.model("text.tar.gz", make.script(answer, directory), **container)

    return scripted


def test_variants_share_the_traffic_by_weight_and_can_be_named(make, sagemaker, runtime, scripted):
    config = make.config(scripted("self.body() and b'one'"), scripted("self.body() and b'two'"), weights=(1, 0))
    name = make.endpoint(config)
    in_service(sagemaker, name)
    assert {invoke(runtime, name, b"x") for _ in range(10)} == {b"one"}
    targeted = runtime.invoke_endpoint(EndpointName=name, Body=b"x", TargetVariant="v2")
    assert (targeted["Body"].read(), targeted["InvokedProductionVariant"]) == (b"two", "v2")
    assert "Variant v3 of endpoint" in message(
        runtime.invoke_endpoint, EndpointName=name, Body=b"x", TargetVariant="v3"
    )


def test_an_update_moves_the_traffic_and_one_that_fails_leaves_it(make, local, sagemaker, runtime, scripted):
    name = make.endpoint(make.config(scripted("self.body() and b'old'")))
    in_service(sagemaker, name)
    old = pids(local, name)
    new_config = make.config(scripted("self.body() and b'new'"))
    sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new_config)
    answers = set()
    while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating":
        answers.add(invoke(runtime, name, b"x"))
    assert answers <= {b"old", b"new"}
    assert invoke(runtime, name, b"x") == b"new"
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] == new_config
    wait_until(lambda: not any(map(psutil.pid_exists, old)), "the old container to be gone")

    sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=make.config(make.model_without_data()))
    endpoint = in_service(sagemaker, name)
    assert "Failed to download model data" in endpoint["FailureReason"]
    assert endpoint["EndpointConfigName"] == new_config
    assert invoke(runtime, name, b"x") == b"new"


def described(sagemaker, name):
    """Return the weights and counts of an endpoint's variants: current and desired."""
    variants = sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
    members = ("CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount")
    return {variant["VariantName"]: tuple(variant[member] for member in members) for variant in variants}


def desire(name, weight=None, count=None):
    given = {"VariantName": name, "DesiredWeight": weight, "DesiredInstanceCount": count}
    return {member: value for member, value in given.items() if value is not None}


def scale(sagemaker, name, *desired):
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=list(desired))


def test_weights_and_counts_of_variants_in_service_are_moved(make, local, sagemaker, runtime, scripted):
    answers = ("self.body() and b'one %d' % os.getpid()", "self.body() and b'two'")
    config = make.config(*map(scripted, answers), weights=(1, 0))
    name = make.endpoint(config)
    in_service(sagemaker, name)
    first = pids(local, name)
    scale(sagemaker, name, desire("v1", count=3), desire("v2", weight=0.0))
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
    assert described(sagemaker, name)["v1"] == (1, 1, 1, 3)
    in_service(sagemaker, name)
    assert described(sagemaker, name) == {"v1": (1, 1, 3, 3), "v2": (0, 0, 1, 1)}
    assert set(first) < set(pids(local, name)), "a running container was started again"
    assert len({invoke(runtime, name, b"x") for _ in range(6)}) == 3
    scale(sagemaker, name, desire("v1", weight=0.0, count=1), desire("v2", weight=2.5))
    in_service(sagemaker, name)
    assert described(sagemaker, name) == {"v1": (0, 0, 1, 1), "v2": (2.5, 2.5, 1, 1)}
    assert {invoke(runtime, name, b"x") for _ in range(6)} == {b"two"}
    wait_until(lambda: sorted(pids(local, name)) == sorted(first), "the others to end")
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] == config


def test_instances_that_cannot_start_leave_the_endpoint_as_it_was(make, local, sagemaker, runtime, scripted):
    s3, key = boto3.client("s3"), f"{uuid.uuid4().hex}.tar.gz"
    s3.copy_object(Bucket=make.bucket, Key=key, CopySource=f"{make.bucket}/model.tar.gz")
    name = make.endpoint(make.config(make.model(key)))
    in_service(sagemaker, name)
    before = pids(local, name)
    s3.delete_object(Bucket=make.bucket, Key=key)
    scale(sagemaker, name, desire("v1", weight=7.0, count=2))
    endpoint = in_service(sagemaker, name)
    assert "Failed to download model data" in endpoint["FailureReason"]
    assert (described(sagemaker, name), pids(local, name)) == ({"v1": (1, 1, 1, 1)}, before)
    assert invoke(runtime, name, b"0 1:1")


def test_wrong_weights_and_counts_are_refused(make, sagemaker, endpoint):
    call = sagemaker.update_endpoint_weights_and_capacities
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    for desired, reported in (
        ([desire("v9", 1.0)], f'The variant name(s) "v9" is/are not present within endpoint configuration "{config}".'),
        ([desire("v1", 1.0)] * 2, "Variant names must be unique, but are v1, v1."),
        ([desire("v1", count=0)], "DesiredInstanceCount of variant v1 must be at least 1."),
        ([desire("v1") | {"ServerlessUpdateConfig": {"MaxConcurrency": 1}}], "[].ServerlessUpdateConfig: it has no"),
    ):
        assert reported in message(call, EndpointName=endpoint, DesiredWeightsAndCapacities=desired)
    assert 'Could not find endpoint "arn:aws:sagemaker:' in message(
        call, EndpointName="missing", DesiredWeightsAndCapacities=[desire("v1", 1.0)]
    )
    name = make.endpoint(make.config(make.model()))
    assert "Cannot update in-progress endpoint" in message(
        call, EndpointName=name, DesiredWeightsAndCapacities=[desire("v1", 1.0)]
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, (5, 5, 1, 1)), ({"RetainAllVariantProperties": True}, (3, 3, 2, 2)),
     ({"RetainAllVariantProperties": True,
       "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}]}, (5, 5, 2, 2))],
)  # fmt: skip
def test_an_update_retains_weights_and_counts_if_it_is_asked_to(make, sagemaker, scripted, more, expected):
    model = scripted("self.body()")
    name = make.endpoint(make.config(model))
    in_service(sagemaker, name)
    scale(sagemaker, name, desire("v1", weight=3.0, count=2))
    in_service(sagemaker, name)
    other = make.config(model, model, weights=(5, 1))
    sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=other, **more)
    in_service(sagemaker, name)
    assert described(sagemaker, name) == {"v1": expected, "v2": (1, 1, 1, 1)}
    settings = sagemaker.describe_endpoint_config(EndpointConfigName=other)["ProductionVariants"]
    assert [variant["InitialVariantWeight"] for variant in settings] == [5, 1]


def test_an_update_needs_the_config_in_use_and_another_one(make, sagemaker, runtime):
    config, model = make.config(make.model()), make.model()
    name = make.endpoint(config)
    in_service(sagemaker, name)
    same = message(sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=config)
    assert same == f'Cannot update endpoint with the currently in use endpoint configuration "{config}".'
    sagemaker.delete_endpoint_config(EndpointConfigName=config)
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{config}"
    gone = f'Could not find endpoint configuration "{arn}".'
    assert message(sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=make.config(model)) == gone
    desired = {"EndpointName": name, "DesiredWeightsAndCapacities": [desire("v1", 1.0)]}
    assert message(sagemaker.update_endpoint_weights_and_capacities, **desired) == gone
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    assert invoke(runtime, name, b"0 1:1")


def test_variants_need_names_of_their_own_and_some_traffic(make, sagemaker):
    model = make.model()
    with pytest.raises(ClientError, match="At least one variant must have a weight greater than 0"):
        make.config(model, model, weights=(0, 0))
    variant = {"VariantName": "v", "ModelName": model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    assert "Variant names must be unique, but are v, v." in message(
        sagemaker.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[variant, variant]
    )


@pytest.fixture
def gate(tmp_path):
    """A directory in which a container records each request. Its answers wait for a file ``open``."""
    (tmp_path / "requests").mkdir()
    yield tmp_path
    (tmp_path / "open").touch()


def behind(gate):
    return (
        f"(self.body(), open(f'{gate}/requests/{{time.monotonic_ns()}}', 'w').close(), "
        f"[time.sleep(0.02) for _ in iter(lambda: os.path.exists('{gate}/open'), True)])[0]"
    )


def arrived(gate):
    return len(list((gate / "requests").iterdir()))


def test_an_update_lets_the_old_container_finish_what_it_has(gate, make, local, sagemaker, runtime, scripted):
    name = make.endpoint(make.config(scripted(behind(gate))))
    in_service(sagemaker, name)
    old = pids(local, name)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(invoke, runtime, name, b"sent before the update")
        wait_until(lambda: arrived(gate), "the request to arrive")
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=make.config(scripted("self.body() and b'new'")))
        in_service(sagemaker, name)
        assert invoke(runtime, name, b"x") == b"new"
        (gate / "open").touch()
        assert waiting.result() == b"sent before the update"
    wait_until(lambda: not any(map(psutil.pid_exists, old)), "the old container to be gone")


def test_waiting_invocations_do_not_delay_other_requests(gate, make, sagemaker, scripted):
    name = make.endpoint(make.config(scripted(behind(gate))))
    in_service(sagemaker, name)
    runtime = boto3.client("sagemaker-runtime", config=ONCE.merge(Config(max_pool_connections=40)))
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(invoke, runtime, name, b"x") for _ in range(40)]
        wait_until(lambda: arrived(gate) == 40, "all requests to arrive")
        in_service(sagemaker, name)
        boto3.client("s3").list_buckets()
        (gate / "open").touch()
        assert [answer.result() for answer in waiting] == [b"x"] * 40


def test_a_container_that_closes_idle_connections_is_asked_on_new_ones(make, sagemaker, runtime, scripted):
    name = make.endpoint(make.config(scripted("self.body()", Environment={"IDLE_SECONDS": "0.3"})))
    in_service(sagemaker, name)
    for body in (b"first", b"second"):
        assert invoke(runtime, name, body) == body
        time.sleep(0.5)  # longer than the container keeps a connection


def test_a_custom_container_gets_the_request_unchanged(make, sagemaker, runtime, scripted):
    answer = "str(sorted((n.lower(), v) for n, v in self.headers.items())).encode() + self.body()"
    name = make.endpoint(make.config(scripted(answer)))
    in_service(sagemaker, name)
    body = bytes(range(256))
    reported = invoke(runtime, name, body, "application/x-recordio-protobuf", Accept="a/b", CustomAttributes="c=1")
    assert reported.endswith(body)
    for header in (("accept", "a/b"), ("content-type", "application/x-recordio-protobuf"),
                   ("x-amzn-sagemaker-custom-attributes", "c=1")):  # fmt: skip
        assert str(header).encode() in reported
    assert b"authorization" not in reported


# --- invocations --------------------------------------------------------------------------------------------------


def as_libsvm(rows):
    text = io.BytesIO()
    libsvm.write(text, np.zeros(len(rows)), rows, base=0)
    return text.getvalue()


def some_rows(count, seed=3):
    return np.random.default_rng(seed).integers(0, 9, (count, FEATURES)).astype(float)


@pytest.mark.parametrize("content_type", ["text/libsvm", "text/x-libsvm", "text/csv"])
def test_predictions_are_those_of_the_model_in_process_row_for_row(runtime, endpoint, booster, content_type):
    rows = some_rows(50)
    body = as_libsvm(rows)
    if content_type == "text/csv":
        body = "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=content_type, Accept="text/csv")
    assert answer["ContentType"].startswith("text/csv")
    text = answer["Body"].read()
    assert b"\n" not in text
    assert [float(value) for value in text.split(b",")] == booster.predict(xgb.DMatrix(rows)).tolist()


def test_a_newer_image_answers_a_prediction_a_line_and_json_where_the_first_answers_one_line(
    make, sagemaker, runtime, endpoint, booster
):
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    newer = make.endpoint(make.config(make.model(image=image)))
    in_service(sagemaker, newer)
    rows = some_rows(3)
    values = booster.predict(xgb.DMatrix(rows)).tolist()
    body = as_libsvm(rows)
    assert invoke(runtime, newer, body).decode() == "".join(f"{value}\n" for value in values)
    scores = {"predictions": [{"score": value} for value in values]}
    assert json.loads(invoke(runtime, newer, body, Accept="application/json")) == scores
    assert invoke(runtime, endpoint, body, Accept="application/json").decode() == ",".join(map(str, values))
    refused = refusal(
        runtime.invoke_endpoint, EndpointName=newer, Body=body, ContentType="text/libsvm", Accept="image/png"
    )
    assert (refused["Error"]["Code"], refused["OriginalStatusCode"]) == ("ModelError", 406)


@pytest.mark.parametrize("body", [b"0 1:1\n0\n0 2:2\n0\n", b"0 1:1\n0\n0 2:2\n0", b"0\n0\n0\n0"])
def test_every_row_gets_one_prediction_zeros_only_and_without_line_end_included(runtime, endpoint, body):
    assert len(invoke(runtime, endpoint, body).split(b",")) == 4


@pytest.mark.parametrize(
    ("body", "content_type", "reported"),
    [(b"0 1:1\n0 1:x\n", "text/libsvm", "line 2, column 5: 'x'"), (b"0 1:1\n0 -1:1", "text/libsvm", "line 2, column 3"),
     (b"0 0:1", None, "'0:1' is not a number"), (b"1,2,3,4\n1,2,3,x", "text/csv", "line 2"),
     (b"1,2,3,4\n1,2,3", "text/csv", "line 2")],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_a_model_error_that_names_its_line(
    runtime, endpoint, body, content_type, reported
):
    type_ = {"ContentType": content_type} if content_type else {}
    answer = refusal(runtime.invoke_endpoint, EndpointName=endpoint, Body=body, **type_)
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 415
    assert reported in answer["OriginalMessage"]
    assert answer["Error"]["Message"].startswith("Received client error (415) from primary with message")
    assert f":log-group:/aws/sagemaker/Endpoints/{endpoint}" in answer["LogStreamArn"]


def test_a_wrong_number_of_columns_is_a_model_error_in_the_words_of_the_container(runtime, endpoint):
    answer = refusal(runtime.invoke_endpoint, EndpointName=endpoint, Body=b"1,2,3,4,5")
    assert (answer["Error"]["Code"], answer["OriginalStatusCode"]) == ("ModelError", 400)
    assert answer["OriginalMessage"] == (
        "Unable to evaluate payload provided: "
        "Feature size of csv inference data 5 is not consistent with feature size of trained model 4."
    )


def test_an_unknown_content_type_is_a_model_error(runtime, endpoint):
    answer = refusal(runtime.invoke_endpoint, EndpointName=endpoint, Body=b"x", ContentType="image/png")
    assert (answer["Error"]["Code"], answer["OriginalStatusCode"]) == ("ModelError", 415)


def test_a_request_may_have_at_most_six_mebibytes(runtime, endpoint):
    limit = 6 * 1024 * 1024
    row = b"0 1:1.0000000000\n"
    body = (row * (limit // len(row) + 1))[: limit - limit % len(row)].ljust(limit, b"\n")[:limit]
    whole = body.rstrip(b"\n")
    padded = whole + b"0" * (limit - len(whole))
    assert len(padded) == limit
    assert len(invoke(runtime, endpoint, padded).split(b",")) == padded.count(b"\n") + 1
    for size in (limit + 1, 20 * 1024 * 1024):
        answer = refusal(runtime.invoke_endpoint, EndpointName=endpoint, Body=b" " * size, ContentType="text/libsvm")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert invoke(runtime, endpoint, b"0 1:1")


def test_an_endpoint_that_does_not_exist_is_a_validation_error(runtime, local):
    answer = refusal(runtime.invoke_endpoint, EndpointName="missing", Body=b"0 1:1")
    assert answer["Error"] == {
        "Code": "ValidationError", "Message": f"Endpoint missing of account {local.account} not found."
    }  # fmt: skip


def test_concurrent_clients_each_get_their_own_answer(runtime, endpoint, booster):
    def differs(seed):
        rows = some_rows(20, seed)
        values = [float(value) for value in invoke(runtime, endpoint, as_libsvm(rows)).split(b",")]
        return values != booster.predict(xgb.DMatrix(rows)).tolist()

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(differs, range(80)))


def test_faults_hit_invocations_as_asked(faults, runtime, endpoint):
    faults.add("InvokeEndpoint", status=429, code="ThrottlingException", message="slow down")
    answer = refusal(runtime.invoke_endpoint, EndpointName=endpoint, Body=b"0 1:1", ContentType="text/libsvm")
    assert answer["Error"] == {"Code": "ThrottlingException", "Message": "slow down"}
    faults.add("InvokeEndpoint", effect="", delay=0.3)
    began = time.monotonic()
    invoke(runtime, endpoint, b"0 1:1")
    assert time.monotonic() - began > 0.3


def test_a_container_that_dies_while_it_serves_is_reported_and_restarted(faults, local, make, sagemaker, runtime):
    name = make.endpoint(make.config(make.model()))
    in_service(sagemaker, name)
    before = pids(local, name)
    invoke(runtime, name, b"0 1:1")
    faults.add("InvokeEndpoint", effect="kill_container")
    died = refusal(runtime.invoke_endpoint, EndpointName=name, Body=b"0 1:1", ContentType="text/libsvm")
    assert died["Error"]["Code"] == "ModelError"
    assert died["OriginalStatusCode"] == 0
    assert "The container ended before it answered" in died["OriginalMessage"]
    down = wait_until(
        lambda: refusal(runtime.invoke_endpoint, EndpointName=name, Body=b"0 1:1", ContentType="text/libsvm"),
        "the endpoint to notice",
        done=lambda answer: answer["Error"]["Code"] == "ServiceUnavailable",
    )
    assert down["ResponseMetadata"]["HTTPStatusCode"] == 503
    patient = boto3.client("sagemaker-runtime", config=Config(retries={"mode": "standard", "total_max_attempts": 12}))
    assert invoke(patient, name, b"0 1:1")
    assert pids(local, name) != before


def test_an_endpoint_continues_to_serve_when_one_of_its_instances_dies(local, make, sagemaker, runtime):
    name = make.endpoint(make.config(make.model(), instances=2))
    in_service(sagemaker, name)
    victim, survivor = pids(local, name)
    psutil.Process(victim).kill()
    wait_until(lambda: victim not in pids(local, name), "the endpoint to notice")
    assert all(invoke(runtime, name, b"0 1:1") for _ in range(4))
    assert survivor in pids(local, name)
    wait_until(lambda: None not in pids(local, name), "the other instance to be back")


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """A function that starts an instance of a server, with frequent pings."""
    monkeypatch.setattr(instances, "PING_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(instances, "_PING_TIMEOUT", 0.3)
    started = []

    def serve(text):
        (tmp_path / "container.py").write_text(text)
        image = Image((sys.executable, str(tmp_path / "container.py")))
        started.append(Instance(image, tmp_path, {}, serve.log.append))
        started[-1].start()
        return started[-1]

    serve.log = []
    yield serve
    for instance in started:
        instance.stop()


def wait_for_another(instance, process):
    wait_until(lambda: instance.pid not in (None, process) and instance.ready.is_set(), "a new process")


def test_a_container_that_hangs_is_restarted(serve):
    instance = serve(SERVER.format(answer="self.body()"))
    hanging = instance.pid
    instance.hold(1)
    psutil.Process(hanging).suspend()
    time.sleep(2)
    assert instance.pid == hanging, "ended during an invocation"
    instance.hold(-1)
    wait_for_another(instance, hanging)
    assert "container failed 3 pings in a row; ending it" in serve.log


def test_a_container_that_hangs_during_invocations_is_restarted(monkeypatch, serve):
    monkeypatch.setattr(instances, "INVOCATION_SECONDS", 1.0)
    instance = serve(SERVER.format(answer="self.body()"))
    hanging = instance.pid
    instance.hold(1)  # and never released: others begin before it ends
    psutil.Process(hanging).suspend()
    with pytest.raises(TimeoutError):
        instance.invoke(b"x", {}, 0.5)
    wait_for_another(instance, hanging)
    assert "container answered neither pings nor invocations for 1.0 s; ending it" in serve.log
    assert instance.invoke(b"x", {}, 5).body == b"x"


def test_a_container_that_computes_in_its_only_thread_is_spared(monkeypatch, serve):
    monkeypatch.setattr(instances, "INVOCATION_SECONDS", 2.0)
    server = SERVER.format(answer="time.sleep(0.7) or self.body()")
    instance = serve(server.replace("ThreadingHTTPServer", "HTTPServer").replace("HTTP/1.1", "HTTP/1.0"))
    computing = instance.pid
    instance.hold(1)
    for _ in range(6):
        assert instance.invoke(b"x", {}, 5).body == b"x"
    assert instance.pid == computing
    assert not [line for line in serve.log if "ending it" in line]


def test_an_unhealthy_container_is_restarted_even_if_it_is_busy(serve):
    unhealthy = SERVER.format(answer="os.environ.setdefault('SICK', 'x').encode()")
    unhealthy = unhealthy.replace("self.send_response(200)", "self.send_response(503 if 'SICK' in os.environ else 200)")
    instance = serve(unhealthy)
    sick = instance.pid
    instance.hold(1)
    instance.invoke(b"", {}, 5)
    wait_for_another(instance, sick)


def test_a_container_that_takes_too_long_is_reported_with_the_message_of_aws(monkeypatch, tmp_path):
    monkeypatch.setattr(invocations, "INVOCATION_SECONDS", 0.5)
    (tmp_path / "container.py").write_text(SERVER.format(answer="time.sleep(5) or b''"))
    image = Image((sys.executable, str(tmp_path / "container.py")))
    instance = Instance(image, tmp_path, {}, lambda line: None)
    endpoint = Endpoint("slow", "c", "us-east-1", "arn:aws:sagemaker:us-east-1:123456789012:endpoint/slow", {})
    endpoint.variants = [Variant("v1", 1, "image", "model", tmp_path, [instance])]
    instance.start()
    try:
        with pytest.raises(ModelError, match="timed out while waiting for a response") as error:
            invocations.invoke(endpoint, b"x", {}, None)
    finally:
        instance.stop()
    assert error.value.status == 424
    assert error.value.members["OriginalStatusCode"] == 0
    assert instance.pid is None
