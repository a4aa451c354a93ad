"""Check of the page on differences against a newly generated one."""

from pathlib import Path

import pytest

import harness
from harness.spark.internals import jvm
from tools import libsvm_differences

pytestmark = pytest.mark.slow

PAGE = Path(harness.__file__).parents[1] / "docs" / "reference" / "libsvm-differences.md"


@pytest.fixture(scope="module")
def tables(spark):
    """The generated tables."""
    before = jvm(spark).org.apache.logging.log4j.LogManager.getRootLogger().getLevel().name()
    spark.sparkContext.setLogLevel("OFF")  # most errors here are expected
    yield libsvm_differences.tables(spark)
    spark.sparkContext.setLogLevel(before)


def test_the_page_has_the_tables_that_the_tool_generates(tables):
    prose, begin, committed = PAGE.read_text(encoding="utf-8").partition(libsvm_differences.BEGIN)
    assert prose.startswith("# ")
    assert begin
    made = dict.fromkeys(tables.strip().splitlines())
    held = dict.fromkeys(committed.strip().splitlines())
    assert [line for line in held if line not in made] == [], "run 'python -m tools.libsvm_differences'"
    assert list(made) == list(held)


def test_the_page_has_at_least_forty_cases_without_duplicates():
    names = [case.name for case in libsvm_differences.CASES]
    assert len(names) == len(set(names)) >= 40


def test_a_reader_that_ends_its_process_affects_no_other_case(tmp_path, monkeypatch):
    files = [tmp_path / name for name in ("good", "bad", "fine")]
    for file in files:
        file.write_text("1 1:2\n")
    crash = "    if name.endswith('bad'): sys.exit(3)\n    try:\n"
    monkeypatch.setattr(libsvm_differences, "_XGBOOST", libsvm_differences._XGBOOST.replace("    try:\n", crash))
    assert libsvm_differences.read_by_xgboost(files) == ["`1 1:2`", "**ends the process**", "`1 1:2`"]
