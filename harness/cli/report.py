"""``harness report``: draws results of benchmarks on one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.options import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="*", metavar="RESULTS", help="files or directories of results")
    parser.add_argument(
        "--mnist-report", type=Path, metavar="DIR", help="show the digits and the confusion of this harness mnist too"
    )
    parser.add_argument(
        "--load-report",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="show the latencies of this harness bench endpoint too; may be given several times",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the page (default: report.html)"
    )
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write each chart as PNG and SVG too")


def _run(options: argparse.Namespace) -> int:
    from harness.bench.report.page import run_report

    return run_report(options.results, options.mnist_report, options.output, options.figures, options.load_report)


COMMAND = Command(
    "report",
    "draw results of benchmarks on one page that opens offline",
    "Draw results of benchmarks (pytest-benchmark's JSON) on one HTML page that holds all it needs: latency, "
    "throughput, cost against latency, the history over commits with its changes, and the environment.",
    _add_arguments,
    _run,
)
