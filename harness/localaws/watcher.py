"""A small process that ends the remains of a local AWS: ``python -m harness.localaws.watcher``.

The local AWS also watches its owner itself, but not while it is busy or stopped (SIGSTOP). It cannot end its containers
once it is killed, and a stopped container does not notice that its standard input closes.
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
"""Time that a local AWS has to end by itself once its owner has ended."""
_LOOK_SECONDS = 1


def start(owner: int, directory: Path, run: str) -> int:
    """Start a watcher of this process.

    :param owner: the process that started this one, and holds the other end of its standard input.
    :return: a descriptor that this process must hold open until it ends.
    """
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "harness.localaws.watcher"]
    subprocess.Popen(
        [*command, *map(str, (os.getpid(), owner, ours, directory, run))],
        pass_fds=[ours],
        stdout=subprocess.DEVNULL,
        env=_without_mark(os.environ),  # else the end of an enclosing run would kill the watcher first
        start_new_session=True,
    )
    os.close(ours)
    return theirs


def watch(pid: int, owner: int, pipe: int, directory: str, run: str) -> None:
    """Wait until the local AWS or its owner has ended, and end the remaining processes.

    :param pid: process id of the local AWS.
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
    """Kill the containers below a local AWS's directory, with the processes that they started."""
    kill_processes_with("SAGEMAKER_BASE_DIR", f"{directory}{os.sep}")


def _owner_ends_first(pid: int, owner: int, pipe: int) -> bool:
    """Wait until the owner or the local AWS ends; return True if the owner ends first.

    The owner's end closes its pipe. If a fork holds the pipe open, the local AWS gets a new parent.
    """
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
