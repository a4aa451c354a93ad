"""Fast reader of dense rows: frames of equal length that differ in their numbers only."""

from __future__ import annotations

import numpy as np

from harness.recordio.dataset import Array, Records
from harness.recordio.frames import HEAD, Frames, padded
from harness.recordio.wire import FEATURES, LABEL, dense_entry


def read_dense(frames: Frames) -> Records | None:
    """Return the rows of the frames, or None if they are not all dense rows as the SDK writes them.

    The features are a view of the data if their addresses allow it, and a copy otherwise.
    """
    length = int(frames.lengths[0])
    if (frames.lengths != length).any():
        return None
    form = _form(frames.data[int(frames.starts[0]) : int(frames.starts[0]) + length].tobytes())
    if form is None:
        return None
    first, pitch = int(frames.starts[0]), HEAD.size + padded(length)
    rows = np.lib.stride_tricks.as_strided(frames.data[first:], (len(frames), length), (pitch, 1), writeable=False)
    if not _same_between(rows, form):
        return None
    features = _floats(rows, form.features)
    return Records(features, None if form.label is None else _floats(rows, form.label)[:, 0].copy())


class _Form:
    """Positions of the numbers in a message; all other bytes are the same in each frame."""

    def __init__(self, features: range, label: range | None, length: int) -> None:
        self.features = features
        self.label = label
        self.length = length

    @property
    def numbers(self) -> list[range]:
        return [self.features] if self.label is None else [self.features, self.label]


def _form(payload: bytes) -> _Form | None:
    """Return the form of a dense row: features first, then the label, and nothing else."""
    features = dense_entry(payload, 0, FEATURES)
    if features is None or not len(features) or len(features) % 4:
        return None
    if features.stop == len(payload):
        return _Form(features, None, len(payload))
    label = dense_entry(payload, features.stop, LABEL)
    if label is None or len(label) != 4 or label.stop != len(payload):
        return None
    return _Form(features, label, len(payload))


def _same_between(rows: Array, form: _Form) -> bool:
    """Return whether the bytes around the numbers are those of the first row in each."""
    start = 0
    for numbers in form.numbers:
        around = rows[:, start : numbers.start]
        if (around != around[0]).any():
            return False
        start = numbers.stop
    return True


def _floats(rows: Array, at: range) -> Array:
    found = rows[:, at.start : at.stop].view("<f4")
    return found if found.flags.aligned else found.copy()
