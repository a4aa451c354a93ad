"""Metrics of a model on a channel, with the names and in the order that AWS logs them.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html, and logs that users published.
There the macro F score is the mean of the classes' F scores. The newest one has ``multiclass_log_loss`` too, whose
value is not that of the cross entropy; it is not printed here, because its definition is not public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.containers.linear_learner import losses
from harness.containers.linear_learner.model import BINARY, MULTICLASS, LinearModel, answers
from harness.recordio import Array, Records

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Metric:
    """A value of a model on a channel."""

    name: str
    value: float
    loss: bool = False
    """True if smaller is better."""


def evaluate(model: LinearModel, rows: Records, weights: Array, parameters: Mapping[str, Any]) -> list[Metric]:
    """Return the metrics of a model on labelled rows.

    :param weights: of the rows in the objective, shape (n,). The other metrics do not use them.
    """
    assert rows.labels is not None
    loss = losses.named(model.loss, parameters)
    total, parts = 0.0, []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        linear = model.linear(rows.features[part])
        shaped = linear[:, None, :] if model.predictor_type == MULTICLASS else linear[:, None]
        total += float(loss.of(shaped, rows.labels[part])[0][:, 0] @ weights[part])
        scores = answers(linear, model.loss)
        parts.append(_ranked(scores, rows.labels[part]) if model.predictor_type == MULTICLASS else scores)
    objective = Metric(loss.objective, total / float(weights.sum()), loss=True)
    return [objective, *_of_kind(model, np.concatenate(parts), rows.labels, parameters)]


def _ranked(scores: Array, labels: Array) -> Array:
    """Return the predicted class of each row, and the number of classes that rank above its label; shape (n, 2)."""
    own = scores[np.arange(len(labels)), labels.astype(np.intp)]
    return np.column_stack([scores.argmax(axis=1), (scores > own[:, None]).sum(axis=1)])


def _of_kind(model: LinearModel, scores: Array, labels: Array, parameters: Mapping[str, Any]) -> list[Metric]:
    """Return the metrics of a predictor type.

    :param scores: of each row; for a multiclass classifier what :func:`_ranked` returns.
    """
    if model.predictor_type == BINARY:
        return _binary(scores, model.labels(scores), labels, parameters["f_beta"])
    if model.predictor_type == MULTICLASS:
        predicted, ranks = scores.T
        top, beta = parameters["accuracy_top_k"], parameters["f_beta"]
        return _multiclass(predicted, ranks, labels.astype(np.intp), len(model.bias), top, beta)
    errors = scores.astype(np.float64) - labels
    return [
        Metric("mse", float(np.mean(errors**2)), loss=True),
        Metric("absolute_loss", _mean(np.abs(errors)), loss=True),
    ]


def _binary(scores: Array, predicted: Array, labels: Array, beta: float) -> list[Metric]:
    hits = float((predicted * labels).sum(dtype=np.float64))
    precision = hits / max(float(predicted.sum(dtype=np.float64)), 1)
    recall = hits / max(float(labels.sum(dtype=np.float64)), 1)
    metrics = [
        Metric("binary_classification_accuracy", _mean(predicted == labels)),
        Metric(f"binary_f_{beta:.3f}", float(_f_score(np.array(precision), np.array(recall), beta))),
        Metric("precision", precision),
        Metric("recall", recall),
    ]
    return [*metrics, Metric("roc_auc_score", _roc_auc(scores, labels))] if 0 < labels.mean() < 1 else metrics


def _roc_auc(scores: Array, labels: Array) -> float:
    """Return the share of pairs of a positive and a negative row that scores rank rightly; equal scores count half."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positives = float(labels.sum(dtype=np.float64))
    pairs = positives * (len(labels) - positives)
    return float((ranks[labels > 0].sum() - positives * (positives + 1) / 2) / pairs)


def _multiclass(best: Array, ranks: Array, labels: Array, classes: int, top: int, beta: float) -> list[Metric]:
    found = (labels[labels == best], labels, best)
    hits, actual, predicted = (np.bincount(each, minlength=classes) for each in found)
    present = (actual + predicted) > 0
    recall = (hits / np.maximum(actual, 1))[present]
    precision = (hits / np.maximum(predicted, 1))[present]
    return [
        Metric("multiclass_accuracy", float(hits.sum() / len(labels))),
        Metric(f"multiclass_top_k_accuracy_{top}", _mean(ranks < top)),
        Metric("dcg", _mean(1 / np.log2(ranks + 2))),
        Metric("macro_recall", _mean(recall)),
        Metric("macro_precision", _mean(precision)),
        Metric(f"macro_f_{beta:.3f}", _mean(_f_score(precision, recall, beta))),
        Metric("multiclass_balanced_accuracy", _mean((hits / np.maximum(actual, 1))[actual > 0])),
    ]


def _f_score(precision: Array, recall: Array, beta: float) -> Array:
    weight = beta**2
    below = weight * precision + recall
    scores: Array = (1 + weight) * precision * recall / np.where(below > 0, below, 1)
    return scores


def _mean(values: Array) -> float:
    return float(np.mean(values, dtype=np.float64))
