"""Results of benchmarks, read from the standard JSON of pytest-benchmark.

All other modules read results with it. A file that cannot be read never hides others: :func:`read` returns both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.bench.results.extra_info import ExtraInfo
from harness.errors import ResultsError

MATRIX = "matrix.json"
"""Name of the file in which ``harness bench`` keeps its plan, among its results."""

_KNOWN_VERSIONS = range(3, 6)
"""Major versions of pytest-benchmark that write the format read here (checked: 3.1 to 5.3)."""
_NO_COMMIT = "unversioned"  # what pytest-benchmark writes outside of a repository
_UNSERIALIZABLE = "UNSERIALIZABLE["  # pytest-benchmark's text for a parameter that is no JSON, before its repr
_WRITE_AGAIN = "run the benchmarks again with 'pytest benchmarks --benchmark-json FILE'"
_MEASURE_AGAIN = "run the same 'harness bench' command again: it measures what is missing or damaged"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark's rounds of one run."""

    name: str
    """The full name: file, test and parameters (``benchmarks/test_x.py::test_y[4]``)."""
    group: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    times: tuple[float, ...] = ()
    """Seconds of each round, in the order of measurement; empty if they were not saved."""
    median: float = math.nan
    """Seconds."""
    mean: float = math.nan
    """Seconds."""
    extra_info: Mapping[str, Any] = field(default_factory=dict)
    """Metadata as the file has it, with the values that only this benchmark records."""
    variant: str = ""
    """The id of its parameters, which ends the full name: ``4``."""
    blocks: Mapping[int, Benchmark] = field(default_factory=dict)
    """The same benchmark in each block, by number, if its variants alternated; their rounds are all of its rounds."""
    place: int = 0
    """Place in the order of measurement of its file."""

    @cached_property
    def info(self) -> ExtraInfo:
        """Metadata that all benchmarks have in common."""
        return ExtraInfo.read(self.extra_info)

    @property
    def test(self) -> str:
        """The full name without parameters: ``benchmarks/test_x.py::test_y``."""
        return self.name.removesuffix(f"[{self.variant}]") if self.variant else self.name

    @property
    def label(self) -> str:
        """Name to show next to others: the test's name, with its parameters by name."""
        named = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return self.test.rpartition("::")[2] + (f"[{named}]" if named else "")

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Parameters by name, as people read them: the part of the id for a value that is no text or number."""
        parts = self.variant.split("-")
        ids = parts if len(parts) == len(self.params) else [self.variant] * len(self.params)
        plain = (
            isinstance(value, (int, float)) or (isinstance(value, str) and not value.startswith(_UNSERIALIZABLE))
            for value in self.params.values()
        )
        return {
            name: str(value) if is_plain else part
            for (name, value), is_plain, part in zip(self.params.items(), plain, ids, strict=True)
        }

    def recorded(self, name: str) -> str:
        """Return a value of ``extra_info`` as text, whatever its type; '' if it was not recorded."""
        value = self.extra_info.get(name)
        return "" if value is None else str(value)

    def work(self, amount: str) -> float | None:
        """Return the number of ``rows`` or ``bytes`` of a round; None if it was not recorded."""
        return {"rows": self.info.rows, "bytes": self.info.bytes}.get(amount)

    def rate(self, amount: str) -> float | None:
        """Return ``rows`` or ``bytes`` a second in the median round; None if their number was not recorded."""
        work = self.work(amount)
        return work / self.median if work and self.median > 0 else None


@dataclass(frozen=True)
class Result:
    """One run of benchmarks, in one file."""

    path: Path
    date: datetime
    """Time at which it was saved, with its time zone."""
    version: str
    """The version of pytest-benchmark that wrote it."""
    machine: Mapping[str, Any]
    commit: Mapping[str, Any]
    benchmarks: Mapping[str, Benchmark]
    """By full name, in the order of the file."""
    directory: str = ""
    """Directory whose results are not mixed with those of others; '' if it does not matter."""

    @cached_property
    def commit_id(self) -> str:
        """Id of the commit, followed by ``+`` if there were changes beyond it; '' if it is unknown."""
        known = self.commit.get("id")
        if not known or known == _NO_COMMIT:
            return ""
        return str(known) + ("+" if self.commit.get("dirty") else "")


class Reading(NamedTuple):
    """Results that could be read, and problems with the rest."""

    results: list[Result]
    """By date."""
    problems: list[ResultsError]


def read(path: Path) -> Reading:
    """Return the results in a file, or in all ``*.json`` files of a directory and those below it.

    :raises ResultsError: the path does not exist, or the directory has no such file.
    """
    files = sorted(file for file in path.rglob("*.json") if file.name != MATRIX) if path.is_dir() else [path]
    if not files:
        raise ResultsError(f"{path} holds no results.", checked=f"{path}/**/*.json", fix=_write_again(path))
    if not path.exists():
        raise ResultsError(f"{path} does not exist.", fix="name a file of results, or a directory of such files")
    found = Reading([], [])
    for file in files:
        try:
            result, problems = read_file(file)
        except ResultsError as error:
            found.problems.append(error)
            continue
        found.results.append(result)
        found.problems.extend(problems)
    found.results.sort(key=lambda result: result.date)
    return found


def read_all(paths: Iterable[Path]) -> Reading:
    """Return the results in several files and directories, and the problems with them.

    :raises ResultsError: no benchmark could be read.
    """
    found = Reading([], [])
    for path in paths:
        try:
            reading = read(path)
        except ResultsError as error:
            reading = Reading([], [error])
        found.results.extend(reading.results)
        found.problems.extend(reading.problems)
    if found.problems and not any(result.benchmarks for result in found.results):
        raise found.problems[0]
    return found


def is_of_matrix(path: Path) -> bool:
    """Return whether ``harness bench`` wrote a file or directory of results, which then has a plan next to it."""
    directory = path.absolute() if path.is_dir() else path.absolute().parent
    return any((place / MATRIX).is_file() for place in (directory, directory.parent))


def _write_again(path: Path) -> str:
    """Return how to replace results that cannot be read."""
    return _MEASURE_AGAIN if is_of_matrix(path) else _WRITE_AGAIN


def read_file(path: Path) -> tuple[Result, list[ResultsError]]:
    """Return the result in a file, and the problems with those of its benchmarks that are skipped.

    :raises ResultsError: it is not a file of results; the error says why.
    """
    content = _content(path)
    _check_version(path, content["version"])
    found: dict[str, list[Benchmark]] = {}
    problems: list[ResultsError] = []
    for number, entry in enumerate(content["benchmarks"]):
        try:
            benchmark = _benchmark(entry, number)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(_problem(path, number, entry, error))
            continue
        found.setdefault(benchmark.name, []).append(benchmark)
    benchmarks = {name: _whole(parts) for name, parts in found.items()}
    if not benchmarks and not problems:
        raise ResultsError(f"{path} holds no benchmark.", checked="its list 'benchmarks'", fix=_write_again(path))
    machine, commit = _object(content, "machine_info"), _object(content, "commit_info")
    return Result(path, _date(path, content["datetime"]), content["version"], machine, commit, benchmarks), problems


def _content(path: Path) -> dict[str, Any]:
    """Return a file's JSON, after a check for the keys that every version of the format has."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}.", fix="name a readable file") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is no JSON: it is not even text.", fix=_write_again(path)) from error
    except json.JSONDecodeError as error:
        cut = not text[error.pos :].strip() or "Unterminated" in error.msg
        what = f"is cut off after {len(text):,} characters" if cut else f"is no JSON: {error}"
        raise ResultsError(f"{path} {what}.", fix=_write_again(path)) from error
    if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), list):
        raise ResultsError(
            f"{path} is JSON, and not pytest-benchmark's: it has no list 'benchmarks'.", fix=_write_again(path)
        )
    missing = [key for key in ("version", "datetime") if not isinstance(content.get(key), str)]
    if missing:
        raise ResultsError(f"{path} does not say its {' and '.join(missing)}.", fix=_write_again(path))
    return content


