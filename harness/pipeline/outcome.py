"""Results of a run of the reference program, and its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.aws import AWS
from harness.aws.cleanup.resources import Leftover, Resource
from harness.mnist import CLASSES, FEATURES
from harness.settings import Settings

Array = npt.NDArray[Any]


@dataclass
class Outcome:
    """Results of a run of the pipeline."""

    stages: dict[str, float] = field(default_factory=dict)
    """Seconds by stage, in order."""
    training_job: str = ""
    """Name of the training job, whether or not it was created."""
    created: list[Resource] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    is_from_cache: bool = False
    """True if the model was copied from the cache of trained models."""
    rows_trained: int | None = None
    """Rows that the training containers logged as read; None if they logged none."""
    labels: Array = field(default_factory=lambda: np.empty(0))
    """Labels of the test rows, shape (rows predicted,)."""
    predictions: Array = field(default_factory=lambda: np.empty(0))
    """Predicted classes of the test rows, shape (rows predicted,)."""
    images: Array = field(default_factory=lambda: np.empty((0, FEATURES)))
    """Pixels of the first test rows, shape (at most 250, 784)."""
    validation_rows: int = 0
    validation_accuracy: float | None = None

    @property
    def accuracy(self) -> float:
        """Fraction of test rows that were predicted correctly."""
        return float(np.mean(self.labels == self.predictions))

    @property
    def rows_per_second(self) -> float:
        """Test rows predicted per second of the transform stage."""
        return len(self.predictions) / self.stages["transform"]


def report(outcome: Outcome, settings: Settings, aws: AWS, versions: dict[str, str]) -> dict[str, Any]:
    """Return the content of ``report.json``."""
    counts = confusion_counts(outcome.labels, outcome.predictions)
    return {
        "accuracy": outcome.accuracy,
        "validation_accuracy": outcome.validation_accuracy,
        "trained": "from cache" if outcome.is_from_cache else "by this run",
        "rows_trained": outcome.rows_trained,
        "rows_validated": outcome.validation_rows,
        "rows_predicted": len(outcome.predictions),
        "rows_per_second": outcome.rows_per_second,
        "stages": outcome.stages,
        "created": [str(resource) for resource in outcome.created],
        "leftovers": [str(leftover.resource) for leftover in outcome.leftovers],
        "confusion": counts.tolist(),
        "mode": aws.mode,
        "region": aws.region,
        "training_instance_type": settings.training_instance_type,
        "endpoint_instance_type": settings.endpoint_instance_type,
        "endpoint_instance_count": settings.endpoint_instance_count,
        "spark_master": settings.spark_master,
        "versions": versions,
    }


def confusion_counts(labels: Array, predictions: Array) -> Array:
    """Return the number of digits for each (true, predicted) class; shape (10, 10).

    Labels and predictions are whole numbers of any type.
    """
    pairs = labels.astype(int) * CLASSES + predictions.astype(int)
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
