"""Answers without what differs from run to run: times, measured numbers, tokens, names, the account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from string import Template
from typing import Any
from urllib.parse import quote

TIME, NUMBER, TEXT = "<time>", "<number>", "<text>"
_VARIES = {
    # CloudWatch Logs: times are milliseconds, and the text is the container's.
    **dict.fromkeys(
        ("timestamp", "ingestionTime", "creationTime", "firstEventTimestamp", "lastEventTimestamp"), NUMBER
    ),
    **dict.fromkeys(("lastIngestionTime", "storedBytes", "TrainingTimeInSeconds", "BillableTimeInSeconds"), NUMBER),
    **dict.fromkeys(("message", "nextForwardToken", "nextBackwardToken", "uploadSequenceToken", "eventId"), TEXT),
    **dict.fromkeys(("UserId", "ID", "DisplayName", "InstanceType"), TEXT),
}
"""Members whose value says nothing about AWS's behaviour."""
_PATTERNS = (
    (re.compile(r"\barn:aws[a-z-]*:"), "arn:<partition>:"),
    (re.compile(r"(algo-1-)\d+"), r"\g<1><number>"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "sha256:<text>"),
)


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """Return a request with the values of its placeholders."""
    if isinstance(value, dict):
        return {name: filled(member, values) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(member, values) for member in value]
    return Template(value).substitute(values) if isinstance(value, str) else value


def normalised(shape: Any, value: Any, values: Mapping[str, str]) -> Any:
    """Return an answer, as boto3 parsed it, with placeholders for run-dependent values.

    :param shape: botocore's shape of the answer.
    """
    rule = _RULES.get(shape.type_name)
    return rule(shape, value, values) if rule else value


def _structure(shape: Any, value: Any, values: Mapping[str, str]) -> Any:
    return {
        name: _VARIES[name] if name in _VARIES else normalised(member, value[name], values)
        for name, member in shape.members.items()
        if name in value
    }


def _list(shape: Any, value: Any, values: Mapping[str, str]) -> Any:
    items = [normalised(shape.member, item, values) for item in value]
    return sorted(items, key=lambda item: item["MetricName"]) if items and _is_metric(items[0]) else items


def _is_metric(item: Any) -> bool:
    return isinstance(item, dict) and "MetricName" in item


def _map(shape: Any, value: Any, values: Mapping[str, str]) -> Any:
    return {key: normalised(shape.value, content, values) for key, content in value.items()}


def _blob(_: Any, value: Any, values: Mapping[str, str]) -> Any:
    content = value.read() if hasattr(value, "read") else value
    return without_values(content.decode(errors="replace"), values)


_RULES: dict[str, Callable[[Any, Any, Mapping[str, str]], Any]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "blob": _blob,
    "string": lambda _, value, values: without_values(value, values),
    "timestamp": lambda *_: TIME,
    "float": lambda *_: NUMBER,
    "double": lambda *_: NUMBER,
}


def without_values(text: str, values: Mapping[str, str]) -> str:
    """Return a text with placeholders in place of values, the longest value first, also if a URL encodes them."""
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"${{{name}}}").replace(quote(value, safe=""), f"${{{name}}}")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
