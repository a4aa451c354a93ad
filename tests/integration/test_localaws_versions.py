"""Buckets with versions: jobs, models and Spark see current objects, and deleted keys are nowhere."""

import sys
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from harness.waiting import wait_until

CONTAINER = """
import os, sys, time
root = os.environ["SAGEMAKER_BASE_DIR"]
found = sorted(os.listdir(f"{root}/input/data/train"))
open(f"{root}/model/found", "w").write(" ".join(found))
open(f"{root}/checkpoints/state", "w").write("state") if os.path.isdir(f"{root}/checkpoints") else None
"""


@pytest.fixture(scope="module")
def s3(local):
    return boto3.client("s3")


@pytest.fixture
def versioned(s3):
    name = f"versions-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name
    for each in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=each["Key"])


@pytest.fixture
def job(local, versioned, tmp_path):
    """A request for a training job that writes the names of its data into its model."""
    image = f"script-{uuid.uuid4().hex}"
    (tmp_path / "container.py").write_text(CONTAINER)
    local.register_container(image, [sys.executable, str(tmp_path / "container.py")])
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{versioned}/train"}
    return {
        "TrainingJobName": f"job-{uuid.uuid4().hex}",
        "RoleArn": local.role,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{versioned}/models"},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def run(job):
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_training_job(**job)
    describe = lambda: sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])  # noqa: E731
    return wait_until(describe, "the job to end", done=lambda it: it["TrainingJobStatus"] in ("Completed", "Failed"))


def test_a_job_trains_on_current_objects_only(s3, versioned, job):
    for name in ("kept", "deleted", "changed"):
        s3.put_object(Bucket=versioned, Key=f"train/{name}", Body=b"old")
    s3.put_object(Bucket=versioned, Key="train/changed", Body=b"new")
    s3.delete_object(Bucket=versioned, Key="train/deleted")
    ended = run({**job, "CheckpointConfig": {"S3Uri": f"s3://{versioned}/checkpoints"}})
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    key = ended["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{versioned}/")
    assert s3.head_object(Bucket=versioned, Key=key)["VersionId"]
    again = run({**job, "TrainingJobName": f"{job['TrainingJobName']}-2"})
    assert again["TrainingJobStatus"] == "Completed"


def test_data_of_which_all_is_deleted_is_no_data(s3, versioned, job):
    s3.put_object(Bucket=versioned, Key="train/a", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="train/a")
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        boto3.client("sagemaker").create_training_job(**job)


def test_a_model_whose_archive_is_deleted_is_refused(local, s3, versioned):
    s3.put_object(Bucket=versioned, Key="model.tar.gz", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="model.tar.gz")
    image = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
    container = {"Image": image, "ModelDataUrl": f"s3://{versioned}/model.tar.gz"}
    with pytest.raises(ClientError, match="Could not find model data"):
        boto3.client("sagemaker").create_model(
            ModelName=f"m-{uuid.uuid4().hex}", PrimaryContainer=container, ExecutionRoleArn=local.role
        )


def test_a_deleted_key_is_no_resource_that_remains(local, s3, versioned):
    s3.put_object(Bucket=versioned, Key="there", Body=b"x")
    s3.put_object(Bucket=versioned, Key="gone", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="gone")
    found = [uri for uri in local.resources()["S3 object"] if uri.startswith(f"s3://{versioned}/")]
    assert found == [f"s3://{versioned}/there"]


def test_spark_overwrites_again_and_again_in_a_bucket_with_versions(spark, s3, versioned):
    where = f"s3a://{versioned}/rows"
    for count in (3, 5, 2):
        spark.range(count).repartition(2).write.mode("overwrite").parquet(where)
        assert sorted(row.id for row in spark.read.parquet(where).collect()) == list(range(count))
    assert not [each for each in s3.list_objects_v2(Bucket=versioned)["Contents"] if "_temporary" in each["Key"]]


def test_spark_reads_sample_data_of_another_region_as_on_aws(spark):
    """S3A's endpoint names no region. The SDK in it finds the bucket's region by the answer to its first request."""
    rows = spark.read.text("s3a://sagemaker-sample-data-eu-west-1/spark/mnist/test/")
    assert rows.count() == 10_000
