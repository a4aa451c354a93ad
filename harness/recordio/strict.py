"""Slow reader of any frames, through the ``protobuf`` package: names the record that breaks a rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from harness.recordio.dataset import LARGEST_WIDTH, Array, RecordError, Records, of_rows, width_error
from harness.recordio.frames import Frames
from harness.recordio.schema import Record

KEY = "values"


def read_strictly(frames: Frames, width: int | None) -> Records:
    """Return the rows of the frames.

    :param width: number of columns; None takes that of the first record.
    :raises RecordError: a record is not one row, or differs from those before it in its width or in having a label.
    """
    rows: list[_Row] = []
    for number, (start, length) in enumerate(zip(frames.starts.tolist(), frames.lengths.tolist(), strict=True), 1):
        row = _read(frames.data[start : start + length].tobytes(), number)
        width = row.width if width is None else width
        if row.width != width:
            raise width_error(number, row.width, width)
        if rows and (row.label is None) != (rows[0].label is None):
            raise RecordError(number, f"it has {'no' if row.label is None else 'a'} label, unlike those before it")
        rows.append(row)
    return _collected(rows, width or 0)


class _Row:
    def __init__(self, values: Array, keys: Array | None, width: int, label: float | None) -> None:
        self.values = values
        self.keys = keys
        self.width = width
        self.label = label


def _collected(rows: list[_Row], width: int) -> Records:
    labels = np.array([row.label for row in rows], np.float32) if rows and rows[0].label is not None else None
    return Records(of_rows([row.values for row in rows], [row.keys for row in rows], width), labels)


def _read(payload: bytes, number: int) -> _Row:
    record = Record()
    try:
        record.ParseFromString(payload)
    except DecodeError:
        raise RecordError(number, "its payload is not a Record message") from None
    tensor = _tensor(record.features, "features", number)
    if tensor is None:
        raise RecordError(number, f'it has no features["{KEY}"]')
    values, keys, width = _features(tensor, number)
    return _Row(values, keys, width, _label(_tensor(record.label, "label", number), number))


def _tensor(entries: Any, name: str, number: int) -> Any:
    """Return the tensor of a map, None without one."""
    others = sorted(key for key in entries if key != KEY)
    if others:
        raise RecordError(number, f'it has {name}["{others[0][:60]}"]; only "{KEY}" is read')
    if KEY not in entries:
        return None
    kind = entries[KEY].WhichOneof("value")
    if kind != "float32_tensor":
        found = "no tensor" if kind is None else kind
        raise RecordError(number, f'{name}["{KEY}"] has {found}; only Float32 tensors are supported')
    return entries[KEY].float32_tensor


def _features(tensor: Any, number: int) -> tuple[Array, Array | None, int]:
    values = np.array(tensor.values, np.float32)
    shape = list(tensor.shape)
    if len(shape) > 1:
        raise RecordError(number, f"its shape has {len(shape)} dimensions; a row has one")
    if not shape and len(tensor.keys):
        raise RecordError(number, "it has keys but no shape")
    if not len(values) and not len(tensor.keys) and not (shape and shape[0]):
        raise RecordError(number, "it has no values")
    width = shape[0] if shape else len(values)
    if width > LARGEST_WIDTH:
        raise RecordError(number, f"its shape is [{width}]; at most {LARGEST_WIDTH} columns are supported")
    if len(values) == width and not len(tensor.keys):
        return values, None, width
    if len(values) and not len(tensor.keys):
        raise RecordError(number, f"its shape is [{width}], but it has {len(values)} values")
    return values, _keys(tensor.keys, len(values), width, number), width


def _keys(keys: Any, values: int, width: int, number: int) -> Array:
    found = np.array(keys, np.uint64)
    if len(found) != values:
        raise RecordError(number, f"it has {len(found)} keys and {values} values")
    if len(found) and found.max() >= width:
        raise RecordError(number, f"its key {found.max()} is outside its shape [{width}]")
    disorder = np.flatnonzero(found[1:] <= found[:-1])
    if len(disorder):
        before, after = found[disorder[0]], found[disorder[0] + 1]
        raise RecordError(number, f"its keys do not ascend: {after} follows {before}")
    return found.astype(np.int32)


def _label(tensor: Any, number: int) -> float | None:
    if tensor is None:
        return None
    if len(tensor.values) != 1 or len(tensor.keys) or list(tensor.shape) not in ([], [1]):
        raise RecordError(number, f"its label has {len(tensor.values)} values; a label is one number without keys")
    return float(tensor.values[0])
