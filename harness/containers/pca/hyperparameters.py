"""Hyperparameters of PCA: https://docs.aws.amazon.com/sagemaker/latest/dg/PCA-reference.html.

``force_dense`` is not in the guide. Logs of the container show its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.containers.amazon import hyperparameters
from harness.containers.amazon.hyperparameters import boolean, choice, integer
from harness.containers.runtime import UserError

SCHEMA = {
    "feature_dim": integer(),
    "mini_batch_size": integer(),
    "num_components": integer(),
    "algorithm_mode": choice("regular", "randomized", default="regular"),
    "extra_components": integer(-1, default=-1),
    "subtract_mean": boolean(default=True),
    "force_dense": boolean(default=True),
}
_LEAST_EXTRA = 10


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the hyperparameters as typed values, with the documented number for ``extra_components`` -1.

    :raises UserError: one is unknown, missing or not valid, or there are more components than features.
    """
    values = hyperparameters.read(given, SCHEMA)
    count, width = values["num_components"], values["feature_dim"]
    if count > width:
        raise UserError(
            f"num_components is {count}, but feature_dim is {width}.",
            fix="ask for at most as many components as features",
        )
    if values["extra_components"] == -1:
        values["extra_components"] = max(_LEAST_EXTRA, count)
    return values
