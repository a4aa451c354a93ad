import time
from itertools import islice

import pytest

from harness.errors import HarnessError
from harness.waiting import WaitTimeout, pauses, wait_until


def test_the_last_result_of_the_probe_is_returned():
    states = iter([None, "", "InService"])
    assert wait_until(lambda: next(states), "an endpoint", interval=0) == "InService"


def test_the_caller_decides_what_counts_as_done():
    numbers = iter(range(10))
    assert wait_until(lambda: next(numbers), "the fourth", done=lambda n: n == 3, interval=0) == 3


def test_a_condition_that_holds_is_probed_once_even_without_time_left():
    probes = []
    wait_until(lambda: probes.append(1) or True, "nothing", timeout=0)
    assert len(probes) == 1


def test_a_timeout_reports_the_condition_and_the_last_state():
    with pytest.raises(WaitTimeout) as error:
        wait_until(lambda: "Creating", "endpoint x", done=lambda s: s == "InService", timeout=0.02, interval=0.01)
    assert "Timed out after 0.02 s waiting for endpoint x" in error.value.what
    assert "'Creating'" in error.value.checked


def test_a_timeout_takes_about_the_allowed_time():
    started = time.monotonic()
    with pytest.raises(WaitTimeout):
        wait_until(lambda: False, "never", timeout=0.2, interval=0.01)
    assert 0.2 <= time.monotonic() - started < 1


def test_an_error_of_the_probe_is_raised():
    def probe():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        wait_until(probe, "a file")


def test_a_timeout_is_an_error_that_users_read():
    assert issubclass(WaitTimeout, HarnessError)


def test_pauses_grow_to_the_longest_and_no_further():
    assert list(islice(pauses(1, 3), 5)) == [1, 1.5, 2.25, 3, 3]
    assert list(islice(pauses(0.05, 0.05), 3)) == [0.05] * 3


def test_pauses_between_probes_grow():
    probes = []
    with pytest.raises(WaitTimeout):
        wait_until(lambda: probes.append(1), "never", timeout=0.3, interval=0.01, longest=0.2)
    assert len(probes) < 12
