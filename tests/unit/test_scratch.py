"""Scratch directories: kept while a process uses them, and deleted by the next one after that."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import harness
from harness.scratch import PREFIXES, make_scratch

PREFIX = "harness-test-"
HOLDER = f"""
import subprocess, sys
from harness.scratch import make_scratch
scratch = make_scratch({PREFIX!r})
if sys.argv[1:]:
    subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=0, pass_fds=[scratch.lock])
(scratch.path / "file").write_text("in use")
print(scratch.path, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The temporary directory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def hold(place):
    """Start a process that uses a directory, and return it with the directory's path."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, *arguments], env={**os.environ, "TMPDIR": str(place)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process, place / process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_directory_is_kept_while_its_process_runs_and_goes_after_it_is_killed(hold, place):
    process, directory = hold()
    make_scratch(PREFIX).delete()
    assert (directory / "file").exists()
    process.kill()
    process.wait()
    assert directory.exists(), "no process could delete it"
    make_scratch(PREFIX).delete()
    assert list(place.iterdir()) == []


def test_a_directory_is_kept_for_a_child_that_outlives_its_parent(hold, place):
    process, directory = hold("child")
    process.kill()
    process.wait()
    make_scratch(PREFIX).delete()
    assert (directory / "file").exists()
    process.stdin.close()  # which ends the child
    while directory.exists():
        make_scratch(PREFIX).delete()


def test_a_process_that_needs_one_kind_deletes_the_unused_of_every_kind(place):
    for prefix in PREFIXES:
        (place / f"{prefix}unused").mkdir()
    make_scratch("harness-localaws-").delete()
    assert list(place.iterdir()) == []


def test_every_kind_that_the_harness_makes_is_known_to_all():
    sources = "".join(path.read_text() for path in Path(harness.__file__).parent.rglob("*.py"))
    assert set(re.findall(r'make_scratch\("([^"]+)"\)', sources)) == set(PREFIXES)


def test_other_directories_are_kept(place, tmp_path_factory):
    target = tmp_path_factory.mktemp("elsewhere")
    (target / "precious").write_text("")
    (place / f"{PREFIX}link").symlink_to(target)
    (place / f"{PREFIX}file").write_text("")
    (place / "other").mkdir()
    make_scratch(PREFIX).delete()
    assert sorted(path.name for path in place.iterdir()) == [f"{PREFIX}file", f"{PREFIX}link", "other"]
    assert (target / "precious").exists()


def test_a_process_in_another_pid_namespace_leaves_a_directory_in_use_alone(hold, place):
    namespace = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("PID namespaces need Linux and root")
    _, directory = hold()
    newcomer = f"from harness.scratch import make_scratch; make_scratch({PREFIX!r})"
    subprocess.run([*namespace, sys.executable, "-c", newcomer], env={**os.environ, "TMPDIR": str(place)}, check=True)
    assert (directory / "file").exists()


def test_unexpected_names_and_kinds_do_not_prevent_deletion(place):
    os.mkfifo(place / f"{PREFIX}fifo")
    if sys.platform == "linux":  # macOS has no such names
        os.mkdir(os.fsencode(place / PREFIX) + b"\xff")
    (place / f"{PREFIX}unused").mkdir()
    make_scratch(PREFIX).delete()
    assert [path.name for path in place.iterdir()] == [f"{PREFIX}fifo"]


def test_a_file_system_without_locks_keeps_directories(place, monkeypatch):
    (place / f"{PREFIX}unused").mkdir()
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError("no locks here")))
    make_scratch(PREFIX).delete()
    assert [path.name for path in place.iterdir()] == [f"{PREFIX}unused"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of another user")
def test_a_directory_of_another_user_is_left_alone(place):
    (place / f"{PREFIX}theirs").mkdir()
    os.chown(place / f"{PREFIX}theirs", 65_534, 65_534)
    make_scratch(PREFIX).delete()
    assert (place / f"{PREFIX}theirs").exists()


def test_a_directory_that_is_deleted_twice_closes_its_descriptor_once():
    scratch = make_scratch(PREFIX)
    scratch.delete()
    reused = os.open(os.devnull, os.O_RDONLY)
    scratch.delete()
    os.close(reused)
