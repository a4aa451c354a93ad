"""Whose processes are found."""

import subprocess

from harness.processes import processes_with


def test_processes_are_found_by_their_mark_and_an_empty_mark_is_nobodys():
    with subprocess.Popen(["sleep", "60"], env={"HARNESS_RUN": "abc"}) as marked:
        assert [process.pid for process in processes_with("HARNESS_RUN", "ab")] == [marked.pid]
        assert processes_with("HARNESS_RUN", "") == []
        marked.kill()
