"""Ledger of the AWS resources that a run creates: each is on disk before it is created, and all of them are deleted.

A ledger outlives the process that wrote it: the reaper and ``harness sweep`` read it and finish the work. The bucket
``<account>-sagemaker-<region>``, which SageMaker's Spark SDK makes and all runs share, is kept. The run's objects in it
are deleted.

A resource is deleted only if it is the run's beyond doubt. Its name has the run's name and check characters in it, or
it bears the run's tag. S3 prefixes and log groups have no tags. Under another name, the ledger itself is their proof:
nothing of that name existed when it was recorded, and :mod:`harness.aws.cleanup.ledger_file` says why the record is
genuine.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from harness.aws import AWS
from harness.aws.cleanup.clock import Clock
from harness.aws.cleanup.ledger_file import Entry, Header, LedgerFile, read_ledger
from harness.aws.cleanup.names import ENDPOINT_LOGS, Names, bears_run, names_of, new_run
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
    is_valid,
)
from harness.errors import HarnessError
from harness.regions import sdk_bucket
from harness.settings import Settings

TAG_PREFIX = "sagemaker-spark-harness:"
RUN_TAG, OWNER_TAG, EXPIRES_TAG = (TAG_PREFIX + name for name in ("run", "owner", "expires"))
PATIENCE = {"real": 900.0, "mock": 60.0}
"""Seconds that a clean-up may take in all: AWS creates an endpoint for minutes, and refuses to delete it meanwhile."""
_NO_TAG, _LONGEST_TAG = re.compile(r"[^\w .:/=+@-]"), 256
"""What SageMaker takes in a tag's value is less than what IAM takes in the name of a user or session: no comma."""
_TAG_SECONDS = 5.0


