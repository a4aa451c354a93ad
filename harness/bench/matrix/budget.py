"""What a matrix of benchmarks takes in real mode, in hours and USD, held to ``--max-hours`` and ``--max-cost``."""

from __future__ import annotations

import math

from harness.aws.cleanup.deletion import PATIENCE
from harness.aws.pricing import RunPrices, hourly_cost
from harness.bench.matrix.plan import Plan
from harness.bench.matrix.pytest_session import END_SECONDS
from harness.console import rough_time
from harness.errors import SettingsError
from harness.settings import Settings

SESSION_SECONDS = {"mock": 210.0, "real": 120.0}
"""Guess of the seconds of a session, used until one was measured: that of this project's ``test_transform.py`` and
``test_endpoint.py``, which in mock mode train too."""
HOST_SECONDS = 900.0
"""A guess at how long training and hosting take in AWS."""
CLEAN_UP_SECONDS = END_SECONDS + PATIENCE["real"]
"""The longest that ending a session and deleting the endpoints take: measuring ends by so much earlier."""


def require_time(plan: Plan, session: float) -> None:
    """Raise :class:`SettingsError` unless a run that lives as long as it may comes to its first session's end.

    :param session: the seconds that one is expected to take.
    """
    parts = {"train and host": HOST_SECONDS, "run one session": session, "clean up": CLEAN_UP_SECONDS}
    needed = sum(parts.values())
    if needed > plan.base.max_hours * 3600:
        allowed_for = ", ".join(f"{rough_time(seconds)} to {what}" for what, seconds in parts.items())
        raise SettingsError(
            f"--max-hours is {plan.base.max_hours:g}, in which nothing would come to be measured.",
            checked=f"what is allowed for: {allowed_for}",
            fix=f"give {math.ceil(needed / 360) / 10:g} or more",
        )


def cost(settings: Settings, prices: RunPrices, seconds: float) -> str:
    """Return what the run will cost, and at worst.

    :param settings: those of what is hosted.
    :param seconds: what training, hosting and all that is to be measured take.
    """
    hours, usd = settings.max_hours, hourly_cost(prices, settings)
    lines = [
        f"about USD {usd * min(seconds / 3600, hours):.2f}, every endpoint being there all the time; at most USD "
        f"{usd * hours:.2f}, since it ends after --max-hours {hours:g}; besides what the benchmarks themselves create",
        *(f"  {price}" for price in prices.values()),
    ]
    if seconds + CLEAN_UP_SECONDS > hours * 3600:
        lines.append("that is too short for all of it to be measured in one go; the same command then goes on")
    return "\n".join(lines)


def left_for_sessions(plan: Plan, settings: Settings, prices: RunPrices) -> float | None:
    """Return what of ``--max-cost`` the endpoints leave for what the benchmarks create, in USD; None without a limit.

    Sessions come one after the other, and each refuses to start where a ``fit`` of its own could cost more than that.

    :param settings: those of what is hosted.
    :raises SettingsError: each would.
    """
    limit, hours = plan.base.max_cost, plan.base.max_hours
    if limit is None:
        return None
    dearest = max((key for key in prices if key[0] == "hosting"), key=lambda key: prices[key].hourly)
    of_a_fit = {key: price for key, price in prices.items() if key[0] == "training" or key == dearest}
    most, own = hours * hourly_cost(prices, settings), hours * hourly_cost(of_a_fit, plan.base)
    if most + own > limit:
        raise SettingsError(
            f"--max-cost is USD {limit:.2f}. The endpoints may cost USD {most:.2f}, and what a session's benchmarks "
            f"create themselves USD {own:.2f} more: no session would start.",
            fix=f"give USD {math.ceil((most + own) * 100) / 100:.2f} or more, lower --max-hours, or leave types out",
        )
    return limit - most
