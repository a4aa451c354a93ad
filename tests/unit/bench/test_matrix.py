"""Benchmarks over a matrix: plan, order, cost, and resuming after an interruption."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from rich.console import Console

import harness
from harness.aws.cleanup.resources import Leftover, Resource
from harness.aws.pricing import PriceFile, require_prices
from harness.bench.analysis.comparison import alternating
from harness.bench.matrix import runner
from harness.bench.matrix.budget import (
    CLEAN_UP_SECONDS,
    HOST_SECONDS,
    SESSION_SECONDS,
    TRAIN_SECONDS,
    cost,
    remaining_cost,
    require_time,
    run_prices,
)
from harness.bench.matrix.plan import Plan, axis, counts, differences, expected_seconds
from harness.bench.matrix.store import Store, in_random_order
from harness.bench.results.provenance import commit, measured_code
from harness.bench.results.reader import read
from harness.cli import bench as bench_command
from harness.cli import main
from harness.errors import HarnessError, LeftoverError, ResultsError, SettingsError
from harness.settings import Settings
from harness.waiting import wait_until

TYPES = ["ml.m5.large", "ml.c5.xlarge"]
MASTERS = ["local[1]", "local[2,4]"]
ROOT = str(Path(harness.__file__).parents[1])


def plan(types=TYPES, masters=MASTERS, rounds=3, mode="real", settings=None, **others):
    """A plan of cells: by default of two instance types and two masters."""
    base = Settings(mode=mode, endpoint_instance_type=types[0], spark_master=masters[0], **(settings or {}))
    return Plan(base, types, masters, rounds, **others)


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_each_instance_type_with_each_master_is_a_cell_named_after_both():
    cells = {cell.name: cell.settings for cell in plan().cells}
    assert list(cells) == [
        "ml.m5.large_local-1", "ml.m5.large_local-2-4", "ml.c5.xlarge_local-1", "ml.c5.xlarge_local-2-4",
    ]  # fmt: skip
    chosen = cells["ml.c5.xlarge_local-2-4"]
    assert (chosen.endpoint_instance_type, chosen.spark_master) == ("ml.c5.xlarge", "local[2,4]")


@pytest.mark.parametrize(
    ("types", "masters", "names"),
    [
        (TYPES, ["local[*]"], TYPES),
        (TYPES[:1], MASTERS, ["local-1", "local-2-4"]),
        (TYPES[:1], ["local[*]"], ["local-all"]),
        (TYPES[:1], ["spark://host:7077,other:7077"], ["spark-host-7077-other-7077"]),
    ],
)
def test_a_cell_is_named_after_the_varying_axes_or_else_after_its_master(types, masters, names):
    assert [cell.name for cell in plan(types, masters).cells] == names


def test_a_session_gets_all_its_settings_and_the_axes_of_pytest():
    arguments = plan(batches=[1, 100], partitions=[2], pytest=["benchmarks/test_endpoint.py"]).arguments(
        plan().cells[3], "hsh-endpoint"
    )
    assert arguments[:2] == ["-p", "harness.plugin"]
    assert arguments[-3:] == ["benchmarks/test_endpoint.py", "--batch=1,100", "--partitions=2"]
    assert {
        "--harness-mode=real", "--harness-endpoint=hsh-endpoint", "--harness-endpoint-instance-type=ml.c5.xlarge",
        "--harness-spark-master=local[2,4]", "--harness-train-rows=60000",
    } <= set(arguments)  # fmt: skip
    assert not any(argument.startswith(("--harness-max-cost", "--harness-role")) for argument in arguments)


def test_mock_mode_refuses_several_instance_types():
    with pytest.raises(SettingsError, match="names 2 types, but the local AWS runs all"):
        plan(mode="mock")
    assert len(plan(TYPES[:1], mode="mock").cells) == 2


def test_two_masters_whose_results_would_be_mixed_are_refused():
    with pytest.raises(SettingsError, match="into one directory, local-1"):
        plan(TYPES[:1], ["local[1]", "local-1"])


def test_plans_differ_in_settings_that_affect_results_and_not_in_rounds():
    before, now = plan(commit="a").described(), plan(TYPES[:1], rounds=9, batches=[5], commit="a").described()
    assert differences(before, now) == [
        "endpoint instance types ml.m5.large, ml.c5.xlarge, now ml.m5.large", "batches none, now 5",
    ]  # fmt: skip
    assert differences(plan(commit="a").described(), plan(commit="").described()) == ["commit a, now unknown"]
    assert differences(before, plan(rounds=1, commit="a").described()) == []


def test_each_round_has_a_random_order_and_begins_after_the_previous_one():
    missing = list(itertools.product(range(1, 201), plan().cells))
    drawn = list(in_random_order(missing))
    assert [number for number, _ in drawn] == [number for number, _ in missing]
    assert sorted(drawn, key=str) == sorted(missing, key=str)
    firsts = [drawn[start][1].name for start in range(0, len(drawn), 4)]
    assert {firsts.count(cell.name) // 20 for cell in plan().cells} <= {1, 2, 3}  # 50 of 200, give or take


def test_the_expected_time_is_a_guess_until_sessions_were_measured():
    assert expected_seconds(4, [], 60) == 240
    assert expected_seconds(4, [10, 20], 60) == 60


@pytest.mark.parametrize(
    ("text", "told"), [("", "--x is empty"), ("a,,b", "an empty value"), ("a,b,a", "which has a twice")]
)
def test_an_axis_has_values_each_once(text, told):
    assert axis("--x", " local[1]; local[2,4] ", ";") == MASTERS
    with pytest.raises(SettingsError, match=told):
        axis("--x", text)


@pytest.mark.parametrize("text", ["0", "1,0", "-1", "1.5", "many", "²"])
def test_counts_are_whole_numbers_from_one(text):
    assert counts("--batch", "1, 100") == [1, 100]
    with pytest.raises(SettingsError, match=re.escape(f"--batch is {text!r}")):
        counts("--batch", text)


# --- cost -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def prices(tmp_path):
    """A file of prices of both instance types."""
    path = tmp_path / "prices.json"
    hourly = {"ml.m4.xlarge": {"training": 0.5}, "ml.m5.large": {"hosting": 0.1}, "ml.c5.xlarge": {"hosting": 0.2}}
    path.write_text(json.dumps({"source": "ours", "date": "2026-11-01", "prices": hourly}))
    return str(path)


def priced(prices, types=TYPES, **settings):
    """Settings, and the prices of an endpoint on each type."""
    chosen = Settings(mode="real", prices=prices, **settings)
    return chosen, require_prices(PriceFile(Path(prices)), chosen, types)


def test_the_cost_is_of_every_endpoint_all_the_time_and_each_price_has_source_and_date(prices):
    told = cost(*priced(prices), 900.0)
    assert told.startswith("about USD 0.20, with every endpoint in service all the time; at most USD 1.60")
    assert "without what the benchmarks themselves create" in told
    assert f"ml.c5.xlarge for hosting USD 0.2 an hour (ours, in {prices}, 2026-11-01)" in told
    assert "too short" not in told


def test_a_plan_that_takes_longer_than_max_hours_says_that_it_needs_several_runs(prices):
    told = cost(*priced(prices), 3 * 3600.0)
    assert told.startswith("about USD 1.60, with every endpoint in service all the time; at most USD 1.60")
    assert told.endswith("too short to measure everything in one run; the same command then resumes")


def test_sessions_get_the_part_of_the_cost_limit_that_the_endpoints_leave(prices):
    limited = plan(settings={"max_cost": 3.5})
    left = remaining_cost(limited, *priced(prices))
    assert left == pytest.approx(3.5 - 1.60)
    arguments = limited.arguments(limited.cells[0], "theirs", left)
    assert [each for each in arguments if "max-cost" in each] == [f"--harness-max-cost={left}"]
    assert remaining_cost(plan(), *priced(prices)) is None


def test_a_cost_limit_too_low_for_one_session_is_refused(prices):
    with pytest.raises(SettingsError, match=r"cost USD 1\.60, .* own training and hosting USD 1\.40 more") as caught:
        remaining_cost(plan(settings={"max_cost": 2.9}), *priced(prices))
    assert "give USD 3.00 or more" in caught.value.fix


def test_a_time_limit_too_short_for_one_session_is_refused():
    require_time(plan(settings={"max_hours": 0.6}), 120.0)
    with pytest.raises(SettingsError, match=r"--max-hours 0\.6 is too short to run one session") as caught:
        require_time(plan(settings={"max_hours": 0.6}), 1200.0)
    assert caught.value.fix == "give 0.9 or more"


@pytest.fixture
def hosting(monkeypatch, prices):
    """Arguments of ``host_on_each`` and, in ``answer``, its result; it does nothing."""
    seen = SimpleNamespace(answer=({"ml.m5.large": "a", "ml.c5.xlarge": "b"}, {}))

    @contextmanager
    def ledger(aws, settings):
        yield SimpleNamespace(leftovers=[])

    def host(aws, ledger, settings, types, tell, deadline, model):
        seen.settings, seen.types, seen.deadline, seen.model = settings, types, deadline, model
        return seen.answer

    account = SimpleNamespace(close=lambda: None, prices=PriceFile(Path(prices)))
    monkeypatch.setattr(runner, "open_checked", lambda settings, types: account)
    monkeypatch.setattr(runner, "open_ledger", ledger)
    monkeypatch.setattr(runner, "host_on_each", host)
    seen.plan = plan(settings={"prices": prices, "max_hours": 1.0, "training_instance_count": 3})
    return seen


def hosted(chosen, directory):
    """Host what a plan needs, and return what its sessions are to know."""
    sessions = runner._Sessions()
    store = Store(directory / "out", chosen)
    with closing(store), runner._hosted(chosen, store.missing(), store, sessions, Console(stderr=True)):
        return sessions


def test_hosting_and_measuring_leave_time_to_clean_up_before_the_ledger_expires(hosting, tmp_path):
    began = time.time()
    sessions = hosted(hosting.plan, tmp_path)
    assert sessions.deadline - began == pytest.approx(3600 - CLEAN_UP_SECONDS, abs=5)
    assert sessions.deadline - hosting.deadline == SESSION_SECONDS["real"]
    assert hosting.settings.training_instance_count == 1


def test_the_users_model_is_hosted_if_it_is_named(hosting, tmp_path):
    hosted(replace(hosting.plan, model="theirs"), tmp_path)
    assert hosting.model == "theirs"


def test_a_model_that_exists_is_not_trained_so_neither_time_nor_price_of_training_counts(hosting, tmp_path, capsys):
    theirs = replace(hosting.plan, model="theirs")
    hosted(theirs, tmp_path)
    output = capsys.readouterr().err
    assert "for hosting USD 0.2 an hour" in output
    assert "for training" not in output
    with pytest.raises(SettingsError) as caught:
        require_time(replace(plan(settings={"max_hours": 0.2}), model="theirs"), 120)
    assert caught.value.checked.startswith("the expected times: 8 minutes to host, 2 minutes to run one")


def test_a_model_that_exists_leaves_sessions_more_but_they_may_still_train(prices):
    limited = replace(plan(settings={"max_cost": 2.0}), model="theirs")
    settings, known = priced(prices)
    assert {usage for usage, _ in run_prices(limited, known)} == {"hosting"}
    assert remaining_cost(limited, settings, known) == pytest.approx(2.0 - 0.6)
    with pytest.raises(SettingsError, match=r"cost USD 0\.60, .* own training and hosting USD 1\.40 more"):
        remaining_cost(replace(limited, base=replace(limited.base, max_cost=1.99)), settings, known)


def test_results_of_another_model_are_not_mixed_in():
    assert differences(plan().described(), plan(model="theirs").described()) == ["model unknown, now theirs"]


def test_a_model_of_the_account_is_refused_in_mock_mode():
    with pytest.raises(SettingsError, match="--model theirs has no effect in mock mode"):
        plan(TYPES[:1], mode="mock", model="theirs")


def test_an_instance_type_that_cannot_host_is_skipped_with_all_its_cells(hosting, tmp_path, capsys):
    hosting.answer = ({"ml.m5.large": "a"}, {"ml.c5.xlarge": HarnessError("no capacity")})
    sessions = hosted(hosting.plan, tmp_path)
    assert [sessions.is_skipped(cell) for cell in hosting.plan.cells] == [False, False, True, True]
    assert "ml.c5.xlarge is skipped: no capacity" in capsys.readouterr().err


def test_leftovers_are_reported_even_if_the_output_is_closed(monkeypatch, tmp_path):
    left = Leftover(Resource("endpoint", "theirs"), "Failed", 0.2, "aws sagemaker delete-endpoint")
    monkeypatch.setattr(runner, "check_collection", lambda *_: None)
    monkeypatch.setattr(runner, "_run", lambda plan, store, missing, sessions, console: sessions.leftovers.append(left))
    monkeypatch.setattr(bench_command, "print_results", Mock(side_effect=BrokenPipeError))
    with pytest.raises(LeftoverError, match="endpoint theirs"):
        bench_command.run_bench(plan(), tmp_path / "out")


# --- what is on disk --------------------------------------------------------------------------------------------------


RESULT = {
    "version": "5.0.0", "datetime": "2026-11-01T00:00:00+00:00", "machine_info": {}, "commit_info": {},
    "benchmarks": [{"fullname": "test_x.py::test_x", "stats": {"data": [1.0], "rounds": 1}}],
}  # fmt: skip
WHOLE = json.dumps(RESULT)


def measure(store, cell, number, text=WHOLE):
    """Write what a session would."""
    path = store.path(cell, number)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.fixture
def output(tmp_path):
    """A directory in which the first round of all but the last cell was measured."""
    store = Store(tmp_path / "out", plan())
    store.write()
    for cell in plan().cells[:3]:
        measure(store, cell, 1)
        store.record(cell, 1, 10.0)
    store.close()
    return tmp_path / "out"


def missing(output, **others):
    store = Store(output, plan(**others))
    store.close()
    return [(number, cell.name) for number, cell in store.missing()]


def test_a_plan_resumes_with_missing_sessions_and_accepts_more_rounds(output):
    assert missing(output, rounds=1) == [(1, "ml.c5.xlarge_local-2-4")]
    assert len(missing(output)) == 9
    assert len(missing(output, rounds=5)) == 17
    assert Store(output, plan()).seconds == [10.0] * 3


@pytest.mark.parametrize("text", ["", WHOLE[:-30], '{"benchmarks": []}'])
def test_an_incomplete_result_is_measured_again(output, text):
    store = Store(output, plan())
    measure(store, plan().cells[0], 1, text)
    assert (1, plan().cells[0]) in store.missing()


def test_results_of_another_plan_are_not_added_to(output):
    with pytest.raises(
        SettingsError, match=r"results of another plan: spark masters local\[1\], local\[2,4\], now local"
    ):
        Store(output, plan(masters=["local[8]"]))
    (output / "matrix.json").write_text("{")
    with pytest.raises(SettingsError, match=r"but their plan matrix\.json is missing"):
        Store(output, plan())


def test_a_plan_without_results_can_be_replaced_and_leaves_nothing(tmp_path):
    store = Store(tmp_path / "out", plan())
    store.close()
    assert not (tmp_path / "out").exists()
    store = Store(tmp_path / "out", plan())
    store.write()
    store.close()
    assert len(missing(tmp_path / "out", masters=["local[8]"])) == 6


def test_a_directory_is_locked_while_it_is_in_use(output):
    store = Store(output, plan())
    with pytest.raises(SettingsError, match="Another 'harness bench' is measuring"):
        Store(output, plan())
    store.close()
    assert missing(output)


def test_a_second_run_does_not_touch_the_files_of_the_first(output):
    store = Store(output, plan())
    (output / "matrix.json.partial").write_text("half of it")
    with pytest.raises(SettingsError, match="Another 'harness bench' is measuring"):
        Store(output, plan())
    assert (output / "matrix.json.partial").read_text() == "half of it"
    store.close()


def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="which cannot be written"):
        Store(tmp_path / "file" / "out", plan())


def test_the_plan_is_not_a_result(output):
    assert read(output).problems == []
    assert len(read(output).results) == 3


# --- sessions, which are real -----------------------------------------------------------------------------------------

BENCHMARK = """
import os, pathlib, time