class Ledger:
    """The ledger of one run. Make it with :func:`open_ledger`, :meth:`open` or :meth:`read`."""

    def __init__(
        self, path: Path, header: Header, entries: Iterable[Entry], client: Clients, account: str | None = None
    ) -> None:
        self.path = path
        self._account = account
        self.header = header
        self.patience = PATIENCE[header.mode]
        self._entries: dict[Resource, Entry] = {}
        for entry in entries:
            self._take(entry)
        self._client = client
        self._janitor = Janitor(client)
        self._file: LedgerFile | None = None
        self._lock = threading.RLock()
        self._fits = 0
        self._tagged: set[Resource] = set()
        self.leftovers: list[Leftover] | None = None if self._entries else []
        """What is left after a clean-up of all; None if there has been none since something was recorded."""
        self.refused: list[Leftover] = []
        """Resources that exist and were not deleted by the last clean-up, or would not be, as nothing proves that they
        are the run's."""

    @classmethod
    def open(
        cls,
        aws: AWS,
        settings: Settings,
        *,
        run: str | None = None,
    ) -> Ledger:
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
        ledger = cls(file.path, header, [], aws.client)
        ledger._file = file
        return ledger

    @classmethod
    def read(cls, path: Path, client: Clients | None = None, account: str | None = None) -> Ledger:
        """Return the ledger that a file holds; a last line that was cut short is left out, as its Create never came.

        :param client: returns clients of the ledger's account and region; boto3's default ones otherwise.
        :param account: whose the client's credentials are, where that is known; STS is asked otherwise.
        :raises FileNotFoundError: there is no such file.
        :raises HarnessError: the file is no ledger, or not to be believed.
        """
        header, entries = read_ledger(path)
        return cls(path, header, entries, client or boto3.Session(region_name=header.region).client, account)

    # --- what is in it ------------------------------------------------------------------------------------------------

    @property
    def run(self) -> str:
        """The run's name."""
        return self.header.run

    @property
    def bucket(self) -> str:
        """The bucket that all users of the Spark SDK in this account and region share."""
        return sdk_bucket(self.header.account, self.header.region)

    @property
    def resources(self) -> list[Resource]:
        """What the run may have created, in the order in which it was recorded."""
        with self._lock:
            return list(self._entries)

    @property
    def deleted(self) -> list[Resource]:
        """What this object's clean-ups found and sent a deletion for."""
        return list(self._janitor.deleted)

    @property
    def unseen(self) -> list[Resource]:
        """What of SageMaker's was recorded and never seen: its Create was never sent, or is on its way still."""
        seen = {*self._janitor.deleted, *self._tagged}
        return [resource for resource in self.resources if resource.kind in SAGEMAKER_KINDS and resource not in seen]

    def tags(self) -> dict[str, str]:
        """Return the tags of what the run creates: whose it is, and when it may go at the latest."""
        owner = _NO_TAG.sub("_", self.header.owner)[:_LONGEST_TAG]
        return {RUN_TAG: self.run, OWNER_TAG: owner, EXPIRES_TAG: self.header.expires}

    def hourly_cost(self, resource: Resource) -> float | None:
        """Return what a resource costs in USD an hour while it is there: 0 for what has no instances, None if unknown.

        A few cents a month for stored objects count as nothing.
        """
        if resource.kind not in ("training job", "endpoint"):
            return 0.0
        instance_type, count = self.instances_of(resource)
        price = self.header.hourly_prices.get(resource.kind, {}).get(instance_type or "")
        return None if price is None else price * count

    def instances_of(self, resource: Resource) -> tuple[str | None, int]:
        """Return the instance type, None if unknown, and the number of instances that a resource was recorded with."""
        entry = self._entries.get(resource, Entry(resource.kind, resource.name))
        return entry.instance_type, entry.count

    # --- recording ----------------------------------------------------------------------------------------------------

    def expect(
        self, resource: Resource, *, instance_type: str | None = None, count: int = 1, tagged: bool = False
    ) -> Resource:
        """Record a resource that is about to be created, and will be deleted; return it once that is on disk.

        :param instance_type: what it runs on, with ``count``, from which its price follows.
        :param tagged: it is only deleted if it bears the run's tag, for it may be another's by the same name.
        :raises HarnessError: its name is not the run's, and it exists, or may: another user made it. Or it cannot be
            recorded, and must not be created.
        :raises ValueError: AWS gives no such name to that kind of resource.
        """
        if resource.kind == "S3 prefix" and not resource.name.endswith("/"):
            raise ValueError(f"{resource.name} does not end in /, so that it would take run10's data with run1's")
        if not is_valid(resource) or (tagged and resource.kind not in SAGEMAKER_KINDS):
            raise ValueError(f"{resource} cannot be recorded: AWS gives no such name to that kind")
        if not tagged:
            self._refuse_existing(resource)
        entry = Entry(resource.kind, resource.name, instance_type, count, tagged)
        with self._lock:
            known = self._entries.get(resource)
            if known is None or (known.tagged and not tagged):
                self._write(asdict(entry))
                self._take(entry)
            self.leftovers = None
        return resource

    def _refuse_existing(self, resource: Resource) -> None:
        if bears_run(resource, self.run, self.header.account) or resource in self.resources:
            return
        state = self._janitor.state(resource)
        if state is not None:
            raise HarnessError(
                f"The {resource} is not this run's to create, and to delete afterwards: it is there already.",
                checked=f"its state, which is {state}",
                fix="give it a name that nothing has, and call expect() before it is created",
            )

    def strike(self, resource: Resource) -> None:
        """Take a resource of a user's name off the ledger, which AWS refused to create: it is not the run's."""
        with self._lock:
            known = self._entries.get(resource)
            if known is not None and known.tagged:
                refused = replace(known, refused=True)
                self._write(asdict(refused))
                self._take(refused)

    def _take(self, entry: Entry) -> None:
        """Note an entry; of two for one resource, the one that says that it is the run's in any case."""
        known = self._entries.get(entry.resource)
        if entry.refused:
            self._entries.pop(entry.resource, None)
        elif known is None or known.tagged:
            self._entries[entry.resource] = entry

    def names(self, settings: Settings | None = None, *, training: bool = True) -> Names:
        """Return fresh names for all that one ``fit`` creates, recorded with the S3 prefix of its data and its log.

        :param settings: where the instances are named, whose price is that of what is left over.
        :param training: whether there is a training job, with data; else what was trained before is only hosted.
        """
        with self._lock:
            self._fits += 1
            names = names_of(self.run, self._fits, self.bucket)
        machines: dict[str, tuple[str, int]] = {}
        if settings:
            machines["training job"] = (settings.training_instance_type, settings.training_instance_count)
            machines["endpoint"] = (settings.endpoint_instance_type, settings.endpoint_instance_count)
        self.expect(Resource("log group", f"{ENDPOINT_LOGS}{names.endpoint}"))
        for resource in names.resources:
            if not training and resource.kind in ("training job", "S3 prefix"):
                continue
            instance_type, count = machines.get(resource.kind, (None, 1))
            self.expect(resource, instance_type=instance_type, count=count)
        return names

    def make_bucket(self) -> None:
        """Make the bucket that users of the Spark SDK share, unless it is there, as the SDK does; it is kept.

        :raises HarnessError: its name is taken by another account, or AWS refuses.
        """
        s3, region = self._client("s3"), self.header.region
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            if not self._has_bucket(s3):
                s3.create_bucket(Bucket=self.bucket, **where)
        except ClientError as error:
            raise HarnessError(
                f"The bucket {self.bucket}, where training rows are staged, cannot be used: {error}",
                checked="S3 HeadBucket, with this account as the owner that is expected, and CreateBucket",
                fix="allow s3:ListBucket and s3:CreateBucket; if the bucket is another account's, ask AWS about it",
            ) from error

    def _has_bucket(self, s3: Any) -> bool:
        try:
            s3.head_bucket(Bucket=self.bucket, ExpectedBucketOwner=self.header.account)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
                return False
            raise
        return True

    def name_policy_factory(self) -> Any:
        """Return a ``namePolicyFactory`` for one ``fit`` of an estimator of the user's. Spark must be running.

        The rows that the SDK stages, and the model, are recorded where its defaults put them; they are found through
        the training job if ``trainingInputS3DataPath`` or ``trainingOutputS3DataPath`` say otherwise.
        """
        from sagemaker_pyspark import CustomNamePolicyFactory  # noqa: PLC0415 - needs Spark, which a reaper need not

        names = self.names()
        # S3AutoCreatePath.resolve: s3://<bucket>/<a random UUID>/<training job>
        self.expect(Resource("S3 staging", f"s3://{self.bucket}/*/{names.training_job}/"))
        return CustomNamePolicyFactory(names.training_job, names.model, names.endpoint_config, names.endpoint)

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            raise HarnessError(f"The ledger {self.path} was closed, and nothing can be recorded in it any more.")
        self._file.append(line)

    # --- tags ---------------------------------------------------------------------------------------------------------

    def tag(self) -> None:
        """Tag what exists and was not tagged yet: the Spark SDK cannot send tags with what it creates.

        What is the run's only by its tag is left alone: it may be another's. Each is tried even when another fails.

        :raises ClientError: AWS refuses, or has refused; the first of the refusals.
        :raises BotoCoreError: AWS could not be reached.
        """
        with self._lock:
            entries = list(self._entries.values())
        errors: list[Exception] = []
        for resource in (entry.resource for entry in entries if not entry.tagged):
            if resource.kind in SAGEMAKER_KINDS and resource not in self._tagged:
                try:
                    self._janitor.add_tags(resource, self.tags())
                except (ClientError, BotoCoreError) as error:
                    if not (isinstance(error, ClientError) and is_gone(error)):
                        errors.append(error)
                    continue
                self._tagged.add(resource)
        if errors:
            raise errors[0]

    @contextmanager
    def tagging(self) -> Iterator[None]:
        """Tag what a block creates, soon after it comes to be, and at the block's end.

        :raises ClientError: the block succeeded, and AWS refuses to tag what it created.
        """
        over = threading.Event()
        thread = threading.Thread(target=self._tag_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        except Exception:
            with suppress(ClientError, BotoCoreError):  # what went wrong first is what is told
                self.tag()
            raise
        finally:
            over.set()
        thread.join()
        self.tag()

    def _tag_until(self, over: threading.Event) -> None:
        while not over.wait(_TAG_SECONDS):
            with suppress(ClientError, BotoCoreError):  # tried again, and told, at the end
                self.tag()

    # --- clean-up -----------------------------------------------------------------------------------------------------

    def existing(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return those of the resources that are there, or of which AWS does not say."""
        return [resource for resource in resources if self._janitor.state(resource) is not None]

    def still_there(self, resources: Iterable[Resource]) -> list[Leftover]:
        """Return those of the resources that are not gone, having waited for endpoints that are being deleted."""
        deadline = time.monotonic() + self.patience
        states = {resource: self._janitor.settled(resource, deadline - time.monotonic()) for resource in resources}
        return [self._leftover(resource, state) for resource, state in states.items() if state is not None]

    def remaining(self, *, log_groups: bool = False) -> list[Leftover]:
        """Return what is, or may be, there of what the run created, as it is now; nothing is touched.

        :param log_groups: whether to look for the log groups too.
        """
        with self._lock:
            entries = [entry for entry in self._entries.values() if log_groups or entry.kind != "log group"]
        left: dict[Resource, str] = {}
        for each in self._deletable(entries, left):
            state = self._janitor.state(each)
            if state is not None and not (each.kind == "training job" and state in ENDED):
                left.setdefault(each, state)
        return [self._leftover(resource, state) for resource, state in left.items()]

    def clean_up(self, resources: Iterable[Resource] | None = None, *, log_groups: bool = False) -> list[Leftover]:
        """Delete what the run created, the latest first, and return what of it is, or may be, still there.

        Each is tried even when another fails, and asked after until AWS says that it is gone. Safe to call again, and
        from several processes at once.

        :param resources: delete only these of the ledger's; all of them otherwise.
        :param log_groups: whether to delete the log groups too.
        :raises HarnessError: the credentials are another account's, where nothing of the run can be.
        """
        with self._lock:
            chosen = list(self._entries.values())
        if resources is not None:
            wanted = set(resources)
            chosen = [entry for entry in chosen if entry.resource in wanted]
        found = [entry for entry in reversed(chosen) if log_groups or entry.kind != "log group"]
        if self._file is None and found:
            self._check_account()
        states: dict[Resource, str] = {}
        deletable = self._deletable(found, states)
        states |= self._janitor.delete_all(deletable, self.patience)
        left = [self._leftover(resource, state) for resource, state in states.items()] + self.refused
        if len(found) >= sum(log_groups or resource.kind != "log group" for resource in self.resources):
            self.leftovers = left
        return left

    def _check_account(self) -> None:
        """Raise :class:`HarnessError` if the credentials are another account's: there, all of it would seem gone."""
        account = self._account or self._client("sts").get_caller_identity()["Account"]
        if account != self.header.account:
            raise HarnessError(
                f"The credentials are of account {account}, and run {self.run} was one of {self.header.account}.",
                checked="STS GetCallerIdentity",
                fix="use credentials of that account (AWS_PROFILE), and clean up again",
            )

    def _deletable(self, entries: list[Entry], left: dict[Resource, str]) -> list[Resource]:
        """Return the resources that are the run's beyond doubt, each training job with its data.

        :param left: gets those of which AWS does not say whose they are.
        """
        self.refused, ours = [], []
        for entry in entries:
            if self._is_proved(entry, left):
                ours += [entry.resource, *self._data_of(entry.resource, left)]
        return ours

    def _is_proved(self, entry: Entry, left: dict[Resource, str]) -> bool:
        """Return whether a resource is the run's; if AWS does not say, it is left, and stays untouched.

        Without its tag, a resource of SageMaker under another name may belong to another user: a process that
        only reads the ledger cannot know who created it.
        """
        resource = entry.resource
        if resource.kind not in SAGEMAKER_KINDS or bears_run(resource, self.run, self.header.account):
            return True
        if self._file is not None and not entry.tagged:  # this process found that nothing had the name
            return True
        try:
            if self._janitor.tags(resource).get(RUN_TAG) == self.run:
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
            named_by_run = bears_run(resource, self.run, self.header.account)
            return self._janitor.data_of(resource, named_by_harness=named_by_run)
        except (ClientError, BotoCoreError) as error:
            left[resource] = f"{UNKNOWN}: where its data is: {error}"
            return []

    def _leftover(self, resource: Resource, state: str) -> Leftover:
        return Leftover(resource, state, self.hourly_cost(resource), delete_command(resource, self.header.region))

    def close(self, *, keep: bool = False) -> None:
        """End the ledger; its file is deleted if nothing is left, unless it is to be kept, and stays otherwise."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.leftovers == [] and not keep:
            self.path.unlink(missing_ok=True)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
