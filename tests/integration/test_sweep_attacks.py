"""Attacks on ``harness sweep``: by others in the account, by others on the machine, and by damaged files."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from unittest import mock

import boto3
import pytest

from harness.aws.cleanup import discovery
from harness.aws.cleanup import sweep as sweeping
from harness.aws.cleanup.ledger_file import Header, state_directory
from harness.aws.cleanup.names import new_run
from harness.aws.cleanup.record import TAG_PREFIX
from harness.aws.cleanup.resources import Resource, as_list, delete_command
from harness.errors import HarnessError
from harness.waiting import wait_until
from tests.integration import test_sweep
from tests.integration.test_sweep import EXPIRED, HOUR

account, sweep = test_sweep.account, test_sweep.sweep


def objects(account):
    """Return the URIs of all objects in the account."""
    return account.aws.everything().get("S3 object", [])


def test_data_that_another_users_tagged_job_only_points_at_stays(sweep, account):
    theirs = account.objects("prod-models", "v7/churn/output/model.tar.gz", "v7/churn/notes")
    account.job("churn", "s3://prod-models/v7", "raise SystemExit(1)", account.tags(HOUR))
    assert sweep("--yes", "--include-unproven")[0] == 0
    assert objects(account) == sorted(theirs)


def test_a_star_in_a_jobs_output_path_is_no_wildcard(sweep, account):
    theirs = account.objects("prod-data", "team-a/job/output/x", "team-b/job/output/x")
    account.job("job", "s3://prod-data/*", "raise SystemExit(1)", account.tags(HOUR))
    assert sweep("--yes", "--include-unproven")[0] == 0
    assert objects(account) == theirs


WRITE = """
import os, time
time.sleep(1.2)  # S3 says in whole seconds when an object was written
open(os.environ["SAGEMAKER_BASE_DIR"] + "/model/m", "w").close()
"""


def test_objects_of_a_tagged_job_with_another_name_are_deleted_only_on_request(sweep, account):
    theirs = account.objects("prod-models", "v7/churn/output/old")
    account.job("churn", "s3://prod-models/v7", WRITE, account.tags(HOUR))
    made = "s3://prod-models/v7/churn/output/model.tar.gz"
    _, said = sweep("--yes")
    assert made in objects(account)
    assert "1 found only by name, by tag or by a job" in said
    assert sweep("--yes", "--include-unproven")[0] == 0
    assert objects(account) == theirs


def test_the_command_for_a_jobs_own_objects_leaves_older_ones(sweep, account):
    theirs = account.objects("prod-models", "churn/output/old")
    since = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
    wait_until(lambda: datetime.now(timezone.utc) >= since, "the next second")
    account.s3.put_object(Bucket="prod-models", Key="churn/output/it's $(new)", Body=b"x")
    command = delete_command(Resource("S3 prefix", "s3://prod-models/churn/output/", since), account.aws.region)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", command], check=True, env=os.environ | {"PATH": path}, stdout=subprocess.DEVNULL)
    assert account.aws.everything() == {"S3 object": theirs}


def test_a_name_of_a_run_outweighs_the_tags_of_another_run(sweep, account):
    alive = new_run(account.aws.account)
    account.model(f"hsh-{alive}-1-model", account.tags(-HOUR, run=alive))
    account.model(f"hsh-{alive}-2-model", account.tags(HOUR, run=account.run))
    code, said = sweep("--yes", "--include-unproven")
    assert (code, len(account.aws.everything()["model"])) == (0, 2)
    assert f"tags of model hsh-{alive}-2-model are not trusted" in said


def test_a_tag_alone_marks_nothing_for_deletion_and_an_endpoint_that_stays_is_no_success(sweep, account):
    account.model("production", account.tags(HOUR))
    account.config("production", "production", account.tags(HOUR))
    assert sweep("--yes")[0] == 0
    account.endpoint("production", "production", account.tags(HOUR))
    wait_until(lambda: "log group" in account.aws.everything(), "the log of the endpoint")
    before = account.aws.everything()
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (1, before)
    assert "3 found only by name, by tag or by a job" in said


def test_tags_on_a_resource_under_another_name_prove_nothing_about_what_has_the_runs_name(sweep, account, monkeypatch):
    monkeypatch.setattr(discovery, "_LONGEST", EXPIRED)
    account.fit()
    account.model("anything", account.tags(HOUR))
    before = account.aws.everything()
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == before


PRODUCTION = [
    {"kind": "model", "name": "production"},
    {"kind": "S3 prefix", "name": "s3://prod-data/"},
    {"kind": "S3 prefix", "name": "s3://prod-data/im"},
]


def forged(account, run):
    """Return a ledger that names resources of other users, as a program that has no key would write it."""
    header = Header(run, account.aws.account, account.aws.region, "real", "", "2026-01-01", "2026-01-02", 1)
    return "".join(json.dumps(line) + "\n" for line in [asdict(header), *PRODUCTION])


def test_a_ledger_that_no_run_wrote_deletes_nothing_and_is_reported(sweep, account):
    account.model("production")
    theirs = account.objects("prod-data", "image/x", "important/x")
    path = state_directory() / f"{account.run}.jsonl"
    path.parent.mkdir(mode=0o700)
    path.write_text(forged(account, account.run))
    code, said = sweep("--yes", "--include-unproven")
    assert account.aws.everything() == {"model": ["production"], "S3 object": theirs}
    assert (code, f"note: {path} is no ledger of the harness" in said) == (0, True)


@pytest.mark.parametrize("reach", ["link", "mode"])
def test_ledgers_in_the_reach_of_other_users_are_not_believed_though_their_seals_are_right(
    sweep, account, tmp_path, reach
):
    account.ledger().close()
    before = account.aws.everything()
    if reach == "mode":
        state_directory().chmod(0o777)
    elif os.geteuid():
        pytest.skip("only root can give a directory to another user")
    else:
        shutil.move(state_directory(), tmp_path / "theirs")
        os.chown(tmp_path / "theirs", 65534, 65534)
        state_directory().symlink_to(tmp_path / "theirs")
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (1, before)
    assert f"Ledgers in {state_directory()} cannot be trusted" in said


def test_a_model_that_a_genuine_ledger_names_and_another_user_made_stays_and_is_reported(sweep, account):
    ledger = account.ledger()
    ledger.expect(Resource("model", "production"))
    ledger.close()
    account.model("production")
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (1, {"model": ["production"]})
    assert "model production (exists, not deleted: it lacks the run's tag and name)" in said
    assert "aws sagemaker delete-model --model-name production --region us-east-1" in said


def test_resources_under_the_users_names_go_by_the_runs_tag_and_prefixes_by_their_ledger(sweep, account):
    ledger = account.ledger()
    ledger.expect(Resource("model", "mine"))
    account.s3.create_bucket(Bucket="my-data")
    ledger.expect(Resource("S3 prefix", "s3://my-data/rows/"))
    ledger.close()
    account.model("mine", as_list(ledger.tags()))
    for key in ("rows/x", "rows2/x"):
        account.s3.put_object(Bucket="my-data", Key=key, Body=b"x")
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == {"S3 object": ["s3://my-data/rows2/x"]}


def test_a_copy_of_a_live_runs_ledger_ends_no_process_and_deletes_nothing(sweep, account):
    ledger = account.ledger()
    before = account.aws.everything()
    shutil.copy(ledger.path, ledger.path.with_name("copy.jsonl"))
    shutil.copy(ledger.path, ledger.path.with_name(f"{new_run(account.aws.account)}.jsonl"))
    with subprocess.Popen(["sleep", "60"], env={"HARNESS_RUN": account.run}) as process:
        code, said = sweep("--yes", "--include-unproven")
        alive = process.poll() is None
        process.kill()
    assert alive
    assert (code, account.aws.everything()) == (0, before)
    assert said.count("it is a copy") == 2


def test_a_live_run_whose_ledger_is_damaged_keeps_everything(sweep, account, monkeypatch):
    monkeypatch.setattr(discovery, "_LONGEST", EXPIRED)
    ledger = account.ledger()
    account.fit(HOUR, number=2)
    before = account.aws.everything()
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"model", b"m\0del"))
    assert sweep("--yes", "--include-unproven")[0] == 0
    assert account.aws.everything() == before


def test_damaged_ledgers_unknown_files_and_invalid_tags_are_reported_and_the_rest_is_deleted(sweep, account):
    account.ledger().close()
    directory = state_directory()
    for name, content in {"empty": b"", "binary": os.urandom(5000), "deep": b"[" * 99_999 + b"\n"}.items():
        (directory / f"{name}.jsonl").write_bytes(content)
    os.mkfifo(directory / "fifo.jsonl")
    (directory / "directory.jsonl").mkdir()
    (directory / "link.jsonl").symlink_to("/nowhere")
    (directory / "\x1b[2J[red].jsonl").touch()
    absurd = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "NaN", "tomorrow"]
    for number, text in enumerate(absurd):
        account.model(f"absurd-{number}", [*account.tags(HOUR)[:1], {"Key": f"{TAG_PREFIX}expires", "Value": text}])
    code, said = sweep("--yes")
    assert (code, len(account.aws.everything().pop("model"))) == (0, len(absurd))
    assert all(f"{name}.jsonl" in said for name in ("empty", "binary", "deep", "fifo", "directory", "link"))
    assert all(repr(text) in said for text in absurd)
    assert "\x1b" not in said
    assert r"\x1b[2J[red].jsonl" in said


def test_the_clock_that_decides_is_that_of_aws(sweep, account, monkeypatch):
    ask = sweeping.session_and_caller
    ahead = [timedelta(0)]

    def dated(region):
        session, caller = ask(region)
        date = format_datetime(datetime.now(timezone.utc) + ahead[0], usegmt=True)
        caller["ResponseMetadata"]["HTTPHeaders"]["date"] = date
        return session, caller

    monkeypatch.setattr(sweeping, "session_and_caller", dated)
    account.fit(HOUR)
    before = account.aws.everything()
    ahead[0] = timedelta(hours=-2)
    assert "kept" in sweep("--yes")[1]
    assert account.aws.everything() == before
    ahead[0] = timedelta(0)
    assert sweep("--yes")[0] == 0
    assert account.aws.everything() == {}


def test_a_ledger_of_another_region_is_swept_only_if_that_region_is_requested(sweep, account):
    ledger = account.ledger("eu-west-1")
    ledger.close()
    abroad = boto3.Session().client("sagemaker", region_name="eu-west-1")
    account.aws.reset()
    account.model(f"hsh-{account.run}-1-model", client=abroad)
    before = account.aws.everything()
    code, said = sweep("--yes")
    assert (code, account.aws.everything()) == (0, before)
    assert f"{ledger.path} is of region eu-west-1: add --region eu-west-1 or --all-regions" in said
    assert sweep("--yes", "--region", "eu-west-1")[0] == 0
    assert (account.aws.everything(), ledger.path.exists()) == ({}, False)


def test_a_ledger_that_cannot_be_finished_keeps_no_other_from_being_finished(sweep, account, monkeypatch):
    account.ledger().close()
    account.fit(HOUR, number=2)
    monkeypatch.setattr(sweeping, "_finish", mock.Mock(side_effect=HarnessError("it was damaged meanwhile")))
    code, said = sweep("--yes")
    assert code == 1
    assert "it was damaged meanwhile" in said
    assert f"hsh-{account.run}-2-model" not in account.aws.everything()["model"]
