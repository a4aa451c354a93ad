"""Resources that earlier runs left in a region, found without their ledgers: by tags and by names.

A resource is the harness's only if its name holds the check characters for this account, and it or another such
resource of its run has the run's tags. It may be deleted after the expiry of its run, or after some age if nothing of
the run has a tag.

Any caller with permission to tag can put a run's tags on any resource, and any creator of a resource can choose its
name. So a resource that was found by only one of the two may belong to another user. It is shown, and the caller of the
sweep decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.cleanup.clock import Clock, moment
from harness.aws.cleanup.names import ENDPOINT_LOGS, is_run, run_of
from harness.aws.cleanup.record import EXPIRES_TAG, RUN_TAG
from harness.aws.cleanup.resources import ENDED, SAGEMAKER_KINDS, Clients, Janitor, Resource, is_gone, suppress_denial
from harness.regions import sdk_bucket
from harness.settings import Settings

RECENT = timedelta(days=7)
"""AWS keeps training jobs forever. Data of jobs that are older than this is found only in the Spark SDK's bucket."""

_PREFIX = "hsh-"
_LONGEST = timedelta(hours=Settings().max_hours)
_ORDER = ["S3 prefix", "log group", *SAGEMAKER_KINDS]
"""Order in which a run creates them. They are deleted in the opposite order."""
PROOFS = frozenset({"ledger", "name and tag"})
"""Ways of finding a resource that prove that it is the harness's."""
_UNREADABLE = (ClientError, BotoCoreError, AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError)
"""Errors of a request, and of a response that breaks its API. They are reported, and the sweep continues."""


@dataclass(frozen=True)
class Remain:
    """Resource that a run left."""

    resource: Resource
    region: str
    run: str
    found_by: str
    """``ledger``; ``name and tag``: the harness named it, and it or another such resource of its run is tagged;
    ``name``: only its name says so; ``tag``: only its tags say so; ``job``: data of a tagged job that the harness did
    not name, in the place that the job's description gives.
    """
    over: datetime
    """Time from which it may be deleted."""
    state: str
    instance_type: str | None = None
    count: int = 1


class Look(NamedTuple):
    """Findings in a region."""

    region: str
    remains: list[Remain]
    trouble: list[str]
    """Resources that could not be checked, with the reasons."""
    refused: bool = False
    """True if AWS refused every SageMaker list: the region may not be enabled."""
    notes: tuple[str, ...] = ()
    """Tags that are not trusted, with the reasons."""


class _Mark(NamedTuple):
    """Run and expiry in a resource's tags."""

    run: str
    expires: datetime


class _Candidate(NamedTuple):
    """Resource that may be a run's."""

    run: str | None
    """The run in its name."""
    created: datetime | None = None


def look(region: str, account: str, client: Clients, *, logs: bool = False, clock: Clock | None = None) -> Look:
    """Return the resources that runs left in a region, in the order in which a run creates them.

    :param client: returns clients of the region.
    :param logs: True to look for log groups too.
    :param clock: AWS's time; this machine's by default.
    """
    return _Region(region, account, client, clock).look(logs)