def _check_version(path: Path, version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) not in _KNOWN_VERSIONS:
        raise ResultsError(
            f"{path} was written by pytest-benchmark {version}, whose format is unknown.",
            checked=f"its 'version'; known are {_KNOWN_VERSIONS[0]} to {_KNOWN_VERSIONS[-1]}",
            fix="run the benchmarks again with a version that is known",
        )


def _date(path: Path, text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise ResultsError(f"{path} says {text!r} where its date should be.", fix=_write_again(path)) from None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)  # versions before 4 wrote UTC without saying so


def _whole(parts: Sequence[Benchmark]) -> Benchmark:
    """Return a benchmark with all of its blocks: its rounds are of one process, so that they are one run."""
    blocks = {part.info.block: part for part in parts if part.info.block is not None}
    if not blocks:
        return parts[-1]
    times = tuple(chain.from_iterable(part.times for part in blocks.values()))
    medians, means = ([getattr(part, name) for part in blocks.values()] for name in ("median", "mean"))
    return replace(
        parts[-1],
        times=times,
        median=float(np.median(times or medians)),
        mean=float(np.mean(times or means)),
        extra_info={name: value for name, value in parts[-1].extra_info.items() if name != "block"},
        blocks=blocks,
    )


def _benchmark(entry: Any, place: int) -> Benchmark:
    """Return a benchmark of a file.

    :param place: its place in the file.
    :raises KeyError, TypeError, ValueError: it is damaged; the error says how.
    """
    stats, extra_info = entry["stats"], entry.get("extra_info") or {}
    for name, value in (("stats", stats), ("extra_info", extra_info)):
        if not isinstance(value, dict):
            raise ValueError(f"its {name} is no JSON object")
    times = tuple(float(seconds) for seconds in stats.get("data") or ())
    if not all(math.isfinite(seconds) and seconds > 0 for seconds in times):
        raise ValueError("a round's time is no positive number")
    if not times and not stats.get("rounds"):
        raise ValueError("it has no round")
    median, mean = (np.median(times), np.mean(times)) if times else (stats["median"], stats["mean"])
    if not float(median) > 0:
        raise ValueError("its median is no positive number")
    return Benchmark(
        name=str(entry["fullname"]),
        group=str(entry.get("group") or ""),
        params=_object(entry, "params"),
        times=times,
        median=float(median),
        mean=float(mean),
        extra_info=extra_info,
        variant=str(entry.get("param") or ""),
        place=place,
    )


def _object(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a value that is a JSON object; an empty one if it is damaged or missing, since results count without."""
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _problem(path: Path, number: int, entry: Any, error: Exception) -> ResultsError:
    name = entry.get("fullname") if isinstance(entry, dict) else None
    what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
    return ResultsError(f"{path}: benchmark {name or number + 1} is skipped: {what}.", fix=_write_again(path))
