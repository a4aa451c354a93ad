"""Search for the processes of a run."""

import os
import subprocess

import pytest

from harness.processes import processes_with


def test_processes_are_found_by_their_mark_and_an_empty_mark_finds_none():
    with subprocess.Popen(["sleep", "60"], env={"HARNESS_RUN": "marked-abc"}) as marked:
        assert [process.pid for process in processes_with("HARNESS_RUN", "marked-ab")] == [marked.pid]
        assert processes_with("HARNESS_RUN", "") == []
        marked.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_a_process_of_another_user_is_not_found_with_any_mark():
    with subprocess.Popen(["sleep", "60"], env={"HARNESS_RUN": "marked-abc"}, user=65534) as theirs:
        found = processes_with("HARNESS_RUN", "marked-abc")
        theirs.kill()
    assert found == []
