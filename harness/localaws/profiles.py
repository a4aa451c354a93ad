"""Profiles of a run: a script that names a profile acts as the run's role, and never as the user.

They have the same names as the user's profiles, because botocore refuses a name that its files do not have. Only the
names are read from the user's files.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from botocore.configloader import load_config, raw_config_parse
from botocore.exceptions import BotoCoreError

_FITS = re.compile(r"[^\x00-\x1f\x7f\[\]]+")
"""Names that a file of profiles can have."""


def profile_variables(directory: Path) -> dict[str, str]:
    """Return the variables that name the files of profiles in a directory, to AWS's tools and to Java."""
    credentials = str(directory / "credentials")
    return {
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": credentials,
        "AWS_CREDENTIAL_PROFILES_FILE": credentials,
    }


def profile_names(environment: Mapping[str, str]) -> list[str]:
    """Return ``default``, the profiles in the user's files and those in the user's variables, by name."""
    found: list[str] = []
    with suppress(BotoCoreError, OSError):  # no such file, or one that the user's tools cannot read either
        found += load_config(environment.get("AWS_CONFIG_FILE") or "~/.aws/config")["profiles"]
    with suppress(BotoCoreError, OSError):
        found += raw_config_parse(environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
    named = [environment.get(name) or "default" for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")]
    return [name for name in dict.fromkeys(["default", *found, *named]) if _FITS.fullmatch(name)]


def write_profiles(directory: Path, names: Iterable[str], region: str, credentials: Mapping[str, str]) -> None:
    """Write the files that :func:`profile_variables` names, for their owner only.

    :param credentials: of the caller that every profile is, as environment variables; empty if it is none.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config, keys = [], []
    for name in names:
        section = "default" if name == "default" else f"profile {shlex.quote(name)}"
        config += [f"[{section}]", f"region = {region}"]
        keys += [f"[{name}]", *(f"{key.lower()} = {value}" for key, value in credentials.items())]
    _write_private(directory / "config", config)
    _write_private(directory / "credentials", keys if credentials else [])


def _write_private(path: Path, lines: Iterable[str]) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
