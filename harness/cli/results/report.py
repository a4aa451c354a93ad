"""``harness report``: draws benchmark results on one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.options import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="*", metavar="RESULTS", help="files or directories of results")
    parser.add_argument(
        "--mnist-report",
        type=Path,
        metavar="DIR",
        help="add the digits and the confusion matrix of a harness mnist run",
    )
    parser.add_argument(
        "--load-report",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="add the latencies of a harness bench endpoint run; may be repeated",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="HTML page to write (default: report.html)",
    )
    parser.add_argument("--figures", type=Path, metavar="DIR", help="also write each chart as PNG and SVG")


def _run(options: argparse.Namespace) -> int:
    from harness.bench.report.page import run_report

    return run_report(options.results, options.mnist_report, options.output, options.figures, options.load_report)


COMMAND = Command(
    "report",
    "draw benchmark results on one HTML page that opens offline",
    "Draw benchmark results (pytest-benchmark's JSON) on one self-contained HTML page: latency, throughput, cost "
    "against latency, history over commits with change points, and environment.",
    _add_arguments,
    _run,
)