def test_it(benchmark, harness_settings):
    {body}
    benchmark.extra_info["master"] = harness_settings.spark_master
    benchmark.extra_info["rows"] = 100
    benchmark.pedantic(time.sleep, args=(0.001,), rounds=2)
"""
PYTEST = ["--pytest", "-p", "pytest_benchmark.plugin", "benchmarks"]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the one benchmark, with an extra line, into the working directory."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks").mkdir()

    def write(body="pass"):
        (tmp_path / "benchmarks" / "test_it.py").write_text(BENCHMARK.format(body=body))

    write()
    return write


def bench(*arguments, masters="local[1];local[2]", rounds=2):
    return main.main(["bench", f"--spark-master={masters}", f"--rounds={rounds}", *arguments, *PYTEST])


def masters_of(directory):
    runs = read(Path("bench-results", directory)).results
    return [run.benchmarks["benchmarks/test_it.py::test_it"].extra_info["master"] for run in runs]


@pytest.mark.slow
def test_every_cell_is_run_once_a_round_and_the_rounds_alternate(write, capsys):
    assert bench() == 0
    assert masters_of("local-1") == ["local[1]"] * 2
    one, two = (read(Path("bench-results", cell)).results for cell in ("local-1", "local-2"))
    assert len(alternating(one, two)) == 2
    told = capsys.readouterr()
    assert "2 cells × 2 rounds = 4 sessions" in told.err
    assert "about 14 minutes, at an estimated 210 s a session" in told.err
    assert "with fewer than 8 rounds" in told.err
    assert "all instance types run on this machine" in told.err
    assert re.search(r"round 1 of 2  local-[12]  begins", told.err)
    assert re.search(r"round 1 of 2  local-[12]  \d+ s  about \d+ s left", told.err)
    assert "harness compare bench-results/local-1 bench-results/local-2" in told.out
    assert max(map(len, told.out.splitlines())) <= 80


@pytest.mark.slow
def test_more_rounds_resume_with_the_measured_time_of_sessions(write, capsys):
    bench(rounds=1)
    before = Path("bench-results/local-1/001.json").read_bytes()
    assert bench() == 0
    assert Path("bench-results/local-1/001.json").read_bytes() == before
    assert "measured already: 2" in (told := capsys.readouterr()).err
    assert "by the sessions so far" in told.err
    assert bench() == 0  # nothing is left to do, and the table is there again
    assert re.search(r"local-2 .* 2\n", capsys.readouterr().out)


@pytest.mark.slow
def test_a_damaged_result_is_named_and_measured_again(write, capsys):
    bench(rounds=1)
    damaged = Path("bench-results/local-1/001.json")
    damaged.write_bytes(damaged.read_bytes()[:500])
    assert bench(rounds=1) == 0
    told = capsys.readouterr().err
    assert "measured already: 1" in told
    assert f"{damaged} is damaged and will be measured again" in told
    assert masters_of("local-1") == ["local[1]"]


@pytest.mark.slow
def test_a_failing_cell_is_reported_and_the_others_continue(write, capsys):
    write("assert harness_settings.spark_master == 'local[1]', 'no such master'")
    assert bench(rounds=3) == 4
    told = capsys.readouterr()
    assert "AssertionError: no such master" in told.err
    assert "local-2 is skipped from now on: it failed 2 times in a row" in told.err
    assert "3 sessions of 6 have no results: 3 of local-2" in told.err
    assert masters_of("local-1") == ["local[1]"] * 3
    write()
    assert bench(rounds=3) == 0
    assert masters_of("local-2") == ["local[2]"] * 3


@pytest.mark.slow
def test_results_of_a_failed_session_are_kept_separately(write):
    Path("benchmarks/test_other.py").write_text("def test_other(): assert False")
    assert bench(rounds=1) == 4
    for cell in ("local-1", "local-2"):
        assert [path.name for path in Path("bench-results", cell).iterdir()] == ["001.failed"]
    assert len(json.loads(Path("bench-results/local-1/001.failed").read_text())["benchmarks"]) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rounds=0"], "--rounds is 0"),
        (["--spark-master=;"], "--spark-master is empty"),
        (["--endpoint-instance-type=ml5"], "--endpoint-instance-type is 'ml5', which is not a valid instance type"),
        (["--endpoint-instance-type=ml.m5.large,ml.c5.large"], "the local AWS runs all of them"),
        (["--batch=0"], "--batch is '0'"),
        (["--partitions=1,x"], "--partitions is '1,x'"),
        (["--role=mine"], "--role mine has no effect in mock mode"),
        (["--output=benchmarks/test_it.py"], "which cannot be written"),
        (["--pytest", "nothing"], "file or directory not found: nothing"),
        (["--pytest", "-p", "pytest_benchmark.plugin", "benchmarks", "-k", "nothing"], "pytest collected no benchmark"),
        (["--pytest", "-p", "pytest_benchmark.plugin", "--batch=1", "benchmarks"], "unrecognized arguments: --batch=1"),
    ],
)
def test_benchmarks_that_cannot_run_are_refused_and_leave_nothing(write, capsys, options, told):
    assert main.main(["bench", *options]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "to fix:" in err
    assert not Path("bench-results").exists()


def test_missing_benchmarks_are_reported_with_the_searched_path(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.main(["bench"]) == 2
    assert str(tmp_path / "benchmarks") in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


SLOW = """pathlib.Path(harness_settings.spark_master).touch()
    try: time.sleep(60 if pathlib.Path('slow').exists() else 0)
    finally: pathlib.Path('ended').touch()"""


def under_way():
    """Start a run whose first session takes a minute, and return its process once that has begun."""
    Path("slow").touch()
    command = [sys.executable, "-m", "harness", "bench", "--spark-master=local[1];local[2]", *PYTEST]
    heeding = f"import os, signal; signal.signal(2, signal.default_int_handler); os.execv({command[0]!r}, {command!r})"
    process = subprocess.Popen([sys.executable, "-c", heeding], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list(Path().glob("local*")), "a session to begin", timeout=20)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_ends_its_session_in_order_and_explains_how_to_resume(write, number):
    write(SLOW)
    process = under_way()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "0 sessions measured so far, in bench-results; run the same command to resume" in stderr
    assert Path("ended").exists()
    assert len(list(Path("bench-results").rglob("*.partial"))) == 0


@pytest.mark.slow
def test_a_session_ends_in_order_if_the_run_is_killed(write):
    write(SLOW)
    with under_way() as process:
        process.kill()
        wait_until(Path("ended").exists, "the session to end", timeout=10)


@pytest.fixture
def timed(write):
    """A function that measures a plan of nine rounds in some seconds, and returns its store."""

    def measure(seconds, *known, types=TYPES[:1]):
        here = plan(types, MASTERS[:1], mode="mock", pytest=PYTEST[1:], rounds=9)
        store = Store(Path("out"), here)
        for each in known:
            store.record(here.cells[0], 1, each)
        sessions = runner._Sessions(deadline=runner.time.time() + seconds)
        runner._measure(here, store, store.missing(), sessions, Console(stderr=True))
        assert not any(sessions.is_skipped(cell) for cell in here.cells)
        return store

    return measure


@pytest.mark.slow
def test_no_session_starts_that_would_not_end_in_time(write, timed, capsys):
    write("time.sleep(0.5)")  # nine of them do not fit on any machine
    store = timed(4, 2.0)
    assert 1 <= len(store.seconds) - 1 < 9
    assert "no session would end within --max-hours 2; run the same command to resume" in capsys.readouterr().err
    with pytest.raises(ResultsError, match="of 9 have no results"):
        runner.refuse_gaps(store)


def test_no_session_starts_in_less_than_the_guessed_time(timed):
    assert timed(SESSION_SECONDS["mock"] - 1).seconds == []


@pytest.mark.slow
def test_a_session_ended_by_the_time_limit_has_not_failed(write, timed, capsys):
    write("time.sleep(60)")
    assert timed(2, 0.1).seconds == [0.1]
    told = capsys.readouterr().err
    assert "round 1 of 9  local-1  ended by --max-hours 2; run the same command to resume" in told
    assert "failed" not in told


def test_the_command_to_repeat_names_no_deleted_endpoint(monkeypatch):
    seen = Mock()
    monkeypatch.setattr(runner, "run_session", seen)
    cell = plan().cells[0]
    runner._session(plan(), cell, Path("out.json"), runner._Sessions({"ml.m5.large": "theirs"}, max_cost=1.5))
    given, told = seen.call_args.args[2], seen.call_args.kwargs["repeatable"]
    assert {"--harness-endpoint=theirs", "--harness-max-cost=1.5"} <= set(given)
    assert not any(each.startswith(("--harness-endpoint=", "--harness-max-cost")) for each in told)


def session(*more, **others):
    """Run one session of a plan."""
    here = plan(TYPES[:1], mode="mock", pytest=PYTEST[1:])
    arguments = [*here.arguments(here.cells[0]), *more]
    runner.run_session(sys.executable, Path(), arguments, Path("out.json"), environment=os.environ, **others)


@pytest.mark.slow
def test_a_session_trains_every_model(write):
    write("import os; assert os.environ['HARNESS_MODEL_CACHE'] == 'off'")
    session()
    assert not any("model-cache" in each for each in plan().arguments(plan().cells[0]))


@pytest.mark.slow
def test_a_session_that_takes_too_long_is_ended(write):
    write("time.sleep(60)")
    with pytest.raises(ResultsError, match="took longer than 2 s"):
        session(seconds=2)
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize("opened", ["pass", "pathlib.Path('out.partial').touch()"])  # as some pytest-benchmarks do
def test_a_session_that_measured_nothing_has_no_result(write, opened):
    write(f"{opened}; return")
    with pytest.raises(ResultsError, match="pytest measured nothing"):
        session()
    assert not list(Path().glob("out*"))


@pytest.mark.slow
def test_results_of_a_failure_are_deleted_by_the_next_session(write):
    Path("out.failed").write_text(WHOLE)
    session()
    assert [path.name for path in Path().glob("out*")] == ["out.json"]


def test_a_failed_session_is_reported_with_a_command_to_repeat_it(write):
    write("assert False")
    with pytest.raises(ResultsError) as caught:
        session("--harness-region=eu-west-1", repeatable=["benchmarks"])
    assert caught.value.fix.endswith("-m pytest -p no:cacheprovider benchmarks")


# --- the code that is measured ----------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A function that returns the recorded commit of the working directory, in which everything is committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    Path("test_it.py").write_text("1")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)

    def noted():
        commit.cache_clear()
        return measured_code()

    yield noted
    commit.cache_clear()


def test_committed_code_is_its_commit_despite_untracked_results(repository):
    before = repository()
    Path("results.json").write_text("{}")
    assert re.fullmatch("[0-9a-f]{40}", before)
    assert repository() == before


def test_uncommitted_changes_are_identified_by_their_content(repository):
    before = repository()
    Path("test_it.py").write_text("2")
    changed = repository()
    Path("test_it.py").write_text("3")
    again = repository()
    Path("test_other.py").write_text("4")
    untracked = repository()
    assert len({before, changed, again, untracked}) == 4
    assert all(each.startswith(f"{before}+") for each in (changed, again, untracked))
    assert repository() == untracked


# --- bounds of plan and budget --------------------------------------------------------------------------------------


def test_a_plan_has_a_round_at_least():
    assert plan(rounds=1).rounds == 1
    with pytest.raises(SettingsError, match="--rounds is 0"):
        plan(rounds=0)


def test_a_session_has_the_plans_limit_and_the_role_that_sagemaker_assumes_in_aws():
    real = plan(settings={"role": "run", "max_cost": 3.5})
    assert {"--harness-role=run", "--harness-max-cost=3.5"} <= set(real.arguments(real.cells[0]))
    mock_ = plan(TYPES[:1], mode="mock", settings={"role": "run"})
    assert "--harness-role=run" not in mock_.arguments(mock_.cells[0])
    assert not any(each.startswith("--batch") for each in mock_.own_arguments)


def test_a_life_may_be_just_long_enough_for_one_session():
    hours = (TRAIN_SECONDS + HOST_SECONDS + 120 + CLEAN_UP_SECONDS) / 3600
    require_time(plan(settings={"max_hours": hours + 1e-9}), 120)
    with pytest.raises(SettingsError) as caught:
        require_time(plan(settings={"max_hours": hours - 1e-3}), 120)
    assert caught.value.checked.startswith("the expected times: 15 minutes to train and host, 2 minutes to run one")


def test_a_limit_may_be_just_enough_for_endpoints_and_one_fit(prices):
    assert remaining_cost(plan(settings={"max_cost": 3.0}), *priced(prices)) == pytest.approx(1.4)
    with pytest.raises(SettingsError) as caught:
        remaining_cost(plan(settings={"max_cost": 2.99}), *priced(prices))
    assert caught.value.fix.startswith("give USD 3.00 or more")


def test_sessions_that_end_just_before_the_clean_up_fit_in_one_run(prices):
    settings, known = priced(prices)
    longest = settings.max_hours * 3600 - CLEAN_UP_SECONDS
    assert "too short to measure everything in one run" not in cost(settings, known, longest)
    assert "too short to measure everything in one run" in cost(settings, known, longest + 1)
    assert cost(settings, known, 1800.0).startswith("about USD 0.40,")
