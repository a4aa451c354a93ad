"""Snapshots: for each reference program a JSON file with its calls, in order, and AWS's answer to each.

Requests and answers name run-dependent values by placeholders, such as ``${bucket}``. ``stamp`` is the origin of an
answer: ``documentation``, or ``observed`` with the date on which AWS gave it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import SettingsError

DOCUMENTATION = "documentation"
"""Stamp of an answer that comes from AWS's documentation and from the local AWS, which was built from it."""
DIRECTORY = Path(__file__).parent / "snapshots"
"""The snapshots that the harness ships."""
PROGRAMS = ("spark-sdk", "s3a", "sagemaker-sdk")
"""The reference programs: SageMaker's Spark SDK, Hadoop's S3A, SageMaker's Python SDK."""


@dataclass(frozen=True)
class Wait:
    """A call that is repeated while a member of its answer has one of these values."""

    member: str
    values: list[str]


@dataclass(frozen=True)
class Call:
    """One call: service and operation as boto3 names the service and AWS the operation, request, answer."""

    service: str
    operation: str
    request: dict[str, Any]
    answer: dict[str, Any] = field(default_factory=dict)
    """``status``, and ``members`` of a success, or ``code`` and ``message`` of an error; empty if none was recorded."""
    stamp: str = DOCUMENTATION
    wait: Wait | None = None
    keep: dict[str, str] = field(default_factory=dict)
    """Placeholders that later calls use, and the members of this answer that are their values."""
    only_in: str = ""
    """Region in which the call is made; the empty string for all."""


@dataclass(frozen=True)
class Snapshot:
    """The calls of one reference program."""

    program: str
    description: str
    calls: list[Call]


def read(directory: Path, program: str) -> Snapshot:
    """Return the snapshot of a program.

    :raises SettingsError: the file is missing or is no snapshot.
    """
    path = directory / f"{program}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Snapshot(content["program"], content["description"], [_call(each) for each in content["calls"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} cannot be read as a snapshot: {error!r}.",
            fix="name a directory that 'harness parity record --output DIR' wrote",
        ) from None


def write(directory: Path, snapshot: Snapshot) -> None:
    """Write a snapshot to its file in a directory, without the members that are empty."""
    calls = [
        {name: value for name, value in asdict(call).items() if value or name == "request"} for call in snapshot.calls
    ]
    content = {"program": snapshot.program, "description": snapshot.description, "calls": calls}
    path = directory / f"{snapshot.program}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _call(content: dict[str, Any]) -> Call:
    wait = content.get("wait")
    return Call(**{**content, "wait": wait and Wait(**wait)})
