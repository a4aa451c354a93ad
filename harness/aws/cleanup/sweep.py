"""``harness sweep``: find resources that earlier runs left in AWS, show them, and delete them.

They are found by ledgers on this machine, of runs that have ended or whose time is up, by tags of runs whose time is
up, and by names that the harness gives in this account. A ledger, or name and tags together, prove that a resource is
the harness's. What only a name, only a tag or only the description of a tagged job leads to is deleted on request. A
run that may still be alive keeps everything: its ledger is open here, or its tags have not expired. Time is AWS's.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from harness.aws.cleanup.clock import Clock, moment
from harness.aws.cleanup.deletion import PATIENCE
from harness.aws.cleanup.discovery import PROOFS, Look, Remain, look
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.ledger_file import UnfinishedLedger, is_open, ledgers_in, state_directory
from harness.aws.cleanup.reaper import SETTLE_SECONDS
from harness.aws.cleanup.resources import Clients, Janitor, Leftover, delete_command
from harness.aws.pricing import USAGES, PriceSource, price_source
from harness.aws.real import refuse_local_aws, session_and_caller
from harness.console import printable, widened
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


@dataclass(frozen=True)
class Wishes:
    """What a sweep is asked to do."""

    delete: bool = False
    all_regions: bool = False
    unproven: bool = False
    """True to delete resources too that only a name, a tag or a job's description leads to."""
    logs: bool = False
    ttl: timedelta = timedelta(0)
    """How long something must have been past its time."""

    def fate(self, remain: Remain, now: datetime) -> Fate:
        """Return what is to become of something: what may not go yet is ``early``."""
        if now - remain.over < self.ttl:
            return "early"
        return "delete" if self.unproven or remain.found_by in PROOFS else "unproven"


@dataclass
class Found:
    """What a sweep has seen."""

    remains: list[Remain] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)
    """Of runs that are over."""
    notes: list[str] = field(default_factory=list)
    unseen: bool = False
    """Whether something could not be looked at that should have been."""


def sweep(settings: Settings, wishes: Wishes, *, as_json: bool = False) -> int:
    """Find, show and, if that is wished, delete; return 1 if something is left over, or could not be looked at.

    What has no proof and stays counts as left over if it runs on instances, which cost money.

    :raises SetupError: there are no credentials that AWS accepts.
    """
    refuse_local_aws(os.environ)
    session, caller = session_and_caller(settings.region)
    account = _Account(session, caller["Account"], Clock(caller))
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    found = _find(account, settings.region, _regions(session, settings, wishes), wishes)
    now = account.clock.now()
    costs = _hourly_prices(found.remains, account, settings)
    fates = [wishes.fate(remain, now) for remain in found.remains]
    shown = [_row(remain, fate, costs) for remain, fate in zip(found.remains, fates, strict=True)]
    doomed = [remain for remain, fate in zip(found.remains, fates, strict=True) if fate == "delete"]
    billed = any(row["fate"] == "unproven" and row["kind"] in USAGES for row in shown)
    if not as_json:
        _show(shown, now)
    left = _delete(found.ledgers, doomed, account, costs, wishes) if wishes.delete else []
    if as_json:
        print(json.dumps({"found": shown, "left": [_described(each) for each in left], "notes": found.notes}, indent=2))
    else:
        _conclude(console, found.notes, fates, left, wishes)
    return 1 if left or found.unseen or (wishes.delete and billed) else 0


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


def _find(account: _Account, home: str, regions: list[str], wishes: Wishes) -> Found:
    """Look at the ledgers and the regions; that ``home`` could not be looked at counts, or where something was found.

    In other regions a caller may have no permissions on purpose, or the region may not be enabled.
    """
    found, alive = Found(), set[str]()
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
    for seen in _look_everywhere(account, regions, wishes):
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
    """Return one note on all regions that let nothing be looked at: their own say the same, each at length."""
    if not refused:
        return []
    named = ", ".join(seen.region for seen in refused)
    return [f"nothing could be looked at in {named}; {refused[0].trouble[0]}"]


