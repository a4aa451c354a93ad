"""A local AWS under mixed load for a long time makes no error, does not slow down, and gives everything back.

``HARNESS_SOAK_SECONDS`` is how long the long one takes, 1,800 if it is not set.
"""

import os
import statistics
import time

import numpy as np
import psutil
import pytest
from scipy.stats import mannwhitneyu

from harness.aws.local import MockAWS
from harness.localaws.memory import EVERY_SECONDS
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.growth import Held, held
from tests.support.soak import call_for, register, warm_up

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("HARNESS_SOAK_SECONDS", "1800"))
ROUNDS = 20
FIRST_SECONDS = 60
LOGGED_CALLS = 10_000
"""Calls that the local AWS keeps a record of: its memory grows until it has as many."""
TOLERANCE = 0.02
FEW = 2
"""Descriptors and threads that may come and go at any time."""
RISE = 1.25
"""Ratio of costs from which a difference that chance does not explain counts as a rise."""


@pytest.fixture
def soaked(harness_settings, tmp_path):
    if harness_settings.mode == "real":
        pytest.skip("these tests are about the local AWS")
    with MockAWS.start(Settings()) as aws:
        register(aws, tmp_path)
        aws.client("s3").list_objects_v2(Bucket=f"sagemaker-sample-data-{aws.region}")  # written in the background
        yield aws


def at_rest(aws, disk):
    """Return what a local AWS holds once its connections and containers have ended, as medians of samples."""
    wait_until(lambda: held(aws).disk, "bodies to be deleted", done=lambda bytes_: bytes_ <= disk, timeout=30)
    time.sleep(EVERY_SECONDS + 1)  # so that free memory has been returned
    samples = []
    for _ in range(5):
        time.sleep(0.2)
        samples.append(held(aws))
    return medians(samples)


def medians(samples):
    return Held(*(statistics.median(values) for values in zip(*samples, strict=True)))


def test_mixed_calls_from_several_threads_release_all_resources(soaked):
    warm_up(soaked, 500)
    disk = held(soaked).disk
    call_for(soaked, 4, seed=1)
    before = at_rest(soaked, disk)
    call_for(soaked, 10, seed=2)
    after = at_rest(soaked, disk)
    assert after.disk == before.disk == disk
    assert after.descriptors <= before.descriptors + FEW
    assert everything(soaked) == []


def everything(aws):
    """Return the names of all that exists, without log groups."""
    return [name for kind, names in aws.resources().items() if kind != "log group" for name in names]


@pytest.mark.nightly
def test_nothing_grows_and_nothing_slows_down_under_mixed_load(soaked):
    warm_up(soaked, LOGGED_CALLS)
    disk = held(soaked).disk
    began, rests, costs, calls = time.monotonic(), [], [], 0
    for number in range(ROUNDS):
        used = cpu_seconds(soaked)
        callers = call_for(soaked, SECONDS / ROUNDS, seed=number)
        of_round = sum(caller.calls for caller in callers)
        calls += of_round
        costs.append((cpu_seconds(soaked) - used) / of_round)
        p99 = np.quantile([seconds for caller in callers for seconds in caller.latencies], 0.99)
        rest = at_rest(soaked, disk)
        shown = f"{calls:8,} calls  p99 {p99 * 1000:6.1f} ms  {costs[-1] * 1000:5.2f} ms of CPU a call"
        print(f"{time.monotonic() - began:6.0f} s  {shown}  {rest}", flush=True)
        if time.monotonic() - began >= FIRST_SECONDS:
            rests.append(rest)
    assert len(rests) >= 6, "it was too short, or this machine too slow, to say anything"
    first, last = medians(rests[:3]), medians(rests[-3:])
    assert last.disk == first.disk == disk
    for name in ("descriptors", "threads"):
        assert getattr(last, name) <= getattr(first, name) * (1 + TOLERANCE) + FEW, name
    assert last.memory <= first.memory * (1 + TOLERANCE), f"{first.memory:,} → {last.memory:,} bytes"
    assert not rises(costs), costs
    assert everything(soaked) == []


def cpu_seconds(aws):
    """Return the CPU time that the local AWS has used, to which other processes add less than to latency."""
    used = psutil.Process(aws.connection.pid).cpu_times()
    return used.user + used.system


def rises(costs):
    """Return whether calls of the last third of the rounds cost more than those of the first, beyond chance and
    noticeably.
    """
    third = len(costs) // 3
    first, last = costs[:third], costs[-third:]
    by_chance = mannwhitneyu(last, first, alternative="greater").pvalue
    return by_chance < 0.01 and statistics.median(last) > RISE * statistics.median(first)
