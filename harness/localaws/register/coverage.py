"""Coverage of AWS as data, from the register: for ``harness coverage`` and the documentation."""

from __future__ import annotations

from typing import Any

from harness.localaws.register.lookup import MEMBERS, OPERATIONS
from harness.localaws.register.member_class import Entry, MemberClass, Members
from harness.localaws.register.operation_class import OperationClass
from harness.localaws.s3 import operations as s3

SERVICES = sorted([*OPERATIONS, "s3"])


def counts(service: str) -> dict[str, int | None]:
    """Return the number of operations of a service in each class. S3's that are refused are not listed: None."""
    if service == "s3":
        return {"emulated": len(s3.OPERATIONS), "record only": 0, "refused": None}
    return {kind.value: len(OPERATIONS[service].names(kind)) for kind in OperationClass}


def operations(service: str) -> dict[str, dict[str, list[str]]]:
    """Return the operations of a service by class and by what they have in common."""
    if service == "s3":
        return {"emulated": {"moto; bodies and checksums by the harness": sorted(s3.OPERATIONS)}}
    groups = OPERATIONS[service].groups.items()
    return {kind.value: {title: sorted(names) for title, names in its.items()} for kind, its in groups if its}


def members(service: str) -> dict[str, list[dict[str, Any]]]:
    """Return the classified members of the input of a service's operations, by operation."""
    return {name: _listed(members) for name, members in sorted(MEMBERS.get(service, {}).items())}


def _listed(members: Members) -> list[dict[str, Any]]:
    return [{"member": path, "class": entry.kind.value, **_more(entry)} for path, entry in members.entries.items()]


def _more(entry: Entry) -> dict[str, str]:
    return ({"takes": entry.only.shown} if entry.only else {}) | ({"reason": entry.reason} if entry.reason else {})


def limits(service: str) -> dict[str, list[tuple[str, str]]]:
    """Return the members that do not act for every value, each with its limit, by operation."""
    found = {
        operation: [(member["member"], _phrase(member)) for member in listed if "reason" in member]
        for operation, listed in members(service).items()
    }
    return {operation: limited for operation, limited in found.items() if limited}


def features_not_emulated(service: str) -> list[str]:
    """Return the features of a service whose operations are refused."""
    return list(operations(service).get("refused", {}))


def _phrase(member: dict[str, Any]) -> str:
    if "takes" in member:
        return f"only {member['takes']}: {member['reason']}"
    prefix = "no effect" if member["class"] == MemberClass.NO_EFFECT.value else "refused"
    return f"{prefix}: {member['reason']}"


def report(service: str) -> dict[str, Any]:
    """Return all that the register has about a service."""
    return {"counts": counts(service), "operations": operations(service), "members": members(service)}
