"""Which instances to take for a goal, in a sentence that claims no more than the intervals show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.bench.analysis.instances import P99, Comparison, Offer
from harness.bench.analysis.latency_bound import hold, what_is_missing
from harness.bench.analysis.statistics import LEAST_RUNS, Estimate
from harness.console import digits, duration
from harness.errors import ResultsError

HOW_TO_STATE_A_GOAL = (
    "State a goal: --p99-under 100ms for the cheapest that keeps it, --budget 1.50 for the fastest that costs no more "
    "an hour."
)


@dataclass(frozen=True)
class Goal:
    """What instances are wanted for: one of the two, or neither."""

    p99_under: float | None = None
    """Seconds: the cheapest that keeps it is wanted."""
    budget: float | None = None
    """USD an hour, for all instances of the endpoint: the fastest within it is wanted."""


class Recommendation(NamedTuple):
    """What to take."""

    sentence: str
    chosen: Offer | None
    """None where no offer qualifies, and where no goal was stated and the cheapest is not the fastest."""
    alike: list[Offer]
    """Those that also qualify and cannot be told apart from it."""


def recommend(comparison: Comparison, goal: Goal) -> Recommendation:
    """Return what a comparison says for a goal.

    :raises ResultsError: no offer has a price; or p99 is to be kept, and not all noted it.
    """
    if not comparison.priced:
        names = ", ".join(offer.name for offer in comparison.offers)
        raise ResultsError(
            f"No price is known of {names}, so what they cost cannot be compared.",
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
            f"{comparison.label} noted no p99 latency on all instances, so a bound cannot be held against it.",
            checked="'latency' in the results",
            fix="choose the benchmark of the endpoint alone with --benchmark NAME, or run it",
        )
    wanted = f"p99 under {duration(bound)}"
    held = {offer.name: hold(offer, bound) for offer in comparison.priced}
    able = [offer for offer in comparison.priced if held[offer.name].kept]
    if not able:
        nearest = min(comparison.priced, key=lambda offer: (offer.seconds.high, offer.seconds.value))
        missing = what_is_missing(nearest, bound)
        return Recommendation(
            f"By {comparison.label}, none is sure to keep {wanted}; {nearest.name} comes nearest, with "
            f"{_latency(comparison, nearest)}{f'; {missing}' if missing else ''}.",
            None,
            [],
        )
    found = _best(comparison, able, f"is cheapest with {wanted} ({held[able[0].name].told})", _cost_of)
    cheaper = comparison.priced[: comparison.priced.index(able[0])]
    if open_ := [offer.name for offer in cheaper if not held[offer.name].broken]:
        told = f"{found.sentence.removesuffix('.')}; {' or '.join(open_)} would be cheaper, and may keep it or not."
        return found._replace(sentence=told)
    return found


def _fastest_within(comparison: Comparison, budget: float) -> Recommendation:
    wanted = f"USD {digits(budget)} an hour"
    able = [offer for offer in comparison.priced if offer.usd_per_hour <= budget]
    if not able:
        nearest = min(comparison.priced, key=lambda offer: offer.usd_per_hour)
        return Recommendation(
            f"By {comparison.label}, none costs up to {wanted}; {nearest.name} comes nearest, at {_hourly(nearest)}.",
            None,
            [],
        )
    return _best(comparison, able, f"is fastest for up to {wanted}", _seconds_of)


def _without_goal(comparison: Comparison) -> Recommendation:
    cheapest, fastest = (min(comparison.priced, key=_by(figure)) for figure in (_cost_of, _seconds_of))
    if len(comparison.priced) == 1:
        only = f"{cheapest.name} is the only one with a price: {_cost(cheapest)}, {_latency(comparison, cheapest)}"
        return Recommendation(f"By {comparison.label}, {only}.", None, [])
    if cheapest is fastest:
        return _best(comparison, comparison.priced, "is cheapest and fastest", _cost_of, _seconds_of)
    sentences = [
        _best(comparison, comparison.priced, f"is {word}", figure).sentence.removesuffix(".")
        for word, figure in (("cheapest", _cost_of), ("fastest", _seconds_of))
    ]
    return Recommendation(f"{sentences[0]}; {sentences[1].removeprefix(f'By {comparison.label}, ')}.", None, [])


_Figure = Callable[[Offer], Estimate]


def _cost_of(offer: Offer) -> Estimate:
    return offer.usd_per_million


def _seconds_of(offer: Offer) -> Estimate:
    return offer.seconds


_NAMES: dict[_Figure, str] = {_cost_of: "cost", _seconds_of: "latency"}


def _by(figure: _Figure) -> Callable[[Offer], tuple[float, str]]:
    return lambda offer: (figure(offer).value, offer.name)


def _best(comparison: Comparison, able: Sequence[Offer], what: str, *figures: _Figure) -> Recommendation:
    """Return the one with the least of a figure; of several figures, one that has the least of all of them."""
    chosen = min(able, key=_by(figures[0]))
    others = [offer for offer in able if offer is not chosen]
    alike = [other for other in others if not all(figure(chosen).is_surely_below(figure(other)) for figure in figures)]
    told = f"By {comparison.label}, {chosen.name} {what}: {_cost(chosen)}, {_latency(comparison, chosen)}"
    if not all(figure(chosen).is_known for figure in figures) and others:
        told += f"; an interval needs {LEAST_RUNS} runs, and without it the order is not known"
    elif alike:
        by = " and ".join(_NAMES[figure] for figure in figures)
        told += f"; by {by} it cannot be told apart from {' or '.join(offer.name for offer in alike)}"
    if apart := [offer.name for offer in others if comparison.are_apart(chosen, offer)]:
        told += f"; it was not measured in turns with {' or '.join(apart)}, so the order is not sure"
    return Recommendation(f"{told}.", chosen, alike)


# --- figures in words -------------------------------------------------------------------------------------------------


def _cost(offer: Offer) -> str:
    return f"USD {offer.usd_per_million.shown(digits)} for a million predictions at {_hourly(offer)}"


def _hourly(offer: Offer) -> str:
    source = f" ({offer.price.source}, {offer.price.date})" if offer.price else ""
    return f"USD {digits(offer.usd_per_hour)} an hour{source}"


def _latency(comparison: Comparison, offer: Offer) -> str:
    return f"{comparison.measure} {offer.seconds.shown(duration)}"
