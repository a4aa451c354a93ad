"""Faults report how many calls they have hit, also while a test waits for a client that retries."""

import io

import pytest

from harness.aws import faults as injection
from harness.aws.faults import FaultInjection, applied_text, reported_while_waiting
from harness.localaws.control.faults import Fault, Faults
from harness.waiting import wait_until


class Terminal(io.StringIO):
    """Keeps its text when it is closed."""

    def close(self):
        self.text = self.getvalue()
        super().close()


@pytest.fixture
def local():
    """The faults of a local AWS."""
    return Faults()


@pytest.fixture
def injected(local):
    """Their injection through the control API."""
    handlers = {
        ("POST", "/faults"): lambda content: local.add(Fault.from_json(content)),
        ("GET", "/faults/applied"): lambda _: local.applied(),
        ("DELETE", "/faults"): lambda _: local.clear(),
    }
    return FaultInjection(lambda method, path, content=None: handlers[method, path](content))


def test_a_fault_counts_the_calls_that_it_has_hit_also_after_it_was_cleared(local, injected):
    put, role = injected.add("PutObject", times="always"), injected.add("GetRole")
    for operation in ("PutObject", "PutObject", "GetObject"):
        local.take(operation)
    injected.clear()
    local.take("PutObject")
    assert (put.applied, role.applied) == (2, 0)
    assert repr(put) == "<fault PutObject: error 500 InternalFailure>"


def test_equal_faults_are_reported_together_and_those_that_hit_nothing_not_at_all(local, injected):
    for operation in ("PutObject", "PutObject", "GetRole", "CreateModel"):
        injected.add(operation, status=503, code="SlowDown")
    for operation in ("PutObject", "PutObject", "GetRole"):
        local.take(operation)
    assert applied_text(injected.applied()) == (
        "<fault PutObject: error 503 SlowDown> has hit 2 calls, <fault GetRole: error 503 SlowDown> has hit 1 call"
    )


@pytest.mark.parametrize(("calls", "seconds", "printed"), [(20, 30, 1), (19, 30, 0), (5, 0, 1), (4, 0, 0)])
def test_a_test_whose_faults_hit_many_calls_prints_one_line_while_it_waits(
    local, injected, monkeypatch, calls, seconds, printed
):
    asked = []
    monkeypatch.setattr(injection, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(injection, "_LONG_SECONDS", seconds)
    monkeypatch.setattr(local, "applied", lambda: asked.append(1) or [calls])
    injected.add("PutObject", times="always")
    with reported_while_waiting(injected, terminal := Terminal()):
        wait_until(lambda: asked[1:] or terminal.getvalue(), "the local AWS to be asked twice", timeout=10)
    assert terminal.text.count("harness: after 0 s, <fault PutObject: error 500 InternalFailure> has hit ") == printed
