"""What instances of AWS did and for how much: their cost for a million predictions against their latency.

Pure: no file is read and nothing is printed here. The unit of figures and intervals is the run
(:func:`harness.bench.analysis.statistics.estimate`); where intervals overlap, no order is claimed. Runs on one endpoint
tell of its machines, and not how those of its type differ: the unit is the endpoint where there are as many of a type
as an interval takes. What the local AWS measured is never an offer: it runs on this machine and only takes the names of
instance types.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import combinations
from statistics import geometric_mean

from harness.aws.pricing import Price, PriceSource
from harness.bench.analysis.comparison import ALTERNATED, Side, alternating, environment_differences
from harness.bench.analysis.statistics import LEAST_RUNS, Estimate, estimate
from harness.bench.results.reader import Result
from harness.bench.results.recorded_instances import (
    endpoint_of,
    instances_of,
    is_of_aws,
    p99,
    predicts,
    price_of,
    requests,
    rows_per_second,
)
from harness.bench.results.series import Run, Setting, tell_apart

P99 = "p99 latency"
MEDIAN_ROUND = "time a round"
LEAST_REQUESTS = 662
"""Requests that a p99 takes to be claimed at 99 % confidence, by
:func:`harness.bench.analysis.quantile_tests.queries_needed`.
"""

_APART = ("region", "spark_master", "dataset", "rows")
"""Keys of ``extra_info`` in which results must agree to stand in one table."""
_COMPARED_HERE = ("endpoint_instance_type", "endpoint_instance_count")
_MOST_PAIRS = 3
_HOUR = 3600.0
_MILLION = 1e6


class Standing(str, Enum):
    """Whether an offer lies on the Pareto front, where no other is both cheaper and faster.

    With a question mark, that is so by the estimates, and their intervals leave the other open, or they were not
    measured in turns.
    """

    ON = "yes"
    MAYBE_ON = "yes?"
    MAYBE_OFF = "no?"
    OFF = "no"

    @property
    def is_on(self) -> bool:
        """Whether it is on the front by the estimates."""
        return self in (Standing.ON, Standing.MAYBE_ON)


@dataclass(frozen=True)
class Offer:
    """What some instances did with a benchmark, and for how much."""

    kind: str
    """Their type: ``ml.m5.large``."""
    count: int
    """Of the endpoint."""
    rows_per_second: Estimate
    """By the mean of a run's rounds: what is slow is paid for too."""
    seconds: Estimate
    """Latency: which one, the comparison says."""
    price: Price | None
    """Of one instance; None where it is not known."""
    runs: tuple[Run, ...]
    requests: int = 0
    """From which p99 is, in all runs together; 0 where it is not known."""

    @property
    def name(self) -> str:
        """The type, with the number of instances where it is not one."""
        return self.kind if self.count == 1 else f"{self.count} × {self.kind}"

    @cached_property
    def endpoints(self) -> int | None:
        """How many endpoints its runs were measured on; None where not all noted it."""
        names = {endpoint_of(run) for run in self.runs}
        return len(names) if names and "" not in names else None

    @property
    def is_of_its_type(self) -> bool:
        """Whether the intervals are over endpoints, so of instances of its type; else they are over runs."""
        return self.endpoints is not None and self.endpoints >= LEAST_RUNS

    @property
    def usd_per_hour(self) -> float:
        """For all instances together; infinite where no price is known."""
        return math.inf if self.price is None else self.price.hourly * self.count

    @property
    def usd_per_million(self) -> Estimate:
        """Dollars for a million rows while it is as busy as when it was measured; infinite where no price is known."""
        if self.price is None:
            return Estimate(math.inf, 0.0, math.inf)
        return self.rows_per_second.under(self.usd_per_hour / _HOUR * _MILLION)

    def beats(self, other: Offer) -> bool:
        """Return whether its estimates are nowhere worse, and better somewhere."""
        own, others = self._figures, other._figures
        return own != others and own[0] <= others[0] and own[1] <= others[1]

    def surely_beats(self, other: Offer) -> bool:
        """Return whether it is both cheaper and faster, by the whole intervals."""
        return self.usd_per_million.is_surely_below(other.usd_per_million) and self.seconds.is_surely_below(
            other.seconds
        )

    def may_beat(self, other: Offer) -> bool:
        """Return whether the intervals leave it open, or show, that it is both cheaper and faster."""
        return not (
            other.usd_per_million.is_surely_below(self.usd_per_million) or other.seconds.is_surely_below(self.seconds)
        )

    @property
    def _figures(self) -> tuple[float, float]:
        return self.usd_per_million.value, self.seconds.value


