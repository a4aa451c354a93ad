"""The built-in XGBoost, ``xgboost:1``: ``python -m harness.containers.xgboost train|serve``.

Behaviour is copied from the real container (https://github.com/aws/sagemaker-xgboost-container) and from
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html, except if it would lose a row of a request.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.containers.runtime import TrainingJob, main
from harness.containers.server import Model


class XGBoost:
    """The algorithm. Training and serving are imported on demand, so that an endpoint starts fast."""

    def train(self, job: TrainingJob) -> None:
        """See :meth:`harness.containers.runtime.Algorithm.train`."""
        from harness.containers.xgboost import training  # noqa: PLC0415

        training.train(job)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`harness.containers.runtime.Algorithm.load`."""
        from harness.containers.xgboost import serving  # noqa: PLC0415

        return serving.load(model_dir)


if __name__ == "__main__":
    # The xgboost package imports scikit-learn if installed. That takes over a second and is not needed here.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    sys.exit(main(XGBoost(), sys.argv[1:]))
