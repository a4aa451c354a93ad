"""Predictions of an XGBoost model over HTTP, as the built-in algorithm serves them.

Texts and status codes are copied from the real container, in the form that ``xgboost:1`` sends and the SDK reads: CSV
is one line with commas. Every row of a request gets one prediction.
"""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import numpy as np
import xgboost as xgb

from harness import libsvm
from harness.containers.runtime import UserError
from harness.containers.server import Answer
from harness.containers.xgboost.data import LIBSVM_TYPES, media_type, parse_csv
from harness.errors import DataError
from harness.libsvm import Array

_ACCEPTED = ("text/csv", "application/json")
_GZIP = b"\x1f\x8b"


def load(model_dir: Path) -> XGBoostModel:
    """Return the model in the directory: ``xgboost-model``, or the only file.

    :raises UserError: no such file exists, or XGBoost cannot read it.
    """
    files = [path for path in model_dir.rglob("*") if path.is_file()]
    named = [path for path in files if path.name == "xgboost-model"] or files
    if len(named) != 1:
        found = ", ".join(sorted(path.name for path in files)) or "nothing"
        raise UserError("The directory has no model to serve.", checked=f"{model_dir} contains {found}")
    try:
        booster = xgb.Booster()
        booster.load_model(bytearray(named[0].read_bytes()))
    except xgb.core.XGBoostError as error:
        raise UserError(f"XGBoost cannot read the model {named[0].name}.", checked=str(error)) from error
    return XGBoostModel(booster)


class XGBoostModel:
    """Booster that answers requests from several threads at once."""

    def __init__(self, booster: xgb.Booster) -> None:
        self.booster = booster
        self.features = booster.num_features()
        kind = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"]
        self.is_linear = kind == "gblinear"
        self.lock = nullcontext() if kind == "gbtree" else threading.Lock()  # others share a cache

    def invoke(self, body: bytes, content_type: str | None, accept: str | None) -> Answer:
        """See :meth:`harness.containers.server.Model.invoke`."""
        if not body:
            return Answer(b"", status=HTTPStatus.NO_CONTENT)
        answer_type = _answer_type(accept)
        if answer_type is None:
            supported = ", ".join(_ACCEPTED)
            text = f"Accept type {accept} is not supported. Please use supported accept types: {supported}."
            return _refusal(HTTPStatus.NOT_ACCEPTABLE, text)
        try:
            kind = media_type(content_type)
        except UserError as error:
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error.what)
        try:
            rows = self._read(body, kind)
        except DataError as error:
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _unreadable(kind, error))
        try:
            return _write(self.predict(rows), answer_type)
        except (ValueError, xgb.core.XGBoostError) as error:
            return _refusal(HTTPStatus.BAD_REQUEST, f"Unable to evaluate payload provided: {error}")

    def predict(self, rows: libsvm.Matrix) -> Array:
        """Return a prediction for each row, as ``Booster.predict`` does for a DMatrix.

        Predicting in place avoids the copy into a DMatrix: 1 ms instead of 4 ms for 815 rows of 784 columns. Linear
        models do not support it.
        """
        with self.lock:
            given: Any = xgb.DMatrix(rows) if self.is_linear else rows
            predict = self.booster.predict if self.is_linear else self.booster.inplace_predict
            return cast("Array", predict(given))

    def _read(self, body: bytes, kind: str) -> libsvm.Matrix:
        if body.startswith(_GZIP):  # a few compressed bytes could fill the memory
            raise DataError("line 1: the request is compressed, but this container does not read gzip.")
        if kind in LIBSVM_TYPES:
            read = libsvm.parse(body, features=self.features, dtype=np.float32, tolerate=libsvm.BLANKS)
            return read.features
        rows = parse_csv(body)
        if rows.shape[1] != self.features:
            raise DataError(
                f"line 1: Feature size of csv inference data {rows.shape[1]} is not consistent "
                f"with feature size of trained model {self.features}."
            )
        return rows


def _answer_type(accept: str | None) -> str | None:
    """Return the first supported type of an Accept header, or None."""
    for wanted in (accept or "*/*").split(","):
        name = wanted.split(";")[0].strip().lower()
        if name in ("*/*", "text/*", "csv"):
            return "text/csv"
        if name in _ACCEPTED:
            return name
    return None


def _unreadable(kind: str, error: DataError) -> str:
    form = "libsvm" if kind in LIBSVM_TYPES else "csv"
    return f"Loading {form} data failed with Exception, please ensure data is in {form} format: {error.what}"


def _write(predictions: Array, answer_type: str) -> Answer:
    values: list[Any] = predictions.tolist()
    if answer_type == "application/json":
        return Answer(json.dumps({"predictions": [{"score": value} for value in values]}).encode(), answer_type)
    return Answer(",".join(map(str, values)).encode(), "text/csv; charset=utf-8")


def _refusal(status: HTTPStatus, text: str) -> Answer:
    return Answer(text.encode(), status=status)
