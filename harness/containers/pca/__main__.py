"""Amazon's built-in PCA: ``python -m harness.containers.pca train|serve``.

The container is closed. Its sources are https://docs.aws.amazon.com/sagemaker/latest/dg/pca.html and the logs in public
notebooks. docs/reference/pca.md lists what differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.containers.runtime import TrainingJob, main
from harness.containers.server import Model


class PCA:
    """The algorithm. Training and serving are imported on demand, so that an endpoint starts fast."""

    def train(self, job: TrainingJob) -> None:
        """See :meth:`harness.containers.runtime.Algorithm.train`."""
        from harness.containers.pca import training  # noqa: PLC0415

        training.train(job)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`harness.containers.runtime.Algorithm.load`."""
        from harness.containers.pca import serving  # noqa: PLC0415

        return serving.load(model_dir)


if __name__ == "__main__":
    # xgboost, which connects hosts, imports scikit-learn if installed. That takes over a second and is not needed.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    sys.exit(main(PCA(), sys.argv[1:]))
