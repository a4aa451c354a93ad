"""``harness mnist``: runs the reference program on MNIST, and writes its report."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections import Counter
from contextlib import ExitStack, closing, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import SETTINGS, Command, add_no_cache, add_settings, settings_from
from harness.errors import PipelineError, SettingsError
from harness.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from harness.aws import AWS
    from harness.aws.cleanup.resources import Resource
    from harness.pipeline.data import Data
    from harness.pipeline.outcome import Outcome
    from harness.pipeline.timeline import StageTimes

_PACKAGES = ("pyspark", "sagemaker-pyspark", "xgboost-cpu", "xgboost", "moto", "boto3", "numpy")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, [name for name in SETTINGS if name != "endpoint"])
    add_no_cache(parser)
    parser.add_argument("--train-data", type=Path, metavar="FILE", help="LibSVM file to train on instead of MNIST")
    parser.add_argument("--test-data", type=Path, metavar="FILE", help="LibSVM file to predict instead of MNIST")
    parser.add_argument(
        "--validation-fraction",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="fraction of the training rows to hold back for validation (default: 0)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("mnist-report"),
        metavar="DIR",
        help="directory for the report (default: mnist-report)",
    )
    parser.add_argument(
        "--timeline",
        type=Path,
        metavar="FILE",
        help="also write what took how long, in Chrome's trace format (see https://ui.perfetto.dev)",
    )
    parser.add_argument("--traceback", action="store_true", help="also print the stack trace of an error")


def _run(options: argparse.Namespace) -> int:
    settings = settings_from(options)
    if not 0 <= options.validation_fraction < 1:
        raise SettingsError(
            f"--validation-fraction is {options.validation_fraction:g}.", fix="give a fraction from 0 to below 1"
        )
    for split in ("train", "test"):
        _check_data(split, getattr(options, f"{split}_data"), getattr(options, f"{split}_rows"))
    from harness.pipeline.data import Data

    data = Data(options.train_data, options.test_data, options.validation_fraction)
    run_mnist(settings, data, options.output, options.timeline)
    return 0


def _check_data(split: str, data: Path | None, rows: str | None) -> None:
    """Raise :class:`SettingsError` if a user's file does not exist, or a number of MNIST rows was given too."""
    if data is not None and rows is not None:
        raise SettingsError(
            f"--{split}-rows {rows} has no effect with --{split}-data: all rows of {data} are used.",
            fix=f"remove --{split}-rows or --{split}-data",
        )
    if data is not None and not data.exists():
        raise SettingsError(f"--{split}-data is {data}, which does not exist.", fix="name an existing LibSVM file")


def run_mnist(settings: Settings, data: Data, output: Path, timeline: Path | None = None) -> None:
    """Run the program, print its results, and write the report into ``output``.

    :param timeline: file for the timeline of the run.
    :raises SettingsError: the report cannot be written there. Nothing was started.
    :raises HarnessError: as :meth:`harness.pipeline.pipeline.Pipeline.run`.
    :raises LeftoverError: the program succeeded and its report is written, but a resource that it created still exists.
    """
    import logging

    from harness.aws.cleanup.leftovers import refuse_leftovers
    from harness.console import PlainConsole, require_writable
    from harness.pipeline.timeline import StageTimes

    log = output / "spark.log"
    require_writable(output, [log.name])
    if timeline is not None:
        _require_writable_file(timeline)
    logging.getLogger().addHandler(logging.NullHandler())  # py4j would print the stack trace of a Ctrl-C
    progress = StageTimes(PlainConsole(stderr=True))
    try:
        outcome, aws = _run_pipeline(settings, data, progress, log, timeline)
    except PipelineError as error:
        _mention(error, log)
        raise
    finally:
        progress.close()
        if not any(output.iterdir()):
            output.rmdir()  # the run wrote nothing
    _write(output, outcome, settings, aws)
    _print(PlainConsole(), outcome, output, timeline)
    refuse_leftovers(outcome.leftovers, after="the clean-up")


def _require_writable_file(timeline: Path) -> None:
    from harness.console import cannot_be_written

    try:
        timeline.open("a").close()
        if not timeline.stat().st_size:
            timeline.unlink()  # a run that fails leaves no empty file
    except OSError as error:
        raise cannot_be_written("--timeline", timeline, error, "file") from error


def _mention(error: PipelineError, log: Path) -> None:
    """Add the path of the Spark log to the error, if the log exists."""
    if log.exists():
        error.checked = "; ".join(filter(None, [error.checked, f"Spark's log, with stack traces, is {log}"]))


