"""Models that are a file of MXNet arrays, those of KMeans, PCA and LDA; a file of another algorithm is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.containers.amazon import artifact, ndarrays
from harness.containers.runtime import UserError
from harness.errors import DataError
from harness.recordio import Array

Arrays = list[Array] | dict[str, Array]


def read(model_dir: Path, algorithm: str) -> Arrays:
    """Return the arrays of the model in a directory.

    :raises UserError: there is none, it is no file of arrays, or a number in it is NaN or infinite.
    """
    content = artifact.read(model_dir)
    if content.startswith(b"PK"):
        raise artifact.refusal(algorithm, "a ZIP archive, as LinearLearner and FactorizationMachines write it")
    try:
        arrays = ndarrays.read(content)
    except DataError as error:
        raise artifact.refusal(algorithm, f"no file of MXNet arrays ({error.what})") from None
    for array in arrays.values() if isinstance(arrays, dict) else arrays:
        if not np.isfinite(array).all():
            raise artifact.refusal(algorithm, "a file of arrays with NaN or infinity")
    return arrays


def refusal(algorithm: str, arrays: Arrays) -> UserError:
    """Return the error for arrays that are no model of the algorithm."""
    return artifact.refusal(algorithm, ndarrays.described(arrays))
