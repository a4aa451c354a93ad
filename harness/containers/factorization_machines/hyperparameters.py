"""Hyperparameters of FactorizationMachines.

Names, ranges and defaults: https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines-hyperparameters.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.containers.amazon.hyperparameters import Entry, choice, integer, number
from harness.containers.amazon.hyperparameters import read as read_schema
from harness.containers.factorization_machines.model import BINARY, REGRESSOR
from harness.containers.runtime import UserError

_NEEDED = {"uniform": "init_scale", "normal": "init_sigma", "constant": "init_value"}


def _terms(kind: str, rate: float, decay: float, sigma: float) -> dict[str, Entry]:
    return {
        f"{kind}_lr": number(0, default=rate),
        f"{kind}_wd": number(0, default=decay),
        f"{kind}_init_method": choice("normal", "uniform", "constant", default="normal"),
        f"{kind}_init_scale": number(0, default=None),
        f"{kind}_init_sigma": number(0, default=sigma),
        f"{kind}_init_value": number(default=None),
    }


SCHEMA: dict[str, Entry] = {
    "feature_dim": integer(),
    "num_factors": integer(),
    "predictor_type": choice(BINARY, REGRESSOR),
    "mini_batch_size": integer(default=1000),
    "epochs": integer(default=1),
    "clip_gradient": number(default=None),
    "eps": number(default=None),
    "rescale_grad": number(default=None),
    **_terms("bias", rate=0.1, decay=0.01, sigma=0.01),
    **_terms("linear", rate=0.001, decay=0.001, sigma=0.01),
    **_terms("factors", rate=0.0001, decay=0.00001, sigma=0.001),
}


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the hyperparameters as typed values, with defaults.

    :raises UserError: one is unknown, missing or not valid, or the method of initialization lacks its value. The guide
        gives ``*_init_scale`` and ``*_init_value`` no default, and does not say what happens without them.
    """
    values = read_schema(given, SCHEMA)
    for kind in ("bias", "linear", "factors"):
        needed = f"{kind}_{_NEEDED[values[f'{kind}_init_method']]}"
        if values[needed] is None:
            raise UserError(
                f"Hyperparameter {needed} is missing, and {kind}_init_method is {values[f'{kind}_init_method']}.",
                fix=f"set {needed}",
            )
    return values
