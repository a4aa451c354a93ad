"""Amazon's built-in LDA: ``python -m harness.containers.lda train|serve``.

The container is closed. Its sources are https://docs.aws.amazon.com/sagemaker/latest/dg/lda.html and the logs in public
notebooks. docs/reference/lda.md lists what differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.containers.runtime import TrainingJob, main
from harness.containers.server import Model


class LDA:
    """The algorithm. Training and serving are imported on demand, so that an endpoint starts fast."""

    def train(self, job: TrainingJob) -> None:
        """See :meth:`harness.containers.runtime.Algorithm.train`."""
        from harness.containers.lda import training  # noqa: PLC0415

        training.train(job)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`harness.containers.runtime.Algorithm.load`."""
        from harness.containers.lda import serving  # noqa: PLC0415

        return serving.load(model_dir)


if __name__ == "__main__":
    sys.exit(main(LDA(), sys.argv[1:]))
