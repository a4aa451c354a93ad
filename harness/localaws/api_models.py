"""Validation of requests against AWS's description of the operation, which AWS does before all other checks.

The rules (required, length, range, pattern, enum) come from botocore's service model. The messages are AWS's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import Any

import botocore.loaders
import botocore.model

from harness.localaws.exceptions import AWSError, SerializationException, ValidationException

_FAILED = "failed to satisfy constraint: Member must"
Shape = Any  # botocore's shapes carry no types
_CODES = {
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
    "pricing": "InvalidParameterException",
    "resourcegroupstaggingapi": "InvalidParameterException",
    "sagemaker-runtime": "ValidationError",
    "service-quotas": "IllegalArgumentException",
    "sts": "ValidationError",
}
"""Codes of broken rules, by service: see "Common Errors" and the operations' pages of each API reference."""


@lru_cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service (``sagemaker``)."""
    loader = botocore.loaders.Loader()
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)


def without_nulls(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters without members that are null, at every depth. AWS takes null for absent."""
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in parameters.items()
        if value is not None
    }


@cache
def operation_names(service: str) -> frozenset[str]:
    """Return the names of a service's operations."""
    return frozenset(service_model(service).operation_names)


def invalid(service: str, message: str) -> AWSError:
    """Return the error of a request that breaks a rule, with the code that the service gives it."""
    error = ValidationException(message)
    error.code = _CODES.get(service, error.code)
    return error


def check(service: str, operation: str, request: dict[str, Any]) -> None:
    """Raise the service's error listing every rule of the operation that the request breaks."""
    shape = service_model(service).operation_model(operation).input_shape
    found = list(_members(shape, request, "")) if shape else []
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise invalid(service, count + "; ".join(found))


def _check(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name not in _TYPES:
        return
    expected, rule = _TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise SerializationException(f"Value at '{path}' has the wrong type: expected {shape.type_name}")
    least, most = _RANGES.get(shape.type_name, (-math.inf, math.inf))
    if isinstance(value, (int, float)) and not least <= value <= most:
        raise SerializationException(f"Value at '{path}' is out of range: {value} is no {shape.type_name}")
    yield from rule(shape, value, path)


def _nothing(*_: object) -> Iterator[str]:
    return iter(())


def _members(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, member in value.items():
        if name in shape.members and member is not None:
            yield from _check(shape.members[name], member, _join(path, name))


def _join(path: str, name: str) -> str:
    # AWS names members as its Java code does: lower case first.
    return f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")


def _map(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    yield from _size(shape, len(value), value, path)
    for key, member in value.items():
        yield from _check(shape.key, key, f"{path}.{key}.key")
        yield from _check(shape.value, member, f"{path}.{key}.value")


def _list(shape: Shape, value: list[Any], path: str) -> Iterator[str]:
    yield from _size(shape, len(value), value, path)
    for number, member in enumerate(value, 1):
        yield from _check(shape.member, member, f"{path}.{number}.member")


def _string(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _size(shape, len(value), value, path)
    pattern = shape.metadata.get("pattern")
    compiled = _as_python(pattern) if pattern else None
    if compiled and not compiled.fullmatch(value):
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {pattern}"
        )
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        )


@cache
def _as_python(pattern: str) -> re.Pattern[str] | None:
    r"""Return a pattern of a model, which is Java's, as Python's; None if it is a pattern in neither language.

    Python lacks ``\z`` and classes of characters such as ``\p{L}``. The classes here are somewhat larger.
    """
    translated = re.sub(r"\\p\{(\w+)\}", lambda found: _CHARACTERS.get(found[1], _ANY), pattern.replace(r"\z", r"\Z"))
    try:
        return re.compile(translated)
    except re.error:
        return None


_ANY = r"\s\S"
_SIGNS = r"!-/:-@\[-`{-~\u00a1-\U0010ffff"
_CHARACTERS = {
    "L": r"\w",
    "N": r"\w",
    "Z": r"\s",
    "M": _SIGNS,
    "P": _SIGNS,
    "S": _SIGNS,
    "Alnum": "A-Za-z0-9",
    "ASCII": r"[\x00-\x7f]",
    "Print": " -~",
}
"""Classes of characters in the models' patterns. All but ASCII occur inside brackets."""


def _size(shape: Shape, size: int, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < int(least):
        yield f"Value '{value}' at '{path}' {_FAILED} have length greater than or equal to {least}"
    if most is not None and size > int(most):
        yield f"Value '{value}' at '{path}' {_FAILED} have length less than or equal to {most}"


def _number(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < float(least):
        yield f"Value '{value}' at '{path}' {_FAILED} have value greater than or equal to {least}"
    if most is not None and value > float(most):
        yield f"Value '{value}' at '{path}' {_FAILED} have value less than or equal to {most}"


_RANGES = {
    "integer": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "timestamp": tuple(end.replace(tzinfo=timezone.utc).timestamp() for end in (datetime.min, datetime.max)),
}
"""Least and greatest number of a type: Java's, as AWS's models mean; of a timestamp, seconds of the years 1 to 9999."""
_TYPES: dict[str, tuple[type | tuple[type, ...], Callable[[Shape, Any, str], Iterator[str]]]] = {
    "structure": (dict, _members),
    "map": (dict, _map),
    "list": (list, _list),
    "string": (str, _string),
    "integer": (int, _number),
    "long": (int, _number),
    "float": ((int, float), _number),
    "double": ((int, float), _number),
    "boolean": (bool, _nothing),
    "timestamp": ((int, float, datetime), _nothing),
}
