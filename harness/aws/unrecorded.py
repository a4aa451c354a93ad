"""Resources that exist in AWS since a session began, and were not recorded in its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import run_of
from harness.aws.cleanup.resources import SAGEMAKER_KINDS, Clients, Janitor, Resource, delete_command

_RUNS = {"training job": {"StatusEquals": "InProgress"}}
"""Filters of the lists: the record of a job that has ended stays for good, and costs nothing."""


def unrecorded(ledger: Ledger, client: Clients) -> list[str]:
    """Return SageMaker's resources that were created since the ledger began and are in no run, a line for each.

    A line has the name, the time, the tags if the caller may read them, and the command that deletes it. SageMaker does
    not say who created a resource, so some may be another user's. Nothing is deleted. A caller who may not list a kind
    gets none of it.

    :param client: returns clients of the ledger's account and region.
    """
    since = datetime.fromisoformat(ledger.header.started.replace("Z", "+00:00"))
    janitor, lines = Janitor(client), list[str]()
    for kind in SAGEMAKER_KINDS:
        with suppress(ClientError, BotoCoreError):
            for resource, created in _created(kind, since, client):
                if resource not in ledger.resources and not run_of(resource.name, ledger.header.account):
                    tags = _tags(janitor, resource)
                    when = f"created {created:%Y-%m-%d %H:%M:%S} UTC{f', {tags}' if tags else ''}"
                    lines.append(f"{resource} ({when}): {delete_command(resource, ledger.header.region)}")
    return lines


def _created(kind: str, since: datetime, client: Clients) -> Iterator[tuple[Resource, datetime]]:
    names = SAGEMAKER_KINDS[kind]
    pages = client("sagemaker").get_paginator(f"list_{names.operation}s")
    for page in pages.paginate(CreationTimeAfter=since, **_RUNS.get(kind, {})):
        for items in (value for value in page.values() if isinstance(value, list)):
            for item in items:
                yield Resource(kind, item[names.parameter]), item["CreationTime"]


def _tags(janitor: Janitor, resource: Resource) -> str:
    with suppress(ClientError, BotoCoreError):
        return ", ".join(f"{name}={value}" for name, value in janitor.tags(resource).items())
    return ""
