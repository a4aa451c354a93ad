"""Recommendation of instances for a goal, in a sentence that claims no more than the intervals show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.bench.analysis.instances import P99, Comparison, Offer, few_runs
from harness.bench.analysis.latency_bound import check_bound, missing_evidence
from harness.bench.analysis.statistics import Estimate
from harness.console import digits, duration
from harness.errors import ResultsError

HOW_TO_STATE_A_GOAL = (
    "State a goal: --p99-under 100ms for the cheapest that keeps it, --budget 1.50 for the fastest that costs no more "
    "an hour."
)


@dataclass(frozen=True)
class Goal:
    """Goal of a recommendation: a bound on p99, a budget, or neither."""

    p99_under: float | None = None
    """Bound on p99 in seconds; the cheapest option that keeps it is recommended."""
    budget: float | None = None
    """USD an hour for all instances of the endpoint; the fastest option within it is recommended."""


class Recommendation(NamedTuple):
    """A recommended option, and the sentence that explains it."""

    sentence: str
    chosen: Offer | None
    """None if no option qualifies, or if no goal was given and the cheapest is not the fastest."""
    alike: list[Offer]
    """Options that also qualify and are not distinguishable from it."""


def recommend(comparison: Comparison, goal: Goal) -> Recommendation:
    """Return the recommendation of a comparison for a goal.

    :raises ResultsError: no option has a price; or the goal is a bound on p99, and some runs did not record it.
    """
    if not comparison.priced:
        names = ", ".join(offer.name for offer in comparison.offers)
        raise ResultsError(
            f"No known price for {names}, so their costs cannot be compared.",
            checked="'price' in the results, with its source and date",
            fix="give prices in a file with --prices FILE",
        )
    if goal.p99_under is not None:
        return _cheapest_under(comparison, goal.p99_under)
    if goal.budget is not None:
        return _fastest_within(comparison, goal.budget)
    return _without_goal(comparison)


def _cheapest_under(comparison: Comparison, bound: float) -> Recommendation:
    if comparison.measure != P99:
        raise ResultsError(
            f"{comparison.label} did not record p99 latency on all instances, so no bound can be checked.",
            checked="'latency' in the results",
            fix="select the benchmark of the endpoint alone with --benchmark NAME, or run it",
        )
    wanted = f"p99 under {duration(bound)}"
    held = {offer.name: check_bound(offer, bound) for offer in comparison.priced}
    able = [offer for offer in comparison.priced if held[offer.name].kept]
    if not able and not comparison.ordered and len(comparison.priced) > 1:
        sentence = f"By {comparison.label}, none certainly keeps {wanted}: {few_runs(comparison.priced)}."
        return Recommendation(sentence, None, [])
    if not able:
        nearest = min(comparison.priced, key=lambda offer: (offer.seconds.high, offer.seconds.value))
        missing = missing_evidence(nearest, bound)
        return Recommendation(
            f"By {comparison.label}, none certainly keeps {wanted}; {nearest.name} is closest, with "
            f"{_latency(comparison, nearest)}{f'; {missing}' if missing else ''}.",
            None,
            [],
        )
    found = _best(comparison, able, f"is cheapest with {wanted} ({held[able[0].name].explanation})", _cost_of)
    cheaper = [offer for offer in comparison.priced[: comparison.priced.index(able[0])] if offer.is_ordered]
    if open_ := [offer.name for offer in cheaper if not held[offer.name].broken]:
        sentence = f"{found.sentence.removesuffix('.')}; {' or '.join(open_)} would be cheaper, and may keep it or not."
        return found._replace(sentence=sentence)
    return found


def _fastest_within(comparison: Comparison, budget: float) -> Recommendation:
    wanted = f"USD {digits(budget)} an hour"
    able = [offer for offer in comparison.priced if offer.usd_per_hour <= budget]
    if not able:
        nearest = min(comparison.priced, key=lambda offer: offer.usd_per_hour)
        return Recommendation(
            f"By {comparison.label}, none costs at most {wanted}; {nearest.name} is closest, at {_hourly(nearest)}.",
            None,
            [],
        )
    return _best(comparison, able, f"is fastest for at most {wanted}", _seconds_of)


def _without_goal(comparison: Comparison) -> Recommendation:
    if unknown := _order_unknown(comparison, comparison.priced):
        return unknown
    cheapest, fastest = (min(comparison.priced, key=_by(measure)) for measure in (_cost_of, _seconds_of))
    if len(comparison.priced) == 1:
        only = f"{cheapest.name} is the only one with a price: {_cost(cheapest)}, {_latency(comparison, cheapest)}"
        return Recommendation(f"By {comparison.label}, {only}.", None, [])
    if cheapest is fastest:
        return _best(comparison, comparison.priced, "is cheapest and fastest", _cost_of, _seconds_of)
    sentences = [
        _best(comparison, comparison.priced, f"is {word}", measure).sentence.removesuffix(".")
        for word, measure in (("cheapest", _cost_of), ("fastest", _seconds_of))
    ]
    return Recommendation(f"{sentences[0]}; {sentences[1].removeprefix(f'By {comparison.label}, ')}.", None, [])


_Measure = Callable[[Offer], Estimate]


def _cost_of(offer: Offer) -> Estimate:
    return offer.usd_per_million


def _seconds_of(offer: Offer) -> Estimate:
    return offer.seconds


_NAMES: dict[_Measure, str] = {_cost_of: "cost", _seconds_of: "latency"}


def _by(measure: _Measure) -> Callable[[Offer], tuple[float, str]]:
    return lambda offer: (measure(offer).value, offer.name)


def _best(comparison: Comparison, able: Sequence[Offer], what: str, *measures: _Measure) -> Recommendation:
    """Return the option with the least of a measure; with several, it must have the least of each."""
    if unknown := _order_unknown(comparison, able):
        return unknown
    chosen = min(able, key=_by(measures[0]))
    others = [offer for offer in able if offer is not chosen]
    alike = [other for other in others if not all(each(chosen).is_surely_below(each(other)) for each in measures)]
    text = f"By {comparison.label}, {chosen.name} {what}: {_cost(chosen)}, {_latency(comparison, chosen)}"
    if alike:
        by = " and ".join(_NAMES[measure] for measure in measures)
        text += f"; by {by} it is not distinguishable from {' or '.join(offer.name for offer in alike)}"
    if apart := [offer.name for offer in others if comparison.are_apart(chosen, offer)]:
        text += f"; it was not measured alternately with {' or '.join(apart)}, so the order is uncertain"
    return Recommendation(f"{text}.", chosen, alike)


def _order_unknown(comparison: Comparison, able: Sequence[Offer]) -> Recommendation | None:
    """Return the refusal to order several options of which some have too few runs; None if all have enough."""
    if len(able) == 1 or all(offer.is_ordered for offer in able):
        return None
    names = " and ".join([", ".join(offer.name for offer in able[:-1]), able[-1].name])
    return Recommendation(f"By {comparison.label}, the order of {names} is unknown: {few_runs(able)}.", None, [])


# --- measures in words ------------------------------------------------------------------------------------------------


def _cost(offer: Offer) -> str:
    return f"USD {offer.usd_per_million.shown(digits)} for a million predictions at {_hourly(offer)}"


def _hourly(offer: Offer) -> str:
    source = f" ({offer.price.source}, {offer.price.date})" if offer.price else ""
    return f"USD {digits(offer.usd_per_hour)} an hour{source}"


def _latency(comparison: Comparison, offer: Offer) -> str:
    return f"{comparison.measure} {offer.seconds.shown(duration)}"
