"""MNIST, which the package contains: 60,000 training and 10,000 test images of handwritten digits.

``harness/data/mnist`` has the four original IDX files, each compressed with xz, with their origin and licence.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # the local AWS starts without numpy, and imports it with the first digits
    import numpy as np
    import numpy.typing as npt

Split = Literal["train", "test"]

FEATURES = 28 * 28
"""Pixels of an image, row by row."""

ROWS: dict[Split, int] = {"train": 60_000, "test": 10_000}
"""Images of each split."""

CLASSES = 10
"""The digits: labels are 0 to 9."""

HYPERPARAMETERS = {
    "eta": 0.2,
    "gamma": 4.0,
    "min_child_weight": 6.0,
    "silent": 0,
    "objective": "multi:softmax",
    "num_class": CLASSES,
    "num_round": 10,
}
"""Hyperparameters of the reference program, the SDK's MNIST example with XGBoost."""

_FILE_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
_CHUNK_ROWS = 2_000


class Digits(NamedTuple):
    """Images and their labels."""

    images: npt.NDArray[np.uint8]
    """Shape (n, 784), 0 background to 255 ink."""
    labels: npt.NDArray[np.uint8]
    """Shape (n,), 0 to 9."""


def load(split: Split, rows: int | None = None) -> Digits:
    """Return the first ``rows`` digits of a split, by default all, and decompress no more than these.

    :raises ValueError: the split does not exist or has fewer rows.
    """
    if split not in ROWS:
        raise ValueError(f"MNIST has the splits {' and '.join(ROWS)}, not {split!r}")
    rows = ROWS[split] if rows is None else rows
    if not 0 <= rows <= ROWS[split]:
        raise ValueError(f"the {split} split of MNIST has {ROWS[split]:,} rows, not {rows:,}")
    images = _read_idx(f"{_FILE_PREFIX[split]}-images-idx3-ubyte.xz", rows, FEATURES)
    labels = _read_idx(f"{_FILE_PREFIX[split]}-labels-idx1-ubyte.xz", rows, 1)
    return Digits(images.reshape(rows, FEATURES), labels)


def libsvm(split: Split) -> Iterator[bytes]:
    """Yield a split as LibSVM text, in chunks of whole lines.

    Amazon's sample bucket has the same text under ``spark/mnist``: ``<label> <index>:<value> ...`` with indices from 1,
    whole values and no zeros.
    """
    images, labels = load(split)
    for start in range(0, len(labels), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        yield _libsvm_lines(images[chunk], labels[chunk])


def _read_idx(name: str, rows: int, bytes_per_row: int) -> npt.NDArray[np.uint8]:
    """Return the first rows of an IDX file.

    It has a magic number, whose last byte is the number of dimensions, then their sizes, then the bytes.
    """
    import numpy as np  # noqa: PLC0415

    with (files("harness") / "data" / "mnist" / name).open("rb") as compressed, lzma.open(compressed) as idx:
        dimensions = idx.read(4)[3]
        idx.read(4 * dimensions)
        return np.frombuffer(idx.read(rows * bytes_per_row), dtype=np.uint8)


def _libsvm_lines(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> bytes:
    """Return one line for each image.

    A line is a row of columns (label, pixels, line end), in which 0 means nothing to write. The conversion looks up the
    other values in a table of all texts that a column can have, and drops the padding.
    """
    import numpy as np  # noqa: PLC0415

    columns = np.ones((len(images), FEATURES + 2), dtype=np.uint8)
    columns[:, 0] += labels
    columns[:, 1:-1] = images
    written = np.flatnonzero(columns)
    texts: npt.NDArray[np.bytes_] = _texts()[written % columns.shape[1], columns.ravel()[written]]
    return texts.tobytes().translate(None, b"\0")


@lru_cache(maxsize=1)
def _texts() -> npt.NDArray[np.bytes_]:
    """Return the text of every value of every column, padded with NULs to 8 bytes; shape (786, 256)."""
    import numpy as np  # noqa: PLC0415

    texts = np.zeros((FEATURES + 2, 256), dtype="S8")
    texts[0, 1:11] = [b"%d" % label for label in range(10)]
    texts[1:-1] = [[b" %d:%d" % (index, value) for value in range(256)] for index in range(1, FEATURES + 1)]
    texts[-1, 1] = b"\n"
    return texts
