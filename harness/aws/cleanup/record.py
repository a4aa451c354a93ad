"""Record of the resources that a run may have created: in memory, and in the ledger file before each is created."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from harness.aws.account.spending import Spending
from harness.aws.cleanup.ledger_file import Entry, Header, LedgerFile
from harness.aws.cleanup.names import ENDPOINT_LOGS, Names, bears_run, names_of
from harness.aws.cleanup.resources import KINDS, SAGEMAKER_KINDS, UNKNOWN, Janitor, Leftover, Resource, is_valid
from harness.errors import HarnessError, SettingsError
from harness.regions import sdk_bucket
from harness.settings import Settings

TAG_PREFIX = "sagemaker-spark-harness:"
RUN_TAG, OWNER_TAG, EXPIRES_TAG = (TAG_PREFIX + name for name in ("run", "owner", "expires"))
_NO_TAG, _LONGEST_TAG = re.compile(r"[^\w .:/=+@-]"), 256
"""SageMaker takes fewer characters in a tag's value than IAM takes in the name of a user or session: no comma."""


class Record:
    """The resources of one run. A process that only reads the ledger has one without an open file."""

    def __init__(
        self, path: Path, header: Header, entries: Iterable[Entry], janitor: Janitor, file: LedgerFile | None = None
    ) -> None:
        """Hold the entries of a ledger.

        :param janitor: looks whether a resource exists before it is recorded.
        :param file: the ledger's file if this process writes it.
        """
        self.path = path
        self.header = header
        self._janitor = janitor
        self._file = file
        self._lock = threading.RLock()
        self._fits = 0
        self._entries: dict[Resource, Entry] = {}
        for entry in entries:
            self._keep(entry)
        self.leftovers: list[Leftover] | None = None if self._entries else []
        """Resources left after the last clean-up of all; None if something was recorded since."""
        self.spending: Spending | None = None
        """Cost of what the run creates and its bound; None if there is no bound, or if nothing costs money."""

    # --- contents -----------------------------------------------------------------------------------------------------

    @property
    def run(self) -> str:
        """The run's name."""
        return self.header.run

    @property
    def bucket(self) -> str:
        """The bucket that all users of the Spark SDK in this account and region share."""
        return sdk_bucket(self.header.account, self.header.region)

    @property
    def entries(self) -> list[Entry]:
        """The entries, in the order in which they were recorded."""
        with self._lock:
            return list(self._entries.values())

    @property
    def resources(self) -> list[Resource]:
        """The resources that the run may have created, in the order in which they were recorded."""
        return [entry.resource for entry in self.entries]

    @property
    def is_written_here(self) -> bool:
        """True if this process records in the ledger: then it knows that no one else had created the resources."""
        return self._file is not None

    def names_run(self, resource: Resource) -> bool:
        """Return whether a resource's name holds the run's name and check characters."""
        return bears_run(resource, self.run, self.header.account)

    def tags(self) -> dict[str, str]:
        """Return the tags of the run's resources: their run, their owner, and the time until which they may live."""
        owner = _NO_TAG.sub("_", self.header.owner)[:_LONGEST_TAG]
        return {RUN_TAG: self.run, OWNER_TAG: owner, EXPIRES_TAG: self.header.expires}

    def instances_of(self, resource: Resource) -> tuple[str | None, int]:
        """Return the instance type, None if unknown, and the number of instances that a resource was recorded with."""
        entry = self._entries.get(resource, Entry(resource.kind, resource.name))
        return entry.instance_type, entry.count

    def hourly_cost(self, resource: Resource) -> float | None:
        """Return the cost of a resource in USD an hour: 0 if it has no instances, None if unknown.

        A few cents a month for stored objects count as nothing.
        """
        if resource.kind not in ("training job", "endpoint"):
            return 0.0
        instance_type, count = self.instances_of(resource)
        price = self.header.hourly_prices.get(resource.kind, {}).get(instance_type or "")
        return None if price is None else price * count

    # --- recording ----------------------------------------------------------------------------------------------------

    def expect(
        self, resource: Resource, *, instance_type: str | None = None, count: int = 1, tagged: bool = False
    ) -> Resource:
        """Record a resource that is about to be created, and return it once it is on disk. It will be deleted.

        :param instance_type: its instance type. With ``count``, its price follows.
        :param tagged: True to delete it only if it bears the run's tag: another user may have one of that name.
        :raises HarnessError: its name is not the run's, and it exists or may exist: another user made it. Or it cannot
            be recorded, and must not be created.
        :raises ValueError: AWS gives no such name to that kind of resource.
        :raises SettingsError: a ledger has no such kind of resource.
        """
        if resource.kind not in KINDS:
            raise SettingsError(
                f"A ledger cannot record the {resource}.",
                checked=f"its kind; there are {', '.join(KINDS)}",
                fix="delete it yourself, in a finalizer",
            )
        if resource.kind == "S3 prefix" and not resource.name.endswith("/"):
            raise ValueError(f"{resource.name} does not end in /, so that run1 would take run10's data too")
        if not is_valid(resource) or (tagged and resource.kind not in SAGEMAKER_KINDS):
            raise ValueError(
                f"{resource} cannot be recorded: its name is invalid, as AWS gives none like it to that kind"
            )
        if not tagged:
            self._refuse_existing(resource)
        entry = Entry(resource.kind, resource.name, instance_type, count, tagged)
        with self._lock:
            known = self._entries.get(resource)
            if known is None or (known.tagged and not tagged):
                self._write(entry)
            self.leftovers = None
        return resource

    def _refuse_existing(self, resource: Resource) -> None:
        if self.names_run(resource) or resource in self.resources:
            return
        state = self._janitor.state(resource)
        if state is not None:
            exists = "AWS does not report if it exists" if state.startswith(UNKNOWN) else "it exists"
            raise HarnessError(
                f"The {resource} is not this run's to create and delete: {exists}.",
                checked=f"its state, which is {state}",
                fix="give it a name that nothing has, and call expect() before it is created",
            )

    def strike(self, resource: Resource) -> None:
        """Take a resource under a user's name off the ledger: AWS refused to create it, so it is not the run's."""
        with self._lock:
            known = self._entries.get(resource)
            if known is not None and known.tagged:
                self._write(replace(known, refused=True))

    def names(self, settings: Settings | None = None, *, training: bool = True) -> Names:
        """Return fresh names for all that one ``fit`` creates. They are recorded, with the S3 prefix and the log group.

        :param settings: name the instances, from which the price of leftovers follows.
        :param training: False if nothing is trained, and an earlier model is only hosted.
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

    def data_prefix(self) -> str:
        """Return a fresh prefix for data of the run, ``s3://bucket/prefix/``, which is recorded."""
        with self._lock:
            self._fits += 1
            names = names_of(self.run, self._fits, self.bucket)
        return self.expect(Resource("S3 prefix", names.data)).name

    def _write(self, entry: Entry) -> None:
        """Write an entry to the file, and only then keep it."""
        if self._file is None:
            raise HarnessError(f"The ledger {self.path} was closed; nothing can be recorded in it.")
        self._file.append(asdict(entry))
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        """Keep an entry. Of two for one resource, keep the one that says that it is the run's in any case."""
        known = self._entries.get(entry.resource)
        if entry.refused:
            self._entries.pop(entry.resource, None)
        elif known is None or known.tagged:
            self._entries[entry.resource] = entry

    def close(self, *, keep: bool = False) -> None:
        """Close the ledger. Its file is deleted if nothing is left, unless ``keep`` is true."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.leftovers == [] and not keep:
            self.path.unlink(missing_ok=True)
