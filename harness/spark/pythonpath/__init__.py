"""A directory to put on ``PYTHONPATH``: every Python started with it can use pyspark 3.3 on Python 3.11.

pyspark 3.3 carries cloudpickle 2.0, which cannot pickle the code objects of Python 3.11: RDD lambdas, Python UDFs and
``createDataFrame`` of a list fail. ``sitecustomize.py`` here puts the installed cloudpickle in its place. Environment
variables are inherited, so drivers that a user's script starts and the workers of those drivers get it alike.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = str(Path(__file__).parent)


def python_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that let an unmodified script use pyspark 3.3 with this Python, driver and workers alike.

    :param environment: the environment that they will be added to: what it says already is kept.
    """
    paths = [DIRECTORY, environment.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYSPARK_PYTHON": environment.get("PYSPARK_PYTHON") or sys.executable,
    }
