"""Parameters of the query protocol (STS, IAM) as the structures that they are.

A form has a field for each leaf: ``Tags.member.1.Key``. See https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.localaws.api_models import service_model
from harness.localaws.exceptions import SerializationException

_NOT_MEMBERS = ("Action", "Version")
_SIGNATURE = "x-amz-"
_BOOLEANS = {"true": True, "false": False}


def structure(service: str, operation: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the members of a form, with the types of the operation's model. Members without a type stay text.

    :raises SerializationException: the form does not have the shape that the model describes.
    """
    tree: dict[str, Any] = {}
    for field, value in form.items():
        if field not in _NOT_MEMBERS and not field.lower().startswith(_SIGNATURE):
            _insert(tree, field, value)
    typed: dict[str, Any] = _typed(service_model(service).operation_model(operation).input_shape, tree, "")
    return typed


def _insert(tree: dict[str, Any], field: str, value: str) -> None:
    *above, last = field.split(".")
    for part in above:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise SerializationException(f"{field} is below a value.")
    if isinstance(tree.get(last), dict):
        raise SerializationException(f"{field} is a value and a structure.")
    tree[last] = value


def _typed(shape: Any, value: Any, path: str) -> Any:
    kind = shape.type_name if shape else "structure"
    if kind == "structure" and isinstance(value, dict):
        known = shape.members if shape else {}
        return {
            name: _typed(known[name], member, f"{path}.{name}".lstrip(".")) if name in known else member
            for name, member in value.items()
        }
    if kind == "list":
        return [_typed(shape.member, item, path) for item in _items(value, path)]
    if isinstance(value, dict):
        raise SerializationException(f"{path} is {kind}, and the request has {', '.join(value)} below it.")
    return _scalar(kind, value, path)


def _items(value: Any, path: str) -> list[Any]:
    """Return the items of a list, which a form numbers: ``member.1``. An empty list is an empty text."""
    if value == "":
        return []
    items = value.get("member") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(items, dict) or not all(number.isdecimal() for number in items):
        raise SerializationException(f"{path} is a list: give {path}.member.1 and so on.")
    return [items[number] for number in sorted(items, key=int)]


def _scalar(kind: str, value: str, path: str) -> Any:
    try:
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        return _BOOLEANS[value.lower()] if kind == "boolean" else value
    except (KeyError, ValueError):
        raise SerializationException(f"{path} is {value!r}, which is not of type {kind}.") from None
