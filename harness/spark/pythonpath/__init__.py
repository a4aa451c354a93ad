"""Directory for ``PYTHONPATH``: every Python started with it can use pyspark 3.3 on Python 3.11.

pyspark 3.3 contains cloudpickle 2.0, which cannot pickle the code objects of Python 3.11. RDD lambdas, Python UDFs and
``createDataFrame`` of a list fail. ``sitecustomize.py`` here replaces it with the installed cloudpickle. Environment
variables are inherited, so this applies to drivers that a user's script starts, and to their workers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = str(Path(__file__).parent)


def python_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables with which an unmodified script can use pyspark 3.3 on this Python, in driver and workers.

    :param environment: environment that they will be added to. Its own values are kept.
    """
    paths = [DIRECTORY, environment.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYSPARK_PYTHON": environment.get("PYSPARK_PYTHON") or sys.executable,
    }
