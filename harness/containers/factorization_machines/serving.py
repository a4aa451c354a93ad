"""Endpoint of a model. It takes JSON and RecordIO-protobuf, and no CSV.

https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines.html
"""

from __future__ import annotations

from pathlib import Path

from harness.containers.amazon.model import Served
from harness.containers.amazon.requests import JSON
from harness.containers.factorization_machines import artifact
from harness.recordio import CONTENT_TYPE


def load(model_dir: Path) -> Served:
    """Return the model in a directory. See :meth:`harness.containers.runtime.Algorithm.load`."""
    model = artifact.load(model_dir)
    return Served(model.width, model.predict, takes=(CONTENT_TYPE, JSON))
