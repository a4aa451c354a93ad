"""``harness compare``: what it says of results, how it says it, and how it exits."""

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from harness.bench.analysis.comparison import alternating, alternating_pairs
from harness.bench.results.reader import Result
from harness.cli import main

EXTRA = {"mode": "mock", "endpoint_instance_type": "ml.m5.large", "cores": 2, "dataset": "d1"}
BEGAN = datetime(2026, 11, 22, tzinfo=timezone.utc)


@pytest.fixture
def random():
    return np.random.default_rng(11)


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Save one run's results as a file of a side: name → seconds of its rounds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def record(side, minute, times, **extra):
        benchmarks = [
            {
                "fullname": name,
                "group": None,
                "params": None,
                "extra_info": EXTRA | extra,
                "stats": {"data": list(rounds), "rounds": len(rounds)},
            }
            for name, rounds in times.items()
        ]
        content = {
            "version": "5.1.0",
            "datetime": (BEGAN + timedelta(minutes=minute)).isoformat(),
            "machine_info": {"node": "here"},
            "commit_info": {},
            "benchmarks": benchmarks,
        }
        (tmp_path / side).mkdir(exist_ok=True)
        (tmp_path / side / f"{minute:04}.json").write_text(json.dumps(content))

    return record


@pytest.fixture
def alternate(record, random):
    """Save alternating runs of A and B, in random order for each pair; ``factors`` are B's times over A's by name."""

    def alternate(factors, pairs=12, noise=0.02, extra=None):
        for pair in range(pairs):
            sides = random.permutation(["A", "B"])
            for place, side in enumerate(sides):
                times = {
                    name: 0.1 * (factor if side == "B" else 1) * np.exp(random.normal(0, noise, 3))
                    for name, factor in factors.items()
                }
                record(side, 2 * pair + place, times, **(extra or {}).get(side, {}))

    return alternate


def compare(capsys, *arguments):
    """Return the exit code, the output and the error output."""
    code = main.main(["compare", *arguments])
    return code, *capsys.readouterr()


def verdicts(capsys, *arguments):
    _, out, _ = compare(capsys, *arguments, "--json")
    return {row["name"]: row["verdict"] for row in json.loads(out)["comparisons"][0]["benchmarks"]}


def test_each_benchmark_gets_its_verdict(alternate, capsys):
    alternate({"t::slow": 1.1, "t::fast": 0.8, "t::same": 1.0}, pairs=30, noise=0.01)
    assert verdicts(capsys, "A", "B") == {"t::slow": "slower", "t::fast": "faster", "t::same": "same"}


def test_the_first_result_is_the_base(alternate, capsys):
    alternate({"t::x": 1.2})
    assert verdicts(capsys, "A", "B") == {"t::x": "slower"}
    assert verdicts(capsys, "B", "A") == {"t::x": "faster"}


def test_a_drift_that_both_sides_share_is_not_a_difference(record, capsys, random):
    for pair in range(16):
        for place, side in enumerate(random.permutation(["A", "B"])):
            minute = 2 * pair + place
            record(side, minute, {"t::x": 0.1 * np.exp(0.03 * minute + random.normal(0, 0.005, 3))})
    assert verdicts(capsys, "A", "B")["t::x"] in ("same", "inconclusive")


def test_one_file_of_each_is_inconclusive_and_the_required_number_is_reported(record, capsys):
    record("A", 0, {"t::x": [0.1] * 50})
    record("B", 1, {"t::x": [0.2] * 50})
    code, out, _ = compare(capsys, "A/0000.json", "B/0001.json")
    assert code == 0
    assert "inconclusive   +100.0 %" in out
    assert "a verdict needs 8 runs of each, found 1; rounds of one run do not count as runs" in out


@pytest.mark.parametrize(("names", "runs", "needed"), [(1, 2, 8), (30, 2, 13), (30, 9, 13)])
def test_a_matrix_reports_the_missing_rounds(record, tmp_path, capsys, names, runs, needed):
    for minute in range(2 * runs):
        record("AB"[minute % 2], minute, {f"t::{name}": [0.1] for name in range(names)})
    pattern = r"! (.*), found (\d): 'harness bench … --rounds (\d+)' adds them"
    assert re.search(pattern, compare(capsys, "A", "B")[1]) is None
    (tmp_path / "matrix.json").touch()
    warning = re.search(pattern, compare(capsys, "A", "B")[1])
    assert warning[1].startswith("a verdict needs 8 runs" if runs < 8 else "this number of comparisons needs 13 runs")
    assert (int(warning[2]), int(warning[3])) == (runs, needed)


