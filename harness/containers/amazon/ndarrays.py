"""Files of Apache MXNet arrays, ``mx.nd.save`` and ``mx.nd.load``, written and read without MXNet.

The form is that of ``NDArray::Save`` in ``src/ndarray/ndarray.cc`` of https://github.com/apache/mxnet (1.9.1):

.. code-block:: text

    uint64 0x112, uint64 0, uint64 number of arrays
    each array   uint32 version, int32 storage type (0), shape, int32 device type and id, int32 element type, data
    shape        uint32 number of dimensions, an int64 for each
    uint64 number of names (0 for a list), each a uint64 length and its text

An array without dimensions holds nothing in versions 1 and 2, and one number in version 3 (NumPy's semantics).
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.recordio import Array

_LIST = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_CPU = 1
_TYPES = ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?")
_MOST_DIMENSIONS = 32
_MOST_NAMES = 1 << 16
_MOST_NAMED = 10


def write(arrays: Sequence[Array] | Mapping[str, Array]) -> bytes:
    """Return the file of a list or dictionary of arrays.

    :raises ValueError: MXNet has no such element type, or an array has no dimension.
    """
    named = isinstance(arrays, Mapping)
    names = list(arrays) if isinstance(arrays, Mapping) else []
    values = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    parts = [struct.pack("<QQQ", _LIST, 0, len(values)), *map(_written, values), struct.pack("<Q", len(names))]
    for name in names if named else []:
        parts += [struct.pack("<Q", len(name.encode())), name.encode()]
    return b"".join(parts)


def _written(array: Array) -> bytes:
    if not array.ndim:
        raise ValueError("MXNet writes an array without dimensions as one without numbers: give it the shape (1,)")
    types = [np.dtype(each) for each in _TYPES]
    if array.dtype.newbyteorder("<") not in types:
        raise ValueError(f"MXNet has no arrays of {array.dtype}")
    kind = types.index(array.dtype.newbyteorder("<"))
    head = struct.pack(f"<IiI{array.ndim}q", _V2, 0, array.ndim, *array.shape)
    return head + struct.pack("<iii", _CPU, 0, kind) + array.astype(_TYPES[kind], copy=False).tobytes()


def read(content: bytes) -> list[Array] | dict[str, Array]:
    """Return the arrays of a file: a dictionary if they have names. The arrays cannot be written to.

    :raises DataError: the file is damaged, or holds something else. Sparse arrays are not read.
    """
    file = _File(content)
    magic, _, count = file.unpack("<QQQ")
    if magic != _LIST:
        raise DataError(f"it starts with {magic:#x}, not with {_LIST:#x}")
    if count > len(content) // 8:
        raise DataError(f"it is truncated: {count} arrays in {len(content)} bytes")
    arrays = [_read(file) for _ in range(count)]
    names = _read_names(file, count)
    if file.at != len(content):
        raise DataError(f"it has {len(content) - file.at} bytes after its end")
    return dict(zip(names, arrays, strict=True)) if names else arrays


def described(arrays: list[Array] | dict[str, Array]) -> str:
    """Return what a file holds, for the error about a model of another algorithm."""
    if isinstance(arrays, dict):
        names = ", ".join(sorted(arrays)[:_MOST_NAMED])
        return f"an MXNet dictionary of {names}"
    return f"an MXNet list of the shapes {', '.join(str(array.shape) for array in arrays[:_MOST_NAMED])}"


class _File:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def unpack(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def take(self, length: int) -> memoryview:
        if length > len(self.content) - self.at:
            raise DataError(f"it is truncated: {length} bytes are missing from byte {self.at}")
        self.at += length
        return memoryview(self.content)[self.at - length : self.at]


def _read(file: _File) -> Array:
    (version,) = file.unpack("<I")
    if version not in (_V1, _V2, _V3):
        raise DataError(f"an array has the version {version:#x}, which is not read")
    if version != _V1:
        (storage,) = file.unpack("<i")
        if storage != 0:
            raise DataError(f"an array is sparse (storage type {storage}), which is not read")
    (dimensions,) = file.unpack("<I")
    if dimensions > _MOST_DIMENSIONS:
        raise DataError(f"an array has {dimensions} dimensions")
    if not dimensions and version != _V3:
        return np.empty(0, np.float32)
    shape = file.unpack(f"<{dimensions}q")
    _, _, kind = file.unpack("<iii")
    if not 0 <= kind < len(_TYPES) or min(shape, default=0) < 0:
        raise DataError(f"an array has the element type {kind} and the shape {shape}")
    return _numbers(file, np.dtype(_TYPES[kind]), shape)


def _numbers(file: _File, kind: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    content = file.take(math.prod(shape) * kind.itemsize)
    if math.prod(length for length in shape if length) * kind.itemsize > sys.maxsize:  # NumPy's limit for empty arrays
        raise DataError(f"an array has the shape {shape}, which no memory holds")
    found: Array = np.frombuffer(content, kind).reshape(shape)
    return found if found.flags.aligned else found.copy()


def _read_names(file: _File, count: int) -> list[str]:
    (found,) = file.unpack("<Q")
    if found not in (0, count):
        raise DataError(f"it has {count} arrays and {found} names")
    names = []
    for _ in range(found):
        (length,) = file.unpack("<Q")
        if length > _MOST_NAMES:
            raise DataError(f"a name has {length} bytes")
        try:
            names.append(str(file.take(length), "utf-8"))
        except UnicodeDecodeError:
            raise DataError("a name is not text") from None
    if len(set(names)) != len(names):
        raise DataError("two arrays have the same name")
    return names
