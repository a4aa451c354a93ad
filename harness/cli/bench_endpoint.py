"""``harness bench endpoint``: puts load on an endpoint and reports its latency."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.options import Command, add_settings, seconds, settings_from

_SETTINGS = (
    "mode",
    "region",
    "role",
    "training_instance_type",
    "endpoint_instance_type",
    "endpoint_instance_count",
    "max_cost",
    "max_hours",
    "prices",
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, _SETTINGS)
    parser.add_argument("--endpoint", metavar="NAME", help="measure this endpoint, which stays (--mode real)")
    parser.add_argument(
        "--scenario",
        choices=("server", "single-stream", "multi-stream", "offline"),
        default="server",
        help="requests at random times; one after another; several at once, one lot after another; as fast as it goes "
        "(default: server)",
    )
    parser.add_argument(
        "--rate", type=float, default=50.0, help="requests a second on average, in server (default: 50)"
    )
    parser.add_argument("--duration", default="60s", metavar="TIME", help="how long, as 90s or 10min (default: 60s)")
    parser.add_argument("--batch", type=int, default=1, metavar="ROWS", help="rows of a request (default: 1)")
    parser.add_argument(
        "--streams", type=int, default=8, metavar="N", help="requests at once in multi-stream and offline (default: 8)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the times of requests (default: 1)")
    parser.add_argument("--p99-under", metavar="TIME", help="a bound that p99 is to keep, as 100ms")
    parser.add_argument(
        "--find-rate", action="store_true", help="look for the highest rate that keeps --p99-under, from --rate on"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("endpoint-load"), metavar="DIR", help="where load.json and latency.png go "
        "(default: endpoint-load)"
    )  # fmt: skip


def _run(options: argparse.Namespace) -> int:
    duration = seconds("--duration", options.duration)
    bound = None if options.p99_under is None else seconds("--p99-under", options.p99_under)
    from harness.bench.load.plan import LoadPlan
    from harness.bench.load.runner import run_endpoint_load

    plan = LoadPlan(
        scenario=options.scenario,
        rate=options.rate,
        seconds=duration,
        batch=options.batch,
        streams=options.streams,
        seed=options.seed,
        endpoint=options.endpoint,
        p99_under=bound,
        find_rate=options.find_rate,
    )
    return run_endpoint_load(settings_from(options), plan, options.output)


COMMAND = Command(
    "bench endpoint",
    "put load on an endpoint, and tell its latency",
    "Put load on an endpoint as MLPerf's LoadGen does, and tell its latency and throughput. A small model is "
    "trained and hosted for it, and deleted afterwards. The run is VALID (exit code 0) or INVALID (4) and says why.",
    _add_arguments,
    _run,
)
