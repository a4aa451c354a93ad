"""Containers of Amazon's algorithms as SageMaker runs them: commands, signals, ports."""

import http.client
import socket
import sys

import numpy as np
import pytest

from harness.containers.amazon import ndarrays
from harness.containers.factorization_machines import artifact as factorized_artifact
from harness.containers.factorization_machines.model import FactorizationMachine
from harness.containers.linear_learner import artifact as linear_artifact
from harness.containers.linear_learner.model import LinearModel
from harness.waiting import wait_until
from tests.support import algorithm_jobs as jobs

pytestmark = pytest.mark.slow
PLANE = np.array([[1, 0], [0, 1]], np.float32)
LINEAR = LinearModel(PLANE[:1], np.zeros(1, np.float32), "binary_classifier", "hinge_loss", 0.5)
FACTORIZED = FactorizationMachine(PLANE[:, :1], PLANE[1], 1.0, "regressor")
MODELS = {
    "kmeans": ([PLANE], {"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 2.0}]}),
    "pca": ({"v": PLANE}, {"projections": [{"projection": [0.0, 3.0]}]}),
    "lda": ([np.ones(2, np.float32), PLANE], {"predictions": [{"topic_mixture": [0.0, 1.0]}]}),
    "linear_learner": (LINEAR, {"predictions": [{"score": 0.0, "predicted_label": 0}]}),
    "factorization_machines": (FACTORIZED, {"predictions": [{"score": 4.0}]}),
}


def save(model, directory):
    """Write a model, or the arrays of one."""
    if isinstance(model, LinearModel):
        linear_artifact.save(model, directory)
    elif isinstance(model, FactorizationMachine):
        factorized_artifact.save(model, directory)
    else:
        (directory / "model_algo-1").write_bytes(ndarrays.write(model))


@pytest.mark.parametrize("name", MODELS)
def test_serving_imports_neither_scipy_nor_what_only_training_needs(name):
    code = (
        f"import sys, harness.containers.{name}.__main__, harness.containers.{name}.serving\n"
        "print(sorted({'sklearn', 'scipy', 'xgboost', 'pyarrow', 'jsonschema'} & set(sys.modules)))"
    )
    assert jobs.subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {"Content-Type": "application/json", "Accept": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def answers_ping(port):
    try:
        return request(port, "GET", "/ping")[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize("name", MODELS)
def test_a_container_serves_until_it_is_terminated(tmp_path, name):
    model, expected = MODELS[name]
    (tmp_path / "model").mkdir()
    save(model, tmp_path / "model")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = jobs.start(name, tmp_path, "serve", SAGEMAKER_BIND_TO_PORT=str(port))
    wait_until(lambda: answers_ping(port), "the container to answer", timeout=60)
    status, body = request(port, "POST", "/invocations", b'{"instances": [{"features": [0, 3]}]}')
    assert (status, jobs.json.loads(body)) == (200, expected)
    process.terminate()
    assert process.wait(20) == 0


TRAINED = {
    "kmeans": {"k": "2", "feature_dim": "2"},
    "linear_learner": {"predictor_type": "regressor", "num_models": "1", "early_stopping_patience": "100000000"},
    "factorization_machines": {"predictor_type": "regressor", "feature_dim": "2", "num_factors": "2"},
}


@pytest.mark.parametrize("name", TRAINED)
def test_a_terminated_training_leaves_a_model_and_succeeds(tmp_path, name):
    rows = np.random.default_rng(0).normal(0, 1, (500, 2)).astype(np.float32)
    given = {**TRAINED[name], "epochs": "100000000", "mini_batch_size": "100"}
    process = jobs.start(name, jobs.prepare(tmp_path, given, train=(rows, rows[:, 0])))
    next(line for line in process.stdout if "#progress_metric" in line)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert jobs.algorithm(name).load(tmp_path / "model").width == 2


@pytest.mark.parametrize("name", TRAINED)
def test_a_wrong_hyperparameter_ends_a_container_with_2_and_leaves_nothing(tmp_path, name):
    code, _, failure = jobs.run(name, jobs.prepare(tmp_path, {**TRAINED[name], "epochs": "0"}, train=(PLANE, PLANE[0])))
    assert code == 2
    assert "u'0' is not valid under any of the given schemas" in failure
    assert list((tmp_path / "model").iterdir()) == []
