"""The built-in XGBoost: ``python -m harness.containers.xgboost [VERSION] train|serve``.

VERSION is the version of the image: ``1`` for ``xgboost:1``, which is the default, or a tag of ``sagemaker-xgboost``.
Behaviour is copied from the real container (https://github.com/aws/sagemaker-xgboost-container) and from
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html, except if it would lose a row of a request.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.containers.runtime import Package, TrainingJob, run
from harness.containers.xgboost.versions import Version

if TYPE_CHECKING:
    from harness.containers.server import Model


@dataclass(frozen=True)
class XGBoost(Package):
    """The algorithm, as the image of one version has it."""

    version: Version

    def train(self, job: TrainingJob) -> None:
        """See :meth:`harness.containers.runtime.Algorithm.train`."""
        self.module("training").train(job, self.version)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`harness.containers.runtime.Algorithm.load`."""
        model: Model = self.module("serving").load(model_dir, self.version)
        return model


if __name__ == "__main__":
    arguments = sys.argv[1:]
    version = arguments.pop(0) if arguments and arguments[0] not in ("prepare", "train", "serve") else "1"
    run(XGBoost("harness.containers.xgboost", Version(version)), arguments)
