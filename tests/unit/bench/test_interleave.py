"""Runs of two checkouts alternate, each with its own code, and a failure is reported."""

import json

import pytest

from harness.bench.analysis.comparison import alternating
from harness.bench.matrix import interleave
from harness.bench.results.reader import read

BENCHMARK = """
import subject

def test_work(benchmark):
    benchmark.pedantic(subject.work, rounds=2)
    benchmark.extra_info["whose"] = subject.WHOSE
"""


@pytest.fixture
def checkouts(tmp_path, monkeypatch):
    """Two directories whose benchmarks measure their own module."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("base", "changed"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "subject.py").write_text(f"WHOSE = {name!r}\n\ndef work():\n    return sum(range(1000))\n")
        (directory / "test_work.py").write_text(BENCHMARK)
    return [tmp_path / "base", tmp_path / "changed"]


PYTEST = ["--pytest", "-p", "pytest_benchmark.plugin", "test_work.py"]


@pytest.mark.slow
def test_both_checkouts_run_their_own_code_alternately(checkouts, tmp_path, monkeypatch):
    monkeypatch.setattr(interleave, "LEAST_RUNS", 3)
    output = tmp_path / "results"
    assert interleave.main([*map(str, checkouts), "--pairs=3", f"--output={output}", *PYTEST]) == 0
    base, changed = (read(output / name).results for name in ("base", "changed"))
    for results, name in ((base, "base"), (changed, "changed")):
        assert {result.benchmarks["test_work.py::test_work"].extra_info["whose"] for result in results} == {name}
    assert len(alternating(base, changed)) == 3


@pytest.mark.slow
def test_a_failure_is_reported_with_the_output_of_pytest(checkouts, tmp_path, capsys):
    (checkouts[1] / "subject.py").write_text("raise ImportError('no such thing')")
    code = interleave.main([*map(str, checkouts), "--pairs=8", f"--output={tmp_path / 'results'}", *PYTEST])
    assert code == 4
    err = capsys.readouterr().err
    assert f"The benchmarks of {checkouts[1]} failed" in err
    assert "no such thing" in err
    assert not list((tmp_path / "results" / "changed").iterdir())


@pytest.mark.parametrize(("option", "told"), [("--pairs=3", "a verdict needs 8"), ("--pairs=8", "has results")])
def test_options_without_a_possible_verdict_are_refused_before_any_run(checkouts, tmp_path, capsys, option, told):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "old.json").write_text(json.dumps({}))
    assert interleave.main([*map(str, checkouts), option, f"--output={tmp_path / 'results'}", *PYTEST]) == 2
    assert told in capsys.readouterr().err


def test_checkouts_with_the_same_name_are_refused(checkouts, tmp_path, capsys):
    assert interleave.main([str(checkouts[0]), str(checkouts[0]), *PYTEST]) == 2
    assert "Both checkouts are called base" in capsys.readouterr().err
