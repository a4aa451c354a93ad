"""A local AWS's directory is deleted once its process was killed, and nothing else in a shared directory is."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import harness
from harness.localaws import directories

HOLD = "from harness.localaws import directories; print(directories.make(), flush=True); input()"
REMOVE = "from harness.localaws import directories; directories.remove_stale()"
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.fixture(autouse=True)
def shared(tmp_path, monkeypatch):
    """The temporary directory that all local AWSs of a test share."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(harness.__file__).parents[1]))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def owner():
    """A process that holds a directory, and the directory."""
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def stale(shared, name="harness-localaws-stale"):
    """Make what a local AWS that was killed leaves."""
    directory = shared / name
    directory.mkdir()
    (directory / "lock").touch()
    return directory


def test_a_directory_stays_while_its_process_lives_and_goes_once_it_was_killed(owner):
    process, directory = owner
    directories.remove_stale()
    assert directory.is_dir()
    process.kill()
    process.wait()
    directories.remove_stale()
    assert not directory.exists()


def test_a_local_aws_in_another_pid_namespace_leaves_a_directory_in_use_alone(owner):
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], check=False).returncode:
        pytest.skip("PID namespaces need Linux and root")
    _, directory = owner
    subprocess.run([*NAMESPACE, sys.executable, "-c", REMOVE], check=True)
    assert directory.is_dir()


def test_a_directory_of_another_user_is_left_alone(shared):
    if os.geteuid():
        pytest.skip("only root can give a directory to another user")
    directory = stale(shared)
    os.chown(directory, 65534, 65534)
    directories.remove_stale()
    assert directory.is_dir()


def test_a_link_is_left_alone_with_all_that_it_points_to(shared):
    target = stale(shared, "precious")
    (shared / "harness-localaws-link").symlink_to(target)
    directories.remove_stale()
    assert (target / "lock").exists()


def test_what_no_local_aws_made_is_left_alone_and_keeps_nothing_from_going(shared, monkeypatch):
    (shared / "harness-localaws-notes").mkdir()
    (shared / "harness-localaws-file").write_text("mine")
    os.mkfifo(shared / "harness-localaws-fifo")
    for name, make in {"fifo-lock": os.mkfifo, "directory-lock": os.mkdir}.items():
        (shared / f"harness-localaws-{name}").mkdir()
        make(shared / f"harness-localaws-{name}" / "lock")
    (shared / "harness-localaws-link-lock").mkdir()
    (shared / "harness-localaws-link-lock" / "lock").symlink_to(shared / "harness-localaws-file")
    if sys.platform == "linux":  # macOS has no such names
        os.mkdir(os.fsencode(shared) + b"/harness-localaws-\xff")
    before = set(os.listdir(shared))
    gone = stale(shared)
    directories.remove_stale()
    assert set(os.listdir(shared)) == before
    assert not gone.exists()


def test_a_file_system_without_locks_keeps_directories(shared, monkeypatch):
    directory = stale(shared)
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError("no locks here")))
    assert directories.make().is_dir()
    directories.remove_stale()
    assert directory.is_dir()


def test_a_temporary_directory_that_cannot_be_listed_stops_no_start(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    directories.remove_stale()
