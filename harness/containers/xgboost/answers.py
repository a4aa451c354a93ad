"""Answers to requests, as the versions of the image write them.

Source: ``algorithm_mode/serve.py`` and ``serve_utils.py`` of https://github.com/aws/sagemaker-xgboost-container.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import numpy as np

from harness.containers.server import Answer
from harness.containers.xgboost.versions import Version
from harness.libsvm import Array

_CSV, _JSON, _LINES, _RECORDS = (
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
)
_ACCEPTED = [_JSON, _LINES, _RECORDS, _CSV]


def answer_type(accept: str | None, version: Version) -> str:
    """Return the type of the answer to a request with this Accept header.

    Versions that do not read the header answer CSV, whatever is accepted.

    :raises ValueError: the version does not write the type.
    """
    if not version.reads_accept and not _selected(version):
        return _CSV
    name = (accept or "").partition(";")[0].strip().lower()
    if name in ("", "*/*"):
        return os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", _CSV)
    if name not in _ACCEPTED:
        raise ValueError(f"Accept type {name} is not supported. Please use supported accept types: {_ACCEPTED}.")
    return name


def write(predictions: Array, kind: str, learner: dict[str, Any], version: Version) -> Answer:
    """Return the answer with a prediction for each row.

    :param kind: the type of the answer, from :func:`answer_type`.
    :param learner: ``learner`` of the booster's configuration.
    """
    if selected := _selected(version):
        return _write_selected(predictions, kind, learner, selected)
    values: list[Any] = predictions.tolist()
    if _is_batch():
        return _answer("".join(f"{value}\n" for value in values), kind)
    if not version.reads_accept:
        return _answer(",".join(map(str, values)), _CSV)
    if kind == _CSV:
        rows = (value if isinstance(value, list) else [value] for value in values)
        return _answer("".join(",".join(map(str, row)) + "\n" for row in rows), _CSV)
    if kind == _JSON:
        return _answer(json.dumps({"predictions": [{"score": value} for value in values]}), _JSON)
    return _failure(f"Content type {kind} is not supported by this framework.")


def _is_batch() -> bool:
    """Return whether the container works for a transform job, which sets the variable."""
    return bool(os.environ.get("SAGEMAKER_BATCH"))


def _answer(text: str, kind: str) -> Answer:
    return Answer(text.encode(), f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)


def _failure(text: str) -> Answer:
    return Answer(text.encode(), status=HTTPStatus.INTERNAL_SERVER_ERROR)


# ---- SAGEMAKER_INFERENCE_OUTPUT

_LABELS = ("predicted_label", "labels")
_PROBABILITIES = ("probability", "probabilities")
_SCORES = ("raw_score", "raw_scores")
_KEYS = {
    **dict.fromkeys(("reg:squarederror", "reg:logistic", "reg:gamma", "reg:tweedie"), ("predicted_score",)),
    **dict.fromkeys(("binary:logistic", "multi:softprob"), (*_LABELS, *_PROBABILITIES, *_SCORES)),
    **dict.fromkeys(("binary:logitraw", "binary:hinge", "multi:softmax"), (*_LABELS, *_SCORES)),
}
"""Contents that can be selected, by objective."""
_PREDICTED: dict[str, Callable[[Any], Any]] = {
    "binary:hinge": lambda raw: raw.item(),
    "multi:softmax": lambda raw: raw.item(),
    "binary:logistic": lambda raw: int(raw > 0.5),
    "binary:logitraw": lambda raw: int(raw > 0),
    "multi:softprob": lambda raw: np.argmax(raw).item(),
}
"""The predicted label, by objective."""


def _selected(version: Version) -> list[str]:
    """Return the contents that ``SAGEMAKER_INFERENCE_OUTPUT`` selects; none if the version does not know it."""
    text = os.environ.get("SAGEMAKER_INFERENCE_OUTPUT") if version.selects_output else None
    return text.replace(" ", "").lower().split(",") if text else []


def _write_selected(predictions: Array, kind: str, learner: dict[str, Any], selected: list[str]) -> Answer:
    objective = learner["objective"]["name"]
    if objective not in _KEYS:
        return _failure(f"Objective `{objective}` unsupported for selectable inference predictions.")
    if kind == _RECORDS:
        return _failure(f"{_RECORDS} is written by AWS's image, and not emulated here. Accept JSON, JSON lines or CSV.")
    classes = int(learner["learner_model_param"]["num_class"])
    rows = [_contents(raw, objective, classes) for raw in predictions]
    chosen = [{key: row.get(key, np.nan) for key in [*_ordered(row, selected), *selected]} for row in rows]
    if kind == _JSON:
        return _answer(json.dumps({"predictions": chosen}), _JSON)
    if kind == _LINES:
        return _answer("".join(json.dumps(row) + "\n" for row in chosen), _LINES)
    lines = "\n".join(",".join(_field(row[key]) for key in selected) for row in chosen)
    return _answer(lines + "\n" if _is_batch() else lines, _CSV)


def _ordered(row: dict[str, Any], selected: list[str]) -> list[str]:
    """Return the known ones of the selected contents in the container's order."""
    return [key for key in row if key in selected]


def _contents(raw: Any, objective: str, classes: int) -> dict[str, Any]:
    """Return all contents of a prediction. A share of the first class is computed for hinge and softmax too."""
    if "predicted_score" in _KEYS[objective]:
        return {"predicted_score": raw.item()}
    scores = raw.tolist() if raw.ndim else [1.0 - raw.item(), raw.item()]
    score = max(scores) if raw.ndim else raw.item()
    found = {
        "predicted_label": _PREDICTED[objective](raw),
        "labels": list(range(classes)) if objective.startswith("multi:") else [0, 1],
        "probability": score,
        "probabilities": scores,
        "raw_score": score,
        "raw_scores": scores,
    }
    return {key: value for key, value in found.items() if key in _KEYS[objective]}


def _field(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)
