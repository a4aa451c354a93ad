"""Comparison of AWS instance types: cost of a million predictions against latency.

This module reads no file and prints nothing. The unit of values and intervals is the run
(:func:`harness.bench.analysis.statistics.estimate`); overlapping intervals claim no order. Runs on one endpoint show
the performance of its machines only, not the differences between machines of one type. If a type has enough endpoints
for an interval, the unit is the endpoint. Results of the local AWS are excluded: it runs on this machine and only
accepts the names of instance types.
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
"""Least number of requests for a p99 at 99 % confidence, by
:func:`harness.bench.analysis.quantile_tests.queries_needed`.
"""

_APART = ("region", "spark_master", "dataset", "rows")
"""Keys of ``extra_info`` that must be equal in all results of a table."""
_COMPARED_HERE = ("endpoint_instance_type", "endpoint_instance_count")
_MOST_PAIRS = 3
_HOUR = 3600.0
_MILLION = 1e6


class Standing(str, Enum):
    """Position of an instance option relative to the Pareto front, where no other option is both cheaper and faster.

    A question mark means that the estimates show it, but the intervals do not, or that the options were not measured
    alternately.
    """

    ON = "yes"
    MAYBE_ON = "yes?"
    MAYBE_OFF = "no?"
    OFF = "no"

    @property
    def is_on(self) -> bool:
        """True if the estimates place the option on the front."""
        return self in (Standing.ON, Standing.MAYBE_ON)


@dataclass(frozen=True)
class Offer:
    """An instance option: type, number, price, and its results in one benchmark."""

    kind: str
    """Instance type: ``ml.m5.large``."""
    count: int
    """Number of instances of the endpoint."""
    rows_per_second: Estimate
    """Throughput by the mean of a run's rounds, because slow rounds cost money too."""
    seconds: Estimate
    """Latency; the comparison's ``measure`` names which one."""
    price: Price | None
    """Price of one instance; None if unknown."""
    runs: tuple[Run, ...]
    requests: int = 0
    """Number of requests behind the p99, in all runs together; 0 if unknown."""

    @property
    def name(self) -> str:
        """Type, preceded by the number of instances if there are several."""
        return self.kind if self.count == 1 else f"{self.count} × {self.kind}"

    @cached_property
    def endpoints(self) -> int | None:
        """Number of endpoints of the runs; None if some runs did not record theirs."""
        names = {endpoint_of(run) for run in self.runs}
        return len(names) if names and "" not in names else None

    @property
    def is_of_its_type(self) -> bool:
        """True if the intervals are over endpoints, and so cover its type; else they are over runs."""
        return self.endpoints is not None and self.endpoints >= LEAST_RUNS

    @property
    def is_ordered(self) -> bool:
        """True if its cost and latency have intervals, without which it has no place in an order."""
        return self.usd_per_million.is_known and self.seconds.is_known

    @property
    def usd_per_hour(self) -> float:
        """Price of all instances together; infinite if unknown."""
        return math.inf if self.price is None else self.price.hourly * self.count

    @property
    def usd_per_million(self) -> Estimate:
        """Dollars for a million rows at the measured load; infinite if the price is unknown."""
        if self.price is None:
            return Estimate(math.inf, 0.0, math.inf)
        return self.rows_per_second.under(self.usd_per_hour / _HOUR * _MILLION)

    def beats(self, other: Offer) -> bool:
        """Return whether neither estimate is worse and at least one is better."""
        own, others = self._estimates, other._estimates
        return own != others and own[0] <= others[0] and own[1] <= others[1]

    def surely_beats(self, other: Offer) -> bool:
        """Return whether the intervals show it to be both cheaper and faster."""
        return self.usd_per_million.is_surely_below(other.usd_per_million) and self.seconds.is_surely_below(
            other.seconds
        )

    def may_beat(self, other: Offer) -> bool:
        """Return whether the intervals permit that it is both cheaper and faster."""
        return not (
            other.usd_per_million.is_surely_below(self.usd_per_million) or other.seconds.is_surely_below(self.seconds)
        )

    @property
    def _estimates(self) -> tuple[float, float]:
        return self.usd_per_million.value, self.seconds.value


