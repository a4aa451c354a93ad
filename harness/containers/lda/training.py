"""Training of LDA on one host."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from harness.containers.amazon import artifact, channels, hyperparameters, metrics, ndarrays
from harness.containers.lda import mixtures, topics
from harness.containers.lda.hyperparameters import SCHEMA
from harness.containers.lda.topics import Topics
from harness.containers.runtime import TrainingJob, UserError
from harness.recordio import Records

_SEED = 0
"""Seed of every job. No hyperparameter sets one."""


def train(job: TrainingJob) -> None:
    """Train and score. See :meth:`harness.containers.runtime.Algorithm.train`."""
    parameters = hyperparameters.read(job.hyperparameters, SCHEMA)
    channels.check(job, "test")
    if len(job.hosts) > 1:  # its message is not documented
        raise UserError(
            f"LDA trains on one instance only, and the job has {len(job.hosts)}.", fix="set InstanceCount to 1"
        )
    rows, test = (_read(job, name, parameters["feature_dim"]) for name in ("train", "test"))
    assert rows is not None, "channels.check requires it"
    found = _learn(csr_matrix(rows.features), parameters, job)
    if found is None:
        return
    alpha, beta = found.alpha.astype(np.float32), found.beta.astype(np.float32)
    artifact.write(job.model_dir, ndarrays.write([alpha, beta]))
    metrics.progress(100, job.host)
    if test is None:
        print("[INFO] Test data is not provided.", flush=True)
    elif len(test):
        likelihood = mixtures.per_word_likelihood(test.features, mixtures.infer(test.features, alpha, beta), beta)
        metrics.quality("test", "pwll", likelihood, loss=False)


def _read(job: TrainingJob, name: str, width: int) -> Records | None:
    """Return the documents of a channel.

    :raises UserError: a count is negative, or all are zero.
    """
    rows = channels.read(job, name, width=width, labels="ignored")
    if rows is not None and len(rows):
        if rows.features.min() < 0:
            raise UserError(f"Channel {name}: a count of words is negative.", fix="write how often each word occurs")
        if not rows.features.max() > 0:
            raise UserError(f"Channel {name}: no document has a word.", fix="write how often each word occurs")
    return rows


def _learn(counts: csr_matrix, parameters: dict[str, Any], job: TrainingJob) -> Topics | None:
    """Return the topics, or those of the best start until a stop; None if stopped before the first.

    :raises UserError: the documents determine fewer topics.
    """
    count, alpha0 = parameters["num_topics"], parameters["alpha0"]
    moments = topics.Moments.of(counts, alpha0)
    if moments is None:
        raise UserError(
            "Channel train: no document has three words.", fix="train on longer documents; topics are found in triples"
        )
    whitener, inverse = topics.directions(moments, count, _SEED)
    if whitener.shape[1] < count:
        raise UserError(
            f"num_topics is {count}, but the documents of channel train determine {whitener.shape[1]} topics at most.",
            fix="lower num_topics, or train on more documents",
        )
    found = topics.decompose(
        moments.third(whitener),
        restarts=parameters["max_restarts"],
        iterations=parameters["max_iterations"],
        tolerance=parameters["tol"],
        seed=_SEED,
        stopped=job.stopping.is_set,
    )
    return None if found is None else topics.recover(found, inverse, count, alpha0)
