"""The start of a keeper, which outlives the process that started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import IO, Any

from harness.aws.local import last_lines
from harness.console import Progress
from harness.errors import SetupError
from harness.kept.likeness import kept_variables
from harness.settings import Settings


def launch(settings: Settings, idle: float, progress: Progress) -> dict[str, Any]:
    """Start a keeper for this process's working directory, and return its status once it is ready.

    :param idle: seconds without a session after which it ends.
    :raises SetupError: it did not start.
    """
    with tempfile.TemporaryFile() as errors:
        return _follow(_start(settings, idle, errors), errors, progress)


def _follow(process: subprocess.Popen[bytes], errors: IO[bytes], progress: Progress) -> dict[str, Any]:
    last = ""
    assert process.stdout is not None
    with process.stdout as lines:
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:  # the user's sitecustomize may print
                continue
            if "begin" in line:
                progress.begin(line["begin"])
            elif "end" in line:
                progress.end(line["end"], line["seconds"])
            elif "ready" in line:
                progress.close()
                found: dict[str, Any] = line["ready"]
                return found
            else:
                last = line.get("failed", "")
    progress.close()
    written = last_lines(errors).splitlines()[-1:]
    raise SetupError(
        f"The environment did not start. {last}".strip(),
        checked=f"its last output: {written[0]}" if written else "",
        fix="run 'harness doctor'",
    )


def _start(settings: Settings, idle: float, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "harness.keeper", "--region", settings.region, "--idle", str(idle)]
    passed = {name: os.environ[name] for name in ("XDG_RUNTIME_DIR",) if name in os.environ}
    return subprocess.Popen(
        [*command, "--login", str(os.getsid(0))],
        env=passed | kept_variables(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
