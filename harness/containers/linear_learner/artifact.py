"""Artifact of a linear model: the zip ``model_algo-1``, with weights on the original scale of the data.

Files and arrays have the names that AWS gives them. Users unzip its artifacts and load them with MXNet. What AWS writes
into ``additional-params.json`` and ``manifest.json`` is not public. The keys of the first are chosen here, and unknown
ones are refused: one of them may be the threshold.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from harness.containers.amazon import artifact, ndarrays, zips
from harness.containers.linear_learner.model import (
    BINARY,
    LOSSES,
    MULTICLASS,
    REGRESSOR,
    LinearModel,
    default_threshold,
)
from harness.containers.runtime import UserError
from harness.recordio import Array

PARAMETERS, MANIFEST = "additional-params.json", "manifest.json"
SYMBOL, ARRAYS = "mx-mod-symbol.json", "mx-mod-0000.params"
_OUTPUTS = {"LogisticRegressionOutput": BINARY, "SoftmaxOutput": MULTICLASS, "LinearRegressionOutput": REGRESSOR}
_LARGEST = float(np.finfo(np.float32).max)
_KEYS = {"predictor_type", "loss", "threshold"}


def save(model: LinearModel, directory: Path) -> None:
    """Write a model."""
    parameters = {"predictor_type": model.predictor_type, "loss": model.loss, "threshold": model.threshold}
    files = {
        PARAMETERS: json.dumps(parameters).encode(),
        MANIFEST: json.dumps({"files": [PARAMETERS, SYMBOL, ARRAYS]}).encode(),
        SYMBOL: _symbol(model),
        ARRAYS: ndarrays.write({"arg:fc0_weight": model.weights, "arg:fc0_bias": model.bias}),
    }
    artifact.write(directory, zips.write(files))


def load(directory: Path) -> LinearModel:
    """Return the model in a directory; one that was made by hand may lack all but the arrays and a way to its type.

    :raises UserError: the directory holds no linear model.
    """
    files = zips.read(artifact.read(directory), "linear-learner", (PARAMETERS, SYMBOL, ARRAYS))
    if ARRAYS not in files:
        raise artifact.refusal("linear-learner", f"a zip without {ARRAYS}")
    parameters = zips.read_json(files, PARAMETERS)
    if unknown := sorted(parameters.keys() - _KEYS):
        raise UserError(
            f"{PARAMETERS} in the model's zip has keys that are not known here: {', '.join(unknown)}.",
            fix=f"write {', '.join(sorted(_KEYS))} only",
        )
    arrays = zips.arrays(files, ARRAYS)
    kind = parameters.get("predictor_type") or _OUTPUTS.get(zips.output(files, SYMBOL), "")
    return _model(arrays, kind, parameters)


def _model(arrays: dict[str, Array], kind: object, parameters: dict[str, object]) -> LinearModel:
    if not isinstance(kind, str) or kind not in LOSSES:
        raise UserError(
            f"The model's zip does not say its predictor_type, in {PARAMETERS} or by the output of {SYMBOL}."
        )
    if missing := {"fc0_weight", "fc0_bias"} - arrays.keys():
        raise UserError(f"{ARRAYS} in the model's zip lacks {' and '.join(sorted(missing))}.")
    weights, bias = (arrays[name] for name in ("fc0_weight", "fc0_bias"))
    bias = bias.ravel()
    fits = weights.ndim == 2 and weights.shape[0] == len(bias) and (kind == MULTICLASS or len(bias) == 1)
    if not fits:
        raise UserError(f"fc0_weight {weights.shape} and fc0_bias {bias.shape} are not those of a {kind}.")
    loss = str(parameters.get("loss") or LOSSES[kind][0])
    if loss not in LOSSES[kind]:
        raise UserError(f"The loss in {PARAMETERS} is {loss}, which is not one of a {kind}.")
    threshold = parameters.get("threshold", default_threshold(loss))
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not abs(threshold) <= _LARGEST:
        raise UserError(f"The threshold in {PARAMETERS} is {threshold!r}, which is no finite number.")
    return LinearModel(weights, bias, kind, loss, float(threshold))


def _symbol(model: LinearModel) -> bytes:
    """Return the network: a fully connected layer and the output of its loss."""
    outputs = {"logistic": "LogisticRegressionOutput", "softmax_loss": "SoftmaxOutput"}
    layer = {"num_hidden": str(len(model.bias))}
    return zips.network(
        [
            ("null", "data", {}, ()),
            ("null", "fc0_weight", layer, ()),
            ("null", "fc0_bias", layer, ()),
            ("FullyConnected", "fc0", layer, (0, 1, 2)),
            ("null", "out_label", {}, ()),
            (outputs.get(model.loss, "LinearRegressionOutput"), "out", {}, (3, 4)),
        ]
    )
