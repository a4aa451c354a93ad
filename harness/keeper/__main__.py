"""``python -m harness.keeper`` keeps an environment for its working directory. It prints a line of JSON for each step.

``harness up`` starts it with the variables that a JVM reads, and reads these lines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psutil

from harness.aws.local import MockAWS
from harness.console import Progress
from harness.errors import HarnessError, SetupError
from harness.keeper.service import Keeper
from harness.kept.likeness import likeness
from harness.kept.place import SOCKET, make_place, place, runtime_directory
from harness.processes import ended_in_order
from harness.settings import Settings


class _Lines(Progress):
    """Progress as lines of JSON on standard output."""

    def begin(self, stage: str) -> None:
        """Print that a stage begins."""
        print(json.dumps({"begin": stage}), flush=True)

    def end(self, stage: str, seconds: float) -> None:
        """Print how long a stage took."""
        print(json.dumps({"end": stage, "seconds": seconds}), flush=True)


def main() -> int:
    """Keep an environment; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.keeper", description=__doc__)
    parser.add_argument("--region", required=True)
    parser.add_argument("--idle", type=float, required=True, help="seconds without a session after which it ends")
    parser.add_argument("--login", type=int, required=True, help="process whose end is the user's logout")
    parser.add_argument("--again", action="store_true", help="the place of the directory exists, and is this process's")
    options = parser.parse_args()
    settings = Settings(region=options.region, fresh="yes")
    try:
        with ended_in_order():
            if not _keep(settings, options):
                return 0
    except HarnessError as error:
        print(json.dumps({"failed": str(error)}), flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    _start_again()


def _start_again() -> NoReturn:
    """Become a new keeper, in the same process. No one reads its lines."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    again = [] if "--again" in sys.argv else ["--again"]
    os.execv(sys.executable, [sys.executable, "-m", "harness.keeper", *sys.argv[1:], *again])


def _keep(settings: Settings, options: argparse.Namespace) -> bool:
    """Keep an environment to its end; return whether another is to be started, for which the place stays."""
    directory = place(Path.cwd()) if options.again else make_place(Path.cwd())
    with _deleted_with_us(directory) as kept, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        _listen(listener, directory / SOCKET)
        with MockAWS.start(settings) as aws:
            keeper = Keeper(aws, settings, likeness(settings), options.idle)
            threading.Thread(target=_warm, args=(keeper,), daemon=True).start()
            try:
                again = keeper.serve(directory, listener, _login(options.login))
            finally:
                keeper.end()
        if again:
            kept()
        return again


def _listen(listener: socket.socket, path: Path) -> None:
    path.unlink(missing_ok=True)  # of the keeper before this one
    try:
        listener.bind(str(path))
    except OSError as error:
        raise SetupError(
            f"The socket {path} cannot be made: {error}.",
            checked="the place of the environment that is kept for this directory",
            fix="set XDG_RUNTIME_DIR to a directory of yours with a short path",
        ) from error
    listener.listen()


def _warm(keeper: Keeper) -> None:
    try:
        keeper.warm(_Lines())
        print(json.dumps({"ready": keeper.status()}), flush=True)
    except Exception as error:
        print(json.dumps({"failed": str(error) if isinstance(error, HarnessError) else repr(error)}), flush=True)


def _login(pid: int) -> psutil.Process | None:
    """Return the process whose end is the user's logout; None if the system shows it in another way."""
    try:
        return None if runtime_directory() else psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


@contextmanager
def _deleted_with_us(directory: Path) -> Iterator[Callable[[], None]]:
    """Delete a directory at the end of this block, and of this process if it is killed.

    Yields a function after whose call the directory stays at the end of the block.
    """
    stays: list[bool] = []
    script = 'cat > /dev/null; rm -rf -- "$0"'
    guard = subprocess.Popen(["/bin/sh", "-c", script, str(directory)], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield lambda: stays.append(True)
    finally:
        guard.kill()  # first, since another keeper may make the directory again
        guard.wait()
        if not stays:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
