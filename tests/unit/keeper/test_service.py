"""The keeper's answers to sessions, with a JVM and a local AWS that only count the calls."""

import json
import os
import socket
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from harness.console import Progress
from harness.keeper import service
from harness.keeper.service import Keeper
from harness.kept.lease import Gateway, NotKeptError, Talk, borrow
from harness.kept.place import SOCKET, make_place
from harness.settings import Settings
from harness.waiting import wait_until

LIKENESS = {"region": "us-east-1"}


class JVM:
    """A JVM that runs no code."""

    made = 0

    def __init__(self, *_):
        JVM.made += 1
        self.gateway = Gateway(os.getpid(), 1, "secret")
        self.exit_code = None
        self.outputs = []

    def write_to(self, descriptors):
        self.outputs.append(len(descriptors))

    def reset(self):
        return True

    def end(self):
        self.exit_code = -9


class AWS:
    """A local AWS that holds nothing."""

    def __init__(self, directory):
        found = {"pid": os.getpid(), "run_id": "no-such-run", "directory": str(directory)}
        self.connection = SimpleNamespace(**found, to_json=lambda: "{}")
        self.ledger_directory = directory / "ledger"
        self.running, self.renewals = True, 0

    def renew(self):
        self.renewals += 1

    def last_output(self):
        return "last words"


@pytest.fixture
def kept(tmp_path, tmp_path_factory, monkeypatch):
    """A keeper that serves ``tmp_path`` in a thread, and ends with the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))  # the path of a socket must be short
    monkeypatch.setattr(service, "WarmJVM", JVM)
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.02)
    place = make_place(tmp_path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(place / SOCKET))
    listener.listen()
    aws = AWS(tmp_path)
    threads = []

    def start(idle=60.0, login=None):
        keeper = Keeper(aws, Settings(), LIKENESS, idle)
        anew = []
        thread = threading.Thread(target=lambda: anew.append(keeper.serve(place, listener, login)), daemon=True)
        thread.start()
        threads.append((keeper, thread))
        return SimpleNamespace(keeper=keeper, thread=thread, aws=aws, place=place, directory=tmp_path, anew=anew)

    yield start
    for keeper, thread in threads:
        keeper._ending.set()
        thread.join(10)
    listener.close()


def warm(kept, **options):
    started = kept(**options)
    started.keeper.warm(Progress())
    return started


def ready(kept):
    wait_until(lambda: kept.keeper.status()["state"] == "ready" and not kept.keeper.status()["session"], "ready")
    return kept.keeper.status()


def test_one_session_has_the_environment_at_a_time(kept):
    kept = warm(kept)
    lease = borrow(kept.directory, LIKENESS)
    assert (lease.keeper, lease.gateway.secret) == (os.getpid(), "secret")
    with pytest.raises(NotKeptError, match=f"process {os.getpid()} uses it: "):
        borrow(kept.directory, LIKENESS)
    lease.release()
    borrow(kept.directory, LIKENESS).release()
    assert ready(kept)["sessions"] == 2


def test_a_session_in_order_leaves_the_same_jvm_and_an_empty_aws(kept):
    kept = warm(kept)
    made, renewals = JVM.made, kept.aws.renewals
    borrow(kept.directory, LIKENESS).release()
    ready(kept)
    assert (JVM.made, kept.aws.renewals) == (made, renewals + 1)


def test_after_a_session_that_ends_without_a_word_all_is_started_again(kept):
    kept = warm(kept)
    borrow(kept.directory, LIKENESS)._talk.close()
    kept.thread.join(10)
    assert kept.anew == [True]


def test_a_jvm_that_is_not_as_good_as_new_is_started_again(kept):
    kept = warm(kept)
    kept.keeper._jvm.reset = lambda: False
    borrow(kept.directory, LIKENESS).release()
    kept.thread.join(10)
    assert kept.anew == [True]


def test_a_session_is_told_what_happened_to_the_jvm_and_the_aws(kept):
    kept = warm(kept)
    lease = borrow(kept.directory, LIKENESS)
    assert (lease.jvm_exit_code(), lease.last_output()) == (None, "last words")
    lease.end_jvm()
    assert lease.jvm_exit_code() == -9
    lease.release()


def test_a_jvm_that_ends_between_sessions_is_started_again(kept):
    kept = warm(kept)
    kept.keeper._jvm.end()
    kept.thread.join(10)
    assert kept.anew == [True]


def test_no_session_gets_an_environment_that_is_not_ready_or_not_alike(kept):
    started = kept()
    with pytest.raises(NotKeptError, match="it is being started"):
        borrow(started.directory, LIKENESS)
    started.keeper.warm(Progress())
    with pytest.raises(NotKeptError, match=r"other values of the region\. Run 'harness down' and 'harness up'"):
        borrow(started.directory, {"region": "eu-west-1"})


def test_a_start_that_fails_ends_the_keeper(kept, monkeypatch):
    started = kept()
    monkeypatch.setattr(service, "WarmJVM", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        started.keeper.warm(Progress())
    started.thread.join(10)
    assert not started.thread.is_alive()


def test_it_ends_when_nobody_uses_it(kept):
    kept = warm(kept, idle=0.2)
    kept.thread.join(10)
    assert kept.anew == [False]


@pytest.mark.slow
def test_it_does_not_end_while_a_session_uses_it(kept):
    kept = warm(kept, idle=0.2)
    lease = borrow(kept.directory, LIKENESS)
    time.sleep(0.5)
    assert kept.thread.is_alive()
    lease.release()


def test_it_ends_when_the_user_logs_out(kept):
    kept = warm(kept)
    (kept.place / SOCKET).unlink()
    kept.place.rmdir()
    kept.thread.join(10)
    assert kept.anew == [False]


def test_it_ends_with_the_shell_that_started_it(kept):
    shell = psutil.Popen(["true"])
    shell.wait()
    kept = warm(kept, login=shell)
    kept.thread.join(10)
    assert kept.anew == [False]


def test_it_ends_with_its_local_aws(kept):
    kept = warm(kept)
    kept.aws.running = False
    kept.thread.join(10)
    assert kept.anew == [False]


def test_down_is_refused_while_a_session_uses_it(kept):
    kept = warm(kept)
    lease = borrow(kept.directory, LIKENESS)
    assert f"process {os.getpid()} uses it" in Talk.to(kept.directory).ask("down")["refused"]
    lease.release()
    ready(kept)
    assert Talk.to(kept.directory).ask("down") == {}
    kept.thread.join(10)
    assert kept.anew == [False]


@pytest.mark.parametrize("sent", [b"\n", b"{}\n", b"no json\n", b'{"ask": "lease"}\n', b"", b"[1]\n"])
def test_an_unreadable_question_harms_nobody(kept, sent):
    kept = warm(kept)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(kept.place / SOCKET))
    client.sendall(sent)
    client.close()
    borrow(kept.directory, LIKENESS).release()
    assert json.dumps(ready(kept))
