"""SECURITY.md agrees with pyproject.toml and the audit on dependencies."""

import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()


def requirements():
    """Return the required versions of each dependency, by its name."""
    block = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    found = [Requirement(text) for text in re.findall(r'^    "([^"]+)"', block[1], re.MULTILINE)]
    return {each.name: each.specifier for each in found}


def test_the_lowest_versions_are_those_explained_on_the_page():
    rows = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| CVE-", PAGE, re.MULTILINE)
    assert len(rows) >= 7
    for name, least in rows:
        assert f">={least}" in str(requirements()[name]).split(","), name


def test_the_audit_ignores_only_the_vulnerabilities_on_the_page():
    held_back = re.search(r"^\| pyspark .*$", PAGE, re.MULTILINE)[0]
    ignored = re.findall(r"--ignore-vuln (CVE-[\d-]+)", (ROOT / "tox.ini").read_text())
    assert sorted(ignored) == sorted(re.findall(r"CVE-[\d-]+", held_back))
