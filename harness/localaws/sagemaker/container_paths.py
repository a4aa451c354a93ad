"""Paths as a container on AWS sees them: ``/opt/ml`` in place of the directory of this machine that replaces it.

Log lines, failure reasons and error messages speak of ``/opt/ml``, so that they read as on AWS.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

BASE = "/opt/ml"


def as_in_container(text: str, root: Path) -> str:
    """Return a text with ``/opt/ml`` for a container's directory, and for the directory that its ``model`` links to."""
    for path, shown in _spellings(root):
        text = text.replace(path, shown)
    return text


@lru_cache(maxsize=256)
def _spellings(root: Path) -> list[tuple[str, str]]:
    """Return the spellings of a container's directories, longest first, each with its path on AWS.

    They are found once for a directory, as every line of output needs them.
    """
    model = root / "model"
    known = {str(root): BASE, os.path.realpath(root): BASE}
    if model.is_symlink():
        known |= {os.path.realpath(model): f"{BASE}/model"}
    return sorted(known.items(), key=lambda item: len(item[0]), reverse=True)


def without_directory(text: str, directory: Path) -> str:
    """Return a text with ``/opt/ml`` for every container's directory below one directory."""
    for parent in {str(directory), os.path.realpath(directory)}:
        text = re.sub(rf"{re.escape(parent)}/[^/\s'\":]+(?:/\d+(?![\w.-]))?", BASE, text)
    return text
