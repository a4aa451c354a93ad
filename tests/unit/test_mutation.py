"""Mutation testing samples fairly, knows the tests of each pure module, and fails below its goal.

It runs each night (``tox -e mutation``), with cosmic-ray, which these tests do not need.
"""

import random

import pytest

from tools.mutation import ROOT, Mutant, Result, listed, passes, report, sampled


def mutant(line, operator="AddNot", module="a.py"):
    return Mutant(module, (line, 0), (line, 9), operator, 0)


MANY = [mutant(line, operator) for line in range(30) for operator in ("AddNot", "NumberReplacer")]


def test_each_pure_module_is_listed_with_tests_that_exist():
    tests = listed()
    assert len(tests) > 40
    named = {path for module, files in tests.items() for path in (module, *files)}
    assert {path for path in named if not (ROOT / path).is_file()} == set()


def test_a_pattern_that_matches_no_module_is_an_error_that_names_it(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "mutation.ini").write_text("[tests]\nharness/moved.py = tests/unit/test_moved.py\n")
    with pytest.raises(SystemExit, match=r"harness/moved\.py matches no module"):
        listed(tmp_path)


def test_a_module_has_the_tests_of_the_first_pattern_that_matches_it(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "p").mkdir()
    for name in ("p/a.py", "p/b.py", "p/__init__.py", "test_a.py", "test_p.py"):
        (tmp_path / name).touch()
    (tmp_path / "tools" / "mutation.ini").write_text("[tests]\np/a.py = test_a.py\np/*.py = test_p.py test_a.py\n")
    assert listed(tmp_path) == {"p/a.py": ["test_a.py"], "p/b.py": ["test_p.py", "test_a.py"]}


def test_a_seed_gives_the_same_sample_whatever_the_order_of_mutants():
    first = sampled(MANY, 10, random.Random(1))
    assert first == sampled(MANY[::-1], 10, random.Random(1))
    assert first != sampled(MANY, 10, random.Random(2))


def test_a_sample_has_one_mutant_of_a_place():
    chosen = sampled(MANY, 100, random.Random(1))
    assert sorted(each.start[0] for each in chosen) == list(range(30))
    assert {each.operator for each in chosen} == {"AddNot", "NumberReplacer"}


def test_the_report_counts_by_module_and_in_all():
    results = [Result(mutant(line, module=module), line > 1, "") for line in range(4) for module in ("a.py", "b.py")]
    assert [line.split() for line in report(results).splitlines()] == [
        ["a.py", "2", "of", "4", "killed", "50%"],
        ["b.py", "2", "of", "4", "killed", "50%"],
        ["all", "4", "of", "8", "killed", "50%"],
    ]


def test_a_run_passes_if_85_percent_are_killed():
    assert passes([Result(mutant(line), line >= 3, "") for line in range(20)])
    assert not passes([Result(mutant(line), line >= 4, "") for line in range(20)])
