"""Rules of a CreateTrainingJob request, each with the message that AWS gives, or that names what is not emulated."""

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.training.rules import check_request, checkpoint_directory

XGBOOST = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
LDA = "766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1"


def channel(name="train", **more):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | more


def request(image="mine:1", mode="File", **changes):
    return {
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": mode},
        "InputDataConfig": [channel()],
        "ResourceConfig": {"InstanceCount": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    } | changes


def on(instance_type, image):
    return request(image, ResourceConfig={"InstanceCount": 1, "InstanceType": instance_type})


def measured(image):
    definitions = [{"Name": "loss", "Regex": "loss=(.*)"}]
    given = {"TrainingImage": image, "TrainingInputMode": "File", "MetricDefinitions": definitions}
    return request(AlgorithmSpecification=given)


def spot(runtime, wait, image="mine:1", enabled=True):
    times = {"MaxRuntimeInSeconds": runtime, "MaxWaitTimeInSeconds": wait}
    given = {name: value for name, value in times.items() if value is not None}
    return request(image, EnableManagedSpotTraining=enabled, StoppingCondition=given)


@pytest.mark.parametrize(
    "good",
    [request(), measured("mine:1"), on("ml.p3.2xlarge", KMEANS), on("ml.m5.large", LDA), on("ml.p3.2xlarge", "lda:1"),
     spot(60, 60), spot(60, 90), spot(None, 86_400), spot(60, 3600, XGBOOST), request(mode="FastFile"),
     request(mode="Pipe", InputDataConfig=[channel(InputMode="File")]),
     request(InputDataConfig=[channel(CompressionType="None", RecordWrapperType="None", ShuffleConfig={"Seed": 1})]),
     request(CheckpointConfig={"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/mine/deep/"})],
)  # fmt: skip
def test_a_request_that_aws_takes_is_taken(good):
    check_request(good)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (measured(XGBOOST), "You can't override the metric definitions for Amazon SageMaker algorithms."),
        (on("ml.p3.2xlarge", LDA), "does not emulate lda on ml.p3.2xlarge: AWS documents that it trains on CPUs only"),
        (on("ml.g5.xlarge", LDA), "does not emulate lda on ml.g5.xlarge"),
        (spot(60, 60, enabled=False), "Invalid MaxWaitTimeInSeconds. It is only supported when "
         "EnableManagedSpotTraining is set to true"),
        (spot(60, 59), r"Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
         r"MaxRuntimeInSeconds \(60\)"),
        (spot(60, None), "Invalid MaxWaitTimeInSeconds. It must be present"),
        (spot(None, 86_399), "Invalid MaxWaitTimeInSeconds. It must be present"),
        (spot(60, 3601, XGBOOST), "does not write checkpoints, and is limited to 3600 s"),
        (spot(60, 3601, KMEANS), "does not write checkpoints, and is limited to 3600 s"),
        (spot(2_419_201, None, enabled=False), "Invalid MaxRuntimeInSeconds 2419201. The maximum value is 2419200"),
        (request(InputDataConfig=[channel(CompressionType="Gzip")]),
         "Invalid compression type for channel train: File mode only supports NONE, got Gzip instead"),
        (request(InputDataConfig=[channel(RecordWrapperType="RecordIO", InputMode="FastFile")]),
         "Invalid record wrapper type for channel train: FastFile mode only supports NONE, got RecordIO instead"),
        (request(mode="Pipe"), "does not emulate TrainingInputMode Pipe, which channel train has"),
        (request(InputDataConfig=[channel(InputMode="Pipe")]), "does not emulate InputMode Pipe, which channel train"),
        (request(InputDataConfig=[channel(), channel()]), "Channel names must be unique, but are train, train"),
        (request(ResourceConfig={"InstanceCount": 0}), "give ResourceConfig.InstanceCount"),
    ],
)  # fmt: skip
def test_a_request_that_breaks_a_rule_is_refused_with_the_rule(bad, message):
    with pytest.raises(ValidationException, match=message):
        check_request(bad)


@pytest.mark.parametrize(
    "path", ["/tmp/checkpoints", "checkpoints", "/opt/ml", "/opt/ml/", "/opt/ml/model", "/opt/ml/input/data/train",
             "/opt/ml/../x", "/opt/ml//x", "/opt/mlx"],
)  # fmt: skip
def test_checkpoints_have_a_directory_of_their_own_below_opt_ml(path):
    with pytest.raises(ValidationException, match=r"below /opt/ml.*CheckpointConfig.LocalPath is "):
        check_request(request(CheckpointConfig={"S3Uri": "s3://bucket/c", "LocalPath": path}))


def test_the_directory_of_checkpoints_has_a_default():
    assert checkpoint_directory(request()) is None
    assert checkpoint_directory(request(CheckpointConfig={"S3Uri": "s3://b/c"})) == "checkpoints"
    assert checkpoint_directory(request(CheckpointConfig={"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/a/b/"})) == "a/b"