def test_runs_that_did_not_alternate_are_reported(record, random, capsys):
    for minute in range(20):
        record("A" if minute < 10 else "B", minute, {"t::x": 0.1 * np.exp(random.normal(0, 0.02, 3))})
    _, out, _ = compare(capsys, "A", "B")
    assert "10 and 10 runs, not alternating" in out
    assert "drift between the two sides is invisible" in " ".join(out.split())
    assert "rank-sum" in out


def test_a_constant_order_is_reported(record, random, capsys):
    for pair in range(10):
        record("A", 2 * pair, {"t::x": 0.1 * np.exp(random.normal(0, 0.02, 3))})
        record("B", 2 * pair + 1, {"t::x": 0.1 * np.exp(random.normal(0, 0.02, 3))})
    assert "A ran first in every pair" in compare(capsys, "A", "B")[1]


@pytest.mark.parametrize(("limit", "code"), [("5%", 1), ("0%", 1), ("30%", 0)])
def test_the_gate_fails_for_a_slowdown_above_the_limit(alternate, capsys, limit, code):
    alternate({"t::slow": 1.15, "t::same": 1.0})
    found, _, err = compare(capsys, "A", "B", "--fail-on", limit)
    assert found == code
    assert ("t::slow" if code else "nothing") in err


def test_the_gate_passes_noise_and_lists_inconclusive_benchmarks(alternate, capsys):
    alternate({"t::x": 1.0}, noise=0.5)
    code, _, err = compare(capsys, "A", "B", "--fail-on", "5%")
    assert code == 0
    assert "5 % slower cannot be ruled out: 1 inconclusive" in err


@pytest.fixture
def unsure(alternate):
    """Save eight pairs in which one of five benchmarks is 30 % slower: too few for the test of five."""
    alternate({"t::slow": 1.3, **{f"t::{number}": 1.0 for number in range(4)}}, pairs=8, noise=0.004)


def test_an_interval_beyond_the_limit_is_inconclusive_with_the_tests_result_and_the_next_step(unsure, capsys):
    _, out, _ = compare(capsys, "A", "B")
    why = r"the interval is beyond 2 %, but the rank test is not sure \(p = 0\.0\d+, not 0\.01 or less\)"
    assert re.search(rf"  why: {why}; try 16 runs of each, alternating\n", out)
    assert re.search(rf"- `t::slow` is inconclusive: {why}; try 16 runs", compare(capsys, "A", "B", "--markdown")[1])
    rows = json.loads(compare(capsys, "A", "B", "--json")[1])["comparisons"][0]["benchmarks"]
    assert [row["next_step"] for row in rows if row["name"] == "t::slow"] == ["16 runs of each, alternating"]


def test_the_gate_does_not_contradict_an_interval_above_the_limit(unsure, capsys):
    code, _, err = compare(capsys, "A", "B", "--fail-on", "5%")
    lines = err.splitlines()
    assert (code, lines[0]) == (0, "slower by more than 5 % with confidence: nothing")
    assert lines[1].startswith("passed, although the whole interval is above 5 %: t::slow: the rank test is not sure")
    assert "cannot be ruled out" not in err


def test_the_gate_names_benchmarks_that_it_could_not_check(record, capsys):
    for minute, names in enumerate([("t::kept", "t::gone"), ("t::kept", "t::new")]):
        record("AB"[minute], minute, dict.fromkeys(names, (0.1,)))
    code, _, err = compare(capsys, "A", "B", "--fail-on", "5%")
    assert (code, err.splitlines()[-1]) == (0, "not checked, because B lacks them: t::gone")


def test_without_a_gate_a_slowdown_is_not_a_failure(alternate, capsys):
    alternate({"t::x": 1.5})
    assert compare(capsys, "A", "B")[0] == 0


def test_the_local_aws_is_not_compared_across_instance_types(alternate, capsys):
    alternate({"t::x": 1.5}, extra={"B": {"endpoint_instance_type": "ml.c5.large"}})
    code, out, _ = compare(capsys, "A", "B", "--fail-on", "5%")
    assert code == 4
    assert out.splitlines()[3].split()[:3] == ["refused", "–", "–"]
    assert "measured in the local AWS, not on ml.m5.large or ml.c5.large" in " ".join(out.split())
    assert "+50" not in out


