"""The load generator alone: 1 KB requests that one core can send to a server with constant answers."""

import boto3
import pytest

from harness.bench.endpoints import bodies
from harness.bench.load.connections import Connections
from harness.bench.load.generator import open_loop, poisson
from harness.bench.load.null_server import null_server
from harness.bench.load.runner import warm_up
from harness.bench.load.signing import SignedRequests

RATE = 2000
SECONDS = 5
ROUNDS = 3


@pytest.fixture
def connections():
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    requests = SignedRequests(boto3.Session(**keys).client("sagemaker-runtime"), "null", bodies(1, 8), rows=1)
    with null_server(requests.next().url, rows=1) as route:
        made = Connections(requests, route)
        warm_up(made)
        yield made
        made.close()


@pytest.mark.benchmark(group="load generator")
def test_requests_of_1_kb_in_an_open_loop(benchmark, record_value, connections):
    measured = []

    def load():
        measured.append(open_loop(connections, poisson(RATE, SECONDS, seed=1)))

    benchmark.pedantic(load, rounds=ROUNDS)
    best = min(measured, key=lambda each: each.cpu_seconds)
    assert all(each.answered == RATE * SECONDS for each in measured)
    record_value("CPU time of a request, µs", round(best.cpu_seconds / best.sent * 1e6))
    record_value("requests/s that fill a core", round(best.sent / best.cpu_seconds))
    record_value("lateness at p50 and p99, ms", [round(best.lags.percentile(p) * 1e3, 2) for p in (50, 99)])
