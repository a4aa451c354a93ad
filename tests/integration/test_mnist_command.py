"""``harness mnist`` as people run it: its output and report, interrupted, killed and with its JVM killed."""

import json
import signal

import matplotlib.image
import numpy as np
import pytest

from harness.waiting import wait_until
from tests.integration.conftest import said
from tests.support.processes import alive, commands, descendants

pytestmark = [pytest.mark.slow, pytest.mark.spark]
STAGES = ["AWS", "Spark", "read", "upload", "train", "host", "validate", "transform", "sample", "clean up"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_in):
    """A run of the command, ended, and the directory that it ran in."""
    directory = tmp_path_factory.mktemp("finished")
    options = ["--train-rows=2000", "--test-rows=500", "--validation-fraction=0.25", "--timeline=mnist-report/t.json"]
    return run_in(directory, "mnist", *options), directory


def test_the_command_succeeds_and_prints_its_results(finished):
    done, _ = finished
    assert done.returncode == 0, done.stderr
    for shown in ("accuracy", "validation accuracy", " a second", "created", "nothing: all of it was deleted"):
        assert shown in done.stdout
    assert [line.split("  ")[1] for line in said(done.stderr)] == STAGES, done.stderr


def test_the_report_is_complete_and_consistent(finished):
    report = json.loads((finished[1] / "mnist-report" / "report.json").read_text())
    assert list(report["stages"]) == STAGES
    assert all(seconds >= 0 for seconds in report["stages"].values())
    assert report["rows_trained"] + report["rows_validated"] == 2000
    assert 400 < report["rows_validated"] < 600
    assert 0.7 < report["validation_accuracy"] <= 1
    assert report["rows_predicted"] == np.sum(report["confusion"]) == 500
    assert report["accuracy"] == np.trace(report["confusion"]) / 500 > 0.7
    assert {entry.rpartition(" ")[0] for entry in report["created"]} >= {"endpoint", "endpoint config", "model"}
    assert (report["leftovers"], report["trained"]) == ([], "by this run")


@pytest.mark.parametrize("name", ["digits.png", "confusion.png"])
def test_the_pictures_show_something(finished, name):
    picture = matplotlib.image.imread(finished[1] / "mnist-report" / name)
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.05


def test_the_command_leaves_nothing_but_its_report(finished):
    _, directory = finished
    assert sorted(path.name for path in directory.iterdir()) == ["mnist-report", "scratch"]
    assert sorted(path.name for path in (directory / "mnist-report").iterdir()) == [
        "confusion.png",
        "digits.png",
        "report.json",
        "t.json",
    ]
    wait_until(lambda: not list((directory / "scratch").iterdir()), "the JVM's files to go", timeout=10)


def test_the_timeline_has_stages_java_jobs_training_and_the_calls_of_each_service(finished):
    events = json.loads((finished[1] / "mnist-report" / "t.json").read_text())["traceEvents"]
    rows = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    shown = {row: [] for row in rows.values()}
    for event in events:
        if event["ph"] == "X":
            shown[rows[event["pid"]]].append(event["name"])
    assert shown["stages"] == ["Python", *STAGES]
    assert shown["Java"] == ["start of the JVM"]
    assert any(name.startswith("save at ") for name in shown["Spark jobs"])
    assert shown["training job"] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert "CreateTrainingJob" in shown["calls of sagemaker"]
    assert {"calls of s3", "calls of sagemaker-runtime"} < shown.keys()


def running(process, what):
    """Wait until a process of ``harness mnist`` has a descendant with this on its command line; return all of them."""
    return wait_until(
        lambda: descendants(process),
        f"{what} to run",
        done=lambda below: process.poll() is not None or any(what in command for command in commands(below)),
        timeout=300,
    )


def test_ctrl_c_during_training_ends_it_quickly_with_nothing_left(start, tmp_path):
    process = start("mnist", "--train-rows=6000", "--test-rows=100")
    below = running(process, "harness.containers.xgboost 1 prepare train")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "harness: interrupted"
    assert "Traceback" not in stderr
    assert "Exception" not in stderr
    wait_until(lambda: not any(map(alive, below)), "JVM, local AWS and containers to end", timeout=10)
    wait_until(lambda: not any((tmp_path / "scratch").iterdir()), "their files to go", timeout=5)


def jvm_of(processes):
    (jvm,) = [process for process in processes if "java" in process.name()]
    return jvm


@pytest.mark.parametrize(("before", "stage"), [("read", "fit"), ("host", "transform")])
def test_a_jvm_that_is_killed_is_reported_in_a_sentence_with_nothing_left(start, tmp_path, before, stage):
    process = start("mnist", "--train-rows=6000", "--test-rows=10000")
    assert any(line.split()[:1] == [before] for line in process.stderr), "the stage before has ended"
    jvm_of(descendants(process)).kill()
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    assert f"harness: Stage '{stage}' failed: Spark's JVM was ended by SIGKILL." in stderr.splitlines()
    assert "Traceback" not in stderr
    assert "py4j" not in stderr
    wait_until(lambda: not any((tmp_path / "scratch").iterdir()), "its files to go", timeout=5)


def test_files_of_a_run_killed_with_its_jvm_are_deleted_by_the_next_run(start, run, tmp_path):
    process = start("mnist", "--train-rows=6000", "--test-rows=100")
    jvm = jvm_of(running(process, "harness.containers.xgboost 1 prepare train"))
    process.kill()
    jvm.kill()
    process.wait()
    wait_until(lambda: not alive(jvm), "the JVM to end", timeout=10)
    left = list((tmp_path / "scratch").glob("harness-spark-*"))
    assert left
    assert run("mnist", "--train-rows=300", "--test-rows=100").returncode == 0
    assert [directory for directory in left if directory.exists()] == []


def test_nothing_is_left_of_one_that_is_killed_while_it_serves(start, tmp_path):
    process = start("mnist", "--train-rows=300", "--test-rows=10000")
    assert any(line.split()[:1] == ["host"] for line in process.stderr), "the endpoint is in service"
    below = descendants(process)
    for part in ("java", "harness.localaws", "harness.containers.xgboost 1 prepare serve"):
        assert any(part in command for command in commands(below)), part
    process.kill()
    wait_until(lambda: not any(map(alive, below)), "JVM, local AWS and containers to end", timeout=10)
    wait_until(lambda: not any((tmp_path / "scratch").iterdir()), "their files to go", timeout=5)
