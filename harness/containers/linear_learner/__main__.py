"""Amazon's LinearLearner: ``python -m harness.containers.linear_learner train|serve``.

The image is closed. Behaviour is that of https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html, of the
SageMaker Spark SDK, and of logs that users published.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.containers.runtime import TrainingJob, main
from harness.containers.server import Model


class LinearLearner:
    """The algorithm. Training and serving are imported on demand, so that an endpoint starts fast."""

    def train(self, job: TrainingJob) -> None:
        """See :meth:`harness.containers.runtime.Algorithm.train`."""
        from harness.containers.linear_learner import training  # noqa: PLC0415

        training.train(job)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`harness.containers.runtime.Algorithm.load`."""
        from harness.containers.linear_learner import serving  # noqa: PLC0415

        return serving.load(model_dir)


if __name__ == "__main__":
    # XGBoost, which connects the hosts of a job, imports scikit-learn if installed. That takes over a second.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    sys.exit(main(LinearLearner(), sys.argv[1:]))
