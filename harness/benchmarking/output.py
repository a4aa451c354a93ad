"""The directory that results go to, looked at before anything is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness.errors import SettingsError


def require_writable(directory: Path, replaced: Iterable[str] = ()) -> None:
    """Make a directory if need be, and see that it can be written to.

    :param replaced: names of files that an earlier run may have left, and are not to be taken for this one's.
    :raises SettingsError: it cannot be written to, or a file not be replaced.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()  # whose name is nobody else's
        for name in replaced:
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            f"--output is {directory}, where results cannot be written: {error.strerror}.",
            fix="name a directory that you may write to, or one to be made",
        ) from error
