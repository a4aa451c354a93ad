"""The closest cluster of each row of a request: https://docs.aws.amazon.com/sagemaker/latest/dg/km-in-formats.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.containers.amazon import array_models
from harness.containers.amazon.model import Served
from harness.containers.kmeans import clustering
from harness.recordio import Array, Matrix

ANSWER = ("closest_cluster", "distance_to_cluster")


def load(model_dir: Path) -> Served:
    """Return the model of a directory: the first array of the file has a row for each centre.

    :raises UserError: the file is no model of k-means.
    """
    arrays = array_models.read(model_dir, "kmeans")
    if not isinstance(arrays, list) or not arrays or arrays[0].ndim != 2 or not arrays[0].size:
        raise array_models.refusal("kmeans", arrays)
    centres = arrays[0].astype(np.float32)

    def predict(rows: Matrix) -> Mapping[str, Array]:
        selected = clustering.closest(rows, centres)
        distances = np.sqrt(clustering.squared_distances(rows, centres, selected))
        return dict(zip(ANSWER, (selected.astype(np.float32), distances.astype(np.float32)), strict=True))

    return Served(centres.shape[1], predict, csv=ANSWER)
