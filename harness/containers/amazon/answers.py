"""Answers in the type that the client accepts: one for each row of the request, in order.

Forms: ``km-in-formats``, ``PCA-in-formats``, ``LL-in-formats`` and ``fm-in-formats`` in
https://docs.aws.amazon.com/sagemaker/latest/dg/. Numbers are those of 32-bit floats, as ``23.40593910217285`` there.
Labels too: the guide writes 0, but LinearLearner and FactorizationMachines answered 0.0 and 1.0
(https://github.com/aws/sagemaker-python-sdk/issues/993).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness import recordio
from harness.containers.amazon.requests import CSV, JSON, LINES
from harness.containers.server import Answer
from harness.errors import DataError
from harness.recordio import CONTENT_TYPE, Array

TYPES = (CONTENT_TYPE, JSON, LINES)
"""Types that all algorithms answer in. KMeans documents CSV too."""

_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")


def answer_type(accept: str | None, types: tuple[str, ...] = TYPES) -> str:
    """Return the type of the answer to a request with this Accept header.

    Of several types the one with the highest weight ``q`` is taken (RFC 9110, section 12.5.1). JSON answers a request
    that accepts anything, or only types that the algorithm does not write. The latter was observed of LinearLearner,
    with ``text/csv``: https://github.com/aws/sagemaker-python-sdk/issues/993
    """
    offered = [_weighed(part) for part in (accept or "*/*").split(",")]
    for _, name in sorted((pair for pair in offered if pair[0] > 0), key=lambda pair: -pair[0]):
        if name in types:
            return name
        if name in ("", "*/*", "application/*"):
            break
    return JSON


def _weighed(part: str) -> tuple[float, str]:
    """Return the weight of a type in an Accept header, and its name; a weight that is no number is 1."""
    name, *parameters = [piece.strip().lower() for piece in part.split(";")]
    given = next((value for key, _, value in (each.partition("=") for each in parameters) if key == "q"), "1")
    return float(given) if _WEIGHT.fullmatch(given) else 1.0, name


def write(columns: Mapping[str, Array], kind: str, *, key: str = "predictions", csv: tuple[str, ...] = ()) -> Answer:
    """Return the answer with one object for each row.

    :param columns: shape (n,), or (n, m) for a list in each row; in the order of the answer.
    :param kind: the type, from :func:`answer_type`.
    :param key: the list of rows in JSON; ``projections`` for PCA.
    :param csv: order of the columns in CSV.
    :raises DataError: a number is NaN or infinite as a 32-bit float. JSON has no such numbers, and no source shows what
        the service answers.
    """
    _check_finite(columns)
    if kind == CONTENT_TYPE:
        return Answer(recordio.encode_answers(columns), CONTENT_TYPE)
    if kind == CSV:
        lists = _as_lists(columns)
        rows_of_csv = zip(*(lists[name] for name in csv), strict=True)
        lines = (",".join(str(value) for item in row for value in _flat(item)) for row in rows_of_csv)
        return Answer("".join(f"{line}\n" for line in lines).encode(), "text/csv; charset=utf-8")
    rows = _objects(columns)
    if kind == LINES:
        return Answer("".join(json.dumps(row) + "\n" for row in rows).encode(), LINES)
    return Answer(json.dumps({key: rows}).encode(), JSON)


def _check_finite(columns: Mapping[str, Array]) -> None:
    for name, column in columns.items():
        with np.errstate(over="ignore"):
            infinite = ~np.isfinite(column.astype(np.float32))
        if infinite.any():
            raise DataError(f"{name} of row {np.nonzero(infinite)[0][0] + 1} is not a finite 32-bit float")


def _objects(columns: Mapping[str, Array]) -> list[dict[str, Any]]:
    lists = _as_lists(columns)
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _as_lists(columns: Mapping[str, Array]) -> dict[str, list[Any]]:
    """Return the numbers as 32-bit floats."""
    return {name: column.astype(np.float32).tolist() for name, column in columns.items()}


def _flat(item: Any) -> list[Any]:
    return item if isinstance(item, list) else [item]
