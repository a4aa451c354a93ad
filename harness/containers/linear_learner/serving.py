"""Endpoint of a model."""

from __future__ import annotations

from pathlib import Path

from harness.containers.amazon.model import Served
from harness.containers.linear_learner import artifact


def load(model_dir: Path) -> Served:
    """Return the model in a directory. See :meth:`harness.containers.runtime.Algorithm.load`."""
    model = artifact.load(model_dir)
    return Served(model.width, model.predict)
