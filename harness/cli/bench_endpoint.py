"""``harness bench endpoint``: puts load on an endpoint and reports its latency."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.options import OF_A_MODEL, Command, add_settings, seconds, settings_from


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, [*OF_A_MODEL, "endpoint_instance_count"])
    parser.add_argument("--endpoint", metavar="NAME", help="measure this existing endpoint and keep it (--mode real)")
    parser.add_argument(
        "--scenario",
        choices=("server", "single-stream", "multi-stream", "offline"),
        default="server",
        help="Poisson arrivals; one request at a time; --streams requests at a time, in batches; as many as possible "
        "(default: server)",
    )
    parser.add_argument("--rate", type=float, default=50.0, help="mean requests per second, in server (default: 50)")
    parser.add_argument(
        "--duration", default="60s", metavar="TIME", help="duration of the load, such as 90s or 10min (default: 60s)"
    )
    parser.add_argument("--batch", type=int, default=1, metavar="ROWS", help="rows in each request (default: 1)")
    parser.add_argument(
        "--streams",
        type=int,
        default=8,
        metavar="N",
        help="concurrent requests in multi-stream and offline (default: 8)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the arrival times (default: 1)")
    parser.add_argument("--p99-under", metavar="TIME", help="upper bound for p99, such as 100ms")
    parser.add_argument(
        "--find-rate", action="store_true", help="search for the highest rate within --p99-under, starting at --rate"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("endpoint-load"), metavar="DIR", help="directory for load.json and "
        "latency.png (default: endpoint-load)"
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
    "put load on an endpoint and report its latency",
    "Put load on an endpoint as MLPerf's LoadGen does, and report latency and throughput. A small model is trained "
    "and hosted first, and deleted afterwards. The run is VALID (exit code 0), or INVALID (4) with the reasons.",
    _add_arguments,
    _run,
)