def _run_pipeline(
    settings: Settings, data: Data, progress: StageTimes, log: Path, timeline: Path | None
) -> tuple[Outcome, AWS]:
    from harness.aws import open_aws
    from harness.aws.cleanup.reaper import open_ledger
    from harness.pipeline.timeline import spans, write
    from harness.processes import ended_in_order
    from harness.spark.early import prepare_early

    stages: dict[str, float] = {}
    if data.train or data.test:
        with progress.timed("check", stages):
            assert data.rows  # reads and checks the files before anything is started
    with ExitStack() as stack:
        if settings.in_aws:
            stack.enter_context(ended_in_order())
        with progress.timed("AWS", stages):
            aws = stack.enter_context(closing(open_aws(settings, reuses=True, meanwhile=prepare_early)))
            ledger = stack.enter_context(open_ledger(aws, settings))
        # Not before the local AWS starts: these import pyspark.
        from harness.pipeline.pipeline import Pipeline
        from harness.spark.jvm import end_jvm
        from harness.spark.session import build_session, stop_session

        with progress.timed("Spark", stages):
            spark = build_session(aws, settings, log=log)
        if aws.lease:
            progress.say(f"Using the environment of 'harness up', process {aws.lease.keeper}.")
        for note in aws.notes:
            progress.say(note)
        # The pictures need matplotlib, whose import takes longer than drawing. Here Python waits for Java.
        threading.Thread(target=_import_plots, daemon=True).start()
        try:
            outcome = Pipeline(aws, ledger, spark, settings, progress, data).run()
            if timeline is not None:
                write(timeline, [*progress.spans(), *spans(aws, spark, outcome.training_job)])
        except KeyboardInterrupt:
            end_jvm()
            raise
        finally:
            stop_session(spark)
    outcome.leftovers = ledger.leftovers or []
    outcome.stages = {**stages, **outcome.stages}
    return outcome, aws


def _import_plots() -> None:
    with suppress(Exception):  # it is raised where the pictures are drawn
        import_module("harness.pipeline.plots")


def _write(output: Path, outcome: Outcome, settings: Settings, aws: AWS) -> None:
    """Write the report and its pictures."""
    from harness.pipeline import plots
    from harness.pipeline.outcome import report

    output.mkdir(exist_ok=True)
    content = report(outcome, settings, aws, versions())
    (output / "report.json").write_text(json.dumps(content, indent=2) + "\n")
    plots.digits(output / "digits.png", outcome.images, outcome.labels, outcome.predictions)
    plots.confusion(output / "confusion.png", outcome.labels, outcome.predictions, outcome.accuracy)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the results."""
    import platform
    from importlib.metadata import version

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            continue
    return found


def _count(resources: list[Resource]) -> list[str]:
    """Return ``1 endpoint``, ``2 models`` … for each kind."""
    counts = Counter(resource.kind for resource in resources)
    return [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items()]


def _by_stage(outcome: Outcome) -> str:
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in outcome.stages.items())


def _print(console: Console, outcome: Outcome, output: Path, timeline: Path | None) -> None:
    from harness.aws.cleanup.leftovers import leftovers_text
    from harness.console import print_figures, print_text

    figures: list[tuple[str, str]] = [("accuracy", f"{outcome.accuracy:.4f}")]
    if outcome.validation_accuracy is not None:
        shown = f"{outcome.validation_accuracy:.4f} on {outcome.validation_rows:,} rows held back"
        figures.append(("validation accuracy", shown))
    figures += [
        ("rows trained", "unknown" if outcome.rows_trained is None else f"{outcome.rows_trained:,}"),
        *([("model", "from the cache, not trained again (--no-cache trains it)")] if outcome.is_from_cache else []),
        ("rows predicted", f"{len(outcome.predictions):,}, {outcome.rows_per_second:,.0f} a second"),
        ("seconds", f"{sum(outcome.stages.values()):.1f}: {_by_stage(outcome)}"),
        ("created", ", ".join(_count(outcome.created)) + " (their names are in report.json)"),
        (
            "left over",
            ", ".join(str(leftover.resource) for leftover in outcome.leftovers)
            or "nothing: all of it was deleted (AWS keeps a job's record and log; the SDK's bucket stays, empty of it)",
        ),
        ("report", "\n".join(str(output / name) for name in ("report.json", "digits.png", "confusion.png"))),
    ]
    if timeline is not None:
        figures.append(("timeline", f"{timeline} (open it at https://ui.perfetto.dev)"))
    print_figures(console, figures)
    if outcome.leftovers:
        print_text(leftovers_text(outcome.leftovers))
    sys.stdout.flush()


COMMAND = Command(
    "mnist",
    "train, host and classify MNIST, and write a report",
    "Run the reference program on MNIST: read from S3, train XGBoost, host it, classify, report, clean up.",
    _add_arguments,
    _run,
)
