"""The file ``model_algo-1`` in ``model.tar.gz``: the model of each of Amazon's algorithms.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html#td-deserialization
"""

from __future__ import annotations

from pathlib import Path

from harness.containers.runtime import UserError

MODEL_FILE = "model_algo-1"


def write(model_dir: Path, content: bytes) -> None:
    """Write the model."""
    (model_dir / MODEL_FILE).write_bytes(content)


def read(model_dir: Path) -> bytes:
    """Return the content of the model.

    :raises UserError: the directory has no such file.
    """
    path = model_dir / MODEL_FILE
    if not path.is_file():
        found = ", ".join(sorted(each.name for each in model_dir.iterdir())) or "nothing"
        raise UserError(
            f"The model has no file {MODEL_FILE}.",
            checked=f"/opt/ml/model contains {found}",
            fix=f"put {MODEL_FILE} into model.tar.gz, not below a directory, and use the image of its algorithm",
        )
    return path.read_bytes()


def refusal(algorithm: str, found: str) -> UserError:
    """Return the error for a model of another algorithm, or a damaged one.

    :param algorithm: name of the image, such as ``kmeans``.
    :param found: the content, such as "a dictionary of mean, v".
    """
    return UserError(
        f"{MODEL_FILE} is not a model of {algorithm}: it is {found}.",
        fix="create the model with the image of the algorithm that trained it, or upload the archive again",
    )
