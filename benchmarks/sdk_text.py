"""How large MNIST is as text in the SDK's form, and how the SDK makes requests of it. Pure."""

import numpy as np

from harness.mnist import FEATURES

LARGEST_REQUEST = 5_242_880
"""Bytes: the SDK begins another request before one gets larger."""

_INDEX_SIZES = np.array([len(f" {index}:") for index in range(1, FEATURES + 1)])
_VALUE_SIZES = np.array([len(str(float(value))) for value in range(256)])


def row_sizes(images, form):
    """Return the bytes of each image's line, shape (n,); ``sparse`` leaves zeros out, ``dense`` writes them."""
    written = images > 0 if form == "sparse" else np.ones_like(images, dtype=bool)
    return len("0.0\n") + ((_INDEX_SIZES + _VALUE_SIZES[images]) * written).sum(axis=1)


def requests(sizes, largest=LARGEST_REQUEST):
    """Return how many requests the SDK makes of lines of these sizes: it fills one after the other."""
    count = room = 0
    for size in sizes:
        if size > room:
            count, room = count + 1, largest
        room -= size
    return count
