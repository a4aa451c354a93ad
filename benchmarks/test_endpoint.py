"""``model.transform`` beside an endpoint that reads no rows, and the endpoint alone, on the SDK's own requests."""

import time
from contextlib import contextmanager
from statistics import median

import numpy as np
import pytest
from sagemaker_pyspark import SageMakerModel
from sagemaker_pyspark.transformation.deserializers import XGBoostCSVRowDeserializer
from sagemaker_pyspark.transformation.serializers import LibSVMRequestRowSerializer

from harness import mnist
from harness.benchmarking.environment import data_hash, mnist_hash, work
from harness.benchmarking.null_container import COMMAND as NULL_COMMAND
from harness.waiting import wait_until

ROUNDS = 10
BATCH_ROWS = 815
NULL_IMAGE = "null:1"


@pytest.fixture(scope="module")
def test_rows(mnist_test):
    """MNIST's test rows, in memory: reading them is not what is measured."""
    rows = mnist_test.cache()
    rows.count()
    return rows


@pytest.fixture(scope="module")
def null_model(aws, spark):  # noqa: ARG001 - the SDK's classes need its JVM
    """A model behind an endpoint that answers constants."""
    if not hasattr(aws, "register_container"):
        pytest.skip("a container of one's own needs the local AWS")
    aws.register_container(NULL_IMAGE, NULL_COMMAND)
    with _endpoint(aws, "null", NULL_IMAGE) as name:
        yield SageMakerModel.fromEndpoint(name, LibSVMRequestRowSerializer(), XGBoostCSVRowDeserializer())


@contextmanager
def _endpoint(aws, name, image):
    client = aws.client("sagemaker")
    client.create_model(ModelName=name, ExecutionRoleArn=aws.role, PrimaryContainer={"Image": image})
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    try:
        wait_until(
            lambda: client.describe_endpoint(EndpointName=name)["EndpointStatus"],
            f"endpoint {name} to be in service",
            done=lambda status: status != "Creating",
        )
        yield name
    finally:
        client.delete_endpoint(EndpointName=name)
        client.delete_endpoint_config(EndpointConfigName=name)
        client.delete_model(ModelName=name)


def consume(model, rows):
    """Transform every row and throw the result away, inside Spark."""
    model.transform(rows).write.format("noop").mode("overwrite").save()


@pytest.mark.benchmark(group="transform")
def test_transform_beside_an_endpoint_that_reads_nothing(benchmark, tell, trained_model, null_model, test_rows):
    null_seconds = []
    for model in (trained_model, null_model):
        consume(model, test_rows)

    def null_first():
        began = time.perf_counter()
        consume(null_model, test_rows)
        null_seconds.append(time.perf_counter() - began)

    benchmark.pedantic(consume, args=(trained_model, test_rows), setup=null_first, rounds=ROUNDS)
    rows, seconds = test_rows.count(), benchmark.stats.stats.data
    benchmark.extra_info.update(work(rows=rows, size=len(dense_batch(rows)), dataset=mnist_hash()))
    tell("rows/s", round(rows / median(seconds)))
    tell("rows/s of the null endpoint", round(rows / median(null_seconds)))
    tell(
        "share of the null endpoint's rows/s",
        round(median(n / s for n, s in zip(null_seconds, seconds, strict=True)), 3),
    )


def dense_batch(rows=BATCH_ROWS):
    """Return MNIST's rows as the SDK sends them, every zero written; 815 of them are a request, 5.2 MB."""
    images = mnist.load("test", rows).images.astype(float)
    return "".join(
        "0.0" + "".join(f" {number}:{value}" for number, value in enumerate(row, 1)) + "\n" for row in images.tolist()
    ).encode()


@pytest.mark.benchmark(group="endpoint")
def test_the_endpoint_alone(benchmark, tell, sagemaker_runtime_client, trained_model):
    body, name = dense_batch(), str(trained_model.endpointName)

    def invoke():
        answer = sagemaker_runtime_client.invoke_endpoint(
            EndpointName=name, Body=body, ContentType="text/libsvm", Accept="text/csv"
        )
        return answer["Body"].read()

    answer = benchmark.pedantic(invoke, rounds=50, warmup_rounds=3)
    assert len(np.fromstring(answer.decode(), sep=",")) == BATCH_ROWS
    benchmark.extra_info.update(work(rows=BATCH_ROWS, size=len(body), dataset=data_hash(body)))
    tell("request, MB", round(len(body) / 1e6, 2))
    tell("median, ms", round(benchmark.stats.stats.median * 1e3, 1))
