"""The built-in XGBoost: ``python -m harness.containers.xgboost [VERSION] train|serve``.

VERSION is the version of the image: ``1`` for ``xgboost:1``, which is the default, or a tag of ``sagemaker-xgboost``.
Behaviour is copied from the real container (https://github.com/aws/sagemaker-xgboost-container) and from
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html, except if it would lose a row of a request.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.containers.runtime import TrainingJob, main
from harness.containers.xgboost.versions import Version

if TYPE_CHECKING:
    from harness.containers.server import Model


class XGBoost:
    """The algorithm. Training and serving are imported on demand, so that an endpoint starts fast."""

    def __init__(self, version: Version) -> None:
        self.version = version

    def train(self, job: TrainingJob) -> None:
        """See :meth:`harness.containers.runtime.Algorithm.train`."""
        from harness.containers.xgboost import training  # noqa: PLC0415

        training.train(job, self.version)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`harness.containers.runtime.Algorithm.load`."""
        from harness.containers.xgboost import serving  # noqa: PLC0415

        return serving.load(model_dir, self.version)


if __name__ == "__main__":
    # The xgboost package imports scikit-learn if installed. That takes over a second and is not needed here.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    *named, command = sys.argv[1:] or [""]
    sys.exit(main(XGBoost(Version(*(named or ["1"]))), [command]))
