"""Hyperparameters of k-means: https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html.

``force_dense`` is not in the guide. The SageMaker Python SDK sends it, and logs of the container show its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.containers.amazon import hyperparameters
from harness.containers.amazon.hyperparameters import boolean, choice, choices, integer, number

_METHODS = ("random", "kmeans++")

SCHEMA = {
    "k": integer(),
    "feature_dim": integer(),
    "epochs": integer(default=1),
    "eval_metrics": choices("msd", "ssd", default=["msd"]),
    "extra_center_factor": integer(default="auto", auto=True),
    "half_life_time_size": integer(0, default=0),
    "init_method": choice(*_METHODS, default="random"),
    "local_lloyd_init_method": choice(*_METHODS, default="kmeans++"),
    "local_lloyd_max_iter": integer(default=300),
    "local_lloyd_num_trials": integer(default="auto", auto=True),
    "local_lloyd_tol": number(0, 1, default=1e-4),
    "mini_batch_size": integer(default=5000),
    "force_dense": boolean(default=True),
}
_AUTO = {"extra_center_factor": 10, "local_lloyd_num_trials": 10}
"""Values of ``auto`` in logs of the container, with 8 clusters. No source has another value."""


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the hyperparameters as typed values, with a number for each ``auto``.

    :raises UserError: one is unknown, missing or not valid.
    """
    values = hyperparameters.read(given, SCHEMA)
    for name, value in _AUTO.items():
        if values[name] == "auto":
            print(f"[INFO] '{name}' was set to 'auto', evaluated to {value}.", flush=True)
            values[name] = value
    return values
