"""Deletion policy of a ledger: which resources are the run's, in which order they are deleted, and what is left.

A resource is deleted only if it is the run's beyond doubt. Its name has the run's name and check characters in it, or
it bears the run's tag. S3 prefixes and log groups have no tags. Under another name, the ledger itself is their proof:
nothing of that name existed when it was recorded, and :mod:`harness.aws.cleanup.ledger_file` says why the record is
genuine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.cleanup.ledger_file import Entry
from harness.aws.cleanup.record import RUN_TAG, Record
from harness.aws.cleanup.resources import (
    ENDED,
    SAGEMAKER_KINDS,
    UNKNOWN,
    Clients,
    Janitor,
    Leftover,
    Resource,
    delete_command,
    is_gone,
)
from harness.errors import HarnessError

PATIENCE = {"real": 900.0, "mock": 60.0}
"""Seconds that a clean-up may take in all: AWS creates an endpoint for minutes, and refuses to delete it meanwhile."""


class Deletion:
    """Deletion of a run's resources, by the run's process or by any other that read its ledger."""

    def __init__(self, record: Record, janitor: Janitor, client: Clients, account: str | None = None) -> None:
        """Delete what is in a record.

        :param account: the account of the client's credentials, if known; STS is asked otherwise.
        """
        self.patience = PATIENCE[record.header.mode]
        self.refused: list[Leftover] = []
        """Resources that exist and were not deleted by the last clean-up, or would not be: nothing proves that they are
        the run's."""
        self._record = record
        self._janitor = janitor
        self._client = client
        self._account = account

    def still_there(self, resources: Iterable[Resource]) -> list[Leftover]:
        """Return those of the resources that are not gone, after waiting for endpoints that are being deleted."""
        deadline = time.monotonic() + self.patience
        states = {resource: self._janitor.settled(resource, deadline - time.monotonic()) for resource in resources}
        return [self._leftover(resource, state) for resource, state in states.items() if state is not None]

    def remaining(self, *, log_groups: bool = False) -> list[Leftover]:
        """Return the run's resources that exist, or may exist, now. Nothing is changed.

        :param log_groups: True to look for log groups too.
        """
        entries = [entry for entry in self._record.entries if log_groups or entry.kind != "log group"]
        left: dict[Resource, str] = {}
        for each in self._deletable(entries, left):
            state = self._janitor.state(each)
            if state is not None and not (each.kind == "training job" and state in ENDED):
                left.setdefault(each, state)
        return [self._leftover(resource, state) for resource, state in left.items()]

    def clean_up(self, resources: Iterable[Resource] | None = None, *, log_groups: bool = False) -> list[Leftover]:
        """Delete the run's resources, the latest first, and return those that still exist, or may exist.

        Each is tried even when another fails, and looked for until AWS says that it is gone. Safe to call again, and
        from several processes at once.

        :param resources: delete only these resources of the record; by default all of them.
        :param log_groups: True to delete log groups too.
        :raises HarnessError: the credentials are another account's, where nothing of the run can be.
        """
        chosen = self._record.entries
        if resources is not None:
            wanted = set(resources)
            chosen = [entry for entry in chosen if entry.resource in wanted]
        found = [entry for entry in reversed(chosen) if log_groups or entry.kind != "log group"]
        if found and not self._record.is_written_here:
            self._check_account()
        states: dict[Resource, str] = {}
        deletable = self._deletable(found, states)
        states |= self._janitor.delete_all(deletable, self.patience)
        left = [self._leftover(resource, state) for resource, state in states.items()] + self.refused
        if len(found) >= sum(log_groups or resource.kind != "log group" for resource in self._record.resources):
            self._record.leftovers = left
        return left

    def _check_account(self) -> None:
        """Raise :class:`HarnessError` if the credentials are another account's: all would seem gone there."""
        own = self._record.header.account
        account = self._account or self._client("sts").get_caller_identity()["Account"]
        if account != own:
            raise HarnessError(
                f"The credentials are of account {account}, but run {self._record.run} was in account {own}.",
                checked="STS GetCallerIdentity",
                fix="use credentials of that account (AWS_PROFILE), and clean up again",
            )

    def _deletable(self, entries: list[Entry], left: dict[Resource, str]) -> list[Resource]:
        """Return the resources that are the run's beyond doubt, each training job with its data.

        :param left: gets the resources of which AWS does not say whose they are.
        """
        self.refused, ours = [], []
        for entry in entries:
            if self._is_proved(entry, left):
                ours += [entry.resource, *self._data_of(entry.resource, left)]
        return ours

    def _is_proved(self, entry: Entry, left: dict[Resource, str]) -> bool:
        """Return whether a resource is the run's. If AWS does not say, it goes to ``left``, and is not deleted.

        Without its tag, a resource of SageMaker under another name may belong to another user: a process that
        only reads the ledger cannot know who created it.
        """
        resource = entry.resource
        if resource.kind not in SAGEMAKER_KINDS or self._record.names_run(resource):
            return True
        if self._record.is_written_here and not entry.tagged:  # this process found that nothing had the name
            return True
        try:
            if self._janitor.tags(resource).get(RUN_TAG) == self._record.run:
                return True
        except (ClientError, BotoCoreError) as error:
            if not (isinstance(error, ClientError) and is_gone(error)):
                left[resource] = f"{UNKNOWN}: whether it is this run's: {error}"
            return False
        state = self._janitor.state(resource)
        if not entry.tagged and state is not None:
            self.refused.append(self._leftover(resource, f"{state}, not deleted: it lacks the run's tag and name"))
        return False

    def _data_of(self, resource: Resource, left: dict[Resource, str]) -> list[Resource]:
        if resource.kind != "training job":
            return []
        try:
            return self._janitor.data_of(resource, named_by_harness=self._record.names_run(resource))
        except (ClientError, BotoCoreError) as error:
            left[resource] = f"{UNKNOWN}: where its data is: {error}"
            return []

    def _leftover(self, resource: Resource, state: str) -> Leftover:
        command = delete_command(resource, self._record.header.region)
        return Leftover(resource, state, self._record.hourly_cost(resource), command)
