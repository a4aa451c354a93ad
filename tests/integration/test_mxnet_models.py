"""Apache MXNet loads the models of LinearLearner and FactorizationMachines, and predicts what their endpoints do.

``HARNESS_MXNET_PYTHON`` is a Python with ``mxnet==1.9.1`` and a numpy below 1.24.
"""

import os
import subprocess
import zipfile

import numpy as np
import pytest

from harness.containers.factorization_machines import artifact as factorization_artifact
from harness.containers.factorization_machines.model import FactorizationMachine
from harness.containers.linear_learner import artifact as linear_artifact
from harness.containers.linear_learner.model import LinearModel

PYTHON = os.environ.get("HARNESS_MXNET_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="needs HARNESS_MXNET_PYTHON")
PREDICT = """
import sys
import mxnet as mx, numpy as np
rows = np.load("rows.npy")
module = mx.module.Module.load(sys.argv[1], 0, label_names=["out_label"])
module.bind(data_shapes=[("data", rows.shape)], for_training=False)
module.forward(mx.io.DataBatch([mx.nd.array(rows)]), is_train=False)
np.save("found.npy", module.get_outputs()[0].asnumpy())
"""


def predicted(folder, prefix, rows):
    """Return what MXNet predicts with the network and the arrays of an unpacked artifact."""
    np.save(folder / "rows.npy", rows)
    command = [PYTHON, "-c", PREDICT, prefix]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
    return np.load(folder / "found.npy")


def unpacked(folder):
    with zipfile.ZipFile(folder / "model_algo-1") as archive:
        archive.extractall(folder)


@pytest.mark.parametrize(
    ("kind", "loss", "outputs"),
    [
        ("binary_classifier", "logistic", 1),
        ("binary_classifier", "hinge_loss", 1),
        ("multiclass_classifier", "softmax_loss", 3),
        ("regressor", "huber_loss", 1),
    ],
)
def test_mxnet_predicts_what_an_endpoint_of_linear_learner_does(tmp_path, kind, loss, outputs):
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(outputs, 5)).astype(np.float32), random.normal(size=outputs).astype(np.float32)
    model, rows = LinearModel(weights, bias, kind, loss), random.normal(size=(7, 5)).astype(np.float32)
    linear_artifact.save(model, tmp_path)
    unpacked(tmp_path)
    expected = model.predict(rows)["score"].reshape(7, outputs)
    assert predicted(tmp_path, "mx-mod", rows) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["binary_classifier", "regressor"])
def test_mxnet_predicts_what_an_endpoint_of_factorization_machines_does(tmp_path, kind):
    random = np.random.default_rng(0)
    factors, linear = random.normal(size=(5, 2)).astype(np.float32), random.normal(size=5).astype(np.float32)
    model, rows = FactorizationMachine(factors, linear, 0.5, kind), random.normal(size=(7, 5)).astype(np.float32)
    factorization_artifact.save(model, tmp_path)
    unpacked(tmp_path)
    (tmp_path / "symbol.json").rename(tmp_path / "model-symbol.json")
    (tmp_path / "params").rename(tmp_path / "model-0000.params")
    expected = model.predict(rows)["score"].reshape(7, 1)
    assert predicted(tmp_path, "model", rows) == pytest.approx(expected, abs=1e-5)
