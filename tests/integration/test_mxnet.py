"""Apache MXNet loads every file of arrays that we write, and we load what it writes. It predicts what endpoints do.

MXNet 1.9.1 is the last release, and needs a numpy of its time. ``tox -e mxnet`` makes an environment for it.
"""

import os
import subprocess
import zipfile

import numpy as np
import pytest

from harness.containers.amazon import ndarrays
from harness.containers.factorization_machines import artifact as factorization_artifact
from harness.containers.factorization_machines.model import FactorizationMachine
from harness.containers.linear_learner import artifact as linear_artifact
from harness.containers.linear_learner.model import LinearModel

PYTHON = os.environ.get("HARNESS_MXNET_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="needs HARNESS_MXNET_PYTHON, as tox -e mxnet sets it")

# Loads a file, and writes all it found in two forms: to numpy, and to MXNet again.
RELOAD = """
import sys
import mxnet as mx, numpy as np
loaded = mx.nd.load(sys.argv[1])
named = isinstance(loaded, dict)
pairs = list(loaded.items()) if named else list(enumerate(loaded))
np.savez(sys.argv[2], **{f"a{n}": array.asnumpy() for n, (_, array) in enumerate(pairs)})
print("dict" if named else "list", [name for name, _ in pairs])
mx.nd.save(sys.argv[3], loaded)
"""
# Writes arrays that MXNet makes: a scalar, an empty name, every element type, and NumPy's semantics.
MAKE = """
import sys
import mxnet as mx
kinds = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64"]
mx.nd.save(sys.argv[1], [mx.nd.arange(6).reshape((2, 3)).astype(kind) for kind in kinds])
mx.nd.save(sys.argv[2], {"": mx.nd.array([5], dtype="float32"), "v": mx.nd.ones((2, 1))})
mx.npx.set_np()
mx.npx.save(sys.argv[3], {"scalar": mx.np.array(2.5), "empty": mx.np.zeros((0, 3))})
"""
# Predicts with the network and the arrays of an unpacked artifact.
PREDICT = """
import sys
import mxnet as mx, numpy as np
rows = np.load("rows.npy")
module = mx.module.Module.load(sys.argv[1], 0, label_names=["out_label"])
module.bind(data_shapes=[("data", rows.shape)], for_training=False)
module.forward(mx.io.DataBatch([mx.nd.array(rows)]), is_train=False)
np.save("found.npy", module.get_outputs()[0].asnumpy())
"""

FILES = {
    "kmeans": [np.arange(6, dtype=np.float32).reshape(2, 3)],
    "pca": {"mean": np.ones((1, 3), np.float32), "s": np.ones(2, np.float32), "v": np.eye(3, 2, dtype=np.float32)},
    "lda": [np.float32([0.5, 0.5]), np.full((2, 4), 0.25, np.float32)],
    "parameters": {"arg:fc0_weight": np.ones((3, 2), np.float32), "arg:fc0_bias": np.zeros(3, np.float32)},
    "types": [np.arange(3, dtype=kind) for kind in ("f4", "f8", "f2", "u1", "i4", "i1", "i8")],
    "an empty name": {"": np.float32([1])},
    "no arrays": [],
}


def run(code, *arguments, folder=None):
    command = [PYTHON, "-c", code, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FILES)
def test_mxnet_loads_what_we_write_and_we_load_what_it_writes_again(tmp_path, name):
    arrays = FILES[name]
    (tmp_path / "ours").write_bytes(ndarrays.write(arrays))
    said = run(RELOAD, tmp_path / "ours", tmp_path / "numbers.npz", tmp_path / "theirs")
    keys = list(arrays) if isinstance(arrays, dict) else list(range(len(arrays)))
    assert said.split(maxsplit=1) == [type(arrays).__name__, f"{keys}\n"]
    found = np.load(tmp_path / "numbers.npz")
    again = ndarrays.read((tmp_path / "theirs").read_bytes())
    for number, key in enumerate(keys):
        for array in (found[f"a{number}"], again[key]):
            assert (array.dtype, array.tolist()) == (arrays[key].dtype, arrays[key].tolist())
    assert (tmp_path / "theirs").read_bytes() == (tmp_path / "ours").read_bytes()


def test_we_load_what_mxnet_makes(tmp_path):
    run(MAKE, tmp_path / "list", tmp_path / "dict", tmp_path / "numpy")
    for array in ndarrays.read((tmp_path / "list").read_bytes()):
        assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    named = ndarrays.read((tmp_path / "dict").read_bytes())
    assert {name: array.tolist() for name, array in named.items()} == {"": [5], "v": [[1], [1]]}
    numpy = ndarrays.read((tmp_path / "numpy").read_bytes())
    assert (numpy["scalar"].tolist(), numpy["empty"].shape) == (2.5, (0, 3))


def predicted(folder, prefix, rows):
    """Return what MXNet predicts with the network and the arrays of an unpacked artifact."""
    np.save(folder / "rows.npy", rows)
    run(PREDICT, prefix, folder=folder)
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
