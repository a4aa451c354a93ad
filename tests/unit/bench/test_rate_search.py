"""The search for the highest rate under a bound, on an endpoint that is simulated: one server, random service times."""

import numpy as np
import pytest

from harness.bench.load.generator import Measurement, poisson
from harness.bench.load.rate_search import RateVerdict, SearchResult, Tried, find_rate

SERVICE = 0.005
BOUND = 0.05


def queue(rate, seconds, random, *, service=SERVICE, jitter=0.0):
    """Return the latencies of Poisson arrivals at one server with exponential service times (M/M/1)."""
    starts = poisson(rate, seconds, random.integers(2**31))
    free, latencies = 0.0, []
    for start, needs in zip(starts, random.exponential(service, len(starts)), strict=True):
        free = max(free, start) + needs
        latencies.append(free - start + random.exponential(jitter))
    return latencies


def prober(seed, bound=BOUND, lag=0.0001, **kwargs):
    random = np.random.default_rng(seed)

    def probe(rate, seconds, watch):
        made = Measurement(bound=bound, sending_seconds=seconds, seconds=seconds)
        for latency in queue(rate, seconds, random, **kwargs):
            made.sent, made.answered = made.sent + 1, made.answered + 1
            made.latencies.add(latency)
            made.lags.add(lag)
            made.over += latency > bound
            if watch and not watch(made):
                made.interrupted = True
                break
        return made

    return probe


TRUE_RATE = 1 / SERVICE - np.log(100) / BOUND
"""Rate at which p99 of M/M/1, with exponential latencies of mean 1/(mu - lambda), is the bound: 107.9 a second."""


@pytest.mark.parametrize("start", [5.0, 50.0, 3000.0])
def test_the_rate_is_found_from_any_start(start):
    found = find_rate(prober(1), 99, start, 60)
    assert 0.8 * TRUE_RATE < found.rate <= 1.03 * TRUE_RATE


@pytest.mark.slow
def test_the_rate_is_found_repeatedly_and_rarely_too_high():
    rates = [find_rate(prober(seed), 99, 50, 60).rate for seed in range(8)]
    assert None not in rates
    assert max(rates) <= 1.05 * TRUE_RATE
    assert np.median(rates) > 0.85 * TRUE_RATE


def test_the_found_rate_held_for_a_whole_run():
    found = find_rate(prober(2), 99, 50, 60)
    assert found.tried[-1].verdict is RateVerdict.KEEPS
    assert found.tried[-1].rate == found.rate
    assert found.measurement.sent == pytest.approx(found.rate * 60, rel=0.01)


def test_there_is_no_rate_for_a_bound_that_one_request_breaks():
    found = find_rate(prober(3, bound=0.001), 99, 50, 60)
    assert found.rate is None
    assert all(tried.verdict is not RateVerdict.KEEPS for tried in found.tried)


def test_a_probe_ends_once_the_bound_is_broken():
    found = find_rate(prober(4), 99, 5000, 60)
    assert found.tried[0].verdict is RateVerdict.BREAKS
    assert found.tried[0].queries < 2000  # of 25,000


def test_a_late_sender_is_distinguished_from_a_slow_endpoint():
    found = find_rate(prober(5, lag=0.02), 99, 150, 60)
    assert found.limited_by_sender
    assert found.tried[0].verdict is RateVerdict.SENDER


def test_an_interrupted_search_keeps_what_it_tried():
    probe, calls = prober(6), []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return probe(*arguments)

    found = find_rate(interrupted, 99, 20, 60)
    assert found.interrupted
    assert len(found.tried) == 2
    assert found.rate is None


def tried(rate, verdict):
    return Tried(rate, 5.0, 100, 0, 0.01, verdict)


@pytest.mark.parametrize(
    ("rate", "rates", "limited"),
    [
        (10.0, [tried(20, RateVerdict.SENDER), tried(40, RateVerdict.BREAKS)], True),
        (10.0, [tried(20, RateVerdict.BREAKS), tried(40, RateVerdict.SENDER)], False),
        (10.0, [tried(15, RateVerdict.UNSURE), tried(20, RateVerdict.SENDER)], True),
        (10.0, [tried(10, RateVerdict.SENDER)], False),
        (None, [tried(0.1, RateVerdict.SENDER)], True),
        (10.0, [], False),
    ],
)
def test_the_sender_limits_a_rate_if_the_next_higher_that_failed_failed_by_it(rate, rates, limited):
    assert SearchResult(rate, tried=rates).limited_by_sender is limited


def quick(rate, seconds, watch):
    """The measurement of an endpoint that keeps any bound."""
    return Measurement(bound=1.0, sent=1000, answered=1000)


def test_no_rate_below_0_1_is_probed():
    assert find_rate(prober(7, bound=0.001), 99, 0.3, 60).tried[-1].rate > 0.05


def test_no_rate_above_50000_is_probed_by_doubling():
    assert [each.rate for each in find_rate(quick, 99, 25_000, 60).tried[:2]] == [25_000, 50_000]
    assert find_rate(quick, 99, 25_000.5, 60).tried[1].rate < 50_000


def test_a_probe_is_long_enough_to_decide_and_no_longer_than_a_minute():
    asked = []

    def probe(rate, seconds, watch):
        asked.append((rate, seconds))
        return quick(rate, seconds, watch)

    find_rate(probe, 99, 1000.0, 30)
    find_rate(probe, 99, 100.0, 30)
    find_rate(probe, 99, 1.0, 30)
    seconds = dict(asked)
    assert (seconds[1000.0], seconds[100.0], seconds[1.0]) == (5.0, pytest.approx(2 * 662 / 100), 60.0)


@pytest.mark.parametrize(("late", "following"), [(9, 20.0), (11, 5.0)])
def test_a_rate_that_three_probes_leave_open_is_kept_if_its_share_of_late_queries_is_small_enough(late, following):
    def probe(rate, seconds, watch):
        return Measurement(bound=1.0, sent=1000, answered=1000, over=late)

    tried_ = find_rate(probe, 99, 10.0, 60).tried
    assert [each.rate for each in tried_[:4]] == [10.0, 10.0, 10.0, following]
