"""Metrics of a training job, found in the lines of its log by regular expressions.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html. The caller gives the
expressions, and a line may be anything. :mod:`~harness.localaws.sagemaker.training.metric_worker` bounds their time
and memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

from urllib3.util.wait import wait_for_read

SEARCHED_CHARACTERS = 8192
"""Characters of a line that are searched, from its start."""
_ANSWER_SECONDS = 60.0  # for all expressions, which may take a second each
_WORKER = Path(__file__).with_name("metric_worker.py")


class Metrics:
    """The metrics of one training job. The process that searches starts with the first line."""

    def __init__(self, definitions: Sequence[tuple[str, str]], directory: Path, report: Callable[[str], None]) -> None:
        """Search for metrics, given as names and expressions.

        :param directory: directory of the container, which marks the process as part of the local AWS.
        :param report: called with a message for each expression that is given up.
        """
        self._definitions = list(definitions)
        self._directory = directory
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = not definitions
        self._lock = threading.Lock()

    def find(self, line: str) -> dict[str, float]:
        """Return the values in a line of the log, by metric."""
        with self._lock:
            if self._is_over:
                return {}
            try:
                answers = self._ask(line[:SEARCHED_CHARACTERS])
            except (OSError, ValueError) as error:
                self._end()
                self._report(f"[harness] No more metrics are read: the process that looks for them failed ({error}).")
                return {}
        found = dict(zip((name for name, _ in self._definitions), answers, strict=True))
        for name, answer in found.items():
            if isinstance(answer, str):
                self._report(f"[harness] The metric {name} is not read from here on. Its expression: {answer}.")
        return {name: float(answer) for name, answer in found.items() if isinstance(answer, float)}

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()  # a thread that waits for its answer notices that the pipe closes
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            cast("IO[bytes]", pipe).close()

    def _ask(self, line: str) -> list[float | str | None]:
        process = self._process = self._process or self._start()
        _write(process, line)
        deadline = time.monotonic() + _ANSWER_SECONDS
        answer = b""
        while not answer.endswith(b"\n"):
            stdout = cast("IO[bytes]", process.stdout)
            if not wait_for_read(stdout, max(0.0, deadline - time.monotonic())):  # type: ignore[arg-type]
                raise TimeoutError(f"no answer within {_ANSWER_SECONDS:g} s")
            piece = os.read(stdout.fileno(), 65_536)
            if not piece:
                raise ConnectionError("it ended")
            answer += piece
        return cast("list[float | str | None]", json.loads(answer))

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"SAGEMAKER_BASE_DIR": str(self._directory)},
            start_new_session=True,
        )
        _write(process, [regex for _, regex in self._definitions])
        return process


def _write(process: subprocess.Popen[bytes], content: object) -> None:
    """Send a line of at most 64 KiB, which fits the pipe even if its reader is busy."""
    text = json.dumps(content, ensure_ascii=False).encode(errors="replace")
    os.write(cast("IO[bytes]", process.stdin).fileno(), text + b"\n")
