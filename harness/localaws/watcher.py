"""A small process that ends what is left of a local AWS: ``python -m harness.localaws.watcher``.

The local AWS watches its owner itself, and cannot while it is busy or stopped (SIGSTOP); nor can it end its containers
once it was killed, and a stopped container does not see its standard input close.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from harness.processes import RUN_VARIABLE, end_processes_of, kill_processes_with

GRACE_SECONDS = 5
"""Time that a local AWS has to end by itself after its owner."""
_LOOK_SECONDS = 1


def start(owner: int, directory: Path, run: str) -> int:
    """Watch over this process, which a process ``owner`` owns that holds the other end of its standard input.

    :return: a descriptor that this process holds open until it ends.
    """
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "harness.localaws.watcher"]
    subprocess.Popen(
        [*command, *map(str, (os.getpid(), owner, ours, directory, run))],
        pass_fds=[ours],
        stdout=subprocess.DEVNULL,
        env=_without_mark(os.environ),  # else who ends a run of which this is a part would end it first
        start_new_session=True,
    )
    os.close(ours)
    return theirs


def watch(pid: int, owner: int, pipe: int, directory: str, run: str) -> None:
    """Wait until the local AWS or its owner has ended, and end what is left.

    :param pid: the local AWS's.
    :param pipe: closes when the local AWS ends.
    """
    if not _owner_ends_first(pid, owner, pipe):
        kill_containers(Path(directory))
        return
    if not _is_readable(pipe, GRACE_SECONDS):
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
    end_processes_of(run)
    kill_containers(Path(directory))
    shutil.rmtree(directory, ignore_errors=True)


def kill_containers(directory: Path) -> None:
    """Kill the containers below a local AWS's directory, and what they started."""
    kill_processes_with("SAGEMAKER_BASE_DIR", f"{directory}{os.sep}")


def _owner_ends_first(pid: int, owner: int, pipe: int) -> bool:
    """Wait for an end. The owner's closes its pipe, or, if a fork holds that open, gives the local AWS a new parent."""
    while not _is_readable(pipe, 0):
        readable, _, _ = select.select([0, pipe], [], [], _LOOK_SECONDS)
        if 0 in readable and not os.read(0, 4096):
            return True
        try:
            if psutil.Process(pid).ppid() != owner:
                return True
        except psutil.Error:
            return False
    return False


def _is_readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def _without_mark(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != RUN_VARIABLE}


if __name__ == "__main__":
    pid, owner, pipe, directory, run = sys.argv[1:]
    watch(int(pid), int(owner), int(pipe), directory, run)
