"""Makes an archive of Java's classes before the tests, whose JVMs then need a sixth less CPU.

``python -m tools.class_archive`` runs the reference program once with few rows, unless there is an archive. It is made
when the program has ended, while the next command runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.java import find_java
from harness.spark.class_archive import class_archive
from harness.spark.sdk import sdk_jars

_COMMAND = (sys.executable, "-m", "harness", "mnist", "--fresh", "--no-cache", "--train-rows=500", "--test-rows=100")


def main() -> None:
    """Run the program as outside a CI service, where sessions make no archive. If it fails, the tests say why."""
    archive = class_archive(find_java(), os.pathsep.join(map(str, sdk_jars())), Path())
    if archive is None or archive.path.exists():
        return
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(_COMMAND, cwd=directory, env=environment, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
