"""Resources in a ledger are deleted for any answer of AWS and any end of the process that wrote it."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from sagemaker_pyspark import IAMRole, SageMakerModel
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator
from sagemaker_pyspark.transformation.deserializers import XGBoostCSVRowDeserializer
from sagemaker_pyspark.transformation.serializers import LibSVMRequestRowSerializer

from harness.aws.cleanup.hooks import watch
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.reaper import Reaper, reap
from harness.aws.cleanup.record import RUN_TAG
from harness.settings import Settings
from harness.spark.sdk import clean_up
from harness.waiting import wait_until
from tests.support.hosted import IMAGE, create
from tests.support.outside import OUTSIDE, ROOT


@pytest.fixture
def ours(local):
    """A ledger of this test's own, and the names of a fit."""
    opened = Ledger.open(local, Settings())
    opened.deletion.patience = 60.0
    yield opened, opened.names(Settings())
    assert opened.clean_up() == []
    opened.close()


def test_a_resource_whose_create_was_not_answered_is_deleted(ours, local, faults):
    ledger, names = ours
    faults.add("CreateModel", effect="lose_answer", times=9)
    with pytest.raises((BotoCoreError, ClientError)):
        create(watch(local.client("sagemaker"), ledger), local.role, names)
    assert [resource.name for resource in ledger.existing(names.resources)] == [names.model]
    assert ledger.clean_up() == []
    assert ledger.existing(names.resources) == []


def test_half_of_all_calls_throttled_keep_nothing_from_being_deleted(ours, local, faults):
    ledger, names = ours
    create(local.client("sagemaker"), local.role, names)
    faults.add("*", status=400, code="ThrottlingException", message="Rate exceeded", share=0.5, times=100_000)
    assert ledger.clean_up() == []
    faults.clear()
    assert ledger.existing(names.resources) == []


def test_an_endpoint_that_is_stuck_in_creating_is_deleted_once_it_is_not(ours, local, faults):
    ledger, names = ours
    faults.add("CreateEndpoint", effect="stuck", delay=4)
    create(local.client("sagemaker"), local.role, names)
    assert ledger.clean_up() == []
    assert ledger.existing(names.resources) == []


