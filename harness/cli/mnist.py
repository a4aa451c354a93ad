"""The MNIST program as a person sees it: progress while it runs, then figures, pictures and ``report.json``."""

from __future__ import annotations

import json
import logging
import platform
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from harness.aws import AWS, open_aws
from harness.aws.cleanup.leftovers import leftovers_text, refuse_leftovers
from harness.aws.cleanup.reaper import open_ledger
from harness.aws.cleanup.resources import Resource
from harness.console import PlainConsole, print_figures, print_text
from harness.errors import PipelineError, SettingsError
from harness.pipeline import plots
from harness.pipeline.pipeline import Data, Outcome, Pipeline, report
from harness.processes import ended_in_order
from harness.settings import Settings
from harness.spark.session import build_session, end_jvm, stop_session

_PACKAGES = ("pyspark", "sagemaker-pyspark", "xgboost-cpu", "xgboost", "moto", "boto3", "numpy")


class ConsoleProgress:
    """Tells a terminal what is under way; elsewhere, a line for each stage that ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._stage = ""

    def begin(self, stage: str) -> None:
        """Show that a stage is under way."""
        self._stop()
        self._stage = stage
        self._status = self._console.status(Text(stage))
        self._status.start()

    def update(self, state: str) -> None:
        """Show what the stage has come to."""
        if self._status:
            self._status.update(Text(f"{self._stage}: {state}"))

    def end(self, stage: str, seconds: float) -> None:
        """Show that a stage is done."""
        self._stop()
        self._console.print(f"  {stage:<12}{seconds:8.1f} s")

    def _stop(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stop()


def run_mnist(settings: Settings, data: Data, output: Path) -> None:
    """Run the program, print what it did and found, and write the report into ``output``.

    :raises SettingsError: the report cannot be written there; nothing was started.
    :raises HarnessError: as :meth:`harness.pipeline.pipeline.Pipeline.run` does.
    :raises LeftoverError: it succeeded, and the report is written, but something that it created is still there.
    """
    log = _prepare(output)
    logging.getLogger().addHandler(logging.NullHandler())  # py4j would print the stack trace of a Ctrl-C
    console = PlainConsole(stderr=True)
    progress = ConsoleProgress(console)
    try:
        outcome, aws = _run(settings, data, progress, log)
    except PipelineError as error:
        _mention(error, log)
        raise
    finally:
        progress.close()
        if not any(output.iterdir()):
            output.rmdir()  # nothing came of the run
    output.mkdir(exist_ok=True)
    content = report(outcome, settings, aws, versions())
    (output / "report.json").write_text(json.dumps(content, indent=2) + "\n")
    shown = len(outcome.images)
    plots.digits(output / "digits.png", outcome.images, outcome.labels[:shown], outcome.predictions[:shown])
    plots.confusion(output / "confusion.png", outcome.labels, outcome.predictions, outcome.accuracy)
    _tell(PlainConsole(), outcome, output)
    refuse_leftovers(outcome.leftovers, after="the clean-up")


def _prepare(output: Path) -> Path:
    """Return the path of Spark's log in ``output``, having seen that the report can be written there."""
    log = output / "spark.log"
    try:
        output.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        log.unlink()  # Spark makes it when it has something to say
    except OSError as error:
        raise SettingsError(
            f"--output is {output}, where the report cannot be written: {error.strerror}.",
            fix="name a directory that you may write to, or one to be made",
        ) from error
    return log


def _mention(error: PipelineError, log: Path) -> None:
    """Name Spark's log, if it has anything to say."""
    if log.exists():
        error.checked = "; ".join(filter(None, [error.checked, f"Spark's log, with stack traces, is {log}"]))


def _run(settings: Settings, data: Data, progress: ConsoleProgress, log: Path) -> tuple[Outcome, AWS]:
    stages: dict[str, float] = {}

    def timed(stage: str, began: float) -> None:
        stages[stage] = time.perf_counter() - began
        progress.end(stage, stages[stage])

    if data.train or data.test:
        began = time.perf_counter()
        progress.begin("check")
        assert data.rows  # counted, and checked, before anything is started
        timed("check", began)
    began = time.perf_counter()
    progress.begin("AWS")
    with ExitStack() as stack:
        if settings.in_aws:
            stack.enter_context(ended_in_order())
        aws = stack.enter_context(closing(open_aws(settings)))
        with open_ledger(aws, settings) as ledger:
            timed("AWS", began)
            began = time.perf_counter()
            progress.begin("Spark")
            spark = build_session(aws, settings, log=log)
            timed("Spark", began)
            try:
                outcome = Pipeline(aws, ledger, spark, settings, progress, data).run()
            except KeyboardInterrupt:
                end_jvm()
                raise
            finally:
                stop_session(spark)
    outcome.leftovers = ledger.leftovers or []
    outcome.stages = {**stages, **outcome.stages}
    return outcome, aws


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what comes out."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            continue
    return found


def _count(resources: list[Resource]) -> list[str]:
    """Return ``1 endpoint``, ``2 models`` … of each kind."""
    counts = Counter(resource.kind for resource in resources)
    return [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items()]


def _by_stage(outcome: Outcome) -> str:
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in outcome.stages.items())


def _tell(console: Console, outcome: Outcome, output: Path) -> None:
    figures: list[tuple[str, str]] = [("accuracy", f"{outcome.accuracy:.4f}")]
    if outcome.validation_accuracy is not None:
        shown = f"{outcome.validation_accuracy:.4f} on {outcome.validation_rows:,} rows held back"
        figures.append(("validation accuracy", shown))
    figures += [
        ("rows trained", "unknown" if outcome.rows_trained is None else f"{outcome.rows_trained:,}"),
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
    print_figures(console, figures)
    if outcome.leftovers:
        print_text(leftovers_text(outcome.leftovers))
    sys.stdout.flush()
