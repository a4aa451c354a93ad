"""A tox plugin: refuse a Python that Spark 3.3 cannot run on, before tox installs anything."""

import platform
import sys

from tox.plugin import impl
from tox.report import HandledError


@impl
def tox_add_core_config(core_conf, state):  # noqa: ANN001, ANN201, ARG001  # pluggy asks for these names
    """Raise :class:`HandledError`, which tox prints without a traceback, unless this Python is 3.10 or 3.11."""
    if not (3, 10) <= sys.version_info < (3, 12):
        raise HandledError(
            f"This project needs Python 3.10 or 3.11, and tox runs on {platform.python_version()}: "
            "remake its environment with one of the two, as in `python3.11 -m venv --clear .venv`."
        )