class _Region:
    def __init__(self, name: str, account: str, client: Clients, clock: Clock | None = None) -> None:
        self._name = name
        self._account = account
        self._client = client
        self._clock = clock or Clock()
        self._janitor = Janitor(client)
        self._bucket = sdk_bucket(account, name)
        self._expiries: dict[str, datetime] = {}
        self._runs: dict[Resource, str] = {}
        self._proven: set[str] = set()  # runs with a resource that has both name and tags
        self._unread: set[Resource] = set()
        self._trouble: list[str] = []
        self._notes: list[str] = []

    def look(self, logs: bool) -> Look:
        found: dict[Resource, _Candidate] = {}
        for kind in SAGEMAKER_KINDS:
            with self._telling(f"{kind}s"):
                found |= dict(self._named(kind))
        if len(self._trouble) == len(SAGEMAKER_KINDS):
            return Look(self._name, [], self._trouble, refused=True)
        found |= {resource: _Candidate(None) for resource in self._tagged() if resource not in found}
        for resource in found:
            self._read_tags(resource)
        with self._telling("data in S3"):
            found |= dict(self._data(found))
        if logs:
            with self._telling("log groups"):
                found |= dict(self._log_groups())
        remains: list[Remain] = []
        for resource, candidate in found.items():
            with self._telling(str(resource)):
                remains += filter(None, [self._remain(resource, candidate)])
        return Look(self._name, sorted(remains, key=_order), self._trouble, notes=tuple(self._notes))

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Record that something could not be checked, and why."""
        try:
            yield
        except _UNREADABLE as error:
            self._trouble.append(f"{self._name}: {what}: {error}")

    # --- candidates ---------------------------------------------------------------------------------------------------

    def _named(self, kind: str) -> Iterator[tuple[Resource, _Candidate]]:
        names = SAGEMAKER_KINDS[kind]
        since = {"CreationTimeAfter": self._clock.now() - RECENT} if kind == "training job" else {}
        pages = (
            self._client("sagemaker").get_paginator(f"list_{names.operation}s").paginate(NameContains=_PREFIX, **since)
        )
        for item in (item for page in pages for items in page.values() if isinstance(items, list) for item in items):
            name = item[names.parameter]
            if run := run_of(name, self._account):
                yield Resource(kind, name), _Candidate(run, item["CreationTime"])

    def _tagged(self) -> list[Resource]:
        """Return resources with a run's tag and a user's name; none if the caller may not search tags."""
        client, found = self._client("resourcegroupstaggingapi"), []
        with self._telling("tags"), suppress_denial():  # resources that the harness named are found without tags
            pages = client.get_paginator("get_resources").paginate(
                TagFilters=[{"Key": RUN_TAG}], ResourceTypeFilters=["sagemaker"]
            )
            for page in pages:
                found += [_resource_of(item["ResourceARN"]) for item in page["ResourceTagMappingList"]]
        return [resource for resource in found if resource and not run_of(resource.name, self._account)]

    def _data(self, found: dict[Resource, _Candidate]) -> Iterator[tuple[Resource, _Candidate]]:
        """Yield the prefixes of jobs' data, and those that the harness named in the Spark SDK's bucket."""
        for job in [resource for resource in found if resource.kind == "training job"]:
            candidate = found[job]
            if job not in self._runs and candidate.run is None:
                continue
            with self._telling(f"data of {job}"):
                for prefix in self._janitor.data_of(job, named_by_harness=candidate.run is not None):
                    self._runs |= {prefix: self._runs[job]} if job in self._runs else {}
                    yield prefix, candidate
        for stem in self._stems():
            run = run_of(stem, self._account)
            if run and run not in self._expiries:
                self._read_tags(Resource("training job", f"{stem}-training-job"))
            if run:
                yield Resource("S3 prefix", f"s3://{self._bucket}/{stem}/"), _Candidate(run)

    def _stems(self) -> list[str]:
        pages = (
            self._client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self._bucket, Prefix=_PREFIX, Delimiter="/", ExpectedBucketOwner=self._account)
        )
        try:
            return [each["Prefix"].rstrip("/") for page in pages for each in page.get("CommonPrefixes", [])]
        except ClientError as error:
            if is_gone(error):
                return []
            raise

    def _log_groups(self) -> Iterator[tuple[Resource, _Candidate]]:
        describe = self._client("logs").get_paginator("describe_log_groups")
        pages = describe.paginate(logGroupNamePrefix=f"{ENDPOINT_LOGS}{_PREFIX}")
        for group in (group for page in pages for group in page["logGroups"]):
            name = group["logGroupName"]
            if run := run_of(name.removeprefix(ENDPOINT_LOGS), self._account):
                created = datetime.fromtimestamp(group["creationTime"] / 1000, timezone.utc)
                yield Resource("log group", name), _Candidate(run, created)

    # --- owner and expiry ---------------------------------------------------------------------------------------------

    def _read_tags(self, resource: Resource) -> None:
        """Record the run and the expiry in a resource's tags, if it has the harness's tags."""
        try:
            tags = self._janitor.tags(resource)
        except _UNREADABLE as error:
            if not (isinstance(error, ClientError) and is_gone(error)):
                self._unread.add(resource)
                self._trouble.append(f"{self._name}: the tags of {resource}: {error}")
            return
        mark, named = _mark(tags, self._account), run_of(resource.name, self._account)
        if RUN_TAG in tags and (mark is None or named not in (None, mark.run)):
            self._notes.append(f"{self._name}: tags of {resource} are not trusted: {_shown(tags)}")
        elif mark:
            self._runs[resource] = mark.run
            if named:
                self._proven.add(named)
            self._expiries[mark.run] = max(mark.expires, self._expiries.get(mark.run, mark.expires))

    def _remain(self, resource: Resource, candidate: _Candidate) -> Remain | None:
        run = candidate.run or self._runs.get(resource)
        state = self._janitor.state(resource) if run and resource not in self._unread else None
        if run is None or state is None or (resource.kind == "training job" and state in ENDED):
            return None
        expiry = self._expiries.get(run)
        over = expiry or (candidate.created or self._newest(resource)) + _LONGEST
        machine = self._machine(resource)
        return Remain(resource, self._name, run, self._way(resource, candidate), over, state, *machine)

    def _way(self, resource: Resource, candidate: _Candidate) -> str:
        """Return the way in which a resource was found."""
        if resource.since:
            return "job"
        if candidate.run is None:
            return "tag"
        return "name and tag" if candidate.run in self._proven else "name"

    def _newest(self, prefix: Resource) -> datetime:
        """Return the time of the last write below a prefix; now, if AWS does not report it."""
        with suppress(ClientError, BotoCoreError):
            return self._janitor.last_modified(prefix) or self._clock.now()
        return self._clock.now()

    def _machine(self, resource: Resource) -> tuple[str | None, int]:
        """Return a resource's instance type, None if it has none or several, and the number of instances."""
        client = self._client("sagemaker")
        try:
            if resource.kind == "training job":
                needs = client.describe_training_job(TrainingJobName=resource.name)["ResourceConfig"]
                return needs["InstanceType"], needs["InstanceCount"]
            if resource.kind == "endpoint":
                config = client.describe_endpoint(EndpointName=resource.name)["EndpointConfigName"]
                variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
                types = {variant["InstanceType"] for variant in variants}
                return types.pop() if len(types) == 1 else None, sum(each["InitialInstanceCount"] for each in variants)
        except (
            ClientError,
            BotoCoreError,
            KeyError,
        ):  # it is being deleted, or may not be described: its price stays unknown
            pass
        return None, 1


def _order(remain: Remain) -> tuple[str, int, str]:
    return remain.run, _ORDER.index(remain.resource.kind), remain.resource.name


def _mark(tags: dict[str, str], account: str) -> _Mark | None:
    """Return the run and expiry in tags, None if they are not those of a run of this account."""
    run, expires = tags.get(RUN_TAG, ""), moment(tags.get(EXPIRES_TAG, ""))
    return _Mark(run, expires) if is_run(run, account) and expires else None


def _shown(tags: dict[str, str]) -> str:
    return ", ".join(f"{name} is {tags[name]!r}" for name in (RUN_TAG, EXPIRES_TAG) if name in tags)


def _resource_of(arn: str) -> Resource | None:
    """Return the resource that a SageMaker ARN names, None if the harness creates none of its kind."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return next((Resource(each, name) for each, names in SAGEMAKER_KINDS.items() if names.arn == kind), None)
