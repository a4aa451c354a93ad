"""Evaluation of policies, as IAM does it, for identity-based policies and trust policies.

It is pure: its inputs are documents, an action, a resource and a context. The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html

moto's own evaluation is not used. It takes a condition that does not hold for a denial, does not know ``?``,
``NotResource`` and most operators, and lets a dot match any character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

Document = dict[str, Any]
Statement = dict[str, Any]
Context = Mapping[str, list[str]]
"""Values of the condition keys that the request has."""

_VARIABLE = re.compile(r"\$\{([^{}]+)\}")
_ITSELF = {"*": "\ufdd0", "?": "\ufdd1"}
"""Placeholders, which no text has, for characters of a policy variable's value that are not wildcards."""
_AS_ITSELF = str.maketrans(_ITSELF)
_MEANT = str.maketrans({mark: character for character, mark in _ITSELF.items()})
_NEGATED = ("StringNot", "NumericNot", "DateNot", "ArnNot", "NotIpAddress")
_ARN_PARTS = 6


class Decision(Enum):
    """Result of an evaluation, as SimulatePrincipalPolicy names it."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


def evaluate(documents: Iterable[Document], action: str, resource: str, context: Context) -> Decision:
    """Return the decision of policies together about an action (``s3:GetObject``) on a resource (an ARN or ``*``).

    :raises ValueError: a condition has an operator that IAM does not have.
    """
    effects = {
        statement["Effect"]
        for document in documents
        for statement in statements(document)
        if applies(statement, action, resource, context)
    }
    if "Deny" in effects:
        return Decision.EXPLICIT_DENY
    return Decision.ALLOWED if "Allow" in effects else Decision.IMPLICIT_DENY


def trusts(document: Document, action: str, principal: str, context: Context) -> bool:
    """Return whether a role's trust policy allows a principal an action (``sts:AssumeRole``).

    :param principal: an ARN, or a service (``sagemaker.amazonaws.com``).
    """
    effects = {
        statement["Effect"]
        for statement in statements(document)
        if _is_named(statement, action, "Action")
        and _is_principal(statement.get("Principal", {}), principal)
        and _conditions_hold(statement, _folded(context))
    }
    return "Allow" in effects and "Deny" not in effects


def names(document: Document, principal: str) -> bool:
    """Return whether a trust policy names a principal itself rather than its account."""
    return any(principal in names_of(statement.get("Principal", {})) for statement in statements(document))


def statements(document: Document) -> list[Statement]:
    """Return the statements of a document. A single one may stand outside a list."""
    return listed(document.get("Statement", []))


def listed(value: Any) -> list[Any]:
    """Return an element of a policy as a list. A single value may stand outside a list."""
    return value if isinstance(value, list) else [value]


def _folded(context: Context) -> Context:
    """Return the context with its keys in lower case, because IAM ignores their case."""
    return {key.lower(): values for key, values in context.items()}


def applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    """Return whether a statement is about an action on a resource and its conditions hold. Principals do not count."""
    folded = _folded(context)
    return (
        _is_named(statement, action, "Action")
        and _is_about(statement, resource, folded)
        and _conditions_hold(statement, folded)
    )


def _is_named(statement: Statement, action: str, element: str) -> bool:
    if f"Not{element}" in statement:
        return not any(like(pattern.lower(), action.lower()) for pattern in listed(statement[f"Not{element}"]))
    return any(like(pattern.lower(), action.lower()) for pattern in listed(statement.get(element, [])))


def _is_about(statement: Statement, resource: str, context: Context) -> bool:
    element = "NotResource" if "NotResource" in statement else "Resource"
    patterns = [_filled_in(pattern, context) for pattern in listed(statement.get(element, []))]
    return any(arn_like(pattern, resource) for pattern in patterns) == (element == "Resource")


def _is_principal(principals: Any, principal: str) -> bool:
    """Return whether a trust policy's Principal names the caller, its account, or ``*``."""
    if principals == "*":
        return True
    named = names_of(principals)
    account = principal.split(":")[4] if principal.startswith("arn:") else ""
    root = [name for name in named if account and (name == account or name.endswith(f":iam::{account}:root"))]
    return bool(root) or "*" in named or principal in named


def names_of(principals: Any) -> list[str]:
    """Return the names in a Principal element, of all its kinds."""
    return [principals] if isinstance(principals, str) else [n for names in principals.values() for n in listed(names)]


