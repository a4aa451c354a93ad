"""Ledger of the AWS resources that a run creates: each is on disk before it is created, and all of them are deleted.

A ledger outlives the process that wrote it: the reaper and ``harness sweep`` read it and finish the work. The bucket
``<account>-sagemaker-<region>``, which SageMaker's Spark SDK makes and all runs share, is kept. The run's objects in it
are deleted.

:mod:`~harness.aws.cleanup.ledger_file` holds the file, :mod:`~harness.aws.cleanup.record` its contents,
:mod:`~harness.aws.cleanup.deletion` decides what is deleted, and :mod:`~harness.aws.cleanup.hooks` connects boto3 and
the Spark SDK.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from harness.aws import AWS
from harness.aws.account.spending import Spending
from harness.aws.cleanup import hooks
from harness.aws.cleanup.clock import Clock
from harness.aws.cleanup.deletion import Deletion
from harness.aws.cleanup.ledger_file import Entry, Header, LedgerFile, read_ledger
from harness.aws.cleanup.names import new_run
from harness.aws.cleanup.record import Record
from harness.aws.cleanup.resources import S3_KINDS, SAGEMAKER_KINDS, Clients, Janitor, Leftover, Resource
from harness.settings import Settings


class Ledger(Record):
    """The ledger of one run: its record, and the means to delete all that is in it.

    Make it with :meth:`open`, :meth:`read` or :func:`harness.aws.cleanup.reaper.open_ledger`.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        entries: Iterable[Entry],
        client: Clients,
        *,
        account: str | None = None,
        file: LedgerFile | None = None,
    ) -> None:
        janitor = Janitor(client)
        super().__init__(path, header, entries, janitor, file)
        self._client = client
        self.deletion = Deletion(self, janitor, client, account)
        self.tagger = hooks.Tagger(self, janitor)

    @classmethod
    def open(cls, aws: AWS, settings: Settings, *, run: str | None = None) -> Ledger:
        """Begin the ledger of a new run in the AWS's directory for ledgers, which is made if need be.

        :param run: the run's name, if it has one; a new one otherwise.
        :raises ClientError: STS does not say who the caller is.
        :raises HarnessError: the file cannot be written, or other users can write to the directory.
        """
        caller = aws.client("sts").get_caller_identity()
        now = Clock(caller).now()
        header = Header(
            run=run or new_run(aws.account),
            account=aws.account,
            region=aws.region,
            mode=aws.mode,
            owner=caller["Arn"],
            started=_iso(now),
            expires=_iso(now + timedelta(hours=settings.max_hours)),
            pid=os.getpid(),
            hourly_prices={kind: dict(prices) for kind, prices in aws.hourly_prices.items()},
        )
        file = LedgerFile.create(aws.ledger_directory, header)
        ledger = cls(file.path, header, [], aws.client, file=file)
        ledger.spending = Spending.of(aws.prices, settings)
        return ledger

    @classmethod
    def read(cls, path: Path, client: Clients | None = None, account: str | None = None) -> Ledger:
        """Return the ledger that a file holds. A last line that was cut short is skipped, as its Create never came.

        :param client: returns clients of the ledger's account and region; boto3's default ones otherwise.
        :param account: the account of the client's credentials, if known; STS is asked otherwise.
        :raises FileNotFoundError: there is no such file.
        :raises HarnessError: the file is no ledger, or cannot be trusted.
        """
        header, entries = read_ledger(path)
        return cls(path, header, entries, client or boto3.Session(region_name=header.region).client, account=account)

    # --- deletion -----------------------------------------------------------------------------------------------------

    @property
    def deleted(self) -> list[Resource]:
        """The resources that this object's clean-ups found and sent a deletion for."""
        return list(self._janitor.deleted)

    @property
    def created(self) -> list[Resource]:
        """The resources that certainly existed: they, or objects below them, were tagged, deleted, or left over."""
        left = {leftover.resource for leftover in self.leftovers or []}
        seen = {*self._janitor.deleted, *self.tagger.tagged, *left}
        data = tuple(resource.name for resource in seen if resource.kind in S3_KINDS)
        return [
            resource
            for resource in self.resources
            if resource in seen or any(name.startswith(resource.name) for name in data)
        ]

    @property
    def unseen(self) -> list[Resource]:
        """SageMaker's resources that were recorded and never seen: their Create was not sent, or is under way."""
        seen = {*self._janitor.deleted, *self.tagger.tagged}
        return [resource for resource in self.resources if resource.kind in SAGEMAKER_KINDS and resource not in seen]

    def existing(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return those of the resources that exist, or of which AWS does not say."""
        return [resource for resource in resources if self._janitor.state(resource) is not None]

    def clean_up(self, resources: Iterable[Resource] | None = None, *, log_groups: bool = False) -> list[Leftover]:
        """Delete the run's resources, as :meth:`harness.aws.cleanup.deletion.Deletion.clean_up` does."""
        return self.deletion.clean_up(resources, log_groups=log_groups)

    # --- the Spark SDK ------------------------------------------------------------------------------------------------

    def make_bucket(self) -> None:
        """Make the bucket that users of the Spark SDK share, as :func:`harness.aws.cleanup.hooks.make_bucket` does."""
        hooks.make_bucket(self._client("s3"), self)

    def name_policy_factory(self) -> Any:
        """Return a ``namePolicyFactory`` for one ``fit``: see :func:`harness.aws.cleanup.hooks.name_policy_factory`."""
        return hooks.name_policy_factory(self)

    def tagging(self) -> AbstractContextManager[None]:
        """Tag what a block creates, as :meth:`harness.aws.cleanup.hooks.Tagger.tagging` does."""
        return self.tagger.tagging()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
