"""README and the reference pages agree with the code. Links and anchors are checked by `tox -e docs`."""

import ast
import configparser
import inspect
import re
from pathlib import Path

import pytest

from harness import plugin
from harness.localaws.control.faults import known_operations
from harness.spark import sdk
from tools import reference_pages

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LONGEST_CELL = 15
"""Words of a cell of a table in README."""


def tables(text):
    """Return the tables of a page, each a list of rows of cells, without their heads."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[row.strip("|\n ").split(" | ") for row in block.splitlines()[2:]] for block in blocks]


def first_column(heading):
    """Return what the first column of the table below a heading of README names in the type of code."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [name for row in tables(section)[0] for name in re.findall(r"`([^`]+)`", row[0])]


@pytest.mark.parametrize(("path", "text"), list(reference_pages.pages()), ids=lambda each: getattr(each, "name", ""))
def test_a_reference_page_holds_what_the_code_says(path, text):
    assert text == reference_pages.rewrite(text), f"run '{reference_pages.COMMAND}', which rewrites {path}"


def test_each_generated_part_is_on_one_page():
    parts = [name for _, text in reference_pages.pages() for name in re.findall(r"<!-- generated: ([a-z ]+) -->", text)]
    assert sorted(parts) == sorted(reference_pages.GENERATED)


def test_the_readme_lists_the_fixtures_with_their_scopes():
    section = README.partition("\n## Fixtures\n")[2]
    named = {name: row[1] for row in tables(section)[0] for name in re.findall(r"`([^`]+)`", row[0])}
    assert named == {each.name: each.scope for each in reference_pages.read_fixtures()}
    assert sorted(named) == plugin.__all__


def test_the_fixture_estimator_options_documents_every_argument_that_it_returns():
    function = ast.parse(inspect.getsource(sdk.estimator_options))
    returned = next(node.value for node in ast.walk(function) if isinstance(node, ast.Return))
    text = next(each.text for each in reference_pages.read_fixtures() if each.name == "estimator_options")
    listed = "\n".join(re.findall(r"^- (.+(?:\n  .+)*)", text, re.MULTILINE))
    assert sorted(set(re.findall(r"`([a-z]+[A-Z]\w+)`", listed))) == sorted(key.value for key in returned.keys)


def test_the_readme_lists_the_commands():
    assert sorted(first_column("Commands")) == sorted(f"harness {name}" for name in reference_pages.read_commands())


def test_a_table_in_the_readme_has_phrases_in_its_cells():
    cells = [re.sub(r"\]\([^)]*\)", "", cell) for table in tables(README) for row in table for cell in row]
    assert len(cells) > 60
    assert [cell for cell in cells if len(cell.split()) > LONGEST_CELL] == []


@pytest.mark.parametrize("end", ["tox", "tox -e mnist"])
def test_the_readme_gives_the_commands_that_install_and_run_everything(end):
    assert f"\npython3 -m venv .venv && .venv/bin/pip install -q tox && .venv/bin/{end}\n" in README


def test_the_guide_to_faults_names_operations_that_aws_has():
    section = (ROOT / "docs" / "guides" / "faults.md").read_text(encoding="utf-8").partition("\n## Operations\n")[2]
    named = {name for row in tables(section)[0] for name in re.findall(r"`([^`]+)`", row[1])}
    assert len(named) > 15
    assert named - known_operations() == set()


def test_tox_builds_the_pages_with_the_packages_of_the_extra():
    extra = re.search(r"^docs = \[(.*)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    assert re.findall(r'"([^"]+)"', extra[1]) == tox["testenv:docs"]["deps"].split()


def texts_of(source):
    """Return the strings of some source, with … in place of the values that f-strings insert."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("page", ["guides/troubleshooting.md", "guides/real-aws.md"])
def test_a_message_that_a_guide_quotes_is_one_of_the_harness(page):
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "harness").rglob("*.py"))
    texts = [text for source in sources for text in texts_of(source)]
    quoted = re.findall(r"^\| \*(.+?)\* \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    parts = [part.strip() for message in quoted for part in re.split(r"…|\b\d+\b(?!\.)", message)]
    assert len(quoted) > 2
    assert [part for part in parts if len(part) > 5 and not any(part in text for text in texts)] == []
