"""Hyperparameters of Amazon's algorithms: texts checked against a JSON Schema, with the service's own messages.

The service validates with the library ``jsonschema`` in Python 2, and reports its messages as they are
(https://docs.aws.amazon.com/sagemaker/latest/dg/common-info-all-im-models.html#example-errors). Its schema accepts a
number as a text of digits, so that a number out of range is not valid under any of the given schemas. Missing
hyperparameters have another message: https://github.com/kubeflow/pipelines/issues/1370. Its
end, "(caused by ValidationError)", is assumed for the others.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft4Validator, FormatChecker, ValidationError, validators

from harness.containers.runtime import UserError

REQUIRED: Any = object()
"""Default of a hyperparameter that must be given."""
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MOST_DIGITS = {"integer": 18, "number": 100}
"""Longest texts. A whole number of more digits is no 64-bit integer, which is documentation only."""


@dataclass(frozen=True)
class Entry:
    """A hyperparameter.

    :ivar schema: JSON Schema of its text.
    :ivar parse: returns the value of a valid text.
    :ivar default: the value if it is absent, or :data:`REQUIRED`.
    """

    schema: Mapping[str, Any]
    parse: Callable[[str], Any]
    default: Any


def read(given: Mapping[str, str], schema: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the hyperparameters as typed values, with defaults.

    :raises UserError: one is unknown, missing or not valid. All that are missing are named.
    """
    lists = {name: text for name, text in given.items() if name in schema and schema[name].schema["type"] == "array"}
    document: dict[str, Any] = {**given, **{name: _list(name, text) for name, text in lists.items()}}
    validator = _Validator(_document_schema(schema), format_checker=_FORMATS)
    for error in sorted(validator.iter_errors(document), key=_order):
        raise _refusal(error, document, schema)
    values = {name: schema[name].parse(document[name]) for name in document}
    return {name: values.get(name, entry.default) for name, entry in schema.items()}


def _document_schema(schema: Mapping[str, Entry]) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in entry.schema.items() if value is not None} for name, entry in schema.items()
    }
    required = [name for name, entry in schema.items() if entry.default is REQUIRED]
    return {"additionalProperties": False, "properties": properties, **({"required": required} if required else {})}


# ---- entries


def integer(low: int = 1, high: float = math.inf, *, default: Any = REQUIRED, auto: bool = False) -> Entry:
    """Return an entry for whole numbers from ``low`` to ``high``; with ``auto``, for the word too."""
    known = {"pattern": r"^([1-9][0-9]*)$"} if (low, high) == (1, math.inf) else {}  # as in a message of the guide
    text = {"type": "string", **(known or {"format": _named("integer", low, high, "[]")})}
    texts = _either(text, {"type": "integer", "minimum": low})
    return Entry(_with_auto(texts, auto), lambda text: text if text == "auto" else int(text), default)


def number(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    default: Any = REQUIRED,
    ends: str = "[]",
    auto: bool = False,
    words: tuple[str, ...] = (),
) -> Entry:
    """Return an entry for finite numbers from ``low`` to ``high``.

    :param ends: ``[]`` includes both ends, ``()`` excludes them.
    :param words: further texts, which are returned as they are.
    """
    texts = _either({"type": "string", "format": _named("number", low, high, ends)}, {"type": "number"})
    known = (*words, *(["auto"] if auto else []))
    if known:
        texts["oneOf"].append({"enum": list(known)})
    return Entry(texts, lambda text: text if text in known else float(text), default)


def choice(*names: str, default: Any = REQUIRED) -> Entry:
    """Return an entry for one of the names."""
    return Entry({"type": "string", "enum": list(names)}, str, default)


def boolean(*, default: Any = REQUIRED, auto: bool = False) -> Entry:
    """Return an entry for true and false, written as in JSON or as in Python, which is what the SDK sends."""
    names = ["true", "false", "True", "False", *(["auto"] if auto else [])]
    return Entry(
        {"type": "string", "enum": names}, lambda text: text if text == "auto" else text.lower() == "true", default
    )


def choices(*names: str, default: Any = REQUIRED) -> Entry:
    """Return an entry for a JSON list of the names."""
    return Entry({"type": "array", "items": {"enum": list(names)}, "minItems": 1}, list, default)


def _either(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"type": None, "oneOf": list(schemas)}