def test_real_instance_types_are_compared_and_reported(alternate, capsys):
    types = {
        side: {"mode": "real", "endpoint_instance_type": name}
        for side, name in zip("AB", ("ml.a.x", "ml.b.x"), strict=True)
    }
    alternate({"t::x": 1.5}, extra=types)
    _, out, _ = compare(capsys, "A", "B")
    assert "slower" in out
    assert "endpoint_instance_type differs: ml.a.x → ml.b.x" in out


@pytest.mark.parametrize(("key", "value"), [("cores", 8), ("dataset", "d2"), ("mode", "real"), ("spark", "3.4.4")])
def test_different_environments_are_reported(alternate, capsys, key, value):
    alternate({"t::x": 1.0}, extra={"B": {key: value}})
    assert f"{key} differs: {EXTRA.get(key, 'unknown')} → {value}" in compare(capsys, "A", "B")[1]


def test_the_same_environment_is_not_mentioned(alternate, capsys):
    alternate({"t::x": 1.0})
    assert "differs" not in compare(capsys, "A", "B")[1]


def test_results_without_common_benchmarks_are_reported_with_their_names(record, capsys):
    record("A", 0, {"t::x": [0.1]})
    record("B", 1, {"t::y": [0.1]})
    code, _, err = compare(capsys, "A", "B")
    assert code == 4
    assert "A and B have no benchmark in common" in err
    assert "t::x and t::y" in err


def test_benchmarks_of_only_one_side_are_reported(record, capsys):
    record("A", 0, {"t::x": [0.1], "t::old": [0.1]})
    record("B", 1, {"t::x": [0.1]})
    assert "only in A: t::old" in compare(capsys, "A", "B")[1]


def test_a_truncated_run_is_reported_and_the_other_runs_are_compared(alternate, tmp_path, capsys):
    alternate({"t::x": 1.2}, pairs=14)
    cut = sorted((tmp_path / "A").iterdir())[3]
    cut.write_text(cut.read_text()[:200])
    _, out, err = compare(capsys, "A", "B")
    assert "slower" in out
    assert err.startswith(f"harness: skipped: {cut.relative_to(tmp_path)} is cut off after 200 characters.")
    assert "pytest benchmarks --benchmark-json FILE" in err
    assert "skipped" not in out
    assert "13 and 14 runs, alternating" in out


def test_a_truncated_file_can_break_the_alternation_and_a_matrix_measures_it_again(alternate, tmp_path, capsys):
    alternate({"t::x": 1.2}, pairs=2)
    cut = sorted((tmp_path / "B").iterdir())[0]
    cut.write_text(cut.read_text()[:200])
    (tmp_path / "matrix.json").touch()
    _, out, err = compare(capsys, "A", "B")
    assert "2 and 1 runs, not alternating (possibly because of the skipped files)" in out
    assert "to fix:  run the same 'harness bench' command again" in err
    _, markdown, _ = compare(capsys, "A", "B", "--markdown")
    assert f"- skipped: B/{cut.name} is cut off after 200 characters." in markdown


def test_a_run_that_lacks_a_benchmark_costs_its_pair_only(alternate, tmp_path, capsys):
    alternate({"t::x": 1.2, "t::y": 1.0}, pairs=14)
    path = sorted((tmp_path / "B").iterdir())[3]
    content = json.loads(path.read_text())
    content["benchmarks"].pop(0)
    path.write_text(json.dumps(content))
    _, out, _ = compare(capsys, "A", "B", "--json")
    assert {row["name"]: row["runs"] for row in json.loads(out)["comparisons"][0]["benchmarks"]} == {
        "t::x": 13,
        "t::y": 14,
    }


def test_a_third_result_is_compared_with_the_first_too(alternate, tmp_path, capsys):
    alternate({"t::x": 1.2})
    (tmp_path / "C").symlink_to("B")
    _, out, _ = compare(capsys, "A", "B", "C", "--json")
    content = json.loads(out)
    assert [(one["base"], one["other"]) for one in content["comparisons"]] == [("A", "B"), ("A", "C")]
    assert "all 2 together" in content["method"]


LONG = "benchmarks/test_a_long_file.py::test_a_name_that_is_" + "long_" * 60 + "[x]"


