"""Projections of rows: https://docs.aws.amazon.com/sagemaker/latest/dg/PCA-in-formats.html.

The order of the numbers is that of the stored components: see :class:`harness.containers.pca.components.Components`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.containers.amazon import array_models
from harness.containers.amazon.model import Served
from harness.recordio import Array, Matrix


def load(model_dir: Path) -> Served:
    """Return the model of a directory: v has a column for each component, and mean is subtracted if it is there.

    :raises UserError: the file is no model of PCA.
    """
    arrays = array_models.read(model_dir, "pca")
    if not isinstance(arrays, dict) or "v" not in arrays or arrays["v"].ndim != 2 or not arrays["v"].size:
        raise array_models.refusal("pca", arrays)
    vectors = arrays["v"].astype(np.float64)
    mean = arrays.get("mean", np.zeros(len(vectors))).astype(np.float64).ravel()
    if len(mean) != len(vectors):
        raise array_models.refusal("pca", arrays)
    shift = mean @ vectors

    def predict(rows: Matrix) -> Mapping[str, Array]:
        return {"projection": np.asarray(rows @ vectors - shift).astype(np.float32)}

    return Served(len(vectors), predict, key="projections")
