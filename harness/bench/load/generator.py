"""Load generator: sends requests to an endpoint, and measures their results and its own delays.

Open loop: requests have random times, fixed in advance and independent of the endpoint. Latency counts from the
*scheduled* time of a request. An endpoint that stalls therefore delays all requests scheduled meanwhile, as its users
would experience; see Gil Tene, "How NOT to Measure Latency", on coordinated omission.
"""

from __future__ import annotations

import gc
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from harness.bench.load.connections import Connections, Finished, Query

_LONGEST_MICROSECONDS = 3_600_000_000
_DIGITS = 3
_WATCH_SECONDS = 0.25

Array = npt.NDArray[Any]
Watch = Callable[["Measurement"], bool]
"""Callback with the measurement, four times a second; sending and waiting end once it returns False."""


class Times:
    """Durations in an HdrHistogram: microseconds up to an hour, to three digits."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_MICROSECONDS, _DIGITS)

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._histogram.record_value(min(max(1, round(seconds * 1e6)), _LONGEST_MICROSECONDS))

    def percentile(self, percent: float) -> float:
        """Return the shortest duration that ``percent`` of them do not exceed, in seconds; 0 without durations."""
        share = round(percent / 100 * len(self), 6)  # 0.999 × 1,000 is a little more than 999
        return self.at_rank(max(1, math.ceil(share))) if len(self) else 0.0

    def at_rank(self, rank: int) -> float:
        """Return the ``rank``-th shortest duration in seconds, from 1."""
        percent = 100 * (rank - 0.25) / len(self)  # the histogram rounds to the nearest rank
        return float(self._histogram.get_value_at_percentile(percent)) / 1e6

    @property
    def longest(self) -> float:
        """Longest duration in seconds; 0 without durations."""
        return float(self._histogram.get_max_value()) / 1e6 if len(self) else 0.0

    def encoded(self) -> str:
        """Return the histogram in HdrHistogram's compressed form, readable by its tools in all languages."""
        return str(self._histogram.encode().decode())


@dataclass
class Measurement:
    """Results of the requests of one run."""

    bound: float | None = None
    """Bound on latency in seconds; ``over`` counts the queries that took longer."""
    planned: int = 0
    """Number of planned queries; in a closed loop, of those sent."""
    sent: int = 0
    answered: int = 0
    failed: int = 0
    over: int = 0
    rows: int = 0
    """Rows of the successful requests."""
    requests: int = 0
    """Number of successful requests."""
    latencies: Times = field(default_factory=Times)
    """Latencies of the successful queries, from their scheduled times."""
    lags: Times = field(default_factory=Times)
    """Delays of the queries caused by the sender."""
    failures: Counter[str] = field(default_factory=Counter)
    """Number of failed requests by class of failure."""
    messages: dict[str, str] = field(default_factory=dict)
    """First message of each class of failure."""
    seconds: float = 0.0
    """Time from the start to the last answer."""
    sending_seconds: float = 0.0
    """Time from the start to the end of sending."""
    cpu_seconds: float = 0.0
    """CPU time of the sender."""
    waited: int = 0
    """Number of requests that found all connections busy."""
    connections: int = 0
    """Number of opened connections."""
    interrupted: bool = False

    @property
    def unanswered(self) -> int:
        """Number of queries that were still open when the run ended."""
        return self.sent - self.answered - self.failed

    @property
    def late(self) -> int:
        """Number of queries over the bound, including failed and unanswered ones."""
        return self.over + self.failed + self.unanswered

    @property
    def requests_per_second(self) -> float:
        """Successful requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows of successful requests a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def cpu_share(self) -> float:
        """The sender's share of one core."""
        return self.cpu_seconds / self.seconds if self.seconds else 0.0

    def add(self, finished: Finished, rows: int) -> None:
        """Count a request that ended; the last one of a query ends the query.

        :param rows: rows of a request.
        """
        if finished.failure:
            self.failures[finished.failure] += 1
            self.messages.setdefault(finished.failure, finished.message)
        else:
            self.requests += 1
            self.rows += rows
        if finished.last:
            self._end(finished.query)

    def _end(self, query: Query) -> None:
        if query.failed:
            self.failed += 1
            return
        self.answered += 1
        latency = query.ended - query.scheduled
        self.latencies.add(latency)
        if self.bound is not None and latency > self.bound:
            self.over += 1


