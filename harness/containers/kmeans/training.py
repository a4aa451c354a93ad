"""Training of k-means on one host or several."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.containers.amazon import artifact, channels, instances, metrics, ndarrays
from harness.containers.amazon.instances import Hosts
from harness.containers.kmeans import clustering, hyperparameters
from harness.containers.kmeans.clustering import Centres, Reduction
from harness.containers.runtime import TrainingJob, UserError
from harness.recordio import Array

_SEED = 0
"""Seed of every job. No hyperparameter sets one."""
_SCORED = 4096
"""Rows of the test channel that are scored at a time: memory does not grow with their number."""


def train(job: TrainingJob) -> None:
    """Train and score. See :meth:`harness.containers.runtime.Algorithm.train`.

    The first host scores its rows of the test channel, for which AWS recommends FullyReplicated.
    """
    parameters = hyperparameters.read(job.hyperparameters)
    channels.check(job, "test")
    rows, test = (
        channels.read(job, name, width=parameters["feature_dim"], labels="ignored") for name in ("train", "test")
    )
    assert rows is not None, "channels.check requires it"
    with instances.connected(job):
        channels.check_rows(rows)
        centres = _pass_over(rows.features, parameters, job)
    if centres is None or not job.is_first_host:
        return
    final = _reduced(centres, parameters).astype(np.float32)
    artifact.write(job.model_dir, ndarrays.write([final]))
    if test is None:
        print("[INFO] Test data is not provided.", flush=True)
    elif len(test):
        _score(test.features, final, parameters["eval_metrics"])


def _pass_over(rows: Any, parameters: dict[str, Any], job: TrainingJob) -> Centres | None:
    """Return the K centres after all epochs, or after those until a stop; None if stopped before the first batch.

    The hosts divide each mini-batch, so that the result depends on their number by chance only. A host that has no more
    rows in an epoch adds nothing to its last batches.
    """
    hosts = instances.hosts(job)
    size, total = max(1, parameters["mini_batch_size"] // hosts.count), rows.shape[0]
    generator = np.random.default_rng([_SEED, hosts.rank])
    steps = instances.most(math.ceil(total / size))
    centres = Centres(_initial(rows, parameters, hosts, generator), parameters["half_life_time_size"])
    for epoch in range(parameters["epochs"]):
        order = generator.permutation(total)
        for step in range(steps):
            if instances.anywhere(job.stopping.is_set()):
                return centres if centres.seen.any() else None
            batch = rows[order[step * size : (step + 1) * size]]
            selected = clustering.closest(batch, centres.centres)
            centres.move(instances.sum_over(clustering.sums(batch, selected, len(centres.seen))))
        metrics.progress(100.0 * (epoch + 1) / parameters["epochs"], job.host)
    return centres


def _initial(rows: Any, parameters: dict[str, Any], hosts: Hosts, generator: np.random.Generator) -> Array:
    """Return the first K centres, of which each host selects a share from its first batch.

    There are fewer if all hosts together have fewer rows, which is documentation only.

    :raises UserError: the hosts have fewer rows than clusters.
    """
    k, wanted = parameters["k"], parameters["k"] * parameters["extra_center_factor"]
    counts = np.zeros(hosts.count)
    counts[hosts.rank] = rows.shape[0]
    available = _shares(instances.sum_over(counts), max(parameters["mini_batch_size"], wanted))
    total = int(available.sum())
    if total < k:
        raise UserError(f"k is {k}, but channel train has {total} rows.", fix="lower k, or train on more rows")
    if total < parameters["mini_batch_size"]:
        print(
            f"[WARNING] Batch size {parameters['mini_batch_size']} is bigger than the first batch data. "
            f"Effective batch size used to initialize is {total}",
            flush=True,
        )
    count = min(wanted, total)
    owners = np.searchsorted(np.cumsum(available), (np.arange(count) + 0.5) * total / count, side="right")
    mine = np.flatnonzero(owners == hosts.rank)
    sample = rows[generator.permutation(rows.shape[0])[: int(available[hosts.rank])]]
    centres = np.zeros((count, rows.shape[1]))
    if len(mine):
        centres[mine] = clustering.initial_centres(sample, len(mine), parameters["init_method"], generator)
    return instances.sum_over(centres)


def _shares(counts: Array, most: int) -> Array:
    """Return how many of its rows each host takes: as many as the others, and more if others have fewer."""
    missing, limit = min(most, counts.sum()), 0
    while missing > 0:
        limit += math.ceil(missing / len(counts))
        missing = min(most, counts.sum()) - np.minimum(counts, limit).sum()
    return np.minimum(counts, limit)


def _reduced(centres: Centres, parameters: dict[str, Any]) -> Array:
    k = parameters["k"]
    if len(centres.seen) == k:
        return centres.centres
    print(f"[INFO] shrinking {len(centres.seen)} centers into {k}", flush=True)
    reduction = Reduction(
        parameters["local_lloyd_init_method"],
        parameters["local_lloyd_max_iter"],
        parameters["local_lloyd_tol"],
        parameters["local_lloyd_num_trials"],
    )
    final, losses = reduction.run(centres, k, np.random.default_rng(_SEED))
    for attempt, loss in enumerate(losses):
        print(f"[INFO] local kmeans attempt #{attempt}. Current mean square distance {loss:.6f}", flush=True)
    metrics.quality("train", "msd", min(losses), loss=True)
    return final


def _score(rows: Any, centres: Array, names: list[str]) -> None:
    total = 0.0
    for start in range(0, rows.shape[0], _SCORED):
        part = rows[start : start + _SCORED]
        total += float(clustering.squared_distances(part, centres, clustering.closest(part, centres)).sum())
    for name in names:
        metrics.quality("test", name, total / rows.shape[0] if name == "msd" else total, loss=True)
