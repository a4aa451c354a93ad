"""Policies of POST forms, by which browsers upload to S3: their form, their expiration and their conditions.

They are pure: fields in, nothing or an error out. See
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html. The messages after
``Invalid according to Policy:`` are S3's; those after ``Invalid Policy:`` follow
https://github.com/versity/versitygw (``s3err/post-object.go``).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from harness.localaws.exceptions import AWSError

_WITHOUT_CONDITION = ("awsaccesskeyid", "file", "policy", "signature", "x-amz-signature")
"""Fields that need no condition. Those that start with ``x-ignore-`` need none either."""
_TIMES = ("%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ")
_ARGUMENTS = 3


@dataclass(frozen=True)
class Condition:
    """A test of one field: ``eq`` or ``starts-with``."""

    operation: str
    field: str
    """Name in lower case."""
    value: str
    text: str
    """The condition as S3 shows it when it fails."""

    def holds(self, given: str) -> bool:
        """Return whether a field's value passes. Each of several content types must pass."""
        if self.operation == "eq":
            return given == self.value
        values = [part.strip() for part in given.split(",")] if self.field == "content-type" else [given]
        return all(value.startswith(self.value) for value in values)


@dataclass(frozen=True)
class PostPolicy:
    """The policy of a form."""

    expiration: datetime
    conditions: tuple[Condition, ...]
    sizes: tuple[tuple[int, int], ...]
    """Ranges that each must contain the file's size."""

    def check_fields(self, fields: Mapping[str, str], bucket: str, now: datetime) -> None:
        """Raise :class:`AWSError` if the policy has expired, a condition fails, or a field has no condition.

        :param fields: the form's fields before the file, by names in lower case, with ``${filename}`` replaced.
        """
        if now >= self.expiration:
            raise _violated("Policy expired.")
        values = {**fields, "bucket": bucket}
        for condition in self.conditions:
            if not condition.holds(values.get(condition.field, "")):
                raise _violated(f"Policy Condition failed: {condition.text}")
        covered = {condition.field for condition in self.conditions}
        for name in fields:
            if name not in covered and name not in _WITHOUT_CONDITION and not name.startswith("x-ignore-"):
                raise _violated(f"Extra input fields: {name}")

    def check_size(self, size: int) -> None:
        """Raise :class:`AWSError` unless a file's size is in the range that the policy allows."""
        for least, most in self.sizes:
            if size < least:
                raise _error(
                    "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed size",
                    ProposedSize=size,
                    MinSizeAllowed=least,
                )
            if size > most:
                raise _error(
                    "EntityTooLarge",
                    "Your proposed upload exceeds the maximum allowed size",
                    ProposedSize=size,
                    MaxSizeAllowed=most,
                )


def read(encoded: str) -> PostPolicy:
    """Return the policy in a form's field.

    :raises AWSError: it is not a policy.
    """
    try:
        document = json.loads(base64.b64decode("".join(encoded.split()), validate=True))
    except binascii.Error:
        raise _invalid("invalid Base64 encoding.") from None
    except (ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    for element in ("expiration", "conditions"):
        if element not in document:
            raise _invalid(f"Policy missing {element}.")
    if not isinstance(document["conditions"], list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    conditions: list[Condition] = []
    sizes: list[tuple[int, int]] = []
    for given in document["conditions"]:
        if isinstance(given, dict):
            conditions.append(_simple(given))
        elif not isinstance(given, list):
            raise _invalid("Invalid condition test: must be a List or Object.")
        elif str(given[:1]).lower() == "['content-length-range']":
            sizes.append(_range(given))
        else:
            conditions.append(_test(given))
    return PostPolicy(_expiration(document["expiration"]), tuple(conditions), tuple(sizes))


def _expiration(given: Any) -> datetime:
    for form in _TIMES:
        try:
            return datetime.strptime(str(given), form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    raise _invalid(f"Invalid 'expiration' value: '{given}'")


def _simple(given: dict[str, Any]) -> Condition:
    if len(given) != 1:
        raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
    name, value = next(iter(given.items()))
    if not isinstance(value, str):
        raise _invalid("Invalid Simple-Condition: value must be a string.")
    return Condition("eq", name.lower(), value, _shown("eq", f"${name}", value))


def _test(given: list[Any]) -> Condition:
    if not given or not isinstance(given[0], str):
        raise _invalid("Invalid Condition: missing operation identifier.")
    operation = given[0].lower()
    if operation not in ("eq", "starts-with"):
        raise _invalid(f"Invalid Condition: unknown operation '{given[0]}'.")
    if len(given) != _ARGUMENTS or not all(isinstance(part, str) for part in given):
        raise _invalid(f"Invalid {operation}: wrong number of arguments.")
    _, name, value = given
    if not name.startswith("$"):
        raise _invalid(f"Invalid {operation}: the field '{name}' does not start with '$'.")
    return Condition(operation, name[1:].lower(), value, _shown(operation, name, value))


def _range(given: list[Any]) -> tuple[int, int]:
    if len(given) != _ARGUMENTS:
        raise _invalid("Invalid content-length-range: wrong number of arguments.")
    try:
        least, most = (int(bound) for bound in given[1:])
    except (TypeError, ValueError):
        raise _invalid("Invalid content-length-range: the bounds must be integers.") from None
    return least, most


def _shown(operation: str, field: str, value: str) -> str:
    return json.dumps([operation, field, value], ensure_ascii=False)


def _invalid(reason: str) -> AWSError:
    return _error("InvalidPolicyDocument", f"Invalid Policy: {reason}")


def _violated(reason: str) -> AWSError:
    return _error("AccessDenied", f"Invalid according to Policy: {reason}", status=403)


def _error(code: str, message: str, *, status: int = 400, **members: object) -> AWSError:
    error = AWSError(message, **members)
    error.status, error.code = status, code
    return error
