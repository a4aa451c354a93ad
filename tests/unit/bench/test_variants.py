"""``harness compare --by``: variants of a benchmark within the same sessions."""

import json
import re

import numpy as np
import pytest

from benchmarks.aa import sessions
from harness.bench.analysis.statistics import Pairs, Verdict, judge
from harness.bench.results.reader import read
from harness.cli import main


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def session(tmp_path, monkeypatch, random):
    """Save one session's file: blocks of ``test_x``, whose variants take ``seconds`` by the value of ``size``."""
    monkeypatch.chdir(tmp_path)

    def session(
        seconds, blocks=12, noise=0.01, *, name="1.json", rows=None, between=0.0, ordered=False, parameter="size"
    ):
        drawn = {size: random.normal(0, between) for size in seconds}
        order = [
            (size, number)
            for number in range(1, blocks + 1)
            for size in (seconds if ordered else random.permutation([*seconds]))
        ]
        entries = [
            entry(size, number, seconds[size] * np.exp(drawn[size] + random.normal(0, noise, 3)), rows, parameter)
            for size, number in order
        ]
        about = {"version": "5.1.0", "datetime": "2026-11-22T10:00:00+00:00", "machine_info": {}, "commit_info": {}}
        (tmp_path / name).write_text(json.dumps({**about, "benchmarks": entries}))

    return session


def entry(size, block, times, rows, parameter):
    known = {"block": block} | ({} if rows is None else {"rows": rows[size]})
    return {
        "fullname": f"t.py::test_x[{size}-dense]",
        "param": f"{size}-dense",
        "params": {parameter: size, "form": "dense"},
        "extra_info": known,
        "stats": {"data": list(times), "rounds": len(times)},
    }


def compare(capsys, *arguments):
    """Return the exit code, the output and the error output."""
    code = main.main(["compare", *arguments])
    return code, *capsys.readouterr()


def verdicts(capsys, *arguments):
    """Return the verdict by the name of the other side."""
    _, out, err = compare(capsys, *arguments, "--json")
    assert not err
    return {each["other"]: each["benchmarks"][0]["verdict"] for each in json.loads(out)["comparisons"]}


def test_each_variant_gets_its_verdict_against_the_smallest(session, capsys):
    session({"2": 0.1, "10": 0.13, "20": 0.08})
    assert verdicts(capsys, "1.json", "--by", "size") == {"size=10": "slower", "size=20": "faster"}


def test_values_choose_the_sides_and_the_base(session, capsys):
    session({"2": 0.1, "10": 0.13, "20": 0.08})
    assert verdicts(capsys, "1.json", "--by", "size=10,2") == {"size=2": "faster"}


def test_the_output_names_the_sides_and_the_units_and_other_parameters(session, capsys):
    session({"1": 0.1, "2": 0.1})
    code, out, _ = compare(capsys, "1.json", "--by", "size")
    assert code == 0
    assert "size=2 against size=1: 12 blocks of 1 session, alternating" in out
    assert "t.py::test_x[form=dense]" in out
    assert "all blocks are of 1 session" in " ".join(out.split())


def test_rounds_of_different_numbers_of_rows_are_compared_by_the_row(session, capsys):
    session({"1": 0.1, "100": 5.0}, rows={"1": 1, "100": 100})
    _, out, _ = compare(capsys, "1.json", "--by", "size", "--json")
    [found] = json.loads(out)["comparisons"]
    [row] = found["benchmarks"]
    assert (row["verdict"], row["other_seconds"]) == ("faster", pytest.approx(0.05, rel=0.05))
    assert "rounds have different numbers of rows: times are of one row" in found["warnings"]
    session({"1": 0.1, "100": 0.1}, rows={"1": 9, "100": 9})
    assert "times are of one row" not in compare(capsys, "1.json", "--by", "size", "--json")[1]


def test_eight_sessions_are_the_units_so_that_an_effect_of_one_process_is_no_verdict(session, capsys):
    for number in range(8):
        session({"1": 0.1, "2": 0.1}, name=f"{number}.json", between=0.1)
    alone = [verdicts(capsys, f"{number}.json", "--by", "size")["size=2"] for number in range(8)]
    assert {"slower", "faster"} & set(alone)
    assert verdicts(capsys, ".", "--by", "size") == {"size=2": "inconclusive"}
    assert "8 sessions" in compare(capsys, ".", "--by", "size")[1]