def _filled_in(pattern: str, context: Context) -> str:
    """Replace policy variables (``${aws:username}``). A variable without a value matches nothing."""

    def value(match: re.Match[str]) -> str:
        name = match[1].partition(",")[0].strip()
        filled = name if name in ("*", "?", "$") else (context.get(name.lower()) or ["\0"])[0]
        return filled.translate(_AS_ITSELF)

    return _VARIABLE.sub(value, pattern)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern, which takes time in proportion to pattern times text.

    The part between two asterisks matches at its first occurrence, which is never worse than a later one. A lookahead
    keeps that match. Otherwise each asterisk would try all lengths for every length of those before it.
    """
    first, *rest = (_without_asterisk(part) for part in pattern.split("*"))
    if not rest:
        return re.compile(first, re.DOTALL)
    *inner, last = rest
    held = (f"(?=(?P<p{number}>.*?{part}))(?P=p{number})" for number, part in enumerate(inner))
    return re.compile("".join([first, *held, ".*", last]), re.DOTALL)


def _without_asterisk(pattern: str) -> str:
    return ".".join(re.escape(part.translate(_MEANT)) for part in pattern.split("?"))


def like(pattern: str, text: str) -> bool:
    """Return whether a text matches a pattern with ``*`` and ``?``."""
    return _compiled(pattern).fullmatch(text) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """Return whether an ARN matches a pattern. No wildcard matches one of the first five colons."""
    patterns, parts = pattern.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    if len(patterns) < _ARN_PARTS and not pattern.startswith("arn:"):
        return like(pattern, arn)
    return len(patterns) == len(parts) and all(
        like(part_pattern, part) for part_pattern, part in zip(patterns, parts, strict=True)
    )


# --- conditions -------------------------------------------------------------------------------------------------------


def _conditions_hold(statement: Statement, context: Context) -> bool:
    return all(
        _holds(operator, listed(wanted), context.get(key.lower()), context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, wanted: list[Any], values: list[str] | None, context: Context) -> bool:
    """Return whether one condition holds for the values of its key, None if the request lacks the key."""
    quantifier, _, name = operator.rpartition(":")
    name, if_exists = name.removesuffix("IfExists"), name.endswith("IfExists")
    if name == "Null":
        return (not values) == (str(wanted[0]).lower() == "true")
    matches = _matcher(name, [_filled_in(_text(value), context) for value in wanted])
    if not values:
        return if_exists or quantifier == "ForAllValues" or (not quantifier and name.startswith(_NEGATED))
    if quantifier == "ForAllValues":
        return all(map(matches, values))
    if quantifier == "ForAnyValue":
        return any(map(matches, values))
    return all(map(matches, values)) if name.startswith(_NEGATED) else any(map(matches, values))


def conditions(statement: Statement) -> list[tuple[str, str, list[Any]]]:
    """Return a statement's conditions: operator, key in lower case, and values."""
    return [
        (operator, key.lower(), listed(values))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]


def check_operators(statement: Statement) -> None:
    """Raise ValueError if IAM has no operator of that name."""
    for operator, _, _ in conditions(statement):
        name = operator.rpartition(":")[2].removesuffix("IfExists")
        if name != "Null":
            _matcher(name, [])


def keys_missing(documents: Iterable[Document], action: str, resource: str, context: Context) -> list[str]:
    """Return the condition keys that statements about an action and a resource use and the context lacks."""
    folded = _folded(context)
    about = [
        statement
        for document in documents
        for statement in statements(document)
        if _is_named(statement, action, "Action") and _is_about(statement, resource, folded)
    ]
    asked = {key for statement in about for keys in statement.get("Condition", {}).values() for key in keys}
    return sorted(key for key in asked if key.lower() not in folded)


def _matcher(name: str, wanted: list[str]) -> Callable[[str], bool]:
    """Return a function that compares a value by an operator: it must match any of ``wanted``, or none if negated."""
    negated = name.startswith(_NEGATED)
    compare = _OPERATORS.get(name.replace("Not", "", 1) if negated else name)
    if compare is None:
        raise ValueError(f"IAM has no condition operator {name}")
    if compare not in (like, arn_like):
        wanted = [each.translate(_MEANT) for each in wanted]
    return lambda value: any(compare(each, value) for each in wanted) != negated


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _date(text: str) -> float:
    """Return seconds since the epoch, from a number of seconds or from ISO 8601."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()


def _ordered(convert: Callable[[str], float]) -> dict[str, Callable[[str, str], bool]]:
    return {
        "Equals": lambda wanted, value: convert(value) == convert(wanted),
        "LessThan": lambda wanted, value: convert(value) < convert(wanted),
        "LessThanEquals": lambda wanted, value: convert(value) <= convert(wanted),
        "GreaterThan": lambda wanted, value: convert(value) > convert(wanted),
        "GreaterThanEquals": lambda wanted, value: convert(value) >= convert(wanted),
    }


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "BinaryEquals": lambda wanted, value: wanted == value,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "IpAddress": lambda wanted, value: ip_address(value) in ip_network(wanted, strict=False),
    **{f"Numeric{name}": compare for name, compare in _ordered(float).items()},
    **{f"Date{name}": compare for name, compare in _ordered(_date).items()},
}
"""Operators by name, without the negated ones."""
