"""All regions work alike: host names, partitions, training and serving."""

import io
import tarfile

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.aws.local import MockAWS
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.proxied import ask, tunnel

ROWS = b"".join(b"%d 1:%d 2:1\n" % (number % 2, number % 2) for number in range(40))
PARAMETERS = {"num_round": "1", "objective": "binary:logistic"}


@pytest.fixture(scope="module")
def china():
    with MockAWS.start(Settings(region="cn-north-1")) as local:
        yield local


def trained(local, sagemaker, image, bucket):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train"}
    sagemaker.create_training_job(
        TrainingJobName="job",
        RoleArn=local.role.replace("arn:aws:", f"arn:{partition(sagemaker)}:"),
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters=PARAMETERS,
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    return wait_until(
        lambda: sagemaker.describe_training_job(TrainingJobName="job"),
        "the job to end",
        done=lambda job: job["TrainingJobStatus"] in ("Completed", "Failed"),
    )


def partition(client):
    return {"cn": "aws-cn", "eu": "aws"}[client.meta.region_name[:2]]


def make_bucket(s3, name):
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.put_object(Bucket=name, Key="train/rows", Body=ROWS)


def check_model(s3, bucket, job):
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{bucket}/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["xgboost-model"]


def test_in_china_the_whole_way_from_data_to_prediction_works(china):
    sagemaker, s3, runtime = (china.client(name) for name in ("sagemaker", "s3", "sagemaker-runtime"))
    image = "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/xgboost:1"
    make_bucket(s3, "chinese")
    job = trained(china, sagemaker, image, "chinese")
    assert job["TrainingJobArn"] == "arn:aws-cn:sagemaker:cn-north-1:123456789012:training-job/job"
    check_model(s3, "chinese", job)

    container = {"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=china.role)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig={"Delay": 1})
    answer = runtime.invoke_endpoint(EndpointName="e", Body=ROWS, ContentType="text/libsvm")
    assert len(answer["Body"].read().split(b",")) == 40

    hosts = {call["host"] for call in china.calls()["calls"]}
    assert all(host.endswith(".amazonaws.com.cn") for host in hosts), hosts
    assert china.calls()["refused"] == []


def test_in_china_the_role_and_its_session_belong_to_the_partition(china):
    assert china.role == "arn:aws-cn:iam::123456789012:role/HarnessSageMakerRole"
    arn = china.client("sts").get_caller_identity()["Arn"]
    assert arn == "arn:aws-cn:sts::123456789012:assumed-role/HarnessSageMakerRole/harness"


def test_china_has_the_sample_data_too(china):
    bucket = "sagemaker-sample-data-cn-north-1"
    listed = china.client("s3").list_objects_v2(Bucket=bucket, Prefix="spark/mnist/test")["Contents"]
    assert listed[0]["Size"] > 10_000_000


def test_one_local_aws_serves_other_regions_and_keeps_them_apart(aws):
    if aws.mode != "mock":
        pytest.skip("this test is about the local AWS")
    region = "eu-west-1"
    sagemaker, s3 = (boto3.client(name, region_name=region) for name in ("sagemaker", "s3"))
    make_bucket(s3, "european")
    job = trained(aws, sagemaker, f"685385470294.dkr.ecr.{region}.amazonaws.com/xgboost:1", "european")
    assert job["TrainingJobArn"] == f"arn:aws:sagemaker:{region}:123456789012:training-job/job"
    check_model(s3, "european", job)
    elsewhere = boto3.client("sagemaker", region_name="us-west-2").list_training_jobs()["TrainingJobSummaries"]
    assert elsewhere == []


@pytest.mark.parametrize("region", ["us-gov-west-1", "us-east-1"])
def test_s3_knows_no_credentials_of_another_partition(china, region):
    china_s3 = china.client("s3")
    make_bucket(china_s3, f"only-in-china-{region}")
    keys = china.connection.credentials
    session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"])
    proxies = Config(proxies={"https": china.connection.client_proxy})
    s3 = session.client("s3", region, verify=china.connection.pem, config=proxies)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=f"only-in-china-{region}", Key="train/rows")
    assert error.value.response["Error"]["Code"] == "InvalidAccessKeyId"


def test_a_bucket_is_unknown_at_the_hosts_of_another_partition(china):
    make_bucket(china.client("s3"), "chinese-only")
    answer = ask(tunnel(china, "chinese-only.s3.us-west-2.amazonaws.com"), "GET", "/train/rows")
    assert answer[0] == 404
    assert "<Code>NoSuchBucket</Code>" in answer[1]
