"""Cache of trained models: outcomes of training jobs on disk, for jobs with the same inputs in later runs.

An entry is one file, named by the key of its inputs (:mod:`harness.localaws.sagemaker.training.cache_key`): the
SHA-256 of its header, the header as JSON on one line, then the parts that the header lists with their sizes and
digests. A file is written under another name and renamed, so that a reader finds all of it or none. A reader has it
open, so that it may be replaced or deleted meanwhile. Nothing in it is code, and files of other users are ignored.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.caches.directory import is_own, make_private

LIMIT = 1 << 30
"""Bytes that a cache may take. The entries that were not used for the longest time are deleted first."""
REPORT = "job.json"
"""Part of an entry with the lines of the log and the metrics."""
ARCHIVES = ("model.tar.gz", "output.tar.gz")
"""Parts of an entry that are uploaded to S3. The second one is optional."""
_SUFFIX, _UNFINISHED = ".model", ".new-"
_UNFINISHED_SECONDS = 3600
"""Age from which an unfinished file belongs to a process that was killed."""
_LONGEST_HEADER = 65_536
_BLOCK = 1 << 20
_ROWS = re.compile(r"Channel train: (\d+) rows")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """Outcome of a job that was trained."""

    image: str
    at: float
    """Time at which it was trained, in seconds since the epoch."""
    seconds: float
    """Duration of its training."""
    lines: Sequence[tuple[str, str]]
    """Host and text of each line of its log, in order."""
    metrics: Mapping[str, float]
    """Metrics that SageMaker finds for the image."""
    archives: Sequence[Path]
    """Files with the names of :data:`ARCHIVES`."""


@dataclass(frozen=True)
class Entry:
    """An entry of the cache, as its header describes it."""

    image: str
    trained: float
    used: float
    """Time of the last job that it served, in seconds since the epoch."""
    rows: int | None
    """Rows in the channel ``train``, on all hosts; None if the log has no number."""
    bytes: int


class _DamagedError(ValueError):
    """A file is no entry, or not all of it."""


class ModelCache:
    """The cache in one directory. Several processes may use it at once."""

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        """Use a directory, which is made when the first entry is stored."""
        self.directory = directory
        self.limit = limit
        """Bytes that all entries together may take."""
        self.served: list[str] = []
        """Names of the jobs that this process did not train."""

    def find(self, key: str, target: Path) -> Trained | None:
        """Return the outcome stored under a key, with its archives copied into ``target``; None if there is none.

        A damaged entry is deleted.
        """
        path = self._path(key)
        if not is_own(self.directory):
            return None
        try:
            with _open(path) as file:
                found = _read(file, key, target)
                os.utime(file.fileno())
                return found
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("the cache entry %s is not used: %s", path, error)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("the cache entry %s is damaged, and deleted: %s", path, error)
            with suppress(OSError):
                path.unlink()
        return None

    def store(self, key: str, trained: Trained) -> None:
        """Store an outcome, and delete old ones if the cache is too large. A failure is logged: training succeeded."""
        try:
            if sum(path.stat().st_size for path in trained.archives) < self.limit and make_private(self.directory):
                self._write(key, trained)
                self._evict()
        except OSError as error:
            log.warning("the trained model is not cached in %s: %s", self.directory, error)

    def entries(self) -> list[Entry]:
        """Return the entries, the last used one first. Damaged ones are omitted."""
        found = []
        for path, status in self._files():
            with suppress(OSError, ValueError, KeyError), _open(path) as file:
                header = _read_header(file, path.stem)
                used, size = status.st_mtime, status.st_size
                found.append(Entry(header["image"], header["trained"], used, header["rows"], size))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def clear(self) -> int:
        """Delete all entries; return their number."""
        found = list(self._files())
        for path in [*(path for path, _ in found), *self._unfinished()]:
            path.unlink(missing_ok=True)
        return len(found)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{_SUFFIX}"

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the files of entries, with their sizes and times."""
        if not is_own(self.directory):
            return
        for path in self.directory.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):  # another process has deleted it
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                    yield path, status

    def _unfinished(self) -> Iterator[Path]:
        yield from self.directory.glob(f"{_UNFINISHED}*")

    def _write(self, key: str, trained: Trained) -> None:
        text = json.dumps([trained.lines, trained.metrics]).encode()
        parts = [[REPORT, len(text), hashlib.sha256(text).hexdigest()]]
        parts += [[path.name, path.stat().st_size, _digest(path)] for path in trained.archives]
        header = {"key": key, "image": trained.image, "trained": trained.at, "seconds": trained.seconds}
        line = json.dumps(header | {"rows": _rows(trained.lines), "parts": parts}).encode()
        descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=self.directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"%s\n%s\n%s" % (hashlib.sha256(line).hexdigest().encode(), line, text))
                for path in trained.archives:
                    with path.open("rb") as archive:
                        file.writelines(_blocks(archive, path.stat().st_size))
            os.replace(name, self._path(key))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _evict(self) -> None:
        found = sorted(self._files(), key=lambda each: each[1].st_mtime_ns)
        size = sum(status.st_size for _, status in found)
        for path, status in found:
            if size <= self.limit:
                break
            path.unlink(missing_ok=True)
            size -= status.st_size
        for path in self._unfinished():
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime < time.time() - _UNFINISHED_SECONDS:
                    path.unlink()


def _open(path: Path) -> IO[bytes]:
    """Open a file of this user.

    :raises _DamagedError: it is not a file, or another user's.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        file.close()
        raise _DamagedError("it is not a file of this user")
    return file


def _read_header(file: IO[bytes], key: str) -> dict[str, Any]:
    digest, line = file.readline(_LONGEST_HEADER).rstrip(b"\n"), file.readline(_LONGEST_HEADER).rstrip(b"\n")
    if hashlib.sha256(line).hexdigest().encode() != digest:
        raise _DamagedError("its header has another digest")
    header: dict[str, Any] = json.loads(line)
    if header["key"] != key:
        raise _DamagedError("its header has another key")
    return header


def _read(file: IO[bytes], key: str, target: Path) -> Trained:
    """Read an entry and check all of it. The archives are copied into ``target``."""
    header = _read_header(file, key)
    archives = []
    for name, size, digest in header["parts"]:
        if name == REPORT:
            text = b"".join(_blocks(file, size))
            found = hashlib.sha256(text).hexdigest()
        elif name in ARCHIVES:
            found = _copy(file, size, target / name)
            archives.append(target / name)
        if found != digest:
            raise _DamagedError(f"its {name} has another digest")
    lines, metrics = json.loads(text)
    return Trained(header["image"], header["trained"], header["seconds"], lines, metrics, archives)


def _copy(file: IO[bytes], size: int, target: Path) -> str:
    """Copy bytes into a new file; return their digest."""
    digest = hashlib.sha256()
    with target.open("wb") as copy:
        for block in _blocks(file, size):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the next bytes of a file, fewer if it ends before."""
    while size and (block := file.read(min(_BLOCK, size))):
        yield block
        size -= len(block)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in _blocks(file, path.stat().st_size):
            digest.update(block)
    return digest.hexdigest()


def _rows(lines: Sequence[tuple[str, str]]) -> int | None:
    counts = [int(match[1]) for match in (_ROWS.search(text) for _, text in lines) if match]
    return sum(counts) if counts else None