def poisson(rate: float, seconds: float, seed: int) -> Array:
    """Return the ascending arrival times of a Poisson process in seconds, ``rate`` a second on average.

    Their number is ``rate * seconds``, as in LoadGen's Server scenario, which draws the gaps from an exponential
    distribution. The total time varies by about 1 / √n for n arrivals.
    """
    gaps = np.random.default_rng(seed).exponential(1 / rate, max(1, round(rate * seconds)))
    return np.cumsum(gaps)


def open_loop(
    connections: Connections, starts: Array, *, bound: float | None = None, watch: Watch | None = None
) -> Measurement:
    """Send a request at each of ``starts``, in seconds from now, and wait for all answers."""
    run = _Run(connections, Measurement(bound, planned=len(starts)), watch)
    with run.measured():
        times = (starts + run.began).tolist()
        run.send_at(times)
        run.drain()
    return run.measurement


def closed_loop(
    connections: Connections,
    seconds: float,
    *,
    queries: int = 1,
    requests: int = 1,
    bound: float | None = None,
    watch: Watch | None = None,
) -> Measurement:
    """Keep ``queries`` of ``requests`` each under way for ``seconds``: each answered query is followed by the next."""
    run = _Run(connections, Measurement(bound), watch)
    with run.measured():
        run.keep_up(queries, requests, run.began + seconds)
        run.drain()
    run.measurement.planned = run.measurement.sent
    return run.measurement


class _Run:
    """A measurement in progress."""

    def __init__(self, connections: Connections, measurement: Measurement, watch: Watch | None) -> None:
        self._connections = connections
        self.measurement = measurement
        self._watch = watch
        self._next_watch = 0.0
        self._continues = True
        self.began = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the time of the block, with the garbage collector off."""
        connections, measurement = self._connections, self.measurement
        waited, opened = connections.waited, connections.opened
        with _no_collector():
            self.began, cpu = time.perf_counter(), time.process_time()
            yield
            measurement.seconds = time.perf_counter() - self.began
            measurement.cpu_seconds = time.process_time() - cpu
        measurement.waited, measurement.connections = connections.waited - waited, connections.opened - opened
        measurement.interrupted = not self._continues

    def send_at(self, times: Sequence[float]) -> None:
        """Send a request at each of the times of ``time.perf_counter``."""
        for scheduled in times:
            self._collect(scheduled - time.perf_counter())  # at least once, which also starts the previous request
            while (wait := scheduled - time.perf_counter()) > 0:
                self._collect(wait)
            if not self._continues:
                break
            self._send(Query(scheduled))
        self.measurement.sending_seconds = time.perf_counter() - self.began

    def keep_up(self, queries: int, requests: int, deadline: float) -> None:
        """Keep ``queries`` queries under way until the deadline."""
        for _ in range(queries):
            self._send(Query(time.perf_counter(), requests))
        while self._continues and time.perf_counter() < deadline:
            for finished in self._collect(deadline - time.perf_counter()):
                if finished.last:
                    self._send(Query(finished.query.ended, requests))
        self.measurement.sending_seconds = time.perf_counter() - self.began

    def drain(self) -> None:
        """Wait for the outstanding answers."""
        while self._continues and self._connections.unanswered:
            self._collect(_WATCH_SECONDS)

    def _send(self, query: Query) -> None:
        self.measurement.lags.add(time.perf_counter() - query.scheduled)
        self.measurement.sent += 1
        self._connections.send(query)

    def _collect(self, seconds: float) -> list[Finished]:
        found = self._connections.collect(seconds)
        for finished in found:
            self.measurement.add(finished, self._connections.rows)
        now = time.perf_counter()
        if self._watch and now >= self._next_watch:
            self._next_watch = now + _WATCH_SECONDS
            self.measurement.seconds = now - self.began
            self._continues = self._continues and self._watch(self.measurement)
        return found


@contextmanager
def _no_collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
