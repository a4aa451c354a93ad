"""Size of MNIST as text in the SDK's form, and the number of the SDK's requests for it."""

import numpy as np

from harness.mnist import FEATURES

LARGEST_REQUEST = 5_242_880
"""Largest request of the SDK in bytes."""

_INDEX_SIZES = np.array([len(f" {index}:") for index in range(1, FEATURES + 1)])
_VALUE_SIZES = np.array([len(str(float(value))) for value in range(256)])


def row_sizes(images, form):
    """Return the bytes of each image's line, shape (n,); ``sparse`` omits zeros, ``dense`` writes them."""
    written = images > 0 if form == "sparse" else np.ones_like(images, dtype=bool)
    return len("0.0\n") + ((_INDEX_SIZES + _VALUE_SIZES[images]) * written).sum(axis=1)


def requests(sizes, largest=LARGEST_REQUEST):
    """Return the number of the SDK's requests for lines of these sizes; it fills one request after the other."""
    count = room = 0
    for size in sizes:
        if size > room:
            count, room = count + 1, largest
        room -= size
    return count
