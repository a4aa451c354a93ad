"""Refuse a Python that Spark 3.3's packages do not work on; all else about the project is in pyproject.toml.

pip reads ``requires-python`` of a source tree only after it has tried to build old packages for the new Python.
"""

import platform
import sys

from setuptools import setup

if not (3, 10) <= sys.version_info < (3, 12):
    sys.exit(
        f"sagemaker-spark-harness needs Python 3.10 or 3.11, and this is {platform.python_version()}.\n"
        "  to fix:  make an environment of one of them, such as 'python3.11 -m venv .venv', and install with its pip"
    )
setup()
