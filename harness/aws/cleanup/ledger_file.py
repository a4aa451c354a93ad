"""Ledger file: its format, the checks before it is trusted, and the lock that shows whether its run is alive.

Each line is a seal, a space and a JSON object: the header, then one entry a line. The file only grows. A seal is an
HMAC over the line and the seal before it, with a key that only this user can read. So a line that was changed, removed
or written by another program is detected before a byte of it is parsed.

A ledger names resources to delete and processes to end. It is trusted only if all of this is true:

- its directory is writable for this user alone;
- it is a regular file of this user, named after its run;
- it is the very file that the run made, and no copy;
- its seals are right, and a run can have recorded each of its lines.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import math
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.aws.cleanup.clock import moment
from harness.aws.cleanup.names import bears_run, is_run
from harness.aws.cleanup.resources import SAGEMAKER_KINDS, Resource, is_valid
from harness.errors import HarnessError
from harness.regions import REGION

MODES = ("real", "mock")
SUFFIX = ".jsonl"
_KEY, _KEY_BYTES = "key", 32
_MOST_BYTES = 64 << 20
"""More than any run writes: an entry takes some 250 bytes."""
_FIRST_SEAL = b"sagemaker-spark-harness ledger 1"
_OTHERS_MAY_WRITE, _OTHERS_MAY_READ = 0o022, 0o077
_ACCOUNT, _REGION = re.compile(r"[0-9]{12}"), re.compile(REGION)


@dataclass(frozen=True)
class Header:
    """First line of a ledger: the run, its owner and its times."""

    run: str
    account: str
    region: str
    mode: str
    owner: str
    """ARN of the caller."""
    started: str
    """ISO 8601, UTC, by AWS's clock; ``expires`` too."""
    expires: str
    pid: int
    hourly_prices: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def in_aws(self) -> bool:
        """True if the run's resources are in AWS; False if they were in a local AWS, which has ended."""
        return self.mode == "real"


@dataclass(frozen=True)
class Entry:
    """Line of a ledger: a resource that a run is about to create."""

    kind: str
    name: str
    instance_type: str | None = None
    count: int = 1
    tagged: bool = False
    """True if it is the run's only with the run's tag: a user chose its name, and another may have the same."""
    refused: bool = False
    """True if AWS refused to create it, so that it is not the run's."""

    @property
    def resource(self) -> Resource:
        """The resource that the line names."""
        return Resource(self.kind, self.name)


class UnfinishedLedger(HarnessError):
    """A ledger has no header yet: its run has just begun, or was killed at its beginning."""


class LedgerFile:
    """Ledger of a run of this process, open and locked. Make it with :meth:`create`."""

    def __init__(self, path: Path, descriptor: int, key: bytes) -> None:
        self.path = path
        self._descriptor = descriptor
        self._key, self._seal = key, _FIRST_SEAL
        self._length = 0

    @classmethod
    def create(cls, directory: Path, header: Header) -> LedgerFile:
        """Begin the ledger of a new run in a directory, which is made if need be, and lock it.

        :raises HarnessError: others can write to the directory, or the file cannot be written.
        """
        path = directory / f"{header.run}{SUFFIX}"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _private(directory) as folder:
                key = _key(folder) or _new_key(directory, folder)
                # NFS grants a shared lock only to a process that may read.
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                descriptor = os.open(path.name, flags, 0o600, dir_fd=folder)
                try:
                    with suppress(
                        OSError
                    ):  # a file system without locks: only the ledger's expiry says when the run is over
                        fcntl.flock(descriptor, fcntl.LOCK_SH)
                    ledger = cls(path, descriptor, key)
                    ledger.append({**asdict(header), "inode": os.fstat(descriptor).st_ino})
                    os.fsync(folder)  # so that the new name survives a loss of power
                except BaseException:
                    os.close(descriptor)
                    path.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise _cannot_be_written(path, error) from error
        return ledger

    def append(self, line: Mapping[str, Any]) -> None:
        """Write a line, and return once it is on disk. None of it stays in the file if that fails.

        :raises HarnessError: the disk is full, or the file cannot be written for another reason.
        """
        body = json.dumps(line).encode()
        seal = _sealed(self._key, self._seal, body)
        try:
            os.ftruncate(self._descriptor, self._length)
            written = _write(self._descriptor, seal + b" " + body + b"\n", self._length)
            os.fsync(self._descriptor)
        except BaseException as error:
            with suppress(OSError):  # tried again before the next line, which overwrites it
                os.ftruncate(self._descriptor, self._length)
                os.fsync(self._descriptor)
            if isinstance(error, OSError):
                raise _cannot_be_written(self.path, error) from error
            raise
        self._length, self._seal = self._length + written, seal

    def close(self) -> None:
        """Close the file, and with it the lock."""
        os.close(self._descriptor)


