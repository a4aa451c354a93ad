"""Metrics of the built-in algorithms: names, and the regular expressions that find them in a job's log.

SageMaker adds them to a job that defines none. Those of LinearLearner are as AWS described a tuning job of
``linear-learner:1`` (2020). Those of the other algorithms of the SageMaker Spark SDK have the same form, and the names
of https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-tuning.html, fm-tuning.html and lda-tuning.html. Expressions
of ``test:pwll`` and of FactorizationMachines' metrics for training are documentation only.
"""

from __future__ import annotations

from collections.abc import Iterable

Metrics = tuple[tuple[str, str], ...]
"""Names and regular expressions, as in AlgorithmSpecification.MetricDefinitions."""

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_QUALITY = r"#quality_metric: host=\S+, "
_EPOCH, _BATCH = r"epoch=\S+, ", r"epoch=\S+, batch=\S+ "
_COMMON: Metrics = (
    ("train:progress", r"#progress_metric: host=\S+, completed (\S+) %"),
    ("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
)
_TEXTS = {
    "binary_f_beta": r"binary_f_\S+",
    "macro_f_beta": r"macro_f_\S+",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+",
    "objective_loss": r"\S+_objective",
}
"""Texts in the log of metrics that have another name there. ``F1`` is ``binary_f_1.000``."""
_LOSSES = ("absolute_loss", "binary_classification_cross_entropy", "mse", "msd", "objective_loss", "rmse", "ssd")


def _quality(channel: str, metrics: Iterable[str], when: str = "", end: str = "") -> Metrics:
    """Return metrics of a channel, for lines such as ``#quality_metric: host=algo-1, test msd <loss>=1.5``.

    :param when: pattern of the moment, which such a line has before the channel.
    :param end: end of the metrics' names.
    """
    kinds = {metric: "loss" if metric in _LOSSES else "score" for metric in metrics}
    return tuple(
        (f"{channel}:{metric}{end}", rf"{_QUALITY}{when}{channel} {_TEXTS.get(metric, metric)} <{kind}>=(\S+)")
        for metric, kind in kinds.items()
    )


_BINARY = ("binary_classification_accuracy", "binary_f_beta", "precision", "recall")
_REGRESSION = ("absolute_loss", "mse")
_EVALUATED = (
    *_BINARY, *_REGRESSION, "dcg", "macro_f_beta", "macro_precision", "macro_recall", "multiclass_accuracy",
    "multiclass_top_k_accuracy", "roc_auc_score",
)  # fmt: skip
_LINEAR_LEARNER: Metrics = (
    *_quality("train", (*_BINARY, *_REGRESSION)),
    *_quality("train", ("objective_loss",), _EPOCH),
    *_quality("train", ("objective_loss",), end=":final"),
    *_quality("validation", _EVALUATED),
    *_quality("validation", ("objective_loss",), _EPOCH),
    *_quality("validation", ("objective_loss",), end=":final"),
    *_quality("test", (*_EVALUATED, "objective_loss")),
)
_FACTORIZED = (
    "absolute_loss",
    "binary_classification_accuracy",
    "binary_classification_cross_entropy",
    "binary_f_beta",
    "mse",
    "rmse",
)
METRICS: dict[str, Metrics] = {
    "kmeans": (*_COMMON, *_quality("train", ("msd", "ssd")), *_quality("test", ("msd", "ssd"))),
    "pca": _COMMON,
    "lda": (*_COMMON, *_quality("test", ("pwll",))),
    "linear-learner": (*_COMMON, *_LINEAR_LEARNER),
    "factorization-machines": (
        *_COMMON,
        *_quality("train", _FACTORIZED, _BATCH),
        *_quality("train", _FACTORIZED, _EPOCH, end=":epoch"),
        *_quality("test", _FACTORIZED),
    ),
    # For lines that begin with the round. Without that anchor, an expression is tried from every character of a line,
    # each time up to its end.
    "xgboost": tuple(
        (f"{channel}:{metric}", rf"^\[[0-9]+\].*#011{channel}-{metric}(?:@[0-9-]+)?:{_NUMBER}")
        for channel in ("train", "validation")
        for metric in ("rmse", "mae", "logloss", "error", "merror", "mlogloss", "auc", "ndcg", "map", "accuracy", "f1")
    ),
}
"""Metrics by repository. ``sagemaker-xgboost`` has those of ``xgboost``."""