class Comparison:
    """One benchmark on instances of different types or numbers, in one setting."""

    def __init__(self, name: str, setting: Setting, measure: str, offers: Iterable[Offer]) -> None:
        self.name = name
        self.setting = setting
        """Values that are equal in all runs: region, Spark master, dataset, rows."""
        self.measure = measure
        """Latency that is compared: ``P99``, or ``MEDIAN_ROUND`` if some runs did not record p99."""
        self.offers = sorted(offers, key=lambda offer: (offer.usd_per_million.value, offer.name))
        """Instance options, the cheapest first, those without a price last."""
        self.label = name
        """Name among several comparisons; :func:`comparisons` adds the settings that distinguish it."""

    @property
    def rows(self) -> float:
        """Number of rows in a round."""
        return float(self.setting["rows"])

    @cached_property
    def priced(self) -> list[Offer]:
        """Options with a price, the cheapest first."""
        return [offer for offer in self.offers if offer.price is not None]

    @cached_property
    def ordered(self) -> list[Offer]:
        """Options with a price and intervals, the cheapest first; none if only one of several has intervals."""
        found = [offer for offer in self.priced if offer.is_ordered]
        return found if len(found) > 1 or found == self.priced else []

    @cached_property
    def front(self) -> list[Offer]:
        """Options of an order that no other in it beats by the estimates, the fastest first."""
        found = [offer for offer in self.ordered if not any(other.beats(offer) for other in self.ordered)]
        return sorted(found, key=lambda offer: offer.seconds.value)

    @cached_property
    def apart(self) -> list[tuple[Offer, Offer]]:
        """Pairs of options with enough runs for an order that were not measured alternately."""
        return [(one, other) for one, other in combinations(self.offers, 2) if _are_apart(one.runs, other.runs)]

    def are_apart(self, one: Offer, other: Offer) -> bool:
        """Return whether two options were not measured alternately."""
        return (one, other) in self.apart or (other, one) in self.apart

    def standing(self, offer: Offer) -> Standing | None:
        """Return the position relative to the front; None if the price is unknown, or too few runs give no order.

        Options that were not measured alternately with this one, or have too few runs, make the position uncertain.
        """
        if offer not in self.ordered:
            return None
        others = [other for other in self.priced if other is not offer]
        if offer in self.front:
            doubted = any(other.may_beat(offer) or self.are_apart(other, offer) for other in others)
            return Standing.MAYBE_ON if doubted else Standing.ON
        beaten = any(other.surely_beats(offer) and not self.are_apart(other, offer) for other in others)
        return Standing.OFF if beaten else Standing.MAYBE_OFF

    @cached_property
    def warnings(self) -> list[str]:
        """Limits of the results that a reader has to know."""
        return [*self._of_prices(), *self._of_runs(), *self._of_endpoints(), *self._of_latency(), *self._of_settings()]

    def _of_prices(self) -> Iterator[str]:
        if unknown := [offer.name for offer in self.offers if offer.price is None]:
            yield f"no known price for {_and(unknown)}: give one with --prices FILE"
        for offer in self.priced:
            hourly = {price.hourly for run in offer.runs if (price := price_of(run))}
            if len(hourly) > 1:
                yield f"the price of {offer.name} changed between its runs: the newest is used"

    def _of_runs(self) -> Iterator[str]:
        if few := few_runs(self.offers):
            yield few
        if self.apart:
            pairs = [f"{one.name} with {other.name}" for one, other in self.apart]
            more = [f"{len(pairs) - _MOST_PAIRS} more"] if len(pairs) > _MOST_PAIRS else []
            text = f"not measured alternately: {_and([*pairs[:_MOST_PAIRS], *more])}"
            yield f"{text}; their intervals are wider, because drift between them is invisible"

    def _of_endpoints(self) -> Iterator[str]:
        counts = {offer.name: offer.endpoints for offer in self.offers if not offer.is_of_its_type}
        unseen = "the intervals do not include differences between endpoints of a type"
        if counts and set(counts.values()) == {1} and len(counts) == len(self.offers):
            yield f"the runs are of one endpoint of each type: {unseen}"
        elif counts:
            known = [f"{name} ({'not recorded' if count is None else count})" for name, count in counts.items()]
            yield f"too few endpoints, {LEAST_RUNS} of a type are required: {_and(known)}; {unseen}"

    def _of_latency(self) -> Iterator[str]:
        silent = [offer.name for offer in self.offers if not all(map(p99, offer.runs))]
        if silent and len(silent) < len(self.offers):
            yield f"{_and(silent)} recorded no p99 latency: the table has the median time of a round for all"
        few = {offer.name: offer.requests for offer in self.offers if offer.requests < LEAST_REQUESTS}
        if few and self.measure == P99:
            fewest = f"{_and(list(few))} had at most {max(few.values()):,} in all runs"
            yield f"a p99 needs {LEAST_REQUESTS} requests: {fewest}"

    def _of_settings(self) -> Iterator[str]:
        """Yield the differences other than instances, as ``harness compare`` does."""
        sides = [Side(offer.name, _results(offer), []) for offer in self.offers]
        found: dict[str, str] = {}
        for side in sides[1:]:
            for key, how in environment_differences(sides[0], side, [self.name]).items():
                found.setdefault(key, f"{key} differs between {sides[0].label} and {side.label}: {how}")
        commits = sorted({run.result.commit_id[:9] or "unknown" for offer in self.offers for run in offer.runs})
        if len(commits) > 1:
            found["commit"] = f"the runs are of several commits: {_and(commits)}"
        yield from (text for key, text in found.items() if key not in _COMPARED_HERE)


