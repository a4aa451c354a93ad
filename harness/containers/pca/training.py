"""Training of PCA on one host or several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.containers.amazon import artifact, channels, instances, metrics, ndarrays
from harness.containers.pca import components, hyperparameters
from harness.containers.pca.components import Components
from harness.containers.runtime import TrainingJob

_SEED = 0
"""Seed of every job. No hyperparameter sets one."""


def train(job: TrainingJob) -> None:
    """Train. See :meth:`harness.containers.runtime.Algorithm.train`.

    A test channel is read and checked. AWS scores it, but no source has the name of a metric.
    """
    parameters = hyperparameters.read(job.hyperparameters)
    channels.check(job, "test")
    rows, test = (
        channels.read(job, name, width=parameters["feature_dim"], labels="ignored") for name in ("train", "test")
    )
    assert rows is not None, "channels.check requires it"
    with instances.connected(job):
        channels.check_rows(rows)
        found = _learn(rows.features, parameters, job)
    if job.is_first_host and found is not None:
        _save(found, job)
        metrics.progress(100, job.host)
        if test is None:
            print("[INFO] Test data is not provided.", flush=True)


def _learn(rows: Any, parameters: dict[str, Any], job: TrainingJob) -> Components | None:
    """Return the components of all rows, or of those until a stop; None if stopped before the first batch."""
    size, width, count = (parameters[name] for name in ("mini_batch_size", "feature_dim", "num_components"))
    if instances.anywhere(job.stopping.is_set()):
        return None
    centred = parameters["subtract_mean"]
    if parameters["algorithm_mode"] == "regular":
        batches = _until_stop(rows, size, job)
        return components.regular(batches, width, count, centred=centred, sum_over=instances.sum_over)
    return components.randomized(
        lambda: _batches(rows, size),
        width,
        count,
        parameters["extra_components"],
        centred=centred,
        sum_over=instances.sum_over,
        generator=np.random.default_rng([_SEED, instances.hosts(job).rank]),
    )


def _batches(rows: Any, size: int) -> Iterator[Any]:
    for start in range(0, rows.shape[0], size):
        yield rows[start : start + size]


def _until_stop(rows: Any, size: int, job: TrainingJob) -> Iterator[Any]:
    """Yield batches until SageMaker requests a stop, and at least the first one."""
    for number, batch in enumerate(_batches(rows, size)):
        if number and job.stopping.is_set():
            return
        yield batch


def _save(found: Components, job: TrainingJob) -> None:
    """Write the dictionary that logs of AWS show: s (c,), v (d, c) and, if it is subtracted, mean (1, d)."""
    arrays = {"s": found.values, "v": found.vectors}
    if found.mean is not None:
        arrays["mean"] = found.mean[None, :]
    artifact.write(job.model_dir, ndarrays.write(arrays))
