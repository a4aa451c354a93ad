"""Sums over the hosts of a training job, through XGBoost's collective communication. One host needs none of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.containers.runtime import TrainingJob
from harness.recordio import Array

_CONNECT_SECONDS = 60
_several = False


@dataclass(frozen=True)
class Hosts:
    """Number of hosts of the job, and the place of this one among them, from 0."""

    count: int = 1
    rank: int = 0

    def share(self, batch: int) -> int:
        """Return this host's rows of a batch: an equal part, one more on the first hosts, at least one."""
        return max(1, batch // self.count + (self.rank < batch % self.count))


ALONE = Hosts()


@contextmanager
def connected(job: TrainingJob) -> Iterator[None]:
    """Connect the hosts through a tracker, which the first host runs on ``$HARNESS_TRACKER_PORT``."""
    if len(job.hosts) == 1:
        yield
        return
    from xgboost.tracker import RabitTracker  # noqa: PLC0415 - one host does not need it

    port = int(os.environ["HARNESS_TRACKER_PORT"])
    tracker = None
    if job.is_first_host:
        tracker = RabitTracker(len(job.hosts), "127.0.0.1", port, sortby="task")
        tracker.start()
    with _joined(port, f"{job.hosts.index(job.host):04d}"):
        yield
    if tracker is not None:
        tracker.wait_for()


@contextmanager
def _joined(port: int, rank: str) -> Iterator[None]:
    global _several  # noqa: PLW0603 - the communicator is the process's own too
    import xgboost as xgb  # noqa: PLC0415 - one host does not need it

    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            # One attempt: XGBoost waits for seconds between its own attempts.
            xgb.collective.init(dmlc_tracker_uri="127.0.0.1", dmlc_tracker_port=port, dmlc_task_id=rank, dmlc_retry=1)
            break
        except xgb.core.XGBoostError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)  # the tracker of the first host is not listening yet
    try:
        _several = True
        yield
    except BaseException:
        with suppress(xgb.core.XGBoostError):  # other hosts have failed too, and may be gone
            xgb.collective.finalize()
        raise
    else:
        xgb.collective.finalize()
    finally:
        _several = False


def hosts(job: TrainingJob) -> Hosts:
    """Return the hosts of a job."""
    return Hosts(len(job.hosts), job.hosts.index(job.host))


def sum_over(array: Array) -> Array:
    """Return the sum of the arrays of all hosts. Each host must call it with the same shape and type."""
    return _reduced(array, "SUM") if _several else array


def rows_of_all(array: Array) -> Array:
    """Return the rows of the arrays of all hosts, in the order of the hosts. Each host must call it."""
    if not _several:
        return array
    from xgboost import collective  # noqa: PLC0415 - one host does not need it

    counts = np.zeros(collective.get_world_size(), np.int64)
    counts[collective.get_rank()] = len(array)
    counts = sum_over(counts)
    if not counts.any():
        return array
    start = int(counts[: collective.get_rank()].sum())
    rows = np.zeros((int(counts.sum()), *array.shape[1:]), array.dtype)
    rows[start : start + len(array)] = array
    return sum_over(rows)


def most(number: int) -> int:
    """Return the largest number of all hosts. Each host must call it."""
    return int(_reduced(np.array([number], np.int64), "MAX")[0]) if _several else number


def anywhere(condition: bool) -> bool:
    """Return whether a condition holds on any host. Each host must call it."""
    return bool(most(int(condition)))


def _reduced(array: Array, operation: str) -> Array:
    from xgboost import collective  # noqa: PLC0415 - one host does not need it

    found: Any = collective.allreduce(np.ascontiguousarray(array).ravel(), collective.Op[operation])
    shaped: Array = found.reshape(array.shape)
    return shaped