def few_runs(offers: Sequence[Offer]) -> str:
    """Return which options have too few runs for an interval; '' if none has."""
    few = {offer.name: len(offer.runs) for offer in offers if len(offer.runs) < LEAST_RUNS}
    if not few:
        return ""
    if len(few) == len(offers) and len(set(few.values())) == 1:
        return f"an interval needs {LEAST_RUNS} runs, and each has {few.popitem()[1]}"
    return f"an interval needs {LEAST_RUNS} runs: {_and([f'{name} has {runs}' for name, runs in few.items()])}"


def comparisons(runs: Iterable[Run], prices: PriceSource | None = None) -> list[Comparison]:
    """Return the comparisons of instances, one for each benchmark of an endpoint in AWS.

    Runs that differ in region, Spark master, dataset or rows are not compared. Runs outside AWS and benchmarks without
    predictions are skipped.

    :param prices: take precedence over the prices that the runs recorded.
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
    found = Comparison(name, setting, measure, offers)
    found.label = runs[-1].benchmark.label
    return found


def _are_apart(one: Sequence[Run], other: Sequence[Run]) -> bool:
    """Return whether the runs of two options did not alternate; unpaired runs of the larger side count too."""
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


def _over_units(runs: Sequence[Run], values: Sequence[float], drifting: bool) -> Estimate:
    """Return the estimate over endpoints, by the geometric mean of each endpoint's runs, or else over runs.

    :param values: one for each run.
    :param drifting: true if some option was not measured alternately with this one.
    """
    of_each: dict[str, list[float]] = {}
    for run, value in zip(runs, values, strict=True):
        of_each.setdefault(endpoint_of(run), []).append(value)
    if "" in of_each or len(of_each) < LEAST_RUNS:
        return estimate(values, drifting=drifting)
    return estimate([geometric_mean(of_one) for of_one in of_each.values()], drifting=drifting)


def _price(kind: str, runs: Sequence[Run], prices: PriceSource | None) -> Price | None:
    """Return the price from a file, or else the newest recorded one."""
    found = prices.find(kind, "hosting") if prices else None
    return found or next(filter(None, map(price_of, reversed(runs))), None)


def _results(offer: Offer) -> list[Result]:
    return [run.result for run in offer.runs]


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
