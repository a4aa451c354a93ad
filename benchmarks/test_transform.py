"""``model.transform`` of MNIST's test rows, fully consumed: as a whole, in parts, and compared with an endpoint
that reads no rows.

The SDK works serially in a partition: it serialises rows until a request is full, sends it, and reads the answer. So
what is split are the seconds of the tasks, summed over partitions. The SDK's serializer and deserializer are timed
alone, in the same JVM, on the same rows and the endpoint's own answers; the model's time is what the local AWS recorded
for each call (AWS reports it later, in CloudWatch: in real mode it stays with the rest); network and the rest are what
remains. Alone means that nothing else wanted the cores: with parts that get in each other's way, the rest is longer.
"""

import time
from statistics import mean, median

import numpy as np
import pytest
from in_spark import FORMS, consume, deserialise, job_group, load, serialise, task_seconds
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from sagemaker_pyspark import SageMakerModel
from sagemaker_pyspark.transformation.deserializers import XGBoostCSVRowDeserializer
from sagemaker_pyspark.transformation.serializers import LibSVMRequestRowSerializer
from sdk_text import requests, row_sizes

from harness import mnist
from harness.bench.endpoints import dense_text, host_nothing
from harness.bench.results.provenance import mnist_hash
from harness.regions import sample_bucket
from harness.spark.internals import java_rows

ROUNDS, WARM_UP, NULL_ROUNDS, ALONE_ROUNDS = 5, 2, 10, 3
REQUEST_ROWS = 815


@pytest.fixture
def frame(spark, aws, harness_settings, form, partitions):
    """MNIST's test rows, in memory, so that reading them is not measured."""
    count = harness_settings.test_rows
    path = f"s3a://{sample_bucket(aws.region)}/spark/mnist/test/"
    rows = load(spark, path, form).coalesce(1).limit(count).repartition(partitions).cache()
    assert rows.count() == count
    yield rows
    rows.unpersist()


@pytest.mark.benchmark(group="transform")
@pytest.mark.parametrize("form", FORMS)
def test_transform(
    benchmark, record_value, record_work, spark, aws, trained_model, sagemaker_runtime_client, frame, form
):
    groups, counts = [], []

    def transform():
        with job_group(spark) as group:
            counts.append(consume(trained_model.transform(frame)))
        groups.append(group)

    benchmark.pedantic(transform, rounds=ROUNDS, warmup_rounds=WARM_UP)
    images = mnist.load("test", frame.count()).images
    assert set(counts) == {len(images)}
    sizes = row_sizes(images, form)
    calls = expected_calls(frame, form)
    record_work(rows=len(images), size=int(sizes.sum()), dataset=mnist_hash())
    record_value("calls to the endpoint", calls)
    record_value("bytes a row", round(sizes.mean()))
    measured = groups[-ROUNDS:]
    whole = mean(task_seconds(spark, group) for group in measured)
    parts = {"serialise": alone(serialise, spark, java_rows(frame))}
    if aws.mode == "mock":
        invocations = latest_invocations(aws, trained_model, calls * len(measured))
        assert sum(call["received"] for call in invocations) == len(measured) * sizes.sum()
        parts["model"] = sum(call["model_seconds"] for call in invocations) / len(measured)
    parts["deserialise"] = alone(deserialise, spark, answers(sagemaker_runtime_client, trained_model, images))
    rest = "network and the rest" if "model" in parts else "model and network and the rest"
    parts[rest] = whole - sum(parts.values())
    record_value("seconds of the tasks, summed over partitions", round(whole, 3))
    record_value("of these, seconds", {part: round(seconds, 3) for part, seconds in parts.items()})


def expected_calls(frame, form):
    """Return the number of the SDK's requests for a frame; a request has rows of one partition."""
    rows = frame.select(F.spark_partition_id().alias("partition"), "features").collect()
    images = np.array([row.features.toArray() for row in rows]).astype(np.uint8)
    sizes, partitions = row_sizes(images, form), np.array([row.partition for row in rows])
    return sum(requests(sizes[partitions == partition]) for partition in np.unique(partitions))


def latest_invocations(aws, model, count):
    """Return the local AWS's record of the latest calls to a model's endpoint."""
    path = f"/endpoints/{model.endpointName}/invocations"
    return [call for call in aws.calls()["calls"] if call["path"] == path][-count:]


def answers(client, model, images):
    """Return what the endpoint answers to the rows, in one piece."""
    batches = [images[start : start + REQUEST_ROWS] for start in range(0, len(images), REQUEST_ROWS)]
    return b",".join(
        client.invoke_endpoint(
            EndpointName=str(model.endpointName), Body=dense_text(batch), ContentType="text/libsvm", Accept="text/csv"
        )["Body"].read()
        for batch in batches
    )


def alone(part, spark, data):
    """Return the median duration of one part of the SDK alone, in seconds."""
    seconds = []
    for _ in range(ALONE_ROUNDS):
        began = time.perf_counter()
        part(spark, data)
        seconds.append(time.perf_counter() - began)
    return median(seconds)


# --- compared with an endpoint that reads nothing ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def null_model(aws, ledger, harness_settings, spark):  # noqa: ARG001 - the SDK's classes need its JVM
    """A model behind an endpoint that answers constants."""
    endpoint = host_nothing(aws, ledger, harness_settings)
    if endpoint is None:
        pytest.skip("the container with constant answers needs the local AWS")
    return SageMakerModel.fromEndpoint(endpoint, LibSVMRequestRowSerializer(), XGBoostCSVRowDeserializer())


@pytest.mark.benchmark(group="transform")
def test_transform_beside_an_endpoint_that_reads_nothing(
    benchmark, record_value, record_work, trained_model, null_model, mnist_test, harness_settings
):
    rows = mnist_test.cache()
    count = harness_settings.test_rows
    null_seconds, counts = [], [consume(model.transform(rows)) for model in (trained_model, null_model)]

    def null_first():
        began = time.perf_counter()
        counts.append(consume(null_model.transform(rows)))
        null_seconds.append(time.perf_counter() - began)

    def transform():
        counts.append(consume(trained_model.transform(rows)))

    benchmark.pedantic(transform, setup=null_first, rounds=NULL_ROUNDS)
    rows.unpersist()
    assert set(counts) == {count}
    record_work(rows=count, size=int(row_sizes(mnist.load("test", count).images, "dense").sum()), dataset=mnist_hash())
    if benchmark.stats:
        pairs = zip(null_seconds, benchmark.stats.stats.data, strict=True)
        record_value("rows/s of the null endpoint", round(count / median(null_seconds)))
        record_value("share of the null endpoint's rows/s", round(median(null / seconds for null, seconds in pairs), 3))
