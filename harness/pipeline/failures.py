"""Reasons for a failed run: causes named by Spark and AWS, container logs, and lost rows."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws import AWS
from harness.aws.account.permissions import explain_denied
from harness.aws.faults import applied_text
from harness.errors import LocalAWSError, PipelineError
from harness.spark.jvm import LOST_JVM_FIX, lost_jvm
from harness.spark.session import root_cause

_LAST_LINES = 3
_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
_ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"
_LEAST_DISK = 2**24
"""Bytes. With fewer free, a failure is blamed on the full disk: S3's answers to HEAD cannot carry that reason."""
_FULL = ("No space left on device", "InsufficientStorage", "Could not find any valid local directory")
"""Words of Linux, of the local AWS, and of Hadoop about a full disk."""
_NOT_EMULATED = "The local AWS does not emulate"
"""Words of all refusals of the local AWS."""
_ROWS_LOGGED = re.compile(r"(?:Channel train:|Train matrix has) (\d+) rows")


def stage_failure(stage: str, error: BaseException, aws: AWS, *, otherwise: str) -> PipelineError:
    """Return the error that explains why a stage failed, with a fix for each known cause.

    :param otherwise: the fix for an unknown cause: a test and a command show stack traces in their own ways.
    """
    if lost := lost_jvm():  # first, since a lost JVM answers no question about errors
        return PipelineError(f"Stage '{stage}' failed: {lost}.", fix=LOST_JVM_FIX)
    if denied := explain_denied(str(error), aws.region):
        return PipelineError(f"Stage '{stage}' failed: {denied.what}", checked=denied.checked, fix=denied.fix)
    cause = root_cause(error)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if any(text in cause for text in _FULL) or free < _LEAST_DISK:
        cause += "" if free >= _LEAST_DISK else f" ({tempfile.gettempdir()} has {free / 2**20:.0f} MiB free)"
        fix = "free some disk, or point TMPDIR to a disk that has some"
    elif "failed for reason" in cause:
        fix = "fix the problem in the reason; the job's log is in CloudWatch Logs under /aws/sagemaker/TrainingJobs"
    elif "given invalid value" in cause:
        fix = "give the hyperparameter a value in the range of the algorithm's documentation"
    elif "ModelError" in cause or "ServiceUnavailable" in cause:
        fix = "fix the problem in the message; the container's log is in CloudWatch Logs under /aws/sagemaker/Endpoints"
    elif _NOT_EMULATED in cause:
        fix = "omit the member or operation that the message names, or run this in real mode: AWS has it"
    else:
        fix = otherwise
    if applied := _applied(aws):
        fix = f"the test injected faults: {applied}; if it expects this failure, catch PipelineError. Otherwise, {fix}"
    return PipelineError(f"Stage '{stage}' failed: {cause}", fix=fix)


def _applied(aws: AWS) -> str:
    """Return how many calls the faults of the running test have hit; '' if there are none."""
    with suppress(LocalAWSError):  # it has ended, or the test has cut it off
        return applied_text(aws.faults.applied()) if aws.faults else ""
    return ""


def check_trained(trained: int | None, held_back: int, sent: int) -> None:
    """Raise :class:`PipelineError` if rows were lost before training, or both trained on and held back."""
    if trained is not None and trained + held_back != sent:
        raise PipelineError(
            f"{trained:,} of {sent:,} rows were trained on, {held_back:,} were held back.",
            checked="the training containers' log, and the predictions of the rows held back",
            fix="make each pass over the training rows give the same rows in the same order",
        )


def last_words(aws: AWS, training_job: str, endpoint: str) -> list[str]:
    """Return the last three log lines of the latest container of a ``fit`` as one text, if there are any."""
    client = aws.client("logs")
    streams = {"logStreamNamePrefix": f"{training_job}/"}
    for group, chosen in ((_ENDPOINT_LOGS + endpoint, {}), (_TRAINING_LOGS, streams)):
        with suppress(BotoCoreError, ClientError):  # there may be no such group
            events = client.filter_log_events(logGroupName=group, **chosen)["events"]
            said = [event["message"].strip() for event in _of(events, **chosen)]
            if said:
                return [f"the container's last lines: {' | '.join(said[-_LAST_LINES:])}"]
    return []


def rows_logged(aws: AWS, job: str) -> int | None:
    """Return the number of rows that a job's training containers logged as read, on all hosts; None if none did.

    Local containers write ``Channel train: N rows``, and AWS's write ``Train matrix has N rows``.
    """
    pages = aws.client("logs").get_paginator("filter_log_events")
    streams = {"logStreamNamePrefix": f"{job}/"}
    try:
        events = [event for page in pages.paginate(logGroupName=_TRAINING_LOGS, **streams) for event in page["events"]]
    except (BotoCoreError, ClientError):
        return None
    counts = [
        int(match[1]) for match in (_ROWS_LOGGED.search(each["message"]) for each in _of(events, **streams)) if match
    ]
    return sum(counts) if counts else None


def _of(events: list[dict[str, Any]], logStreamNamePrefix: str = "") -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
    """Return the events of the requested streams; moto returns those of other streams too."""
    return [event for event in events if event["logStreamName"].startswith(logStreamNamePrefix)]
