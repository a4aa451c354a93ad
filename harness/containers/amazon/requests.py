"""Rows of a request, in every type that Amazon's algorithms document.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html. The service's message for a body that it cannot read
is the same for every reason: https://github.com/aws/sagemaker-spark/issues/102. Here it is followed by the reason.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from harness import recordio
from harness.errors import DataError
from harness.recordio import CONTENT_TYPE, Array, Matrix
from harness.recordio.dataset import of_rows

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
ALL = (CONTENT_TYPE, CSV, JSON, LINES)


class UnsupportedTypeError(DataError):
    """The algorithm does not take the type of the request."""


def read(body: bytes, content_type: str | None, width: int, types: tuple[str, ...] = ALL) -> Matrix:
    """Return the rows of a request: float32, shape (n, width), at least one row, all values finite.

    :param types: the types that the algorithm takes. A request must name its type: no source was found for a default.
    :raises UnsupportedTypeError: the type is another.
    :raises DataError: the body cannot be read, or a row has another width.
    """
    kind, label_size = _content_type(content_type, types)
    rows = {CONTENT_TYPE: _read_records, CSV: _read_csv, JSON: _read_json, LINES: _read_lines}[kind](body, width)
    if label_size:
        raise DataError("a request has no label: set label_size=0")
    if not rows.shape[0]:
        raise DataError("the request has no row")
    if rows.shape[1] != width:
        raise _width_error(1, rows.shape[1], width)
    if not np.isfinite(rows if isinstance(rows, np.ndarray) else rows.data).all():
        raise DataError("a value is NaN or infinite")
    return rows


def _content_type(content_type: str | None, types: tuple[str, ...]) -> tuple[str, bool]:
    name, *parameters = [part.strip().lower() for part in (content_type or "").split(";")]
    if name not in types:
        raise UnsupportedTypeError(f"Content-Type header value '{name[:100]}' not supported", fix=" or ".join(types))
    labels = any(part.partition("=")[0].strip() == "label_size" and not part.endswith("0") for part in parameters)
    return name, name == CSV and labels


def _width_error(row: int, found: int, expected: int) -> DataError:
    return DataError(f"row {row} has {found} features, but the model has {expected}")


def _read_records(body: bytes, width: int) -> Matrix:
    return recordio.parse(body, width=width).features


def _read_csv(body: bytes, _width: int) -> Matrix:
    from harness.containers.amazon.text import read_csv  # noqa: PLC0415 - most requests do not need Arrow

    return read_csv(body) if body.strip() else np.empty((0, 0), np.float32)


# ---- JSON


def _read_json(body: bytes, width: int) -> Matrix:
    document = _loaded(body)
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise DataError('the body is not {"instances": […]}')
    return _rows(instances, width)


def _read_lines(body: bytes, width: int) -> Matrix:
    return _rows([_loaded(line) for line in body.splitlines() if line.strip()], width)


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise DataError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"the body is not JSON: {str(error)[:100]}") from None


def _refuse_constant(name: str) -> Any:
    raise DataError(f"{name} is not a number of JSON")


def _rows(instances: list[Any], width: int) -> Matrix:
    found = [_row(instance, number, width) for number, instance in enumerate(instances, 1)]
    return of_rows([values for values, _ in found], [keys for _, keys in found], width)


def _row(instance: Any, number: int, width: int) -> tuple[Array, Array | None]:
    """Return the values of an instance, and their columns if it is sparse."""
    features = instance.get("features") if isinstance(instance, dict) else None
    if features is None and isinstance(instance, dict) and isinstance(instance.get("data"), dict):
        features = instance["data"].get("features")
    if isinstance(features, list):
        features = {"values": features}
    if not isinstance(features, dict) or not isinstance(features.get("values"), list):
        raise DataError(f'instance {number} has neither "features" nor "data": {{"features": {{"values": […]}}}}')
    values = _numbers(features["values"], number, "values")
    if not features.get("keys") and (len(values) or not features.get("shape")):
        _check_shape(features.get("shape"), len(values), number, width)
        return values, None
    _check_shape(features.get("shape"), None, number, width)
    return values, _keys(features.get("keys") or [], len(values), number, width)


def _numbers(given: Any, number: int, name: str) -> Array:
    if not isinstance(given, list) or any(
        isinstance(item, bool) or not isinstance(item, int | float) for item in given
    ):
        raise DataError(f"{name} of instance {number} are not a list of numbers")
    try:
        with np.errstate(over="ignore"):
            found: Array = np.array(given, np.float64).astype(np.float32)
    except OverflowError:
        raise DataError(f"{name} of instance {number} are not finite 32-bit floats") from None
    return found


def _check_shape(shape: Any, values: int | None, number: int, width: int) -> None:
    found = values
    if shape or values is None:
        if not (isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int):
            raise DataError(f"instance {number} needs a shape of one number")
        found = shape[0]
        if values is not None and values != found:
            raise DataError(f"instance {number} has {values} values, and the shape [{found}]")
    if found != width:
        raise _width_error(number, found or 0, width)


def _keys(given: Any, values: int, number: int, width: int) -> Array:
    if not isinstance(given, list) or any(type(key) is not int or not 0 <= key < width for key in given):
        raise DataError(f"keys of instance {number} are not whole numbers from 0 to {width - 1}")
    keys = np.array(given, np.int64)
    if len(keys) != values:
        raise DataError(f"instance {number} has {len(keys)} keys and {values} values")
    if (keys[1:] <= keys[:-1]).any():
        raise DataError(f"keys of instance {number} do not ascend")
    return keys
