"""Budget of a matrix of benchmarks in real mode: its hours and USD, limited by ``--max-hours`` and ``--max-cost``."""

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
TRAIN_SECONDS, HOST_SECONDS = 420.0, 480.0
"""Guesses of the seconds that training, and then hosting, take in AWS."""
CLEAN_UP_SECONDS = END_SECONDS + PATIENCE["real"]
"""Longest time to end a session and delete the endpoints. Measuring ends that much earlier than the run."""


def preparation(plan: Plan) -> tuple[str, float]:
    """Return what comes before the sessions in AWS, and the expected seconds: a model that exists is not trained."""
    if plan.model is not None:
        return "host", HOST_SECONDS
    return "train and host", TRAIN_SECONDS + HOST_SECONDS


def run_prices(plan: Plan, prices: RunPrices) -> RunPrices:
    """Return those of the prices that the endpoints' run pays: none for training if its model exists."""
    return {key: price for key, price in prices.items() if key[0] == "hosting" or plan.model is None}


def require_time(plan: Plan, session: float) -> None:
    """Raise :class:`SettingsError` if ``--max-hours`` is too short to run one session.

    :param session: the seconds that a session is expected to take.
    """
    what, seconds = preparation(plan)
    parts = {what: seconds, "run one session": session, "clean up": CLEAN_UP_SECONDS}
    needed = sum(parts.values())
    if needed > plan.base.max_hours * 3600:
        allowed_for = ", ".join(f"{rough_time(seconds)} to {what}" for what, seconds in parts.items())
        raise SettingsError(
            f"--max-hours {plan.base.max_hours:g} is too short to run one session.",
            checked=f"the expected times: {allowed_for}",
            fix=f"give {math.ceil(needed / 360) / 10:g} or more",
        )


def cost(settings: Settings, prices: RunPrices, seconds: float) -> str:
    """Return the expected cost of the run, and the highest possible.

    :param settings: settings of the training job and the endpoints.
    :param prices: prices of the instances that the run uses: see :func:`run_prices`.
    :param seconds: expected time of training, hosting and all sessions.
    """
    hours, usd = settings.max_hours, hourly_cost(prices, settings)
    lines = [
        f"about USD {usd * min(seconds / 3600, hours):.2f}, with every endpoint in service all the time; at most USD "
        f"{usd * hours:.2f}, since it ends after --max-hours {hours:g}; without what the benchmarks themselves create",
        *(f"  {price}" for price in prices.values()),
    ]
    if seconds + CLEAN_UP_SECONDS > hours * 3600:
        lines.append("that is too short to measure everything in one run; the same command then resumes")
    return "\n".join(lines)


def remaining_cost(plan: Plan, settings: Settings, prices: RunPrices) -> float | None:
    """Return the part of ``--max-cost`` that the endpoints leave to the benchmarks, in USD; None without a limit.

    Sessions run one after the other. A session refuses to start if its own ``fit`` could cost more.

    :param settings: settings of the training job and the endpoints.
    :param prices: prices of the training job and the endpoints. A session may train even if the run does not.
    :raises SettingsError: every session would refuse.
    """
    limit, hours = plan.base.max_cost, plan.base.max_hours
    if limit is None:
        return None
    dearest = max((key for key in prices if key[0] == "hosting"), key=lambda key: prices[key].hourly)
    of_a_fit = {key: price for key, price in prices.items() if key[0] == "training" or key == dearest}
    most, own = hours * hourly_cost(run_prices(plan, prices), settings), hours * hourly_cost(of_a_fit, plan.base)
    if most + own > limit:
        raise SettingsError(
            f"--max-cost USD {limit:.2f} is too low. The endpoints may cost USD {most:.2f}, and a session's own "
            f"training and hosting USD {own:.2f} more: no session would start.",
            fix=f"give USD {math.ceil((most + own) * 100) / 100:.2f} or more, lower --max-hours, or name fewer types",
        )
    return limit - most