def test_blocks_that_lack_a_variant_are_not_compared(session, tmp_path, capsys):
    session({"1": 0.1, "2": 0.2}, blocks=9)
    content = json.loads((tmp_path / "1.json").read_text())
    content["benchmarks"].remove(next(each for each in content["benchmarks"] if each["extra_info"]["block"] == 3))
    (tmp_path / "1.json").write_text(json.dumps(content))
    assert "8 blocks of 1 session" in compare(capsys, "1.json", "--by", "size")[1]


def test_a_slower_variant_fails_the_gate(session, capsys):
    session({"1": 0.1, "2": 0.13})
    code, _, err = compare(capsys, "1.json", "--by", "size", "--fail-on", "5%")
    assert code == 1
    assert "slower by more than 5 % with confidence: t.py::test_x[form=dense]" in err


def test_an_inconclusive_variant_says_why_and_gives_the_option_to_try_next(session, capsys):
    session({"1": 0.1, "2": 0.1}, noise=0.5)
    _, out, _ = compare(capsys, "1.json", "--by", "size")
    shown = " ".join(out.split())
    assert "why: the interval has changes both within and beyond 2 %; try --harness-alternate 24" in shown


def test_markdown_names_the_unit_of_the_times_and_does_not_depend_on_the_order_of_the_sides(session, capsys):
    session({"1": 0.8, "2": 1.2})
    assert "median block |" in compare(capsys, "1.json", "--by", "size", "--markdown")[1]
    for sides in ("1,2", "2,1"):
        assert re.search(r"\d → [\d.,]+ ms", compare(capsys, "1.json", "--by", f"size={sides}")[1])


def test_too_few_blocks_are_inconclusive_and_say_how_to_get_more(session, capsys):
    session({"1": 0.1, "2": 0.2}, blocks=1)
    _, out, _ = compare(capsys, "1.json", "--by", "size")
    assert "a verdict needs 8 blocks, found 1: pytest … --harness-alternate 8" in out
    assert "1 inconclusive" in out


def test_a_fixed_order_is_reported(session, capsys):
    session({"1": 0.1, "2": 0.1}, ordered=True)
    assert "size=1 ran first in every block" in compare(capsys, "1.json", "--by", "size")[1]


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("n", "No benchmark has a parameter 'n'"),
        ("n", "the parameters of all benchmarks: size, form"),
        ("size=1,3", "No benchmark has size=3"),
        ("form", "form has a single value to compare, dense"),
        ("size=2", "size has a single value to compare, 2"),
    ],
)
def test_a_parameter_without_two_variants_is_refused_with_those_that_exist(session, capsys, by, said):
    session({"1": 0.1, "2": 0.1})
    code, _, err = compare(capsys, "1.json", "--by", by)
    assert code == 4
    assert said in err
    assert "to fix:" in err


def test_one_result_without_a_parameter_is_refused(session, capsys):
    session({"1": 0.1})
    code, _, err = compare(capsys, "1.json")
    assert code == 2
    assert "--by PARAMETER" in err


def test_a_parameter_that_is_no_json_is_named_by_its_id(tmp_path):
    parts = {"fullname": "t.py::test_x[small-1]", "param": "small-1", "stats": {"data": [1.0], "rounds": 1}}
    parts["params"] = {"model": "UNSERIALIZABLE[<Model object at 0x7f>]", "size": 1}
    about = {"version": "5.1.0", "datetime": "2026-11-22T10:00:00+00:00"}
    (tmp_path / "1.json").write_text(json.dumps({**about, "benchmarks": [parts]}))
    [benchmark] = read(tmp_path / "1.json").results[0].benchmarks.values()
    assert benchmark.parameters == {"model": "small", "size": "1"}


def test_false_alarms_are_counted_over_sessions_of_two_equal_variants(session, tmp_path, capsys):
    for number in range(8):
        session({"A": 0.1, "B": 0.1}, name=f"{number}.json", parameter="side")
    assert sessions.main([str(tmp_path)]) == 0
    assert "| 8 | sessions | 0 of 1: 0.0 %" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert sessions.main([str(tmp_path / "empty")]) == 4
    assert "has no session" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_equal_variants_of_one_session_are_called_different_in_at_most_one_percent(random, noise):
    """The test is exact for any noise, also if blocks depend on each other and one of ten is a burst."""
    alarms = 0
    for _ in range(300):
        drift = np.cumsum(random.normal(0, noise, 12))
        a, b = (np.exp(drift + random.normal(0, noise, 12) + (random.random(12) < 0.1)) for _ in "AB")
        alarms += judge([Pairs.of(a, b)])[0].verdict in (Verdict.FASTER, Verdict.SLOWER)
    assert alarms <= 9  # 1 % of 300 is 3; more than 9 have a chance of 0.1 %
