"""Tables of the reference pages, from the code: settings, fixtures, faults, commands, and the coverage of AWS.

``python -m tools.reference_pages`` (with the ``dev`` extras) rewrites them. A table stands in its page between two
comments. The text around them is written by hand and stays.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harness import fixtures
from harness.bench import fixtures as bench_fixtures
from harness.cli import main as cli
from harness.cli.options import SETTINGS
from harness.localaws.control import faults
from harness.localaws.register import coverage
from harness.settings import Settings, environment_name, ini_name, option_name

COMMAND = "python -m tools.reference_pages"
DOCS = Path(__file__).parents[1] / "docs"
README = DOCS.parent / "README.md"

_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z ]+) -->\n).*?(<!-- end of generated -->\n)", re.DOTALL)
_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_SHOWN = {"emulated": "Emulated", "record only": "Record only", "refused": "Refused"}


class Fixture(NamedTuple):
    """A fixture as its source declares it."""

    name: str
    scope: str
    text: str


def main() -> None:
    """Rewrite the pages whose tables are not those of the code."""
    for path, text in pages():
        rewritten = rewrite(text)
        if rewritten != text:
            path.write_text(rewritten, encoding="utf-8")
            print(f"{path.relative_to(DOCS.parent)} rewritten")


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page that has generated text, with its text."""
    for path in [README, *sorted(DOCS.rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            yield path, text


def rewrite(text: str) -> str:
    """Return the text of a page with every generated part made again."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{GENERATED[match['name']]()}\n{match[3]}", text)


# --- settings ---------------------------------------------------------------------------------------------------------


def settings_table() -> str:
    """Return the settings, a row each."""
    return table(
        ["option of pytest", "default", "meaning"],
        [
            [code(option_name(each.name)), _default(each.default), f"{each.metadata['help']}{_values(each)}"]
            for each in dataclasses.fields(Settings)
        ],
    )


def sources_table() -> str:
    """Return the names that each setting has outside of pytest's command line."""
    return table(
        ["setting", "option of `harness`", "environment", "key of the ini file"],
        [
            [
                code(each.name),
                code(option_name(each.name).replace("--harness-", "--")) if each.name in SETTINGS else "–",
                ", then ".join(map(code, [environment_name(each.name), *each.metadata.get("also", ())])),
                code(ini_name(each.name)),
            ]
            for each in dataclasses.fields(Settings)
        ],
    )


def _default(value: object) -> str:
    return "none" if value in (None, ()) else code(f"{value:g}" if isinstance(value, float) else str(value))


def _values(setting: dataclasses.Field[object]) -> str:
    """Return the values that a setting may have, in brackets, or nothing."""
    metadata = setting.metadata
    if "choices" in metadata:
        return f" ({' or '.join(map(code, metadata['choices']))})"
    bounds = [
        f"{word} {metadata[name]:,}" for name, word in (("least", "at least"), ("most", "at most")) if name in metadata
    ]
    return f" ({', '.join(bounds)})" if bounds else ""


# --- fixtures ---------------------------------------------------------------------------------------------------------


def read_fixtures() -> list[Fixture]:
    """Return the fixtures of the plugin, in the order of their sources."""
    return [
        Fixture(node.name, _scope(decorator), markdown(ast.get_docstring(node) or ""))
        for module in (fixtures, bench_fixtures)
        for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).startswith("pytest.fixture")
    ]


def _scope(decorator: ast.expr) -> str:
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return next((ast.literal_eval(each.value) for each in keywords if each.arg == "scope"), "function")


def fixtures_text() -> str:
    """Return a section for each fixture: its scope and its docstring."""
    return "\n".join(f"### `{each.name}`\n\n*Scope: {each.scope}.* {each.text}\n" for each in read_fixtures())


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown."""
    return _ROLE.sub(r"`\1`", docstring).replace("``", "`")


# --- faults -----------------------------------------------------------------------------------------------------------


def fault_arguments_table() -> str:
    """Return the arguments of ``faults.add``, a row each: the fields of Fault with the docstrings below them."""
    body = ast.parse(textwrap.dedent(inspect.getsource(faults.Fault))).body[0]
    meanings = {
        ast.unparse(field.target): ast.literal_eval(text.value)
        for field, text in pairwise(getattr(body, "body", []))
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    return table(
        ["argument", "default", "meaning"],
        [
            [code(each.name), _default_of(each), markdown(meanings[each.name])]
            for each in dataclasses.fields(faults.Fault)
        ],
    )


def _default_of(field: dataclasses.Field[object]) -> str:
    return "required" if field.default is dataclasses.MISSING else code(repr(field.default).replace("'", '"'))


def fault_effects_table() -> str:
    """Return the effects of faults, a row each."""
    return table(["effect", "result"], [[code(f'"{name}"'), markdown(text)] for name, text in faults.EFFECTS.items()])


# --- commands ---------------------------------------------------------------------------------------------------------


def read_commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return each command of ``harness`` with its line in ``harness --help`` and its parser."""
    action = next(each for each in cli.build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    lines = {each.dest: each.help or "" for each in action._choices_actions}
    return {name: (lines[name], parser) for name, parser in action.choices.items()}


def commands_text() -> str:
    """Return a section for each command: its description and its options."""
    return "\n".join(_command(name, parser) for name, (_, parser) in sorted(read_commands().items()))


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    actions = [each for each in parser._actions if each.help != argparse.SUPPRESS and each.dest != "help"]
    rows = [[_syntax(each), _expanded(each, parser)] for each in actions]
    return f"### `harness {name}`\n\n{escape(parser.description or '')}\n\n{table(['option', 'meaning'], rows)}"


def _syntax(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        metavar = f"{{{','.join(map(str, action.choices))}}}"
    if not action.option_strings:
        return code(metavar)
    return code(action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {metavar}")


def _expanded(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return escape((action.help or "") % {**vars(action), "prog": parser.prog})


# --- AWS --------------------------------------------------------------------------------------------------------------


def services_table() -> str:
    """Return the services of the local AWS, and the number of operations in each class."""
    rows = [
        [
            code(service),
            *("all others" if number is None else f"{number:,}" for number in coverage.counts(service).values()),
        ]
        for service in coverage.SERVICES
    ]
    return table(["service", *coverage.counts("sagemaker")], rows)


def operations_text() -> str:
    """Return a section for each service: its operations by class."""
    return "\n".join(f"### `{service}`\n\n{_operations(service)}" for service in coverage.SERVICES)


def _operations(service: str) -> str:
    return "\n".join(
        f"{_SHOWN[kind]}:\n\n"
        + "".join(f"- {title}: {', '.join(map(code, names))}\n" for title, names in groups.items())
        for kind, groups in coverage.operations(service).items()
    )


def members_text() -> str:
    """Return a table for each operation with members that do not act for every value."""
    return "\n".join(
        f"### `{operation}` of `{service}`\n\n"
        + table(["member", "limit"], [[code(path), escape(limit)] for path, limit in found])
        for service in coverage.SERVICES
        for operation, found in coverage.limits(service).items()
    )


def features_text() -> str:
    """Return the features of SageMaker that are not emulated, those of operations and those of their members."""
    *most, last = [*coverage.features_not_emulated("sagemaker-runtime"), *coverage.features_not_emulated("sagemaker")]
    return (
        f"It does not emulate these features of SageMaker, and refuses them by name: {', '.join(most)} and {last}. "
        "Requests for serverless endpoints, multi-model endpoints, models of several containers, VPCs and KMS keys are "
        "refused too.\n"
    )


# --- Markdown ---------------------------------------------------------------------------------------------------------


def code(text: str) -> str:
    """Return text in the type of code."""
    return f"`{text}`"


def escape(text: str) -> str:
    """Return text with its options in the type of code, and without characters that are markup."""
    return re.sub(r"(?<![\w-])(--[a-z][\w-]*)", r"`\1`", re.sub(r"([<*\[])", r"\\\1", text))


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


GENERATED: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "names of settings": sources_table,
    "fixtures": fixtures_text,
    "fault arguments": fault_arguments_table,
    "fault effects": fault_effects_table,
    "commands": commands_text,
    "services": services_table,
    "operations": operations_text,
    "members": members_text,
    "features": features_text,
}
"""Parts of pages, by the name in their comment."""

if __name__ == "__main__":
    main()