class Comparison:
    """One benchmark on instances of different types or numbers, in one setting."""

    def __init__(self, name: str, setting: Setting, measure: str, offers: Iterable[Offer]) -> None:
        self.name = name
        self.setting = setting
        """What must be equal in all: region, Spark master, dataset, rows."""
        self.measure = measure
        """Which latency the offers' is: ``P99``, or ``MEDIAN_ROUND`` where not all noted that."""
        self.label = name.rpartition("::")[2]
        """What it is called beside others; :func:`comparisons` adds what tells it from them."""
        self.offers = sorted(offers, key=lambda offer: (offer.usd_per_million.value, offer.name))
        """The cheapest first, those without a price last."""

    @property
    def rows(self) -> float:
        """Rows of a round."""
        return float(self.setting["rows"])

    @cached_property
    def priced(self) -> list[Offer]:
        """The offers with a price, the cheapest first."""
        return [offer for offer in self.offers if offer.price is not None]

    @cached_property
    def front(self) -> list[Offer]:
        """The offers that no other beats by the estimates, the fastest first."""
        found = [offer for offer in self.priced if not any(other.beats(offer) for other in self.priced)]
        return sorted(found, key=lambda offer: offer.seconds.value)

    @cached_property
    def apart(self) -> list[tuple[Offer, Offer]]:
        """The pairs of offers that were not measured in turns, of those with runs enough for an order to be claimed."""
        return [(one, other) for one, other in combinations(self.offers, 2) if _are_apart(one.runs, other.runs)]

    def are_apart(self, one: Offer, other: Offer) -> bool:
        """Return whether two offers were not measured in turns."""
        return (one, other) in self.apart or (other, one) in self.apart

    def standing(self, offer: Offer) -> Standing | None:
        """Return whether an offer is on the front; None where its price is not known.

        Nothing is sure by offers that were not measured in turns with it.
        """
        if offer.price is None:
            return None
        others = [other for other in self.priced if other is not offer]
        if offer in self.front:
            doubted = any(other.may_beat(offer) or self.are_apart(other, offer) for other in others)
            return Standing.MAYBE_ON if doubted else Standing.ON
        beaten = any(other.surely_beats(offer) and not self.are_apart(other, offer) for other in others)
        return Standing.OFF if beaten else Standing.MAYBE_OFF

    @cached_property
    def warnings(self) -> list[str]:
        """What must be known to judge the figures."""
        return [*self._of_prices(), *self._of_runs(), *self._of_endpoints(), *self._of_latency(), *self._of_settings()]

    def _of_prices(self) -> Iterator[str]:
        if unknown := [offer.name for offer in self.offers if offer.price is None]:
            yield f"no price is known of {_and(unknown)}: give one with --prices FILE"
        for offer in self.priced:
            hourly = {price.hourly for run in offer.runs if (price := price_of(run))}
            if len(hourly) > 1:
                yield f"the price of {offer.name} changed between its runs: the newest is taken"

    def _of_runs(self) -> Iterator[str]:
        few = {offer.name: len(offer.runs) for offer in self.offers if len(offer.runs) < LEAST_RUNS}
        if len(few) == len(self.offers) and len(set(few.values())) == 1:
            yield f"an interval needs {LEAST_RUNS} runs, and each has {few.popitem()[1]}"
        elif few:
            yield f"an interval needs {LEAST_RUNS} runs: {_and([f'{name} has {runs}' for name, runs in few.items()])}"
        if self.apart:
            pairs = [f"{one.name} with {other.name}" for one, other in self.apart]
            more = [f"{len(pairs) - _MOST_PAIRS} more"] if len(pairs) > _MOST_PAIRS else []
            told = f"not measured in turns: {_and([*pairs[:_MOST_PAIRS], *more])}"
            yield f"{told}; their intervals are wider, and a drift between them cannot be seen"

    def _of_endpoints(self) -> Iterator[str]:
        counts = {offer.name: offer.endpoints for offer in self.offers if not offer.is_of_its_type}
        unseen = "how endpoints of a type differ is not in the intervals"
        if counts and set(counts.values()) == {1} and len(counts) == len(self.offers):
            yield f"the runs are of one endpoint of each type: {unseen}"
        elif counts:
            told = [f"{name} of {count or 'how many is not noted'}" for name, count in counts.items()]
            yield f"the runs are of few endpoints, {_and(told)}, and it takes {LEAST_RUNS} of a type: else {unseen}"

    def _of_latency(self) -> Iterator[str]:
        silent = [offer.name for offer in self.offers if not all(map(p99, offer.runs))]
        if silent and len(silent) < len(self.offers):
            yield f"{_and(silent)} noted no p99 latency: the median round stands for the latency of all"
        few = {offer.name: offer.requests for offer in self.offers if offer.requests < LEAST_REQUESTS}
        if few and self.measure == P99:
            fewest = f"{_and(list(few))} had no more than {max(few.values()):,} in all runs"
            yield f"a p99 takes {LEAST_REQUESTS} requests to be claimed: {fewest}"

    def _of_settings(self) -> Iterator[str]:
        """Tell in what the offers differ besides their instances, as ``harness compare`` would."""
        sides = [Side(offer.name, _results(offer), []) for offer in self.offers]
        found: dict[str, str] = {}
        for side in sides[1:]:
            for key, how in environment_differences(sides[0], side, [self.name]).items():
                found.setdefault(key, f"{key} differs between {sides[0].label} and {side.label}: {how}")
        commits = sorted({run.result.commit_id[:9] or "unknown" for offer in self.offers for run in offer.runs})
        if len(commits) > 1:
            found["commit"] = f"the runs are of several commits: {_and(commits)}"
        yield from (text for key, text in found.items() if key not in _COMPARED_HERE)


