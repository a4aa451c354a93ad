"""``harness parity``: the local AWS answers the reference programs' calls as the snapshots say."""

import json

import pytest

from harness.console import Progress
from harness.parity.replay import Replay, differences
from harness.parity.snapshot import DIRECTORY, DOCUMENTATION, PROGRAMS, read


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_call_is_answered_as_in_the_snapshot(aws, ledger, harness_settings, program):
    snapshot = read(DIRECTORY, program)
    answered = list(Replay(aws, ledger, harness_settings).answers(snapshot, Progress()))
    assert len(answered) == len(snapshot.calls)
    found = [each for number, pair in enumerate(answered, 1) for each in differences(program, number, *pair)]
    assert found == []


def test_check_prints_what_differs_and_exits_with_1(run, tmp_path):
    content = json.loads((DIRECTORY / "s3a.json").read_text(encoding="utf-8"))
    content["calls"][0]["answer"]["status"] = 301
    (tmp_path / "s3a.json").write_text(json.dumps(content))
    done = run("parity", "check", "s3a", "--snapshots", tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split() == ["call", "member", "snapshot", "AWS"]
    assert done.stdout.splitlines()[1].split() == ["s3a", "1", "HeadBucket", "status", "301", "200"]
    assert done.stdout.splitlines()[-1] == "24 calls, 1 difference."


def test_recorded_snapshots_of_the_local_aws_are_stamped_documentation_and_can_be_checked(run, tmp_path):
    assert run("parity", "record", "s3a", "--output", tmp_path / "new").returncode == 0
    assert (tmp_path / "new" / "s3a.json").read_bytes() == (DIRECTORY / "s3a.json").read_bytes()


def test_answers_of_a_local_aws_in_real_mode_are_not_observed_and_nothing_is_left(independent_aws, run, tmp_path):
    real = ("--mode=real", f"--role={independent_aws.role()}", "--max-cost=2", f"--prices={tmp_path / 'prices.json'}")
    prices = {"ml.m4.xlarge": {"training": 0.24, "hosting": 0.24}}
    (tmp_path / "prices.json").write_text(json.dumps({"source": "a test", "date": "2026-11-01", "prices": prices}))
    environment = independent_aws.user() | {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = run("parity", "record", "spark-sdk", *real, "--output", tmp_path / "new", **environment)
    assert done.returncode == 0, done.stderr
    new = read(tmp_path / "new", "spark-sdk")
    shipped = {call.operation: call.answer for call in read(DIRECTORY, "spark-sdk").calls}
    assert {call.operation: call.answer for call in new.calls} == shipped
    assert {call.stamp for call in new.calls} == {DOCUMENTATION}
    assert {kind for kind, names in independent_aws.everything().items() if names} <= {"log group"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", "emr"], "There is no program 'emr'."),
        (["check", "--output", "x"], "--output belongs to 'harness parity record'."),
        (["record"], "--output belongs to 'harness parity record'."),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(run, arguments, told):
    done = run("parity", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"harness: {told}\n  to fix:")
