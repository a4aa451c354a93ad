"""``harness up``, ``harness down``, ``harness status``: an environment kept for the sessions of a directory."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.cli.options import Command, add_settings, settings_from
from harness.errors import SettingsError, SetupError

_IDLE_MINUTES = 30.0
_END_SECONDS = 60.0
_KEPT, _NOT_KEPT = 0, 1


def _add_up_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, ["region"])
    parser.add_argument(
        "--idle",
        type=float,
        default=_IDLE_MINUTES,
        metavar="MINUTES",
        help=f"minutes without a session after which it ends (default: {_IDLE_MINUTES:g})",
    )


def _run_up(options: argparse.Namespace) -> int:
    if not 0 < options.idle < 1e6:
        raise SettingsError(f"--idle is {options.idle:g}.", fix="give a number of minutes above 0")
    from harness.console import ConsoleProgress, PlainConsole
    from harness.keeper.launch import launch

    settings = settings_from(options)
    if found := _ask("status"):
        print(f"An environment is kept for this directory already: process {found['pid']}, {found['state']}.")
        return _KEPT
    launch(settings, options.idle * 60, ConsoleProgress(PlainConsole(stderr=True)))
    print("Sessions in this directory use it now. 'harness status' shows it, and 'harness down' ends it.")
    return _KEPT


def _ask(question: str) -> dict[str, Any] | None:
    """Return the answer of the environment of this directory, or None if none answers now."""
    from harness.kept.lease import KeeperEndedError, NotKeptError, Talk

    try:
        with closing(Talk.to(Path.cwd())) as talk:
            return talk.ask(question)
    except (NotKeptError, KeeperEndedError):
        return None


def _run_down(_: argparse.Namespace) -> int:
    from harness.kept.place import place
    from harness.waiting import wait_until

    where = place(Path.cwd())
    if not where.exists():
        print("No environment is kept for this directory.")
        return _KEPT
    # One that is being started again answers after some seconds.
    wait_until(lambda: _asked_to_end() or not where.exists(), "the environment to answer", timeout=_END_SECONDS)
    wait_until(lambda: not where.exists(), "the environment to end", timeout=_END_SECONDS)
    return _KEPT


def _asked_to_end() -> bool:
    """Ask the environment of this directory to end; return False if it does not answer now."""
    answer = _ask("down")
    if answer and "refused" in answer:
        raise SetupError(f"The environment is in use: {answer['refused']}.", fix="end that process first")
    return answer is not None


def _add_status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run_status(options: argparse.Namespace) -> int:
    from harness.console import PlainConsole, print_figures, print_json

    found = _ask("status")
    if options.json:
        print_json(found or {})
    elif found is None:
        print("No environment is kept for this directory. 'harness up' starts one.")
    else:
        print_figures(PlainConsole(), _figures(found))
    return _NOT_KEPT if found is None else _KEPT


def _figures(found: dict[str, Any]) -> list[tuple[str, str]]:
    session = found["session"]
    if session:
        used = f"by process {session['pid']} for {_minutes(time.time() - session['since'])}: {session['command']}"
    else:
        ends = _minutes(found["ends_after_idle_seconds"])
        used = f"not for {_minutes(found['idle_seconds'])}; it ends after {ends} without a session"
    memory = ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in found["memory"].items())
    return [
        ("state", found["state"]),
        ("directory", str(Path.cwd())),
        ("process", f"{found['pid']}, for {_minutes(time.time() - found['since'])}"),
        ("region", found["region"]),
        ("in use", used),
        ("sessions", f"{found['sessions']:,}"),
        ("memory", memory),
    ]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


UP = Command(
    "up",
    "keep a local AWS and a warm JVM for the sessions of this directory",
    "Start a local AWS and a JVM with Spark and the SDK, use them once, and keep them in the background. pytest, "
    "harness exec and harness mnist use them when they run in this directory. Each finds a clean AWS.",
    _add_up_arguments,
    _run_up,
)
DOWN = Command("down", "end what 'harness up' keeps", "End what 'harness up' keeps.", lambda _: None, _run_down)
STATUS = Command(
    "status",
    "show what 'harness up' keeps",
    "Show what 'harness up' keeps for this directory. The exit code is 1 if there is nothing.",
    _add_status_arguments,
    _run_status,
)