def comparisons(runs: Iterable[Run], prices: PriceSource | None = None) -> list[Comparison]:
    """Return the benchmarks of an endpoint in AWS, each with all instances that it was run on.

    Runs that differ in region, Spark master, dataset or rows are not compared. What was not measured in AWS, or does
    not predict, is left out.

    :param prices: go before what the runs noted.
    """
    apart: dict[tuple[str, tuple[tuple[str, str], ...]], list[Run]] = {}
    for run in runs:
        if predicts(run) and is_of_aws(run):
            key = tuple((name, text) for name in _APART if (text := run.benchmark.recorded(name)))
            apart.setdefault((run.benchmark.name, key), []).append(run)
    found = [_comparison(name, dict(setting), members, prices) for (name, setting), members in apart.items()]
    tell_apart(found)
    return found


def _comparison(name: str, setting: Setting, runs: Sequence[Run], prices: PriceSource | None) -> Comparison:
    by_instances: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        by_instances.setdefault(instances_of(run), []).append(run)
    measure = P99 if all(map(p99, runs)) else MEDIAN_ROUND
    offers = []
    for instances, members in by_instances.items():
        drifting = any(_are_apart(members, others) for others in by_instances.values())
        offers.append(_offer(instances, members, measure, prices, drifting))
    return Comparison(name, setting, measure, offers)


def _are_apart(one: Sequence[Run], other: Sequence[Run]) -> bool:
    """Return whether two offers' runs were not in turns, of all that each has: the larger side's count too."""
    least, most = sorted((len(one), len(other)))
    if one is other or least < LEAST_RUNS:
        return False
    pairs = alternating([run.result for run in one], [run.result for run in other])
    return len(pairs) < ALTERNATED * most


def _offer(
    instances: tuple[str, int], runs: Sequence[Run], measure: str, prices: PriceSource | None, drifting: bool
) -> Offer:
    kind, count = instances
    ordered = tuple(sorted(runs, key=lambda run: run.result.date))
    seconds = [(p99(run) if measure == P99 else None) or run.benchmark.median for run in ordered]
    return Offer(
        kind,
        count,
        _over_units(ordered, [rows_per_second(run) or math.nan for run in ordered], drifting),
        _over_units(ordered, seconds, drifting),
        _price(kind, ordered, prices),
        ordered,
        sum(map(requests, ordered)) if measure == P99 else 0,
    )


def _over_units(runs: Sequence[Run], figures: Sequence[float], drifting: bool) -> Estimate:
    """Return a figure with its interval over endpoints, each one's the geometric mean of its runs; or over runs.

    :param figures: one for each run.
    :param drifting: whether there are offers that were not measured in turns with this one.
    """
    of_each: dict[str, list[float]] = {}
    for run, figure in zip(runs, figures, strict=True):
        of_each.setdefault(endpoint_of(run), []).append(figure)
    if "" in of_each or len(of_each) < LEAST_RUNS:
        return estimate(figures, drifting=drifting)
    return estimate([geometric_mean(of_one) for of_one in of_each.values()], drifting=drifting)


def _price(kind: str, runs: Sequence[Run], prices: PriceSource | None) -> Price | None:
    """Return the price of a file; or else the newest that was noted."""
    found = prices.find(kind, "hosting") if prices else None
    return found or next(filter(None, map(price_of, reversed(runs))), None)


def _results(offer: Offer) -> list[Result]:
    return [run.result for run in offer.runs]


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
