"""Instances that a run recorded, and the throughput, latency and price on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.aws.pricing import Price
from harness.bench.results.series import Run

_GROUPS = ("transform", "endpoint")


def predicts(run: Run) -> bool:
    """Return whether a benchmark's rows are predictions of an endpoint, by its group or the metadata that it has."""
    recorded = run.benchmark.extra_info
    known = run.benchmark.group in _GROUPS or "price" in recorded or "latency" in recorded
    return known and rows_per_second(run) is not None


def rows_per_second(run: Run) -> float | None:
    """Return the rows of all rounds by their time; None if either is unknown.

    It uses the mean of the rounds: if 40 % of the requests are slow, the median says nothing about their cost.
    """
    rows, mean = run.benchmark.info.rows, run.benchmark.mean
    return rows / mean if rows and 0 < mean < math.inf else None


def is_of_aws(run: Run) -> bool:
    """Return whether a run was measured on instances of AWS, and recorded their type."""
    info = run.benchmark.info
    return info.in_aws and bool(info.endpoint_instance_type)


def instances_of(run: Run) -> tuple[str, int]:
    """Return the type and number of the instances that a run in AWS recorded; 1 if it recorded no number."""
    info = run.benchmark.info
    return info.endpoint_instance_type or "", info.endpoint_instance_count or 1


def endpoint_of(run: Run) -> str:
    """Return the name of the endpoint that a run was measured on; '' if it is unknown."""
    return run.benchmark.info.endpoint or ""


def price_of(run: Run) -> Price | None:
    """Return the price of one instance that a run recorded; None if there is none with its source and date."""
    return run.benchmark.info.price


def p99(run: Run) -> float | None:
    """Return the p99 latency that a run recorded, in seconds."""
    latency = run.benchmark.info.latency
    return latency.p99 if latency else None


def requests(run: Run) -> int:
    """Return the number of requests of which a run recorded the latency; 0 if it is unknown."""
    latency = run.benchmark.info.latency
    return latency.requests or 0 if latency else 0


def latencies(run: Run) -> Sequence[float]:
    """Return the seconds of each request of a run; none if its rounds were not saved, or are not single requests."""
    return run.benchmark.times if len(run.benchmark.times) == requests(run) else ()
