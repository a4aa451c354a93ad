"""Artifact of a factorization machine: the zip ``model_algo-1``.

Files and arrays have the names that AWS gives them, and arrays the shapes, as users load them:
https://aws.amazon.com/blogs/machine-learning/extending-amazon-sagemaker-factorization-machines-algorithm-to-predict-top-x-recommendations/.
What AWS writes into ``meta.json`` is not public; its key is chosen here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from harness.containers.amazon import artifact, ndarrays, zips
from harness.containers.factorization_machines.model import BINARY, REGRESSOR, FactorizationMachine
from harness.containers.runtime import UserError

SYMBOL, ARRAYS, META = "symbol.json", "params", "meta.json"
_OUTPUTS = {"LogisticRegressionOutput": BINARY, "LinearRegressionOutput": REGRESSOR}
_NAMES = ("v", "w1_weight", "w0_weight")


def save(model: FactorizationMachine, directory: Path) -> None:
    """Write a model."""
    arrays = {
        "arg:v": model.factors,
        "arg:w1_weight": model.linear[:, None],
        "arg:w0_weight": np.array([[model.bias]], np.float32),
    }
    files = {
        SYMBOL: _symbol(model),
        ARRAYS: ndarrays.write(arrays),
        META: json.dumps({"predictor_type": model.predictor_type}).encode(),
    }
    artifact.write(directory, zips.write(files))


def load(directory: Path) -> FactorizationMachine:
    """Return the model in a directory; one that was made by hand may lack all but the arrays and a way to its type.

    :raises UserError: the directory holds no factorization machine.
    """
    files = zips.read(artifact.read(directory), "factorization-machines", (SYMBOL, ARRAYS, META))
    if ARRAYS not in files:
        raise artifact.refusal("factorization-machines", f"a zip without the file {ARRAYS}")
    arrays = zips.arrays(files, ARRAYS)
    if missing := [name for name in _NAMES if name not in arrays]:
        raise UserError(f"{ARRAYS} in the model's zip lacks {' and '.join(missing)}.")
    kind = zips.read_json(files, META).get("predictor_type") or _OUTPUTS.get(zips.output(files, SYMBOL), "")
    if kind not in _OUTPUTS.values():
        raise UserError(f"The model's zip does not say its predictor_type, in {META} or by the output of {SYMBOL}.")
    factors, linear, bias = (arrays[name] for name in _NAMES)
    if factors.ndim != 2 or linear.size != len(factors) or bias.size != 1:
        raise UserError(
            f"v {factors.shape}, w1_weight {linear.shape} and w0_weight {bias.shape} do not fit each other."
        )
    return FactorizationMachine(factors, linear.ravel(), float(bias.ravel()[0]), kind)


def _symbol(model: FactorizationMachine) -> bytes:
    """Return the network: the equation of the guide, with the sum over pairs in linear time."""
    width, factors = model.factors.shape
    sums = {"axis": "1", "keepdims": "True"}
    result = "LogisticRegressionOutput" if model.predictor_type == BINARY else "LinearRegressionOutput"
    return zips.network(
        [
            ("null", "data", {}, ()),  # 0
            ("null", "v", {"__shape__": f"({width}, {factors})"}, ()),
            ("null", "w1_weight", {"__shape__": f"({width}, 1)"}, ()),
            ("null", "w0_weight", {"__shape__": "(1, 1)"}, ()),
            ("dot", "linear", {}, (0, 2)),  # 4
            ("broadcast_add", "biased", {}, (4, 3)),
            ("dot", "factor_sums", {}, (0, 1)),  # 6
            ("square", "squared_sums", {}, (6,)),
            ("sum", "all_pairs", sums, (7,)),  # 8
            ("square", "squared_data", {}, (0,)),
            ("square", "squared_v", {}, (1,)),  # 10
            ("dot", "squares", {}, (9, 10)),
            ("sum", "own_pairs", sums, (11,)),  # 12
            ("elemwise_sub", "twice_pairs", {}, (8, 12)),
            ("_mul_scalar", "pairs", {"scalar": "0.5"}, (13,)),  # 14
            ("elemwise_add", "score", {}, (5, 14)),
            ("null", "out_label", {}, ()),  # 16
            (result, "out", {}, (15, 16)),
        ]
    )