def state_directory() -> Path:
    """Return the directory of the ledgers of real runs."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "sagemaker-spark-harness"


def ledgers_in(directory: Path) -> list[Path]:
    """Return the ledgers in a directory, none if it does not exist. They are not read.

    :raises HarnessError: others can write to the directory.
    """
    try:
        with _private(directory) as folder:
            return sorted(directory / name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HarnessError(f"The ledgers in {directory} cannot be listed: {error.strerror}.") from error


def read_ledger(path: Path) -> tuple[Header, list[Entry]]:
    """Check a ledger, and return its header and entries.

    A last line that was cut short is skipped, as its Create never came.

    :raises FileNotFoundError: there is no such file.
    :raises UnfinishedLedger: it has no header yet.
    :raises HarnessError: it cannot be trusted.
    """
    try:
        with _private(path.parent) as folder:
            content, inode = _content(folder, path.name)
            key = _key(folder)
            if not content.partition(b"\n")[1]:
                raise UnfinishedLedger(f"{path} is no ledger of the harness: it has no header.")
            if key is None:
                raise ValueError("there is no key to check it with")
            lines = [json.loads(body) for body in _verified(key, content)]
        header = _header(lines[0], path, inode)
        return header, [_entry(line, header) for line in lines[1:]]
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise HarnessError(
            f"{path} is no ledger of the harness: {reason}.",
            checked="its owner, mode, name, inode, seals and lines",
            fix="delete the resources that it names if they are yours, then move the file elsewhere",
        ) from error


def is_open(path: Path) -> bool:
    """Return whether the process that began a ledger, and so its run, is alive. Return True if that is not known."""
    try:
        # NFS grants an exclusive lock only to a process that may write.
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the file system has no locks
        return True
    finally:
        os.close(descriptor)
    return False


# --- trusted files ----------------------------------------------------------------------------------------------------


@contextmanager
def _private(directory: Path) -> Iterator[int]:
    """Open a directory that only this user can write to, for a block. Links to the directory are followed.

    :raises HarnessError: another user can write to it, or owns it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
            raise HarnessError(
                f"Ledgers in {directory} cannot be trusted: other users can write there.",
                checked=f"its owner, user {found.st_uid}, and its mode, {stat.S_IMODE(found.st_mode):o}",
                fix=f"check its files, then 'chmod 700 {directory}'; or set XDG_STATE_HOME to your own directory",
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _content(folder: int, name: str, *, forbidden: int = _OTHERS_MAY_WRITE) -> tuple[bytes, int]:
    """Return a file's content and inode.

    :param forbidden: bits of its mode that must not be set.
    :raises ValueError: it is no regular file of this user, others can write to it, or it is too large.
    """
    # O_NONBLOCK: opening a FIFO does not wait for its other end.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_uid != os.geteuid() or found.st_mode & forbidden:
            raise ValueError(f"its owner is user {found.st_uid} and its mode {stat.S_IMODE(found.st_mode):o}")
        if found.st_size > _MOST_BYTES:
            raise ValueError(f"it has {found.st_size} bytes, more than {_MOST_BYTES}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_MOST_BYTES), found.st_ino
    finally:
        os.close(descriptor)


def _key(folder: int) -> bytes | None:
    """Return the key of a directory's ledgers. Return None if it has none."""
    try:
        key, _ = _content(folder, _KEY, forbidden=_OTHERS_MAY_READ)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"the key next to it cannot be trusted: {error}") from error
    if len(key) != _KEY_BYTES:
        raise ValueError(f"the key next to it has {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def _new_key(directory: Path, folder: int) -> bytes:
    """Make the key of a directory's ledgers and return it. If another process is faster, return that one's."""
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".key-")
    try:
        _write(descriptor, secrets.token_bytes(_KEY_BYTES), 0)
        os.fsync(descriptor)
        _rename_unless_there(Path(temporary), directory / _KEY)
    finally:
        os.close(descriptor)
        Path(temporary).unlink(missing_ok=True)
    key = _key(folder)
    assert key is not None
    return key


def _rename_unless_there(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        path.rename(target)


def _write(descriptor: int, data: bytes, offset: int) -> int:
    """Write all of the data at an offset and return its length. An almost full disk takes a part at first."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)
    return done


def _cannot_be_written(path: Path, error: OSError) -> HarnessError:
    return HarnessError(
        f"The ledger {path} cannot be written: {error.strerror}. Without a record of it, no resource is created.",
        fix="free space on that disk, check that you can write there, or set XDG_STATE_HOME to another directory",
    )


# --- trusted lines ----------------------------------------------------------------------------------------------------


def _sealed(key: bytes, before: bytes, body: bytes) -> bytes:
    """Return the seal of a line. It depends on all lines before."""
    return hmac.new(key, before + b" " + body, "sha256").hexdigest().encode()


def _verified(key: bytes, content: bytes) -> Iterator[bytes]:
    """Yield the lines of a ledger without their seals.

    :raises ValueError: a seal is wrong.
    """
    seal = _FIRST_SEAL
    *lines, _ = content.split(b"\n")  # after the last line feed comes a line that was cut short, or nothing
    for number, line in enumerate(lines, 1):
        given, _, body = line.partition(b" ")
        seal = _sealed(key, seal, body)
        if not hmac.compare_digest(given, seal):
            raise ValueError(f"line {number} was not written by a run of this user")
        yield body


def _header(line: Any, path: Path, inode: int) -> Header:
    fields = dict(line)
    if fields.pop("inode", None) != inode:
        raise ValueError("it is a copy")
    header = Header(**fields)
    texts = [header.run, header.account, header.region, header.mode, header.owner, header.started, header.expires]
    if not all(isinstance(text, str) for text in texts) or type(header.pid) is not int:
        raise TypeError("its header has values of other types")
    if not (_ACCOUNT.fullmatch(header.account) and _REGION.fullmatch(header.region) and header.mode in MODES):
        raise ValueError("its account, region or mode is invalid")
    if not is_run(header.run, header.account) or path.name != header.run + SUFFIX:  # whose processes are ended
        raise ValueError("it is not named after its run")
    if not moment(header.started) or not moment(header.expires):
        raise ValueError("it has no valid times for its run's start and expiry")
    for price in (price for prices in header.hourly_prices.values() for price in prices.values()):
        if not isinstance(price, int | float) or not math.isfinite(price):
            raise ValueError("one of its prices is not a number")
    return header


def _entry(line: Any, header: Header) -> Entry:
    entry = Entry(**line)
    if not isinstance(entry.kind, str) or not isinstance(entry.name, str) or not is_valid(entry.resource):
        raise ValueError(f"it names {entry.kind} {entry.name!r}, which cannot exist")
    if entry.kind == "S3 staging" and not bears_run(entry.resource, header.run, header.account):
        raise ValueError(f"it names {entry.resource}, whose training job is not its run's")
    if type(entry.tagged) is not bool or type(entry.refused) is not bool or type(entry.count) is not int:
        raise TypeError(f"its line on {entry.resource} has values of other types")
    if entry.tagged and entry.kind not in SAGEMAKER_KINDS:
        raise ValueError(f"it says that {entry.resource} has a tag, which is impossible")
    if not isinstance(entry.instance_type, str | None):
        raise TypeError(f"the instance type of {entry.resource} is not text")
    return entry
