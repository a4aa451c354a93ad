"""Processes of built-in algorithms that wait for work, and become containers."""

import os
import signal
import sys

import pytest

from harness.localaws.sagemaker import prepared_containers
from harness.localaws.sagemaker.container_process import ContainerProcess
from harness.localaws.sagemaker.images import Images
from harness.localaws.sagemaker.prepared_containers import PreparedContainers
from harness.processes import processes_with
from harness.waiting import wait_until
from tests.support.processes import alive

ALGORITHM = """
import os, sys, time
from pathlib import Path
from harness.containers.runtime import Package, main

class Shown(Package):
    def prepare(self, work):
        print("prepares", work, os.environ.get("EARLY"), flush=True)
        time.sleep(float(os.environ.get("SLOW", "0")))
    def train(self, job):
        if job.stopping.is_set():
            return print("is stopped")
        print("trains in", Path.cwd(), "as", os.environ["TRAINING_JOB_NAME"], os.environ.get("EARLY"))

sys.exit(main(Shown(""), sys.argv[1:]))
"""
FILES = {"hyperparameters": "{}", "inputdataconfig": "{}", "resourceconfig": '{"hosts": ["a"], "current_host": "a"}'}
PATHS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture
def prepared(tmp_path):
    found = PreparedContainers(tmp_path / "prepared")
    yield found
    found.end()


@pytest.fixture
def command(tmp_path):
    (tmp_path / "algorithm.py").write_text(ALGORITHM)
    return [sys.executable, str(tmp_path / "algorithm.py"), "train"]


@pytest.fixture
def train(tmp_path, prepared, command):
    """Run a job with these variables; return its exit code and its output."""

    def train(name="job", **variables):
        root = configured(tmp_path / name)
        lines = []
        given = {"TRAINING_JOB_NAME": name, "HARNESS_DIE_WITH_STDIN": "1", **PATHS, **variables}
        process = ContainerProcess(command, root, given, lines.append, prepared)
        return process.wait(20), lines

    return train


def configured(root):
    """Return the directory of a job, which is made."""
    (root / "input/config").mkdir(parents=True)
    for file, text in FILES.items():
        (root / "input/config" / f"{file}.json").write_text(text)
    return root


def waiting(tmp_path):
    return processes_with("SAGEMAKER_BASE_DIR", str(tmp_path / "prepared"))


def like(train, prepared, **variables):
    """Have a process wait that can become a container such as the one that ran."""
    train("first", **variables)
    prepared.prepare_again()


def test_a_prepared_process_becomes_the_container_with_its_directory_and_variables(train, prepared, tmp_path):
    assert train("first") == (0, ["trains in /opt/ml as first None"])
    prepared.prepare_again()
    wait_until(lambda: waiting(tmp_path), "a process to wait", timeout=10)
    assert train("second", AWS_SESSION_TOKEN="t") == (0, ["prepares train None", "trains in /opt/ml as second None"])
    assert not waiting(tmp_path)
    assert train("third")[1] == ["trains in /opt/ml as third None"]


@pytest.mark.parametrize("variables", [{"EARLY": "1"}, {"OMP_NUM_THREADS": "1"}, {"AWS_PROFILE": "another"}])
def test_a_container_with_other_variables_is_a_new_process(train, prepared, variables):
    like(train, prepared)
    assert train("second", **variables)[1] == [f"trains in /opt/ml as second {variables.get('EARLY')}"]
    assert train("third")[1][0] == "prepares train None", "it waits for the next one"


def test_a_prepared_process_has_the_variables_that_libraries_read_when_they_are_imported(train, prepared):
    like(train, prepared, EARLY="1")
    assert train("second", EARLY="1")[1] == ["prepares train 1", "trains in /opt/ml as second 1"]


def test_a_process_that_was_killed_is_not_used(train, prepared, tmp_path):
    like(train, prepared)
    (process,) = waiting(tmp_path)
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not waiting(tmp_path), "its end", timeout=10)
    assert train("second") == (0, ["trains in /opt/ml as second None"])


def test_the_kinds_used_last_are_prepared_again(train, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared_containers, "_MOST", 1)
    like(train, prepared, EARLY="1")
    train("second")
    for _ in range(2):
        prepared.prepare_again()
        (process,) = waiting(tmp_path)
        assert "EARLY" not in process.environ()


def test_the_process_that_waits_longest_makes_room_for_another(prepared, command, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared_containers, "_MOST", 2)
    for number in range(4):
        prepared.prepare(command, {**PATHS, "EARLY": str(number)})
    assert sorted(process.environ()["EARLY"] for process in waiting(tmp_path)) == ["2", "3"]
    prepared.end()
    assert not waiting(tmp_path)


def test_a_process_that_has_ended_is_replaced(prepared, command, tmp_path):
    prepared.prepare(command, PATHS)
    (first,) = waiting(tmp_path)
    first.kill()
    wait_until(lambda: not alive(first), "its end", timeout=10)
    prepared.prepare(command, PATHS)
    (second,) = waiting(tmp_path)
    assert second.pid != first.pid


def test_none_is_prepared_after_the_end_or_where_none_can_start(prepared, command, tmp_path):
    prepared.prepare(["/missing/command", "train"], PATHS)
    prepared.end()
    prepared.prepare(command, PATHS)
    prepared.prepare_again()
    assert not waiting(tmp_path)


def test_sigterm_ends_a_process_that_waits(prepared, command):
    prepared.prepare(command, PATHS)
    _, process = prepared._waiting.popitem()
    assert process.stdout.readline().startswith(b"prepares")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.mark.slow
def test_sigterm_while_libraries_are_imported_is_for_the_work_that_was_given(prepared, command, tmp_path):
    prepared.prepare(command, {**PATHS, "SLOW": "1"})
    root = configured(tmp_path / "job")
    process = prepared.take(command, root, {**PATHS, "SLOW": "1", "SAGEMAKER_BASE_DIR": str(root)})
    assert process.stdout.readline().startswith(b"prepares"), "its own handler is in place"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert process.stdout.read() == b"is stopped\n"


def test_work_that_a_pipe_does_not_hold_is_for_a_new_process(train, prepared, tmp_path):
    like(train, prepared)
    assert train("second", AWS_SESSION_TOKEN="t" * 40_000)[1] == ["trains in /opt/ml as second None"]
    assert len(waiting(tmp_path)) == 1


def test_a_prepared_process_ends_with_its_standard_input(prepared, command, tmp_path):
    prepared.prepare(command, PATHS)
    _, process = prepared._waiting.popitem()
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize(("name", "is_prepared"), [("kmeans", True), ("mine", False)])
def test_only_built_in_algorithms_are_prepared(prepared, tmp_path, name, is_prepared):
    images = Images(prepared)
    images.register("mine", [sys.executable, "mine.py"])
    uri = {"kmeans": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"}.get(name, name)
    images.find(uri).prepare("serve", PATHS)
    if is_prepared:
        wait_until(lambda: waiting(tmp_path), "the process to have its variables")
    assert bool(waiting(tmp_path)) is is_prepared
