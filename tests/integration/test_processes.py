"""Nothing outlives its owner, however that ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.aws import local as local_aws
from harness.aws.local import MockAWS
from harness.processes import end_processes_of, processes_with
from harness.settings import Settings
from harness.waiting import wait_until

STUBBORN = """
import http.server, os, signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "300"], start_new_session=True)  # a child that leaves the container's process group
if sys.argv[1] == "train":
    print("training", flush=True)
    time.sleep(300)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""
"""A container that stops neither on a signal nor at the end of its standard input."""

WORK = """
import json, os, subprocess, sys, time
from harness.aws.local import MockAWS
from harness.settings import Settings

def work(aws, script):
    "Start a training job, an endpoint, and another process of the user; return its id."
    aws.register_container("stubborn", [sys.executable, script])
    sagemaker = aws.client("sagemaker")
    aws.client("s3").create_bucket(Bucket="bucket")
    sagemaker.create_training_job(
        TrainingJobName="job", RoleArn=aws.role, OutputDataConfig={"S3OutputPath": "s3://bucket/"},
        AlgorithmSpecification={"TrainingImage": "stubborn", "TrainingInputMode": "File"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "stubborn"}, ExecutionRoleArn=aws.role)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 2}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    while sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"] != "InService":
        time.sleep(0.05)
    while sagemaker.describe_training_job(TrainingJobName="job")["SecondaryStatus"] != "Training":
        time.sleep(0.05)
"""

OWNER = (
    WORK
    + """
aws = MockAWS.start(Settings())
work(aws, sys.argv[1])
# As a session would start Spark: in its own process group, without handling SIGTERM.
ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", ignoring], env={**os.environ, **aws.environment()},
                         start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(json.dumps({"run": aws.connection.run_id, "directory": aws.connection.directory, "pid": aws.connection.pid}))
sys.stdout.flush()
if len(sys.argv) > 2 and os.fork() == 0:  # a worker that holds the pipe to the local AWS open
    time.sleep(30)
    os._exit(0)
time.sleep(300)
"""
)


@pytest.fixture
def stubborn(tmp_path):
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    return str(tmp_path / "stubborn.py")


def of_run(run, directory):
    """Return the processes that were started for a run."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        if environment.get("HARNESS_RUN") == run or directory in environment.get("SAGEMAKER_BASE_DIR", ""):
            found.append(process)
    return found


def below(directory):
    """Return the containers of a local AWS, and what they started."""
    return processes_with("SAGEMAKER_BASE_DIR", f"{directory}/")


def start_owner(script, *more):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, script, *more], stdout=subprocess.PIPE)
    told = json.loads(owner.stdout.readline())
    running = of_run(told["run"], told["directory"])
    assert len(running) >= 7, "three containers, a child of each, and a user's own"
    return owner, told


def nothing_is_left(told):
    return not psutil.pid_exists(told["pid"]) and not of_run(told["run"], told["directory"])


def test_an_owner_that_is_killed_leaves_no_process_and_no_file_behind(stubborn):
    owner, told = start_owner(stubborn)
    owner.kill()
    owner.wait()
    wait_until(lambda: nothing_is_left(told), "everything of the run to end", timeout=10)
    assert not Path(told["directory"]).exists()


def test_a_local_aws_that_is_stopped_and_its_stopped_containers_end_with_the_owner(stubborn):
    owner, told = start_owner(stubborn)
    for process in [psutil.Process(told["pid"]), *of_run(told["run"], told["directory"])]:
        process.suspend()  # as good as busy for ever
    owner.kill()
    owner.wait()
    wait_until(lambda: nothing_is_left(told) and not Path(told["directory"]).exists(), "all to end", timeout=30)


def test_stopped_containers_end_with_a_local_aws_that_is_killed(stubborn):
    owner, told = start_owner(stubborn)
    containers = below(told["directory"])
    for process in containers:
        process.suspend()
    os.kill(told["pid"], signal.SIGKILL)
    wait_until(lambda: not below(told["directory"]), "the containers to end", timeout=30)
    assert len(containers) == 6, "three containers, and a child of each"
    owner.kill()
    owner.wait()
    end_processes_of(told["run"])


def test_a_local_aws_that_does_not_answer_is_closed_in_seconds(monkeypatch, stubborn):
    monkeypatch.setattr(local_aws, "_ASK_SECONDS", 0.5)
    names = {}
    exec(WORK, names)
    with MockAWS.start(Settings()) as local:
        names["work"](local, stubborn)
        psutil.Process(local.connection.pid).suspend()
        local.close()
        assert not psutil.pid_exists(local.connection.pid)
    assert below(local.connection.directory) == []
    assert not Path(local.connection.directory).exists()


def test_a_worker_that_holds_the_owners_pipe_does_not_keep_the_run_alive(stubborn):
    owner, told = start_owner(stubborn, "fork")
    line = psutil.Process(owner.pid).cmdline()
    workers = wait_until(
        lambda: [child for child in psutil.Process(owner.pid).children() if child.cmdline() == line], "the worker"
    )
    owner.kill()
    owner.wait()
    wait_until(lambda: nothing_is_left(told), "everything of the run to end", timeout=10)
    workers[0].kill()


def test_closing_ends_containers_that_ignore_signals(stubborn):
    names = {}
    exec(WORK, names)
    with MockAWS.start(Settings()) as local:
        names["work"](local, stubborn)
        connection = local.connection
        assert of_run(connection.run_id, connection.directory)
    assert not psutil.pid_exists(connection.pid)
    assert of_run(connection.run_id, connection.directory) == []
    assert not Path(connection.directory).exists()


def test_files_of_a_killed_local_aws_are_removed_by_the_next():
    first = MockAWS.start(Settings())
    os.kill(first.connection.pid, signal.SIGKILL)
    first.close()
    assert Path(first.connection.directory).exists()
    with MockAWS.start(Settings()):
        assert not Path(first.connection.directory).exists()
