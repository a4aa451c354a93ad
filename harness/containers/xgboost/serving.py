"""Predictions of an XGBoost model over HTTP, as the built-in algorithm serves them.

Texts and status codes are copied from the real container. Every row of a request gets one prediction.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import cast

import xgboost as xgb

from harness import libsvm
from harness.containers.runtime import UserError
from harness.containers.server import Answer
from harness.containers.xgboost import answers, artifact
from harness.containers.xgboost.data import (
    CHANNEL_TYPE,
    LIBSVM_TYPES,
    REQUEST_TYPE,
    media_type,
    plain_message,
    read_request,
)
from harness.containers.xgboost.versions import Version
from harness.errors import DataError
from harness.libsvm import Array
from harness.libsvm.dataset import to_csr


def load(model_dir: Path, version: Version) -> XGBoostModel:
    """Return the model in the directory, which is the only file there.

    AWS's containers take the file that the file system lists first, and newer ones average the predictions of all.

    :raises UserError: there is no such file, more than one, or XGBoost cannot read it; or the model brings a script.
    """
    for name in ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"):
        if not version.is_first and os.environ.get(name):
            fix = "register the command that runs your script for the image (aws.register_container)"
            raise UserError(f"{name} is set: script mode is not emulated here.", fix=fix)
    files = sorted(path for path in model_dir.iterdir() if path.is_file())
    if len(files) != 1:
        found = ", ".join(sorted(path.name for path in model_dir.iterdir())) or "nothing"
        raise UserError(
            "The directory of the model must contain one file to serve.",
            checked=f"/opt/ml/model contains {found}",
            fix=f"put {artifact.MODEL_FILE} alone into model.tar.gz, not below a directory",
        )
    return XGBoostModel(artifact.load(files[0]), version)


class XGBoostModel:
    """Booster that answers requests from several threads at once."""

    def __init__(self, booster: xgb.Booster, version: Version) -> None:
        self.booster = booster
        self.version = version
        self.features = booster.num_features()
        self.learner = json.loads(booster.save_config())["learner"]
        best = booster.attr("best_iteration")  # of a booster that stopped early and has all of its rounds
        self.rounds = (0, int(best) + 1 if best else 0)
        kind = self.learner["gradient_booster"]["name"]
        self.is_tree = kind == "gbtree"
        self.lock = nullcontext() if self.is_tree else threading.Lock()  # others share a cache

    def invoke(self, body: bytes, content_type: str | None, accept: str | None) -> Answer:
        """See :meth:`harness.containers.server.Model.invoke`."""
        if not body:
            return Answer(b"", status=HTTPStatus.NO_CONTENT)
        try:
            answer_type = answers.answer_type(accept, self.version)
        except ValueError as error:
            return _refusal(HTTPStatus.NOT_ACCEPTABLE, str(error))
        try:
            kind = _content_type(content_type, self.version)
        except UserError as error:
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error.what)
        try:
            rows = read_request(body, kind)
        except DataError as error:
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _unreadable(kind, error))
        try:
            predictions = self.predict(_fitted(rows, self.features, kind, self.version))
            return answers.write(predictions, answer_type, self.learner, self.version)
        except (ValueError, xgb.core.XGBoostError) as error:
            return _refusal(HTTPStatus.BAD_REQUEST, f"Unable to evaluate payload provided: {plain_message(error)}")

    def predict(self, rows: libsvm.Matrix) -> Array:
        """Return a prediction for each row, as ``Booster.predict`` does for a DMatrix.

        Predicting in place avoids the copy into a DMatrix: 1 ms instead of 4 ms for 815 rows of 784 columns. Linear
        models do not support it, and it rounds those of the booster ``dart`` differently.
        """
        with self.lock:
            if self.is_tree:
                return cast("Array", self.booster.inplace_predict(rows, iteration_range=self.rounds))
            return cast("Array", self.booster.predict(xgb.DMatrix(rows), iteration_range=self.rounds))


def _fitted(rows: libsvm.Matrix, features: int, kind: str, version: Version) -> libsvm.Matrix:
    """Return the rows with as many columns as the model has features; added columns hold no values.

    As in the open container, LibSVM may have one column more, which is ignored, and CSV one less. Requests that are off
    by one are answered for this reason: rows from index 1 for a model of CSV, and CSV for a model of rows from index 1.
    Since 1.2, XGBoost itself refuses a column more (measured with the packages of 0.90 to 1.7).

    :raises ValueError: the rows do not fit the model.
    """
    found = rows.shape[1]
    if kind in LIBSVM_TYPES and found > features + 1:
        raise ValueError(
            f"Feature size of libsvm inference data {found} is larger than feature size of trained model {features}."
        )
    if found > features and kind in LIBSVM_TYPES and version.xgboost >= (1, 2):
        raise ValueError(
            "Check failed: learner_model_param_.num_feature >= p_fmat->Info().num_col_ "
            f"({features} vs. {found}) : Number of columns does not match number of features in booster."
        )
    if kind not in LIBSVM_TYPES and found not in (features, features - 1):
        raise ValueError(
            f"Feature size of csv inference data {found} is not consistent with "
            f"feature size of trained model {features}."
        )
    if found == features:
        return rows
    return rows[:, :features] if found > features else to_csr(rows, features)


def _content_type(content_type: str | None, version: Version) -> str:
    if reason := version.unread_type(content_type):
        raise UserError(reason)
    return media_type(content_type, REQUEST_TYPE if version.is_first else CHANNEL_TYPE)


def _unreadable(kind: str, error: DataError) -> str:
    form = "libsvm" if kind in LIBSVM_TYPES else "csv"
    return f"Loading {form} data failed with Exception, please ensure data is in {form} format: {error.what}"


def _refusal(status: HTTPStatus, text: str) -> Answer:
    return Answer(text.encode(), status=status)
