"""The table of clients agrees with the programs that ``tox -e clients`` runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "clients.md").read_text(encoding="utf-8")
ROWS = {
    row[3].strip("`"): row
    for row in re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (`\w+_client\.\w+`) \|$", PAGE, re.MULTILINE)
}
PROGRAMS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "clients").glob("*_client.*")}
PINNED = dict(
    re.findall(
        r"^([\w-]+)(?:\[\w+\])?==(\d+\.\d+)",
        (ROOT / "tests" / "clients" / "requirements.txt").read_text(),
        re.MULTILINE,
    )
)


def test_each_program_has_a_row():
    assert ROWS.keys() == {name for name in PROGRAMS if "_without_setting" not in name}


@pytest.mark.parametrize("name", sorted(name for name in PROGRAMS if "_without_setting" in name))
def test_a_program_without_a_setting_is_of_a_client_that_needs_it(name):
    assert "works with a setting" in ROWS[name.replace("_without_setting", "")][1]


@pytest.mark.parametrize("block", re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL))
def test_a_setting_on_the_page_is_in_a_program_that_works(block):
    assert any(block in text for name, text in PROGRAMS.items() if name in ROWS)


@pytest.mark.parametrize("name", sorted(PINNED))
def test_a_row_has_the_version_that_is_tested(name):
    rows = [row[0] for row in ROWS.values() if row[0].partition(" ")[0].replace("_", "-") == name.replace("_", "-")]
    assert all(row.split(":")[0].split()[1] == PINNED[name] for row in rows)
    assert rows or name == "duckdb-extension-httpfs"
