"""Find the resources that earlier runs left in AWS, and delete them.

They are found by ledgers on this machine, of runs that have ended or whose time is up, by tags of runs whose time is
up, and by names that the harness gives in this account. A ledger, or name and tags together, prove that a resource is
the harness's. A resource found only by its name, its tag or the description of a tagged job is deleted on request. A
run that may still be alive keeps everything: its ledger is open here, or its tags have not expired. Time is AWS's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.cleanup.clock import Clock, moment
from harness.aws.cleanup.deletion import PATIENCE
from harness.aws.cleanup.discovery import PROOFS, Look, Remain, look
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.ledger_file import UnfinishedLedger, is_open, ledgers_in, state_directory
from harness.aws.cleanup.reaper import SETTLE_SECONDS
from harness.aws.cleanup.resources import Clients, Janitor, Leftover, delete_command
from harness.aws.pricing import USAGES, PriceSource, price_source
from harness.aws.real import refuse_local_aws, session_and_caller
from harness.errors import HarnessError
from harness.processes import end_processes_of
from harness.regions import partition
from harness.settings import Settings

Fate = Literal["delete", "unproven", "early"]
Costs: TypeAlias = dict[str, dict[str, dict[str, float]]]
"""USD an hour of one instance, by region, kind of resource and instance type."""

_PATIENT = Config(connect_timeout=10, retries={"mode": "standard", "max_attempts": 5})
_REGIONS_AT_ONCE = 8
_lock = threading.Lock()

Watch: TypeAlias = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Shows the number of regions searched so far, out of the given number."""


@dataclass(frozen=True)
class Wishes:
    """Options of a sweep."""

    delete: bool = False
    all_regions: bool = False
    unproven: bool = False
    """True to delete resources found only by a name, a tag or a job's description too."""
    logs: bool = False
    ttl: timedelta = timedelta(0)
    """Least time since a resource expired."""

    def fate(self, remain: Remain, now: datetime) -> Fate:
        """Return what is to become of something: what may not go yet is ``early``."""
        if now - remain.over < self.ttl:
            return "early"
        return "delete" if self.unproven or remain.found_by in PROOFS else "unproven"


class Judged(NamedTuple):
    """A resource that a sweep found, and its fate."""

    remain: Remain
    fate: Fate
    hourly_cost: float | None
    """USD: 0 for what has no instances, None if it is unknown."""

    @property
    def is_billed(self) -> bool:
        """Return whether it runs on instances, which cost money."""
        return self.remain.resource.kind in USAGES


@dataclass
class _Seen:
    """Ledgers and resources that a sweep has seen."""

    remains: list[Remain] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)
    """Of runs that are over."""
    notes: list[str] = field(default_factory=list)
    unseen: bool = False
    """True if the search failed for a ledger or a region that matters."""


class Sweep:
    """Resources that earlier runs left in an account, found and judged; :meth:`delete` deletes those that may go."""

    def __init__(self, account: _Account, settings: Settings, wishes: Wishes, seen: _Seen) -> None:
        self._account = account
        self._wishes = wishes
        self._seen = seen
        self._costs = _hourly_prices(seen.remains, account, settings)
        self.now = account.clock.now()
        """AWS's time, by which the fates were decided."""
        self.found = [
            Judged(remain, wishes.fate(remain, self.now), _cost(remain, self._costs)) for remain in seen.remains
        ]
        self.notes = seen.notes
        """Sentences on failed searches, and on resources of other sweeps."""

    def delete(self) -> list[Leftover]:
        """Delete what may go; return what is, or may be, left of it."""
        doomed = [judged.remain for judged in self.found if judged.fate == "delete"]
        return _delete(self._seen.ledgers, doomed, self._account, self._costs, self._wishes)

    def is_clean(self, left: Iterable[Leftover]) -> bool:
        """Return whether nothing is left over and the search was complete.

        After a deletion, an unproven resource that stays counts as left over if it runs on instances.
        """
        billed = any(judged.fate == "unproven" and judged.is_billed for judged in self.found)
        return not (list(left) or self._seen.unseen or (self._wishes.delete and billed))


def find(settings: Settings, wishes: Wishes, watch: Watch | None = None) -> Sweep:
    """Search the ledgers on this machine and the regions of the account; delete nothing.

    :param watch: called with the number of regions; returns a context whose value is called after each region.
    :raises SetupError: there are no credentials that AWS accepts.
    """
    refuse_local_aws(os.environ)
    session, caller = session_and_caller(settings.region)
    account = _Account(session, caller["Account"], Clock(caller))
    seen = _find(account, settings.region, _regions(session, settings, wishes), wishes, watch)
    return Sweep(account, settings, wishes, seen)


