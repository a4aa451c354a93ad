"""Faults happen to the calls that they are for, and impossible ones are refused."""

import pytest

from harness.localaws.control.faults import Fault, Faults


def test_a_fault_happens_as_often_as_asked_and_to_its_operation_only():
    faults = Faults()
    faults.add(Fault("PutObject", times=2))
    assert faults.take("GetObject") is None
    assert [faults.take("PutObject") is not None for _ in range(3)] == [True, True, False]
    assert faults.as_json() == []


def test_faults_happen_in_the_order_they_were_added_and_a_star_is_any_operation():
    faults = Faults()
    faults.add(Fault("*", code="First"))
    faults.add(Fault("GetRole", code="Second"))
    assert [faults.take("GetRole").code, faults.take("GetRole").code] == ["First", "Second"]


def test_calls_that_a_fault_skips_pass_and_are_open_to_the_next_fault():
    faults = Faults()
    faults.add(Fault("*", code="Later", skip=2))
    faults.add(Fault("GetRole", code="Now"))
    found = [faults.take(operation) for operation in ("PutObject", "GetRole", "PutObject", "PutObject")]
    assert [fault and fault.code for fault in found] == [None, "Now", "Later", None]


def test_a_fault_happens_to_its_share_of_calls_and_to_the_same_ones_with_the_same_seed():
    def suffering(seed):
        faults = Faults()
        faults.add(Fault("*", times=1000, share=0.5, seed=seed))
        return [faults.take("GetRole") is not None for _ in range(400)]

    assert 160 < sum(suffering(1)) < 240
    assert suffering(1) == suffering(1) != suffering(2)


def test_a_fault_for_good_happens_until_faults_are_cleared_and_its_calls_stay_counted():
    faults = Faults()
    first = faults.add(Fault("GetRole"))
    always = faults.add(Fault("PutObject", times="always", skip=1))
    hit = [faults.take("PutObject") is not None for _ in range(100)]
    faults.clear()
    assert hit == [False] + [True] * 99
    assert faults.take("PutObject") is None
    assert (faults.applied()[first], faults.applied()[always]) == (0, 99)


def test_faults_that_are_cleared_do_not_happen():
    faults = Faults()
    faults.add(Fault("GetRole"))
    faults.clear()
    assert faults.take("GetRole") is None


@pytest.mark.parametrize(
    ("members", "reported"),
    [({"operation": "GetRole", "effect": "fire"}, "choose one of error, disk_full, kill_container"),
     ({"operation": "GetRole", "times": 0}, "number of at least 1, or \"always\", not 0"),
     ({"operation": "GetRole", "times": "often"}, "not 'often'"),
     ({"operation": "GetRole", "delay": -1}, "delay and skip must be at least 0"),
     ({"operation": "GetRole", "skip": -1}, "delay and skip must be at least 0"),
     ({"operation": "GetRole", "share": 0}, "share above 0"),
     ({"operation": "GetRole", "effect": "signal"}, "needs a pid"),
     ({"operation": "GetRole", "effect": "signal", "pid": 1, "signal": "SIGFIRE"}, "not 1 and 'SIGFIRE'"),
     ({"operation": "CreateModel", "effect": "stuck"}, "stuck happens to CreateEndpoint only, not to CreateModel"),
     ({"operation": "GetRole", "colour": 1}, "has no colour"), ({}, "needs an operation"),
     ({"operation": "PutObject", "effect": "kill_container"}, "happens to InvokeEndpoint only"),
     ({"operation": "*", "effect": "kill_container"}, "happens to InvokeEndpoint only")],
)  # fmt: skip
def test_a_fault_that_cannot_happen_is_refused(members, reported):
    with pytest.raises(ValueError, match=reported):
        Fault.from_json(members)


def test_a_fault_of_an_operation_that_aws_does_not_have_is_refused():
    with pytest.raises(ValueError, match="there is no operation 'InvokEndpoint'"):
        Fault("InvokEndpoint")
    assert Fault("*", effect="").operation == "*"
