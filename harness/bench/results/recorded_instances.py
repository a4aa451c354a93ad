"""What a run of a benchmark noted of the instances that it was measured on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.aws.pricing import Price
from harness.bench.results.series import Run

_GROUPS = ("transform", "endpoint")


def predicts(run: Run) -> bool:
    """Return whether a benchmark's rows are predictions of an endpoint: by its group, or the price it noted."""
    noted = run.benchmark.extra_info
    known = run.benchmark.group in _GROUPS or "price" in noted or "latency" in noted
    return known and rows_per_second(run) is not None


def rows_per_second(run: Run) -> float | None:
    """Return the rows of all rounds by their time; None where they are not known.

    That is by the mean: of requests of which 40 % are slow, the median tells nothing of what these cost.
    """
    rows, mean = _positive(run.benchmark.extra_info.get("rows")), _positive(run.benchmark.mean)
    return rows / mean if rows and mean else None


def is_of_aws(run: Run) -> bool:
    """Return whether a run was measured on instances of AWS, and says on which."""
    noted = run.benchmark.extra_info
    return noted.get("mode") == "real" and bool(noted.get("endpoint_instance_type"))


def instances_of(run: Run) -> tuple[str, int]:
    """Return the type and number of the instances that a run in AWS says it was measured on."""
    noted = run.benchmark.extra_info
    count = noted.get("endpoint_instance_count")
    return str(noted["endpoint_instance_type"]), count if isinstance(count, int) and count > 0 else 1


def endpoint_of(run: Run) -> str:
    """Return the name of the endpoint that a run was measured on; '' where it is not known."""
    return str(run.benchmark.extra_info.get("endpoint") or "")


def noted_price(noted: Mapping[str, Any]) -> Price | None:
    """Return the price that a run noted of one instance; None where there is none with its source and date."""
    price = noted.get("price")
    if not isinstance(price, Mapping) or not price.get("source") or not price.get("date"):
        return None
    usd = _positive(price.get("usd_per_hour"))
    kind = str(noted.get("endpoint_instance_type"))
    return Price(kind, "hosting", usd, str(price["source"]), str(price["date"])) if usd else None


def p99(run: Run) -> float | None:
    """Return the p99 latency that a run noted, in seconds."""
    return _positive(_latency(run).get("p99"))


def requests(run: Run) -> int:
    """Return of how many requests a run's latencies are; 0 where it is not known."""
    return int(_positive(_latency(run).get("requests")) or 0)


def latencies(run: Run) -> Sequence[float]:
    """Return the seconds of each request of a run; none where its rounds were not saved, or are not single requests."""
    return run.benchmark.times if len(run.benchmark.times) == requests(run) else ()


def _latency(run: Run) -> Mapping[str, Any]:
    found = run.benchmark.extra_info.get("latency")
    return found if isinstance(found, Mapping) else {}


def _positive(figure: Any) -> float | None:
    return float(figure) if isinstance(figure, (int, float)) and 0 < figure < math.inf else None
