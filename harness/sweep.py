"""``harness sweep``: find what earlier runs left in AWS, show it, and delete it.

Found is what ledgers on this machine name of runs that have ended, or whose time is up; what bears the tags of a run
whose time is up; and what has a name of the harness's for this account and neither. The last is deleted only if that is
asked for. A run that may still be alive keeps everything: its ledger is open here, or its tags have not expired.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from harness.aws.ledger import Entry, Header, Ledger, is_open, state_directory
from harness.aws.real import refuse_local_aws, session_and_caller
from harness.aws.reaper import SETTLE_SECONDS
from harness.aws.remains import Look, Remain, look, moment
from harness.aws.resources import Clients, Leftover
from harness.errors import HarnessError
from harness.prices import Prices, Usage, price_source
from harness.printing import widened
from harness.processes import end_processes_of
from harness.settings import Settings

Fate = Literal["delete", "untagged", "early"]
Costs: TypeAlias = dict[str, dict[str, dict[str, float]]]
"""USD an hour of one instance, by region, kind of resource and instance type."""

_PATIENT = Config(connect_timeout=10, retries={"mode": "standard", "max_attempts": 5})
_REGIONS_AT_ONCE = 8
_USAGES: dict[str, Usage] = {"training job": "training", "endpoint": "hosting"}
_lock = threading.Lock()


@dataclass(frozen=True)
class Wishes:
    """What a sweep is asked to do."""

    delete: bool = False
    all_regions: bool = False
    untagged: bool = False
    """Whether what has only a name of the harness's is deleted too."""
    logs: bool = False
    ttl: timedelta = timedelta(0)
    """How long something must have been past its time."""

    def fate(self, remain: Remain, now: datetime) -> Fate:
        """Return what is to become of something: what may not go yet is ``early``."""
        if now < remain.over + self.ttl:
            return "early"
        return "untagged" if remain.found_by == "name" and not self.untagged else "delete"


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

    :raises SetupError: there are no credentials that AWS accepts.
    """
    refuse_local_aws(os.environ)
    session, caller = session_and_caller(settings.region)
    account = _Account(session, caller["Account"])
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    found = _find(account, settings.region, _regions(session, settings, wishes), wishes)
    now = datetime.now(timezone.utc)
    costs = _hourly_prices(found.remains, account, settings)
    doomed = [remain for remain in found.remains if wishes.fate(remain, now) == "delete"]
    shown = [_row(remain, wishes.fate(remain, now), costs) for remain in found.remains]
    if not as_json:
        _show(shown, now)
    left = _delete(found.ledgers, doomed, account, costs, wishes) if wishes.delete else []
    if as_json:
        print(json.dumps({"found": shown, "left": [_described(each) for each in left], "notes": found.notes}, indent=2))
    else:
        _conclude(console, found, doomed, left, wishes)
    return 1 if left or found.unseen else 0


class _Account:
    """An account, and clients for each of its regions."""

    def __init__(self, session: boto3.Session, number: str) -> None:
        self.session = session
        self.number = number

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
    partition = session.get_partition_for_region(settings.region)
    return list(session.get_available_regions("sagemaker", partition_name=partition))


# --- finding ----------------------------------------------------------------------------------------------------------


def _find(account: _Account, home: str, regions: list[str], wishes: Wishes) -> Found:
    """Look at the ledgers and the regions; that ``home`` could not be looked at counts, or where something was found.

    In other regions a caller may have no permissions on purpose, or the region may not be enabled.
    """
    found, alive = Found(), set[str]()
    now = datetime.now(timezone.utc)
    for ledger, over in _ledgers(account, found.notes):
        if now < over + wishes.ttl:
            alive.add(ledger.run)
            continue
        found.ledgers.append(ledger)
        found.remains += [_of_ledger(ledger, left, over) for left in ledger.remaining(log_groups=wishes.logs)]
    known = {(remain.region, remain.resource) for remain in found.remains}
    refused: list[Look] = []
    for seen in _look_everywhere(account, regions, wishes):
        if seen.refused:
            refused.append(seen)
        else:
            found.notes += seen.trouble
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


def _ledgers(account: _Account, notes: list[str]) -> Iterator[tuple[Ledger, datetime]]:
    """Yield the account's ledgers on this machine, and since when, or from when on, what their runs left may go.

    That is when time is up for a run that goes on, and the last line was written for one that has ended earlier.
    """
    for path in sorted(state_directory().glob("*.jsonl")):
        try:
            header = Ledger.read(path, account.clients("")).header
            ledger = Ledger.read(path, account.clients(header.region), account.number)
            written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        except FileNotFoundError:  # another has finished it
            continue
        except HarnessError as error:
            notes += [] if is_open(path) else [error.what]  # one that is open has only just begun
            continue
        if header.account != account.number:
            notes.append(f"{path} is of account {header.account}: sweep with its credentials.")
            continue
        expires = moment(header.expires) or written
        yield ledger, expires if is_open(path) else min(expires, written)


def _of_ledger(ledger: Ledger, left: Leftover, over: datetime) -> Remain:
    machine = ledger.instances_of(left.resource)
    return Remain(left.resource, ledger.header.region, ledger.run, "ledger", over, left.state, *machine)


def _look_everywhere(account: _Account, regions: list[str], wishes: Wishes) -> list[Look]:
    def look_at(region: str) -> Look:
        seen = look(region, account.number, account.clients(region), logs=wishes.logs)
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
        if not machine or kind not in _USAGES:
            continue
        prices = _prices(account, settings, region)
        with suppress(ClientError, BotoCoreError):  # the price is unknown then
            price = prices.find(machine, _USAGES[kind]) if prices else None
            if price:
                costs.setdefault(region, {}).setdefault(kind, {})[price.instance_type] = price.hourly
    return costs


def _cost(remain: Remain, costs: Costs) -> float | None:
    """Return what something costs in USD an hour: 0 for what has no instances, None if that is unknown."""
    if remain.resource.kind not in _USAGES:
        return 0.0
    price = costs.get(remain.region, {}).get(remain.resource.kind, {}).get(remain.instance_type or "")
    return None if price is None else price * remain.count


def _prices(account: _Account, settings: Settings, region: str) -> Prices | None:
    partition = account.session.get_partition_for_region(region)
    return price_source(settings.prices, partition, region, lambda place: account.clients(place)("pricing"))


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
    kind, name = left.resource
    return {"kind": kind, "name": name, "state": left.state, "hourly_cost": left.hourly_cost, "command": left.command}


def _show(rows: list[dict[str, Any]], now: datetime) -> None:
    if not rows:
        return
    table = Table("kind", "name", "region", "state", "found by", "run", "past its time", "USD an hour", "with --yes")
    for row in rows:
        cost = "unknown" if row["hourly_cost"] is None else f"{row['hourly_cost']:.2f}"
        age = _duration(now - datetime.fromisoformat(row["over"]))
        words = {"delete": "deleted", "untagged": "stays: found by name only", "early": "stays for now"}[row["fate"]]
        table.add_row(*(row[key] for key in ("kind", "name", "region", "state", "found_by", "run")), age, cost, words)
    widened(Console(highlight=False)).print(table)


def _duration(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"in {-minutes} min" if minutes < 0 else f"{minutes // 60} h {minutes % 60:02} min"


def _conclude(console: Console, found: Found, doomed: list[Remain], left: list[Leftover], wishes: Wishes) -> None:
    for note in found.notes:
        console.print(f"note: {note}", markup=False)
    fates = [wishes.fate(remain, datetime.now(timezone.utc)) for remain in found.remains]
    if "untagged" in fates:
        console.print(
            f"{fates.count('untagged')} found only by name: look at them, then add --include-untagged.", markup=False
        )
    if "early" in fates:
        console.print(f"{fates.count('early')} stay: their runs may be alive, or --ttl is not over.", markup=False)
    if not wishes.delete:
        which = "all of it" if len(doomed) == len(fates) else f"{len(doomed)} of {len(fates)}"
        console.print(f"To delete {which}: add --yes." if doomed else "Nothing to delete.", markup=False)
        return
    for each in left:
        console.print(f"left: {each.resource} ({each.state})\n  {each.command}", markup=False)
    if left:
        console.print(f"{len(left)} are, or may be, left of {len(doomed)}; the commands above delete them.")
    else:
        console.print(f"Deleted {len(doomed)}." if doomed else "Nothing to delete.")


# --- deleting ---------------------------------------------------------------------------------------------------------


def _delete(
    ledgers: list[Ledger], doomed: list[Remain], account: _Account, costs: Costs, wishes: Wishes
) -> list[Leftover]:
    left = [each for ledger in ledgers for each in _finish(ledger, account, wishes.logs)]
    others = sorted((remain for remain in doomed if remain.found_by != "ledger"), key=_region_of)  # order is kept
    for region, remains in groupby(others, key=_region_of):
        ledger = _as_ledger(region, list(remains), account, costs.get(region, {}))
        left += ledger.clean_up(log_groups=wishes.logs)
    return left


def _region_of(remain: Remain) -> str:
    return remain.region


def _finish(ledger: Ledger, account: _Account, logs: bool) -> list[Leftover]:
    """Do what a run's reaper would have: end its processes, delete what it names until nothing comes up any more."""
    path, clients = ledger.path, account.clients(ledger.header.region)
    if not is_open(path):
        end_processes_of(ledger.run)
    expires = moment(ledger.header.expires)
    settle = 0.0 if expires and expires < datetime.now(timezone.utc) else SETTLE_SECONDS
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


def _as_ledger(
    region: str, remains: list[Remain], account: _Account, hourly_prices: dict[str, dict[str, float]]
) -> Ledger:
    """Return a ledger that has no file, of what was found in a region."""
    header = Header("", account.number, region, "real", "", "", "", 0, hourly_prices)
    entries = [Entry(*remain.resource, remain.instance_type, remain.count) for remain in remains]
    return Ledger(Path(os.devnull), header, entries, account.clients(region), account.number)