def _ledger_paths(found: Found) -> list[Path]:
    try:
        return ledgers_in(state_directory())
    except HarnessError as error:
        found.notes.append(f"{error.what} None of them is believed. To fix: {error.fix}")
        found.unseen = True
        return []


def _find_by_ledger(
    path: Path, account: _Account, found: Found, alive: set[str], regions: Container[str], wishes: Wishes, now: datetime
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


def _look_everywhere(account: _Account, regions: list[str], wishes: Wishes) -> list[Look]:
    def look_at(region: str) -> Look:
        seen = look(region, account.number, account.clients(region), logs=wishes.logs, clock=account.clock)
        progress.advance(task)
        return seen

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking", total=len(regions))
        with ThreadPoolExecutor(_REGIONS_AT_ONCE) as pool:
            return list(pool.map(look_at, regions))


def _hourly_prices(remains: Iterable[Remain], account: _Account, settings: Settings) -> Costs:
    """Return what one instance costs an hour, of those that something runs on, as far as that is known."""
    costs: Costs = {}
    for region, kind, machine in {(each.region, each.resource.kind, each.instance_type) for each in remains}:
        if not machine or kind not in USAGES:
            continue
        prices = _prices(account, settings, region)
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


# --- showing ----------------------------------------------------------------------------------------------------------


def _row(remain: Remain, fate: Fate, costs: Costs) -> dict[str, Any]:
    return {
        "kind": remain.resource.kind,
        "name": remain.resource.name,
        "region": remain.region,
        "run": remain.run,
        "found_by": remain.found_by,
        "over": remain.over.isoformat(timespec="seconds"),
        "state": remain.state,
        "hourly_cost": _cost(remain, costs),
        "fate": fate,
    }


def _described(left: Leftover) -> dict[str, Any]:
    described = {"kind": left.resource.kind, "name": left.resource.name, "state": left.state}
    return described | {"hourly_cost": left.hourly_cost, "command": left.command}


def _show(rows: list[dict[str, Any]], now: datetime) -> None:
    if not rows:
        return
    table = Table("kind", "name", "region", "state", "found by", "run", "past its time", "USD an hour", "with --yes")
    for row in rows:
        cost = "unknown" if row["hourly_cost"] is None else f"{row['hourly_cost']:.2f}"
        age = _duration(now - datetime.fromisoformat(row["over"]))
        words = {"delete": "deleted", "unproven": "stays: look first", "early": "stays for now"}[row["fate"]]
        cells = (row[key] for key in ("kind", "name", "region", "state", "found_by", "run"))
        table.add_row(*(Text(printable(cell)) for cell in cells), age, cost, words)
    widened(Console(highlight=False)).print(table)


def _duration(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"in {-minutes} min" if minutes < 0 else f"{minutes // 60} h {minutes % 60:02} min"


def _conclude(console: Console, notes: list[str], fates: list[Fate], left: list[Leftover], wishes: Wishes) -> None:
    def say(text: str) -> None:
        console.print(Text(text))

    for note in notes:
        say(f"note: {printable(note)}")
    doomed = fates.count("delete")
    if unproven := fates.count("unproven"):
        say(f"{unproven} found only by name, by tag or by a job: look at them, then add --include-unproven.")
    if "early" in fates:
        say(f"{fates.count('early')} stay: their runs may be alive, or --ttl is not over.")
    if not wishes.delete:
        which = "all of it" if doomed == len(fates) else f"{doomed} of {len(fates)}"
        say(f"To delete {which}: add --yes." if doomed else "Nothing to delete.")
        return
    for each in left:
        say(f"left: {printable(f'{each.resource} ({each.state})')}\n  {printable(each.command)}")
    if left:
        say(f"{len(left)} are, or may be, left of {doomed}; the commands above delete them.")
    else:
        say(f"Deleted {doomed}." if doomed else "Nothing to delete.")


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
    if not is_open(path):  # otherwise its run, whose time is up, may go on and be killed later
        path.unlink(missing_ok=True)
    return []