def _with_auto(texts: dict[str, Any], auto: bool) -> dict[str, Any]:
    return {**texts, "oneOf": [*texts["oneOf"], {"enum": ["auto"]}]} if auto else texts


def _list(name: str, text: str) -> Any:
    """Return a list from JSON.

    :raises UserError: for ``[msd]`` too, which ``setEvalMetrics`` of the SDK sends. AWS refuses it in these words, as
        the SageMaker Python SDK had the same defect: https://github.com/aws/sagemaker-python-sdk/issues/889.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(
            f"Hyperparameter must be valid json, but found {name}: (caused by ValueError)\n\n"
            "Caused by: No JSON object could be decoded",
            checked=f"{name} is {_shown(text)}",
            fix='write ["a", "b"] with quotes; setEvalMetrics of the SDK omits them, so leave it to the default',
        ) from None


# ---- formats of texts

_FORMATS = FormatChecker(formats=())


def _named(kind: str, low: float, high: float, ends: str) -> str:
    """Return the name of a format, ``number in [0, 1]``, which :data:`_FORMATS` knows from then on."""
    left = "(" if low == -math.inf else ends[0]
    right = ")" if high == math.inf else ends[1]
    name = f"{kind} in {left}{low:g}, {high:g}{right}"
    pattern = _INTEGER if kind == "integer" else _NUMBER

    def valid(text: object) -> bool:
        if not isinstance(text, str):
            return True
        if len(text) > _MOST_DIGITS[kind] or not pattern.fullmatch(text):
            return False
        value = int(text) if kind == "integer" else float(text)
        above = value > low if ends[0] == "(" else value >= low
        below = value < high if ends[1] == ")" else value <= high
        return math.isfinite(value) and above and below

    _FORMATS.checks(name)(valid)
    return name


def _matches(_validator: Any, pattern: str, text: object, _schema: Any) -> Iterator[ValidationError]:
    """Check a pattern against the whole text: ``$`` alone allows a newline after it."""
    if isinstance(text, str) and (len(text) > _MOST_DIGITS["integer"] or not re.fullmatch(pattern, text)):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


_Validator: Any = validators.extend(Draft4Validator, {"pattern": _matches})

# ---- messages


def _order(error: ValidationError) -> tuple[int, str]:
    """Return what is reported first: unknown names, then missing ones, then values."""
    ranks = {"additionalProperties": 0, "required": 1}
    return ranks.get(str(error.validator), 2), str(error.path)


def _refusal(error: ValidationError, given: Mapping[str, Any], schema: Mapping[str, Entry]) -> UserError:
    message = _message(error, given, schema)
    name = str(error.path[0]) if error.path else ""
    place = f"schema[u'properties'][{_python2(name)}]" if name else "schema"
    form = (
        f":\n    {_python2(error.schema)}\n\nOn instance[{_python2(name)}]:\n    {_python2(given[name])}"
        if name
        else ""
    )
    cause = f"Failed validating {_python2(error.validator)} in {place}{form}"
    return UserError(f"{message} (caused by ValidationError)\n\nCaused by: {message}\n\n{cause}")


def _message(error: ValidationError, given: Mapping[str, Any], schema: Mapping[str, Entry]) -> str:
    if error.validator == "additionalProperties":
        extra = [_python2(_shortened(name)) for name in given if name not in schema]
        were = "was" if len(extra) == 1 else "were"
        return f"Additional properties are not allowed ({', '.join(extra)} {were} unexpected)"
    if error.validator == "required":
        missing = [f"'{name}'" for name, entry in schema.items() if entry.default is REQUIRED and name not in given]
        return f"No value(s) were specified for {', '.join(missing)} which are required hyperparameter(s)"
    shown = _shown(error.instance)
    if error.validator == "enum":
        return f"{shown} is not one of {_python2(error.validator_value)}"
    if error.validator == "oneOf":
        return f"{shown} is not valid under any of the given schemas"
    if error.validator == "type":
        return f"{shown} is not of type {_python2(error.validator_value)}"
    return str(error.message)


def _shown(value: Any) -> str:
    return _python2(_shortened(value) if isinstance(value, str) else value)[:300]


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def _python2(value: Any) -> str:
    """Return what Python 2 prints for a value of JSON."""
    if isinstance(value, str):
        return "u" + repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_python2, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_python2(key)}: {_python2(value[key])}' for key in sorted(value))}}}"
    return repr(value)
