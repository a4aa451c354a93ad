"""The same training job, by boto3: trained, and copied from the cache of trained models. Each round measures both."""

import itertools
import time
from statistics import median

import pytest

from harness import mnist
from harness.aws.local import MockAWS
from harness.bench.results.provenance import mnist_hash
from harness.registries import image
from harness.settings import Settings
from harness.waiting import wait_until

ROUNDS = 5
CHUNKS = 2  # of mnist.libsvm, of 2,000 rows each


@pytest.fixture
def local():
    with MockAWS.start(Settings()) as aws:
        yield aws


@pytest.fixture
def fit(local):
    """Upload the rows below a new prefix, train on them, and return the name of the job."""
    body, names = b"".join(itertools.islice(mnist.libsvm("train"), CHUNKS)), map("job-{}".format, itertools.count())
    s3, sagemaker = local.client("s3"), local.client("sagemaker")
    s3.create_bucket(Bucket="rows")

    def fit():
        name = next(names)
        s3.put_object(Bucket="rows", Key=f"{name}/part-0.libsvm", Body=body)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://rows/{name}/"}
        sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=local.role,
            AlgorithmSpecification={"TrainingImage": image("xgboost", local.region), "TrainingInputMode": "File"},
            HyperParameters={parameter: str(value) for parameter, value in mnist.HYPERPARAMETERS.items()},
            InputDataConfig=[
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": "text/libsvm"}
            ],
            OutputDataConfig={"S3OutputPath": "s3://rows/models"},
            ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        )
        wait_until(
            lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"],
            f"training job {name} to complete",
            done=lambda status: status == "Completed",
            interval=0.005,
            timeout=600,
        )
        return name

    fit.size = len(body)
    return fit


@pytest.mark.benchmark(group="fit")
def test_a_job_from_the_cache_next_to_the_same_job_trained(
    benchmark, record_value, record_work, harness_settings, local, fit, tmp_path
):
    if harness_settings.mode != "mock":
        pytest.skip("AWS trains each job")
    cached, seconds = [], []
    local.use_model_cache(tmp_path)
    fit()  # stores the model

    def train_first():
        local.use_model_cache(None)
        began = time.perf_counter()
        fit()
        seconds.append(time.perf_counter() - began)
        local.use_model_cache(tmp_path)

    benchmark.pedantic(lambda: cached.append(fit()), setup=train_first, rounds=ROUNDS)
    assert local.jobs_from_cache() == cached[-1:]
    record_work(rows=CHUNKS * 2000, size=fit.size, dataset=mnist_hash())
    if benchmark.stats:
        ratios = [theirs / ours for ours, theirs in zip(benchmark.stats.stats.data, seconds, strict=True)]
        record_value("trained, seconds (median)", round(median(seconds), 2))
        record_value("from the cache, seconds (median)", round(median(benchmark.stats.stats.data), 3))
        record_value("times as fast (median of the rounds' ratios)", round(median(ratios), 1))
