"""Options that a text of the package names: each exists, in the command that the text names."""

import argparse
import ast
import re
from pathlib import Path

import pytest

import harness
from harness.cli.main import COMMANDS
from harness.cli.options import with_own_options
from harness.errors import ResultsError
from harness.settings import option_name

PACKAGE = Path(harness.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]")
ENDS = r"[^'\"`.;:)\n]*?(?=['\"`.;:)\n]|, or |$)"
OTHER_PROGRAMS = {
    "aws/account/preflight.py", "aws/cleanup/resources.py",  # the AWS CLI
    "bench/results/provenance.py",  # git
    "aws/cleanup/reaper.py", "localaws/server.py", "aws/local.py",  # processes that the harness starts
    "bench/matrix/interleave.py", "keeper/__main__.py", "keeper/launch.py",
    "localaws/s3/rules/names.py",  # ends of buckets' names
}  # fmt: skip
"""Modules that write or read the command line of a program other than ``harness`` and pytest."""


def texts(path):
    """Yield the texts of a module other than docstrings; a value in a text is an X."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def options_of(command):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return set(parser._option_string_actions) | {"--help", "--version"}


BY_COMMAND = {command.name: options_of(command) for command in COMMANDS}


@pytest.fixture(scope="module")
def of_pytest(pytestconfig):
    """Options of pytest with its plugins, and those of this project's own benchmarks."""
    parser = pytestconfig._parser
    found = {name for group in [*parser._groups, parser._anonymous] for each in group.options for name in each.names()}
    return found | {"--batch", "--partitions", "--rows", "--harness"}


def unknown_options(text, of_pytest):
    """Return the options of a text that do not exist, or not in the command that it names."""
    text = re.sub(r"pip install[^'\n]*", "", text)
    unknown = set(OPTION.findall(text)) - of_pytest - set().union(*BY_COMMAND.values())
    for command in sorted(BY_COMMAND, key=len, reverse=True):
        for rest in re.findall(rf"harness {command}\b({ENDS})", text):
            if not any(rest.startswith(f" {longer.removeprefix(command).strip()}") for longer in BY_COMMAND
                       if longer.startswith(f"{command} ")):  # fmt: skip
                unknown |= {f"{command}: {option}" for option in set(OPTION.findall(rest)) - BY_COMMAND[command]}
    for rest in re.findall(rf"pytest\b({ENDS})", text):
        unknown |= {f"pytest: {option}" for option in set(OPTION.findall(rest)) - of_pytest}
    return unknown


def test_every_option_that_a_text_names_exists_in_its_command(of_pytest):
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).as_posix() not in OTHER_PROGRAMS:
            found |= {text: unknown for text in texts(path) if (unknown := unknown_options(text, of_pytest))}
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "give --nothing",
        "'harness mnist --rounds 3'",
        "run 'pytest --mode=real'",
        "harness bench --endpoint NAME, or not",
    ],
)
def test_an_option_that_does_not_exist_is_found(of_pytest, text):
    assert unknown_options(text, of_pytest)


@pytest.mark.parametrize(
    "text", ["harness bench endpoint --endpoint NAME", "pytest --harness-mode=real", "--mode real"]
)
def test_an_option_that_exists_is_not_reported(of_pytest, text):
    assert unknown_options(text, of_pytest) == set()


def test_an_error_of_a_command_names_its_own_options_and_pytests_as_pytest_has_them():
    error = ResultsError(
        f"{option_name('role')} is missing", fix="run pytest --harness-mode=real --harness-alternate 8"
    )
    assert with_own_options(str(error)) == (
        "--role is missing\n  to fix:  run pytest --harness-mode=real --harness-alternate 8"
    )