class _Account:
    """An account, its time, and clients for each of its regions."""

    def __init__(self, session: boto3.Session, number: str, clock: Clock | None = None) -> None:
        self.session = session
        self.number = number
        self.clock = clock or Clock()

    def clients(self, region: str) -> Clients:
        """Return a function that returns clients of a region, each made once; it may be called by any thread."""

        @cache
        def client(service: str) -> Any:
            with _lock:  # boto3's sessions are not thread-safe, its clients are
                return self.session.client(service, region_name=region, config=_PATIENT)

        return client


def _regions(session: boto3.Session, settings: Settings, wishes: Wishes) -> list[str]:
    if not wishes.all_regions:
        return [settings.region]
    return list(session.get_available_regions("sagemaker", partition_name=partition(settings.region)))


# --- finding ----------------------------------------------------------------------------------------------------------


def _find(account: _Account, home: str, regions: list[str], wishes: Wishes, watch: Watch | None = None) -> _Seen:
    """Search the ledgers and the regions. A failure counts in ``home``, and in regions with resources of a run.

    In other regions a caller may have no permissions on purpose, or the region may not be enabled.
    """
    found, alive = _Seen(), set[str]()
    now = account.clock.now()
    for path in _ledger_paths(found):
        try:
            _find_by_ledger(path, account, found, alive, regions, wishes, now)
        except FileNotFoundError:  # another has finished it
            continue
        except (HarnessError, ClientError, BotoCoreError, OSError, ValueError) as error:
            live = is_open(path)
            alive |= {path.stem} if live else set()
            if not (live and isinstance(error, UnfinishedLedger)):  # otherwise it has only just begun
                found.notes.append(error.what if isinstance(error, HarnessError) else f"{path}: {error}")
    known = {(remain.region, remain.resource) for remain in found.remains}
    refused: list[Look] = []
    for seen in _look_everywhere(account, regions, wishes, watch):
        if seen.refused:
            refused.append(seen)
        else:
            found.notes += [*seen.trouble, *seen.notes]
        found.unseen |= bool(seen.trouble) and (seen.region == home or bool(seen.remains))
        found.remains += [
            remain
            for remain in seen.remains
            if (remain.region, remain.resource) not in known and remain.run not in alive
        ]
    found.notes += _refusals(refused)
    return found


def _refusals(refused: list[Look]) -> list[str]:
    """Return one note on all regions that refused every search. Their own notes say the same at length."""
    if not refused:
        return []
    named = ", ".join(seen.region for seen in refused)
    return [f"nothing could be searched in {named}; {refused[0].trouble[0]}"]


def _ledger_paths(found: _Seen) -> list[Path]:
    try:
        return ledgers_in(state_directory())
    except HarnessError as error:
        found.notes.append(f"{error.what} None of them is believed. To fix: {error.fix}")
        found.unseen = True
        return []


def _find_by_ledger(
    path: Path, account: _Account, found: _Seen, alive: set[str], regions: Container[str], wishes: Wishes, now: datetime
) -> None:
    """Take up what a ledger names, if its run is over and was of this account and one of the regions.

    A run is over when its time is up, or when its process has ended: then, it was over when the last line was written.
    """
    header = Ledger.read(path, account.clients("")).header
    if header.account != account.number:
        found.notes.append(f"{path} is of account {header.account}: sweep with its credentials.")
        return
    if not header.in_aws:
        found.notes.append(f"{path} is of a run in {header.mode} mode, whose resources are not in AWS.")
        return
    over = moment(header.expires) or now
    if not is_open(path):
        written = account.clock.at(datetime.fromtimestamp(path.stat().st_mtime, timezone.utc))
        over = min(over, written, now)
    if now - over < wishes.ttl:
        alive.add(header.run)
    elif header.region not in regions:
        found.notes.append(f"{path} is of region {header.region}: add --region {header.region} or --all-regions.")
    else:
        ledger = Ledger.read(path, account.clients(header.region), account.number)
        found.ledgers.append(ledger)
        remaining = ledger.deletion.remaining(log_groups=wishes.logs)
        found.remains += [_of_ledger(ledger, left, over) for left in remaining]
        refused = ledger.deletion.refused
        found.notes += [f"{left.resource} of {path}: {left.state}. If it is yours: {left.command}" for left in refused]


