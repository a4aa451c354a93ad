"""Options shared by several commands, and the shape of a command."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from harness.errors import SettingsError
from harness.settings import Settings, read_settings, refuse_without_effect

_OF_PYTEST = ("unrecorded", "model_cache")
SETTINGS = tuple(setting.name for setting in dataclasses.fields(Settings) if setting.name not in _OF_PYTEST)
"""Names of all settings that commands have. A command reports what was not deleted, and its exit code is another's. The
setting ``model_cache`` is ``--no-cache`` there: :func:`add_no_cache`."""

OF_A_MODEL = (
    "mode",
    "region",
    "role",
    "training_instance_type",
    "endpoint_instance_type",
    "max_cost",
    "max_hours",
    "prices",
)
"""Names of the settings of a command that trains and hosts a model."""


class Command(NamedTuple):
    """A command of ``harness``."""

    name: str
    help: str
    """Its line in ``harness --help``."""
    description: str
    """The first paragraph of its ``--help``."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Runs the command and returns its exit code."""
    usage: str | None = None
    """Its usage line; None for argparse's own."""


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add an option for each of these settings."""
    for setting in dataclasses.fields(Settings):
        if setting.name in names:
            choices = setting.metadata.get("choices")
            if flag := setting.metadata.get("flag"):
                parser.add_argument(
                    f"--{setting.name}", action="store_const", const=flag, help=setting.metadata["help"]
                )
                continue
            default = "" if setting.default in (None, ()) else f" (default: {setting.default})"
            parser.add_argument(
                "--" + setting.name.replace("_", "-"),
                action="append" if "each" in setting.metadata else "store",
                metavar=f"{{{','.join(choices)}}}" if choices else setting.name.rpartition("_")[2].upper(),
                help=setting.metadata["help"] + default,
            )


def add_no_cache(parser: argparse.ArgumentParser) -> None:
    """Add ``--no-cache``, for a command that uses the cache of trained models."""
    parser.add_argument(
        "--no-cache",
        dest="model_cache",
        action="store_const",
        const="off",
        help="train models again that the cache of trained models has (the default if CI is set)",
    )


def settings_from(options: argparse.Namespace) -> Settings:
    """Return the settings of a command. Options win over environment variables.

    :raises SettingsError: a value is invalid, or ``--role`` was given in mock mode.
    """
    given = {name: getattr(options, name, None) for name in (*SETTINGS, "model_cache")}
    given = {name: "\n".join(value) if isinstance(value, list) else value for name, value in given.items()}
    settings = read_settings(given, os.environ)
    refuse_without_effect(settings, given)
    return settings


_PYTEST_OPTION = re.compile(r"--harness-(?=({})\b)".format("|".join(name.replace("_", "-") for name in SETTINGS)))


def with_own_options(text: str) -> str:
    """Return the text of an error with the options of settings as commands have them: without pytest's prefix.

    A line about pytest keeps the prefix, so that its command can be pasted.
    """
    lines = text.splitlines(keepends=True)
    return "".join(line if "pytest" in line else _PYTEST_OPTION.sub("--", line) for line in lines)


def add_form(parser: argparse.ArgumentParser) -> None:
    """Add ``--markdown`` and ``--json``. They set ``form``, which is ``terminal`` by default."""
    form = parser.add_mutually_exclusive_group()
    for name, text in (("markdown", "a table for a pull request"), ("json", "JSON")):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=f"print {text}")
    parser.set_defaults(form="terminal")


def seconds(option: str, text: str) -> float:
    """Return the seconds of a duration such as ``100ms``, ``90s``, ``2min`` or ``60`` (seconds).

    :raises SettingsError: the text is not a duration above 0.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(ms|s|min|)", text.strip())
    if match is None or not float(match[1]):
        raise SettingsError(f"{option} is {text!r}.", fix="give a duration above 0, such as 100ms, 90s or 2min")
    return float(match[1]) * {"ms": 0.001, "s": 1, "": 1, "min": 60}[match[2]]
