"""Time limit of a run: its process gets SIGTERM, and is killed if it does not begin to end, or does not end."""

import signal
import subprocess

import pytest

from harness.aws.cleanup import reaper
from harness.aws.cleanup.ledger_file import Header

LIVES = "import signal, sys, time; signal.signal(signal.SIGTERM, {}); print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def started():
    """Return a process that treats SIGTERM in a way, and the limit of 2 hours of the run that it is."""
    processes = []

    def started(handler):
        process = subprocess.Popen(["python3", "-c", LIVES.format(handler)], stdout=subprocess.PIPE)
        processes.append(process)
        process.stdout.readline()
        header = Header("r", "1", "us-east-1", "real", "", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z", process.pid)
        return process, reaper._TimeLimit(header, 120.0)

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def later(monkeypatch):
    """``later(seconds)`` sets the clock that many seconds after now."""
    now = reaper.time.time()
    return lambda seconds: monkeypatch.setattr(reaper.time, "time", lambda: now + seconds)


def test_a_run_is_sent_sigterm_once_its_time_is_over_and_not_before(started, later):
    process, limit = started("signal.SIG_DFL")
    later(7190)
    limit.enforce()
    assert process.poll() is None
    later(7201)
    limit.enforce()
    assert process.wait(30) == -signal.SIGTERM


def test_a_run_that_does_not_begin_to_end_is_killed_after_the_grace_period(started, later):
    process, limit = started("signal.SIG_IGN")
    later(7201)
    limit.enforce()
    later(7310)
    limit.enforce()
    assert process.poll() is None
    later(7330)
    limit.enforce()
    assert process.wait(30) == -signal.SIGKILL


def test_a_run_that_has_begun_to_end_has_the_time_of_a_clean_up_and_gets_no_second_sigterm(started, later):
    process, limit = started("signal.SIG_DFL")
    later(7100)
    limit.expect_end()
    later(7100 + reaper._CLEAN_UP_SECONDS - 10)
    limit.enforce()
    assert process.poll() is None
    later(7100 + reaper._CLEAN_UP_SECONDS + 10)
    limit.enforce()
    assert process.wait(30) == -signal.SIGKILL
