"""Apache MXNet loads every file of arrays that we write, and we load what it writes.

MXNet 1.9.1 is the last release, and needs a numpy of its time. ``tox -e mxnet`` makes an environment for it.
"""

import os
import subprocess

import numpy as np
import pytest

from harness.containers.amazon import ndarrays

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

FILES = {
    "kmeans": [np.arange(6, dtype=np.float32).reshape(2, 3)],
    "pca": {"mean": np.ones((1, 3), np.float32), "s": np.ones(2, np.float32), "v": np.eye(3, 2, dtype=np.float32)},
    "lda": [np.float32([0.5, 0.5]), np.full((2, 4), 0.25, np.float32)],
    "parameters": {"arg:fc0_weight": np.ones((3, 2), np.float32), "arg:fc0_bias": np.zeros(3, np.float32)},
    "types": [np.arange(3, dtype=kind) for kind in ("f4", "f8", "f2", "u1", "i4", "i1", "i8")],
    "an empty name": {"": np.float32([1])},
    "no arrays": [],
}


def run(code, *paths):
    command = [PYTHON, "-c", code, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
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