def _of_ledger(ledger: Ledger, left: Leftover, over: datetime) -> Remain:
    machine = ledger.instances_of(left.resource)
    return Remain(left.resource, ledger.header.region, ledger.run, "ledger", over, left.state, *machine)


def _look_everywhere(account: _Account, regions: list[str], wishes: Wishes, watch: Watch | None) -> list[Look]:
    def look_at(region: str) -> Look:
        seen = look(region, account.number, account.clients(region), logs=wishes.logs, clock=account.clock)
        done()
        return seen

    watching = watch(len(regions)) if watch else nullcontext(lambda: None)
    with watching as done, ThreadPoolExecutor(_REGIONS_AT_ONCE) as pool:
        return list(pool.map(look_at, regions))


def _hourly_prices(remains: Iterable[Remain], account: _Account, settings: Settings) -> Costs:
    """Return what one instance costs an hour, of those that something runs on, as far as that is known."""
    costs: Costs = {}
    sources = cache(partial(_prices, account, settings))
    for region, kind, machine in {(each.region, each.resource.kind, each.instance_type) for each in remains}:
        if not machine or kind not in USAGES:
            continue
        prices = sources(region)
        with suppress(ClientError, BotoCoreError):  # the price is unknown then
            price = prices.find(machine, USAGES[kind])
            if price:
                costs.setdefault(region, {}).setdefault(kind, {})[price.instance_type] = price.hourly
    return costs


def _cost(remain: Remain, costs: Costs) -> float | None:
    """Return what something costs in USD an hour: 0 for what has no instances, None if that is unknown."""
    if remain.resource.kind not in USAGES:
        return 0.0
    price = costs.get(remain.region, {}).get(remain.resource.kind, {}).get(remain.instance_type or "")
    return None if price is None else price * remain.count


def _prices(account: _Account, settings: Settings, region: str) -> PriceSource:
    return price_source(settings.prices, partition(region), region, lambda place: account.clients(place)("pricing"))


# --- deleting ---------------------------------------------------------------------------------------------------------


def _delete(
    ledgers: list[Ledger], doomed: list[Remain], account: _Account, costs: Costs, wishes: Wishes
) -> list[Leftover]:
    left = [each for ledger in ledgers for each in _finish_safely(ledger, account, wishes.logs)]
    others = [remain for remain in doomed if remain.found_by != "ledger"]
    for region in sorted({remain.region for remain in others}):
        here = {remain.resource: remain for remain in reversed(others) if remain.region == region}
        states = Janitor(account.clients(region)).delete_all(list(here), PATIENCE["real"])
        left += [
            Leftover(resource, state, _cost(here[resource], costs), delete_command(resource, region))
            for resource, state in states.items()
        ]
    return left


def _finish_safely(ledger: Ledger, account: _Account, logs: bool) -> list[Leftover]:
    """Finish a ledger; one that is damaged meanwhile keeps no other from being finished."""
    try:
        return _finish(ledger, account, logs)
    except (HarnessError, ClientError, BotoCoreError, OSError) as error:
        what = error.what if isinstance(error, HarnessError) else str(error)
        return [left._replace(state=f"{left.state}: {what}") for left in ledger.deletion.remaining(log_groups=logs)]


def _finish(ledger: Ledger, account: _Account, logs: bool) -> list[Leftover]:
    """Do what a run's reaper would have: end its processes, delete what it names until nothing comes up any more."""
    path, clients = ledger.path, account.clients(ledger.header.region)
    if not is_open(path):
        end_processes_of(ledger.run)
    expires = moment(ledger.header.expires)
    settle = 0.0 if expires and expires < account.clock.now() else SETTLE_SECONDS
    quiet = time.monotonic()
    while True:
        left = ledger.clean_up(log_groups=logs)
        if left:
            return left
        if ledger.deleted:
            quiet = time.monotonic()
        elif time.monotonic() - quiet >= settle:
            break
        time.sleep(settle / 3)
        try:
            ledger = Ledger.read(path, clients, account.number)
        except FileNotFoundError:  # its reaper, or another sweep, has finished it
            return []
    if not is_open(path):  # otherwise its run, whose time is up, may continue and be killed later
        path.unlink(missing_ok=True)
    return []
