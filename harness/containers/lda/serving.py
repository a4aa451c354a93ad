"""Mixture of topics of each document of a request: https://docs.aws.amazon.com/sagemaker/latest/dg/lda.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.containers.amazon import array_models, requests
from harness.containers.amazon.model import Served
from harness.containers.lda import mixtures
from harness.errors import DataError
from harness.recordio import CONTENT_TYPE, Array, Matrix

_ANSWERS = (CONTENT_TYPE, requests.JSON)


def load(model_dir: Path) -> Served:
    """Return the model of a directory: the arrays alpha (topics,) and beta (topics, words).

    :raises UserError: the file is no model of LDA.
    """
    arrays = array_models.read(model_dir, "lda")
    if not isinstance(arrays, list) or len(arrays) != 2 or [array.ndim for array in arrays] != [1, 2]:
        raise array_models.refusal("lda", arrays)
    alpha, beta = arrays
    if len(alpha) != len(beta) or not beta.size:
        raise array_models.refusal("lda", arrays)

    def predict(rows: Matrix) -> Mapping[str, Array]:
        if rows.min() < 0:
            raise DataError("a count of words is negative")
        return {"topic_mixture": mixtures.infer(rows, alpha, beta)}

    return Served(beta.shape[1], predict, takes=(*_ANSWERS, requests.CSV), answers=_ANSWERS)
