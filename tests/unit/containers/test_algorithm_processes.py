"""Containers of KMeans, PCA and LDA as SageMaker runs them: commands, signals, ports."""

import http.client
import socket
import sys

import numpy as np
import pytest

from harness.containers.amazon import ndarrays
from harness.waiting import wait_until
from tests.support import algorithm_jobs as jobs

pytestmark = pytest.mark.slow
PLANE = np.array([[1, 0], [0, 1]], np.float32)
MODELS = {
    "kmeans": ([PLANE], {"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 2.0}]}),
    "pca": ({"v": PLANE}, {"projections": [{"projection": [0.0, 3.0]}]}),
    "lda": ([np.ones(2, np.float32), PLANE], {"predictions": [{"topic_mixture": [0.0, 1.0]}]}),
}


@pytest.mark.parametrize("name", MODELS)
def test_serving_imports_neither_scipy_nor_what_only_training_needs(name):
    code = (
        f"import sys, harness.containers.{name}.__main__, harness.containers.{name}.serving\n"
        "print(sorted({'sklearn', 'scipy', 'xgboost', 'pyarrow', 'jsonschema'} & set(sys.modules)))"
    )
    assert jobs.subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {"Content-Type": "text/csv", "Accept": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def answers_ping(port):
    try:
        return request(port, "GET", "/ping")[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize("name", MODELS)
def test_a_container_serves_until_it_is_terminated(tmp_path, name):
    arrays, expected = MODELS[name]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_algo-1").write_bytes(ndarrays.write(arrays))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = jobs.start(name, tmp_path, "serve", SAGEMAKER_BIND_TO_PORT=str(port))
    wait_until(lambda: answers_ping(port), "the container to answer", timeout=60)
    status, body = request(port, "POST", "/invocations", b"0,3\n")
    assert (status, jobs.json.loads(body)) == (200, expected)
    process.terminate()
    assert process.wait(20) == 0


def test_a_terminated_training_leaves_a_model_and_succeeds(tmp_path):
    rows = np.random.default_rng(0).normal(0, 1, (500, 2)).astype(np.float32)
    given = {"k": "2", "feature_dim": "2", "epochs": "100000000", "mini_batch_size": "100"}
    process = jobs.start("kmeans", jobs.prepare(tmp_path, given, train=rows))
    next(line for line in process.stdout if "#progress_metric" in line)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert jobs.model(tmp_path)[0].shape == (2, 2)
