"""Timeline of a run: its stages, Java, Spark's jobs, the training job's states and the calls to AWS, on one page.

It is written in Chrome's trace format, which https://ui.perfetto.dev and ``chrome://tracing`` show:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from botocore.exceptions import ClientError
from rich.console import Console

from harness.aws import AWS
from harness.console import ConsoleProgress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_STAGES, _JAVA, _JOBS, _TRAINING = "stages", "Java", "Spark jobs", "training job"


@dataclass(frozen=True)
class Span:
    """Something that took time, as a bar in a row of the timeline. Times are in seconds since the epoch."""

    row: str
    name: str
    began: float
    ended: float
    details: dict[str, Any] = field(default_factory=dict)


class StageTimes(ConsoleProgress):
    """Progress on a console, which keeps the time at which each stage ended."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._ended: list[tuple[str, float, float]] = []

    def end(self, stage: str, seconds: float) -> None:
        """See :class:`harness.console.ConsoleProgress`."""
        self._ended.append((stage, seconds, time.time()))
        super().end(stage, seconds)

    def spans(self) -> list[Span]:
        """Return the stages, none of which overlap, and before them the start of Python with its imports.

        The parts of a ``fit`` end together, as it reports them.
        """
        found: list[Span] = []
        for stage, seconds, ended in reversed(self._ended):
            until = min([ended, *(span.began for span in found[-1:])])
            found.append(Span(_STAGES, stage, until - seconds, until))
        began = psutil.Process().create_time()
        return [*(Span(_STAGES, "Python", began, span.began) for span in found[-1:]), *found[::-1]]


def spans(aws: AWS, spark: SparkSession, training_job: str) -> list[Span]:
    """Return what a run has done besides its stages. Spark must be running.

    The calls to AWS are known if it records them, as the local AWS does with the latest 10,000.
    """
    from harness.spark.internals import finished_jobs  # noqa: PLC0415 - imports pyspark, which takes a second

    found = [*_java(spark), *(Span(_JOBS, *job) for job in finished_jobs(spark)), *_training(aws, training_job)]
    return found + [_call_span(call) for call in aws.recorded_calls()]


def _java(spark: SparkSession) -> Iterator[Span]:
    from harness.spark.internals import jvm_process  # noqa: PLC0415 - see above

    process = jvm_process()
    if process is not None:
        started = spark.sparkContext.startTime / 1000
        yield Span(_JAVA, "start of the JVM", psutil.Process(process.pid).create_time(), started)


def _training(aws: AWS, job: str) -> list[Span]:
    """Return the states of a training job, each until the next one."""
    try:
        seen = aws.client("sagemaker").describe_training_job(TrainingJobName=job)["SecondaryStatusTransitions"]
    except ClientError:
        return []  # there is no such job
    ended = [state for state in seen if "EndTime" in state]
    return [
        Span(_TRAINING, state["Status"], state["StartTime"].timestamp(), state["EndTime"].timestamp())
        for state in ended
    ]


def _call_span(call: dict[str, Any]) -> Span:
    details = {name: call[name] for name in ("path", "status", "received", "error") if call[name]}
    return Span(f"calls of {call['service']}", call["operation"], call["time"], call["time"] + call["seconds"], details)


def write(path: Path, found: Iterable[Span]) -> None:
    """Write spans into a file in Chrome's trace format. Spans of a row that overlap are shown below each other."""
    ordered = sorted(found, key=lambda span: span.began)
    origin = ordered[0].began if ordered else 0.0
    rows = sorted({span.row for span in ordered}, key=_position)
    events = [event for number, row in enumerate(rows) for event in _row_events(number, row, ordered, origin)]
    path.write_text(json.dumps({"displayTimeUnit": "ms", "traceEvents": events}) + "\n")


def _position(row: str) -> tuple[int, str]:
    first = (_STAGES, _JAVA, _JOBS, _TRAINING)
    return (first.index(row) if row in first else len(first), row)


def _row_events(number: int, row: str, ordered: Iterable[Span], origin: float) -> Iterator[dict[str, Any]]:
    """Yield the events of a row, which the format calls a process; each line of it is a thread."""
    yield {"ph": "M", "name": "process_name", "pid": number, "args": {"name": row}}
    yield {"ph": "M", "name": "process_sort_index", "pid": number, "args": {"sort_index": number}}
    busy: list[float] = []  # for each line, when its last span ends
    for span in ordered:
        if span.row != row:
            continue
        line = next((line for line, until in enumerate(busy) if until <= span.began), len(busy))
        busy[line : line + 1] = [span.ended]
        yield {
            "ph": "X",
            "name": span.name,
            "pid": number,
            "tid": line,
            "ts": round((span.began - origin) * 1e6),
            "dur": round((span.ended - span.began) * 1e6),
            "args": span.details,
        }
