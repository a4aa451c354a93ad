"""Reader of pytest-benchmark's JSON: unreadable parts are reported and do not hide the rest."""

import copy
import json
import operator
from contextlib import suppress
from datetime import timezone
from functools import reduce

import pytest

from harness.bench.results.provenance import data_hash
from harness.bench.results.reader import MATRIX, read, read_file
from harness.errors import ResultsError

pytest_plugins = ["pytester"]


def entry(name="test_x.py::test_x", **stats):
    return {
        "fullname": name,
        "group": None,
        "params": None,
        "extra_info": {"rows": 100},
        "stats": {"data": [0.2, 0.1, 0.3], "rounds": 3, "median": 0.2, "mean": 0.2} | stats,
    }


@pytest.fixture
def save(tmp_path):
    """Write a file of results; return its path."""

    def save(name="results.json", benchmarks=None, **content):
        path = tmp_path / name
        whole = {
            "version": "5.1.0",
            "datetime": "2026-11-22T10:00:00+00:00",
            "machine_info": {"node": "here"},
            "commit_info": {"id": "abc", "dirty": True},
            "benchmarks": [entry()] if benchmarks is None else benchmarks,
        }
        path.write_text(json.dumps(whole | content))
        return path

    return save


def test_files_of_pytest_benchmark_are_read(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", [1, 2])
        def test_sum(benchmark, n):
            benchmark.extra_info["rows"] = 10
            benchmark.pedantic(sum, args=([n] * 1000,), rounds=4)
        """
    )
    pytester.runpytest_inprocess("-p", "no:randomly", "--benchmark-json=out.json", "-q").assert_outcomes(passed=2)
    result, problems = read_file(pytester.path / "out.json")
    assert problems == []
    assert [name.rpartition("::")[2] for name in result.benchmarks] == ["test_sum[1]", "test_sum[2]"]
    benchmark = list(result.benchmarks.values())[1]
    assert benchmark.params == {"n": 2}
    assert len(benchmark.times) == 4
    assert benchmark.rate("rows") == pytest.approx(10 / benchmark.median)
    assert result.date.tzinfo is not None


def test_a_benchmark_keeps_its_rounds_in_order(save):
    (benchmark,) = read_file(save())[0].benchmarks.values()
    assert benchmark.times == (0.2, 0.1, 0.3)
    assert (benchmark.median, benchmark.rate("rows"), benchmark.rate("bytes")) == (0.2, 500, None)


def test_without_saved_rounds_the_summary_is_read(save):
    without = entry(median=0.7)
    del without["stats"]["data"]
    (benchmark,) = read_file(save(benchmarks=[without]))[0].benchmarks.values()
    assert (benchmark.times, benchmark.median) == ((), 0.7)


def test_a_directory_is_read_by_date(save, tmp_path):
    save("a.json", datetime="2026-11-22T12:00:00+00:00")
    save("b.json", datetime="2026-11-22T12:30:00+01:00")
    assert [result.path.name for result in read(tmp_path).results] == ["b.json", "a.json"]


def test_a_date_without_zone_is_utc_as_in_old_versions(save):
    assert read_file(save(version="3.4.1", datetime="2026-11-22T12:00:00"))[0].date.tzinfo == timezone.utc


def test_a_commit_with_changes_is_marked(save):
    assert read_file(save())[0].commit_id == "abc+"


def test_a_run_outside_a_repository_has_no_commit(save):
    outside = {"id": "unversioned", "time": None, "dirty": False, "project": "bench", "branch": "(unknown)"}
    assert read_file(save(commit_info=outside))[0].commit_id == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"benchmarks": [{"fullname": "x", "sta', "is cut off after 38 characters"),
        ("", "is cut off after 0 characters"),
        ("no JSON", "is no JSON"),
        ("[1, 2]", "no list 'benchmarks'"),
        ('{"benchmarks": []}', "does not say its version and datetime"),
        ('{"benchmarks": [], "version": "5.1", "datetime": "2026-11-22T10:00:00"}', "holds no benchmark"),
        ('{"benchmarks": [], "version": "9.0", "datetime": "2026-11-22T10:00:00"}', "written by pytest-benchmark 9.0"),
        ('{"benchmarks": [1], "version": "5.1", "datetime": "yesterday"}', "'yesterday' where its date should be"),
    ],
)
def test_an_unreadable_file_is_reported_with_reason_and_fix(tmp_path, text, told):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ResultsError) as caught:
        read_file(path)
    assert told in caught.value.what
    assert str(path) in caught.value.what
    assert caught.value.fix


def test_damaged_files_of_harness_bench_can_be_measured_again(tmp_path):
    cell = tmp_path / "local-2"
    cell.mkdir()
    (tmp_path / MATRIX).touch()
    (cell / "001.json").write_text("")
    for unreadable in (cell, tmp_path):
        [problem] = read(unreadable).problems
        assert problem.fix.startswith("run the same 'harness bench' command again")


def test_binary_files_are_distinguished_from_text(tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultsError, match="not even text"):
        read_file(path)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (entry("bad", data=[], rounds=0), "it has no round"),
        (entry("bad", data=[0.3, -0.1, 0.3]), "a round's time is no positive number"),
        (entry("bad", data=[0.1, float("nan")]), "a round's time is no positive number"),
        (entry("bad", data=[], median=0.0), "its median is no positive number"),
        ({"fullname": "bad"}, "it has no 'stats'"),
        (entry("bad") | {"extra_info": [1]}, "its extra_info is no JSON object"),
        (entry("bad") | {"stats": None}, "its stats is no JSON object"),
        (7, "benchmark 1 is skipped"),
    ],
)
def test_a_bad_benchmark_is_reported_and_the_others_are_kept(save, bad, told):
    result, problems = read_file(save(benchmarks=[bad, entry("good")]))
    assert list(result.benchmarks) == ["good"]
    assert told in problems[0].what


@pytest.mark.parametrize("value", [None, [], {}, "x", 7, -1, True, 1e400], ids=json.dumps)
def test_no_damaged_value_ends_in_another_error(save, value):
    whole = json.loads(save().read_text())
    for *parents, name in places_in(whole):
        damaged = copy.deepcopy(whole)
        reduce(operator.getitem, parents, damaged)[name] = value
        with suppress(ResultsError):
            result, _ = read_file(save(**damaged))
            assert isinstance(result.machine | result.commit, dict)
            assert all(isinstance(one.params, dict) for one in result.benchmarks.values())


def places_in(content, above=()):
    """Yield the keys of each value inside some JSON, from the outermost inwards."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield (*above, key)
        yield from places_in(value, (*above, key))


def test_a_bad_file_is_reported_and_the_others_are_kept(save, tmp_path):
    save("good.json")
    (tmp_path / "cut.json").write_text('{"benchmarks": [')
    results, problems = read(tmp_path)
    assert [result.path.name for result in results] == ["good.json"]
    assert "cut.json is cut off" in problems[0].what


def test_missing_results_are_reported(tmp_path):
    with pytest.raises(ResultsError, match="holds no results"):
        read(tmp_path)
    with pytest.raises(ResultsError, match="does not exist"):
        read(tmp_path / "absent.json")


def test_data_has_the_same_hash_in_bytes_and_in_files(tmp_path):
    (tmp_path / "b").write_bytes(b"b")
    shown = "fb8e20fc2e4c"  # of SHA-256("ab")
    assert data_hash(b"ab") == data_hash(b"a", tmp_path / "b") == shown
    assert data_hash(b"ba") != shown
