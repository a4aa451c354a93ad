"""``harness cache``: lists trained models and archives of a JVM's classes that later runs use, and clears them."""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from harness.cli.options import Command
from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.caches.models import Entry, ModelCache


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="delete all entries")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(options: argparse.Namespace) -> int:
    from harness.caches.models import ModelCache
    from harness.console import print_json

    cache = ModelCache(_directory())
    deleted = _clear(cache) if options.clear else None
    entries = cache.entries()
    if options.json:
        found = _described(cache, entries)
        print_json(found if deleted is None else {**found, "deleted": deleted})
    elif deleted is None:
        _print(cache, entries)
    else:
        print(f"{deleted:,} {_entries(deleted)} deleted from {cache.directory}.")
    return 0


def _clear(cache: ModelCache) -> int:
    """Delete all models and archives; return their number."""
    archives = _archives()
    for archive in archives:
        archive.unlink(missing_ok=True)
    return cache.clear() + len(archives)


def _archives() -> list[Path]:
    """Return the archives of a JVM's classes (:mod:`harness.spark.class_archive`)."""
    from harness.caches.directory import cache_directory, is_own

    directory = cache_directory("classes", os.environ)
    return sorted(directory.glob("*.jsa")) if directory and is_own(directory) else []


def _directory() -> Path:
    from harness.caches.directory import cache_directory

    directory = cache_directory("models", os.environ)
    if directory is None:
        raise SetupError(
            "There is no directory for the cache of trained models.",
            checked="the user's home directory and XDG_CACHE_HOME",
            fix="set XDG_CACHE_HOME to an absolute path",
        )
    return directory


def _described(cache: ModelCache, entries: list[Entry]) -> dict[str, Any]:
    return {
        "directory": str(cache.directory),
        "bytes": sum(entry.bytes for entry in entries),
        "limit": cache.limit,
        "class_archives": [{"path": str(each), "bytes": each.stat().st_size} for each in _archives()],
        "entries": [
            {
                "image": entry.image,
                "trained": _time(entry.trained).isoformat(),
                "used": _time(entry.used).isoformat(),
                "rows": entry.rows,
                "bytes": entry.bytes,
            }
            for entry in entries
        ],
    }


def _print(cache: ModelCache, entries: list[Entry]) -> None:
    from harness.console import Column, PlainConsole, print_figures, terminal_table, widened

    console = widened(PlainConsole())
    size = sum(entry.bytes for entry in entries)
    figures = [
        ("directory", str(cache.directory)),
        ("size", f"{_shown(size)} of {_shown(cache.limit)}, in {len(entries):,} {_entries(len(entries))}"),
    ]
    if archives := _archives():
        size = sum(each.stat().st_size for each in archives)
        figures.append(("JVM classes", f"{_shown(size)} in {len(archives):,} files below {archives[0].parent}"))
    print_figures(console, figures)
    if not entries:
        return
    columns = [Column("image", folds=True), Column("trained (UTC)"), Column("used (UTC)")]
    rows = [
        [
            entry.image,
            f"{_time(entry.trained):%Y-%m-%d %H:%M}",
            f"{_time(entry.used):%Y-%m-%d %H:%M}",
            "unknown" if entry.rows is None else f"{entry.rows:,}",
            _shown(entry.bytes),
        ]
        for entry in entries
    ]
    console.print(terminal_table([*columns, Column("rows", right=True), Column("size", right=True)], rows))


def _entries(number: int) -> str:
    return "entry" if number == 1 else "entries"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds), timezone.utc)


def _shown(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB" if size >= 10 << 20 else f"{size / 2**10:,.0f} KiB"


COMMAND = Command(
    "cache",
    "list or clear the cache of trained models",
    "List the models that the local AWS copies instead of training them again, with the directory and size of the "
    "cache. The last used ones come first. Archives of the classes of a JVM are counted, and cleared, too.",
    _add_arguments,
    _run,
)