def test_two_clean_ups_at_once_do_each_other_no_harm(ours, local):
    ledger, names = ours
    create(local.client("sagemaker"), local.role, names)
    left = []
    others = [Ledger.read(ledger.path, local.client) for _ in range(3)]
    threads = [threading.Thread(target=lambda other=other: left.extend(other.clean_up())) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == []
    assert ledger.existing(names.resources) == []


def test_resources_are_tagged_once_they_exist(ours, local):
    ledger, names = ours
    client = local.client("sagemaker")
    with ledger.tagging():
        client.create_model(ModelName=names.model, ExecutionRoleArn=local.role, PrimaryContainer=IMAGE)
    tags = client.list_tags(ResourceArn=client.describe_model(ModelName=names.model)["ModelArn"])["Tags"]
    assert {"Key": RUN_TAG, "Value": ledger.run} in tags


def test_rows_of_a_users_own_estimator_that_was_never_trained_are_deleted(ours, local, mnist_train, faults):
    ledger, _ = ours
    faults.add("CreateTrainingJob", status=400, code="ValidationException", message="no")
    estimator = XGBoostSageMakerEstimator(
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
        sagemakerRole=IAMRole(local.role),
        namePolicyFactory=ledger.name_policy_factory(),
        deleteStagingDataAfterTraining=False,
    )
    estimator.setObjective("multi:softmax")
    estimator.setNumClasses(10)
    estimator.setNumRound(1)
    with pytest.raises(Exception, match="ValidationException"):
        estimator.fit(mnist_train.limit(5))
    (prefix,) = ledger.existing(ledger.resources)
    assert prefix.name.startswith(f"s3://{ledger.bucket}/*/hsh-{ledger.run}-2-")
    assert ledger.clean_up() == []
    assert ledger.existing(ledger.resources) == []


def test_cleaning_up_a_model_of_an_existing_endpoint_leaves_the_endpoint(ours, trained_model, sagemaker_client):
    ledger, _ = ours
    theirs = SageMakerModel.fromEndpoint(
        endpointName=trained_model.endpointName,
        requestRowSerializer=LibSVMRequestRowSerializer(),
        responseRowDeserializer=XGBoostCSVRowDeserializer(),
    )
    assert clean_up(theirs, ledger) == []
    endpoint = sagemaker_client.describe_endpoint(EndpointName=trained_model.endpointName)
    assert endpoint["EndpointStatus"] == "InService"


# --- a run's process, its reaper, and an AWS that knows nothing of either ---------------------------------------------

OWNER = """
import json, subprocess, sys
from contextlib import closing, nullcontext
from harness.aws.cleanup import reaper
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.hooks import watch
from harness.aws.cleanup.names import names_of
from harness.aws.cleanup.resources import Resource
from harness.aws.real import RealAWS
from harness.processes import ended_in_order
from harness.settings import Settings
from tests.support.hosted import create

reaper.SETTLE_SECONDS = 2.0
role, interrupted = sys.argv[1:]
settings = Settings(mode="real", role=role)
if interrupted == "limit":
    object.__setattr__(settings, "max_hours", 10 / 3600)  # less than a user may give
with ended_in_order() if interrupted == "limit" else nullcontext(), \
        closing(RealAWS.start(settings)) as aws, reaper.open_ledger(aws, settings) as ledger:
    if interrupted == "fit":
        names = ledger.names(settings)
    else:  # all that is named is created
        names = names_of(ledger.run, 1, ledger.bucket)
        ledger.expect(Resource("S3 prefix", names.data))
    ledger.make_bucket()
    aws.client("s3").put_object(Bucket=ledger.bucket, Key=f"hsh-{ledger.run}-1/rows/x", Body=b"x")
    create(watch(aws.client("sagemaker"), ledger), role, names, endpoint=interrupted in ("fit", "endpoint"))
    child = subprocess.Popen(["sleep", "600"])
    print(json.dumps({"child": child.pid, "ledger": str(ledger.path)}), flush=True)
    if interrupted == "clean-up":
        def clean_up(*_):
            raise KeyboardInterrupt
        Ledger.clean_up = clean_up
    sys.stdin.readline()
    child.kill()
    child.wait()
"""


class Run:
    """A run in real mode, in a separate process that waits for a signal."""

    def __init__(self, aws, directory, interrupted=""):
        self._aws = aws
        environment = {"PYTHONPATH": ROOT, "XDG_STATE_HOME": str(directory)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, aws.role(), interrupted],
            env=OUTSIDE | aws.user() | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        told = json.loads(self.process.stdout.readline())
        self.child, self.ledger = told["child"], Path(told["ledger"])
        (self.reaper,) = [
            each
            for each in psutil.Process(self.process.pid).children()
            if "harness.aws.cleanup.reaper" in each.cmdline()
        ]
        assert aws.everything()["model"]

    def left(self):
        """Return what is left of it: resources, its child, its reaper and its ledger."""
        processes = {"child": psutil.pid_exists(self.child), "reaper": self.reaper.is_running()}
        found = {**self._aws.everything(), **processes, "ledger": self.ledger.exists()}
        return {name: thing for name, thing in found.items() if thing and name != "log group"}

    def wait(self, timeout=90):
        """Wait until nothing is left of it; return what the reaper's log says, or None if there is none."""
        wait_until(self.left, "nothing to be left", done=lambda left: not left, timeout=timeout, longest=0.5)
        log = self.ledger.with_suffix(".log")
        return log.read_text() if log.exists() else None


def test_a_run_that_ends_in_order_cleans_up_and_its_reaper_ends_with_it(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path, "endpoint")
    _, stderr = run.process.communicate("\n", timeout=90)
    assert (run.process.returncode, stderr) == (0, "")
    assert run.left() == {}
    assert not run.ledger.with_suffix(".log").exists()


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_by_force_is_cleaned_up_after_by_its_reaper(independent_aws, tmp_path, ended):
    run = Run(independent_aws, tmp_path, "endpoint")
    run.process.send_signal(ended)
    run.process.wait()
    log = run.wait()
    assert "deleted endpoint hsh-" in log
    assert "nothing is left of run" in log


def test_after_a_fit_that_did_not_create_all_it_named_the_reaper_looks_again(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path, "fit")
    _, stderr = run.process.communicate("\n", timeout=90)
    assert (run.process.returncode, stderr) == (0, "")
    assert "nothing is left of run" in run.wait()


def test_a_ctrl_c_reaches_the_run_and_not_its_reaper(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path)
    os.killpg(run.process.pid, signal.SIGINT)
    _, stderr = run.process.communicate(timeout=90)
    assert "KeyboardInterrupt" in stderr
    assert run.wait() is None


def test_a_clean_up_that_is_interrupted_is_the_reapers_and_that_is_said(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path, "clean-up")
    _, stderr = run.process.communicate("\n", timeout=90)
    assert f"the clean-up was interrupted; process {run.reaper.pid} finishes it" in stderr
    assert "deleted model hsh-" in run.wait()


def test_a_run_that_waits_beyond_max_hours_is_ended_in_order_by_its_reaper_and_says_why(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path, "limit")
    run.process.wait(90)  # it reads its standard input, which gives nothing
    psutil.Process(run.child).kill()
    stderr = run.process.stderr.read()
    assert "KeyboardInterrupt: --harness-max-hours 0.00277778 is over, so the run is ended" in stderr
    assert independent_aws.everything().keys() <= {"log group"}
    assert "sending SIGTERM to process" in run.ledger.with_suffix(".log").read_text()


def test_a_reaper_does_not_end_with_the_run_that_its_own_was_started_in(ours):
    ledger, _ = ours
    reaper = Reaper(ledger.path, OUTSIDE | {"PYTHONPATH": ROOT, "HARNESS_RUN": "outer"})
    marked = "HARNESS_RUN" in psutil.Process(reaper.pid).environ()
    reaper.dismiss()
    assert not marked


def test_a_reaper_waits_for_a_lost_network_and_ignores_a_terminals_signals(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path)
    independent_aws.network(True)
    run.process.kill()
    run.process.wait()
    for number in (signal.SIGINT, signal.SIGHUP):
        run.reaper.send_signal(number)
    wait_until(lambda: not psutil.pid_exists(run.child), "the run's child to end", timeout=60)
    independent_aws.network(False)
    assert "deleted model hsh-" in run.wait(timeout=150)


def test_a_reaper_that_is_asked_to_end_does_so_and_logs_what_may_be_left(independent_aws, tmp_path):
    run = Run(independent_aws, tmp_path)
    independent_aws.network(True)
    run.reaper.terminate()
    run.process.kill()
    run.process.wait()
    try:
        wait_until(lambda: not run.reaper.is_running(), "the reaper to end", timeout=120)
    finally:
        independent_aws.network(False)
    log = run.ledger.with_suffix(".log").read_text()
    assert "may be left: model hsh-" in log
    assert f"was asked to end; 'harness sweep' deletes what {run.ledger} names" in log


def test_a_reaper_ends_when_its_credentials_have_expired_for_good(ours, monkeypatch, caplog):
    ledger, _ = ours
    ledger.names()
    expired = ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "DescribeEndpoint")
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "clean_up", lambda _: raise_(expired))
        patch.setenv("AWS_SESSION_TOKEN", "of an hour ago")
        assert not reap(ledger.path)
    assert "may be left: endpoint hsh-" in caplog.text
    assert ledger.path.exists()


def raise_(error):
    raise error