def test_the_terminal_is_filled_to_80_columns_at_most(alternate, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes it a terminal
    alternate({LONG: 1.1, "t::x": 1.0})
    out = re.sub(r"\x1b\[[\d;]*m", "", compare(capsys, "A", "B")[1])
    assert LONG not in out
    assert max(map(len, out.splitlines())) <= 80


def test_names_are_not_wrapped_in_a_file(alternate, capsys):
    alternate({LONG: 1.1, "t::x": 1.0})
    assert LONG in compare(capsys, "A", "B")[1].splitlines()


def test_markdown_is_a_table_that_names_cannot_break(alternate, capsys):
    alternate({"t::x[a|b]": 1.2})
    out = compare(capsys, "A", "B", "--markdown")[1]
    row = next(line for line in out.splitlines() if "t::x" in line)
    assert row.startswith("| `t::x[a\\|b]` | **slower** | +")
    assert out.startswith("**1 slower**")


def test_names_are_neither_markup_nor_terminal_escapes_nor_markdown(alternate, capsys):
    alternate({"t::x[`<img src=x>`\x1b[2J[red]y[/red]]": 1.2})
    shown = "t::x[`<img src=x>`\\x1b[2J[red]y[/red]]"
    assert shown in compare(capsys, "A", "B")[1].splitlines()
    assert f"| ``{shown}`` | **slower** | +" in compare(capsys, "A", "B", "--markdown")[1]


def test_one_result_is_too_few(capsys):
    code, _, err = compare(capsys, "A")
    assert code == 2
    assert "needs two or more results" in err


@pytest.mark.parametrize("limit", ["5", "much", "-5%", "%"])
def test_a_limit_that_is_not_a_percentage_is_refused(limit, capsys):
    code, _, err = compare(capsys, "A", "B", f"--fail-on={limit}")
    assert code == 2
    assert f"--fail-on is '{limit}'" in err


@pytest.mark.parametrize(("sides", "shown"), [("B", "here → there"), ("AB", "here and there → here and there")])
def test_machines_that_differ_between_sides_or_within_one_are_reported(alternate, tmp_path, capsys, sides, shown):
    alternate({"t::x": 1.0})
    for side in sides:
        for path in sorted((tmp_path / side).iterdir())[: None if len(sides) == 1 else 6]:
            path.write_text(path.read_text().replace('"node": "here"', '"node": "there"'))
    assert f"machine differs: {shown}" in " ".join(compare(capsys, "A", "B")[1].split())


def test_an_environment_that_differs_in_some_benchmarks_is_reported_with_their_number(record, capsys):
    for minute in range(4):
        side = "AB"[minute % 2]
        record(side, minute, {"t::x": [0.1]}, cores=2 if side == "A" else 4)
        record(side, minute + 10, {"t::y": [0.1]})
    assert "cores differs: 2 → 4 (in 1 of 2 benchmarks)" in " ".join(compare(capsys, "A", "B")[1].split())


def at(*minutes):
    """Runs without benchmarks, at some minutes after the begin."""
    return [Result(Path(str(minute)), BEGAN + timedelta(minutes=minute), "5", {}, {}, {}) for minute in minutes]


@pytest.mark.parametrize(
    ("base", "other", "pairs"),
    [
        ([0, 2], [1, 3], [(0, 1), (2, 3)]),
        ([1, 2], [0, 3], [(1, 0), (2, 3)]),
        ([0, 1, 2], [3, 4], [(2, 3)]),
        ([0], [], []),
    ],
)
def test_runs_that_follow_each_other_in_either_order_are_a_pair(base, other, pairs):
    found = alternating(at(*base), at(*other))
    assert [(int(one.path.name), int(two.path.name)) for one, two in found] == pairs


@pytest.mark.parametrize(("alternating_runs", "pairs"), [(10, 10), (7, 8), (6, 0)])
def test_sides_alternated_if_four_fifths_of_their_runs_are_in_pairs(alternating_runs, pairs):
    ends = 2 * alternating_runs
    left = 10 - alternating_runs  # of each side, one side's after the other's: the two that meet are a pair too
    base = [*range(0, ends, 2), *range(ends, ends + left)]
    other = [*range(1, ends, 2), *range(ends + left, ends + 2 * left)]
    assert len(alternating_pairs(at(*base), at(*other))) == pairs


def test_two_pairs_are_the_fewest_that_alternate():
    assert alternating_pairs(at(0), at(1)) == []
    assert len(alternating_pairs(at(0, 2), at(1, 3))) == 2
