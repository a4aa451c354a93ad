"""The endpoint alone: the SDK's own requests through boto3, one after the other, by their number of rows."""

import numpy as np
import pytest

from harness import mnist
from harness.bench.endpoints import dense_text
from harness.bench.results.provenance import data_hash

SMALL, SMALL_ROUNDS, LARGE_ROUNDS = 100, 700, 100
"""Up to 100 rows a request, the rounds are enough to claim p99; with more, p90."""
LARGEST_BODY = 6_291_456


@pytest.mark.benchmark(group="endpoint")
def test_the_endpoint_alone(benchmark, record_work, record_latency, sagemaker_runtime_client, trained_model, batch):
    body = dense_text(mnist.load("test", batch).images)
    if len(body) > LARGEST_BODY:
        pytest.fail(f"--batch {batch} makes requests of {len(body):,} bytes; SageMaker takes {LARGEST_BODY:,}", False)

    def invoke():
        answer = sagemaker_runtime_client.invoke_endpoint(
            EndpointName=str(trained_model.endpointName), Body=body, ContentType="text/libsvm", Accept="text/csv"
        )
        return answer["Body"].read()

    rounds = SMALL_ROUNDS if batch <= SMALL else LARGE_ROUNDS
    answer = benchmark.pedantic(invoke, rounds=rounds, warmup_rounds=3)
    assert len(np.fromstring(answer.decode(), sep=",")) == batch
    record_work(rows=batch, size=len(body), dataset=data_hash(body))
    record_latency()
