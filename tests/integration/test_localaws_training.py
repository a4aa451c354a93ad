"""Training jobs of the local AWS: started with boto3, run as processes, and inspected afterwards."""

import io
import itertools
import json
import pickle
import signal
import sys
import tarfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import pytest
import xgboost as xgb
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import libsvm
from harness.waiting import wait_until

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
PARAMETERS = {"num_round": "2", "objective": "multi:softmax", "num_class": "3", "max_depth": "2", "silent": "1"}
ROWS = 90
_DONE = ("Completed", "Failed", "Stopped")


@pytest.fixture(scope="module")
def sagemaker(local):
    return boto3.client("sagemaker")


@pytest.fixture(scope="module")
def s3(local):
    return boto3.client("s3")


@pytest.fixture(scope="module")
def bucket(s3):
    name = f"training-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    for number in range(3):
        s3.put_object(Bucket=name, Key=f"data/train/part-{number}", Body=rows(seed=number))
    s3.put_object(Bucket=name, Key="data/validation/part-0", Body=rows(seed=9))
    return name


@pytest.fixture
def ask(local, bucket):
    """Return a valid CreateTrainingJob request with changes."""

    def ask(**changes):
        request = {
            "TrainingJobName": f"job-{uuid.uuid4().hex}",
            "RoleArn": local.role,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "HyperParameters": PARAMETERS,
            "InputDataConfig": [channel("train", f"s3://{bucket}/data/train/")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models/"},
            "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        return request | changes

    return ask


@pytest.fixture
def trained(sagemaker, ask):
    """Train with a valid request and changes; return the job's final description."""

    def trained(**changes):
        request = ask(**changes)
        sagemaker.create_training_job(**request)
        return ended(sagemaker, request["TrainingJobName"])

    return trained


@pytest.fixture
def script(local, tmp_path):
    """Return the AlgorithmSpecification of a container that runs Python code."""

    def script(text):
        image = f"script-{uuid.uuid4().hex}"
        (tmp_path / "container.py").write_text(text)
        local.register_container(image, [sys.executable, str(tmp_path / "container.py")])
        return {"TrainingImage": image, "TrainingInputMode": "File"}

    return script


def rows(count=ROWS, seed=1, features=4):
    values = np.random.default_rng(seed).integers(0, 256, (count, features)).astype(float)
    text = io.BytesIO()
    libsvm.write(text, (values[:, 0] // 86).clip(0, 2), values, base=0)
    return text.getvalue()


def channel(name, uri, kind="S3Prefix", distribution="FullyReplicated", content_type="text/libsvm"):
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": distribution}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": content_type}


def ended(sagemaker, name):
    return wait_until(
        lambda: sagemaker.describe_training_job(TrainingJobName=name),
        f"training job {name} to end",
        done=lambda job: job["TrainingJobStatus"] in _DONE,
    )


def artifact(s3, job):
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    archive = io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    with tarfile.open(fileobj=archive, mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers() if member.isfile()}


def log_lines(name, host="algo-1"):
    logs = boto3.client("logs")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    streams = logs.describe_log_streams(**group, logStreamNamePrefix=f"{name}/{host}-")["logStreams"]
    events = logs.get_log_events(**group, logStreamName=streams[0]["logStreamName"], startFromHead=True)
    return [event["message"] for event in events["events"]]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]


def as_booster(content):
    return pickle.loads(content)  # as AWS documents it for xgboost:1


def test_a_job_passes_through_its_states_and_leaves_model_metrics_and_log(sagemaker, s3, ask, bucket):
    channels = [channel("train", f"s3://{bucket}/data/train/"), channel("validation", f"s3://{bucket}/data/validation")]
    tags = [{"Key": "team", "Value": "blue"}]
    request = ask(InputDataConfig=channels, Tags=tags)
    created = sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    assert created["TrainingJobArn"] == f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"
    job = ended(sagemaker, name)

    steps = job["SecondaryStatusTransitions"]
    assert [step["Status"] for step in steps] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(before["EndTime"] == after["StartTime"] for before, after in itertools.pairwise(steps))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert job["CreationTime"] <= job["TrainingStartTime"] < job["TrainingEndTime"] <= job["LastModifiedTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    assert job["HyperParameters"] == PARAMETERS

    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics.keys() == {"train:merror", "validation:merror"}
    assert any(f"[1]#011train-merror:{metrics['train:merror']:g}" in line for line in log_lines(name))

    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/models/{name}/output/model.tar.gz"
    files = artifact(s3, job)
    assert files.keys() == {"xgboost-model"}
    assert as_booster(files["xgboost-model"]).num_boosted_rounds() == 2
    assert sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"] == tags


def test_the_model_is_the_one_that_xgboost_trains_in_process(s3, trained, bucket, tmp_path):
    job = trained()
    booster = as_booster(artifact(s3, job)["xgboost-model"])
    data = [libsvm.parse(rows(seed=number), features=4, base=0) for number in range(3)]
    features = np.concatenate([part.features for part in data])
    labels = np.concatenate([part.labels for part in data])
    settings = {"objective": "multi:softmax", "num_class": 3, "max_depth": 2}
    expected = xgb.train(settings, xgb.DMatrix(features, labels), 2)
    assert (booster.predict(xgb.DMatrix(features)) == expected.predict(xgb.DMatrix(features))).all()


def test_a_newer_image_takes_its_hyperparameters_and_saves_as_it_does_on_aws(s3, trained, tmp_path):
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    job = trained(
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={"num_round": "2", "objective": "reg:squarederror", "colsample_bynode": "0.5"},
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    (tmp_path / "xgboost-model").write_bytes(artifact(s3, job)["xgboost-model"])
    assert xgb.Booster(model_file=tmp_path / "xgboost-model").num_boosted_rounds() == 2
    refused = trained(
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={"num_round": "2", "silent": "1"},
    )
    assert refused["FailureReason"] == "ClientError: Extraneous hyperparameter found: silent, exit code: 2"


def test_create_answers_before_the_job_is_done(sagemaker, ask, script):
    request = ask(AlgorithmSpecification=script("import time; time.sleep(1)"))
    sagemaker.create_training_job(**request)
    assert sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])["TrainingJobStatus"] == (
        "InProgress"
    )
    assert ended(sagemaker, request["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def test_the_spark_sdk_gets_its_answer_when_the_job_ends_without_a_second_call(sagemaker, ask, script):
    request = ask(AlgorithmSpecification=script("import time; time.sleep(1)"))
    sagemaker.create_training_job(**request)
    from_spark = boto3.client("sagemaker", config=boto3.session.Config(user_agent_extra="SageMaker-Spark-SDK"))
    job = from_spark.describe_training_job(TrainingJobName=request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed"


def test_held_calls_of_the_spark_sdk_do_not_delay_other_requests(sagemaker, ask, script, tmp_path):
    request = ask(
        AlgorithmSpecification=script(
            f"import os\nimport time\nwhile not os.path.exists('{tmp_path}/end'): time.sleep(0.02)"
        )
    )
    sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    config = Config(user_agent_extra="SageMaker-Spark-SDK", max_pool_connections=40)
    from_spark = boto3.client("sagemaker", config=config)
    other = boto3.client("sagemaker", config=Config(read_timeout=10, retries={"total_max_attempts": 1}))
    with ThreadPoolExecutor(40) as pool:
        held = [pool.submit(from_spark.describe_training_job, TrainingJobName=name) for _ in range(40)]
        time.sleep(1)
        try:
            assert other.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
        finally:
            (tmp_path / "end").touch()
        assert {job.result()["TrainingJobStatus"] for job in held} == {"Completed"}


# --- refused before they exist ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"TrainingJobName": "under_score"}, "Value 'under_score' at 'trainingJobName' failed to satisfy constraint: "
         "Member must satisfy regular expression pattern"),
        ({"TrainingJobName": "a" * 64}, "at 'trainingJobName' failed to satisfy constraint: Member must have length "
         "less than or equal to 63"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/missing"}, "Could not assume role arn:aws:iam::123456789012:role/"
         "missing. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com'"),
        ({"AlgorithmSpecification": {"TrainingImage": "my/image:1", "TrainingInputMode": "File"}},
         "has no image my/image:1. It has the built-in algorithms"),
        ({"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"}}, "TrainingInputMode Pipe"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File",
                                     "TrainingImage": "433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:1"}},
         "Invalid DNS suffix 'amazonaws.com' for region 'us-west-2' in training image. Please provide the valid "
         "<region>.<dns-suffix>: 'us-east-1.amazonaws.com'"),
        ({"OutputDataConfig": {"S3OutputPath": "https://example.com/x"}}, "https://example.com/x names no bucket"),
        ({"CheckpointConfig": {"S3Uri": "s3://no-such-bucket-here/x"}}, "Checkpoint location"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket-here/x"}},
         'Output path "s3://no-such-bucket-here/x" cannot be used: The specified bucket does not exist.'),
        ({"InputDataConfig": [channel("train", "s3://no-such-bucket-here/x")]},
         'No S3 objects found under S3 URL "s3://no-such-bucket-here/x" given in input data source.'),
        ({"InputDataConfig": [channel("train", "s3://a/b"), channel("train", "s3://a/b")]},
         "Channel names must be unique"),
        ({"InputDataConfig": [channel("tra in", "s3://a/b")]}, "at 'inputDataConfig.1.member.channelName' failed"),
        ({"ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 0, "VolumeSizeInGB": 1}},
         "give ResourceConfig.InstanceCount"),
        ({"ResourceConfig": {"InstanceType": "ml.huge", "InstanceCount": 1, "VolumeSizeInGB": -1}},
         "2 validation errors detected: "),
    ],
)  # fmt: skip
def test_a_request_that_aws_refuses_is_refused_with_its_message_and_makes_no_job(sagemaker, ask, changes, reported):
    request = ask(**changes)
    # botocore would refuse some of these itself, which the Java SDK does not
    unchecked = boto3.client("sagemaker", config=boto3.session.Config(parameter_validation=False))
    error = refusal(unchecked.create_training_job, **request)
    assert error["Code"] == "ValidationException"
    assert reported in error["Message"]
    names = [job["TrainingJobName"] for job in sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]]
    assert request["TrainingJobName"] not in names


def test_a_channel_without_objects_is_refused_with_url_region_and_role(sagemaker, ask, local, bucket):
    request = ask(InputDataConfig=[channel("train", f"s3://{bucket}/nothing/")])
    assert refusal(sagemaker.create_training_job, **request) == {
        "Code": "ValidationException",
        "Message": f'No S3 objects found under S3 URL "s3://{bucket}/nothing/" given in input data source. Please '
        "ensure that the bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, "
        f'and that the role "{local.role}" has "s3:ListBucket" permissions on bucket "{bucket}".',
    }


def test_a_bucket_of_another_region_is_refused(sagemaker, ask):
    name = f"far-{uuid.uuid4().hex}"
    there = boto3.client("s3", region_name="eu-west-1")
    there.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    there.put_object(Bucket=name, Key="rows", Body=rows())
    where = "The bucket is in this region: eu-west-1. Please use this region to retry the request"
    reported = refusal(sagemaker.create_training_job, **ask(InputDataConfig=[channel("train", f"s3://{name}/rows")]))
    assert reported["Message"].endswith(f"Error message from S3: {where}")
    reported = refusal(sagemaker.create_training_job, **ask(OutputDataConfig={"S3OutputPath": f"s3://{name}/"}))
    assert f'Output path "s3://{name}/" cannot be used: {where}.' in reported["Message"]


@pytest.mark.parametrize("form", ["https://s3.us-east-1.amazonaws.com/{}", "https://{}.s3.amazonaws.com"])
def test_data_and_output_may_be_urls_of_s3(s3, trained, bucket, form):
    base = form.format(bucket)
    manifest = json.dumps([{"prefix": f"{base}/data/"}, "train/part-0"])
    s3.put_object(Bucket=bucket, Key="by-url", Body=manifest)
    channels = [channel("train", f"{base}/by-url", "ManifestFile"), channel("validation", f"{base}/data/validation/")]
    job = trained(InputDataConfig=channels, OutputDataConfig={"S3OutputPath": f"{base}/by-url/"})
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{base}/by-url/{job['TrainingJobName']}/output/model.tar.gz"
    assert s3.head_object(Bucket=bucket, Key=f"by-url/{job['TrainingJobName']}/output/model.tar.gz")
    given = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels]
    assert [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in job["InputDataConfig"]] == given


def test_all_broken_rules_are_reported_in_one_message(ask, local):
    unchecked = boto3.client("sagemaker", config=boto3.session.Config(parameter_validation=False))
    request = ask(TrainingJobName="-", RoleArn="me", StoppingCondition={"MaxRuntimeInSeconds": 0})
    del request["OutputDataConfig"]
    message = refusal(unchecked.create_training_job, **request)["Message"]
    assert message.startswith("5 validation errors detected: ")
    for place in ("trainingJobName", "roleArn", "stoppingCondition.maxRuntimeInSeconds", "outputDataConfig"):
        assert f"at '{place}' failed to satisfy constraint" in message


def test_a_name_is_used_once(sagemaker, ask, trained):
    job = trained()
    error = refusal(sagemaker.create_training_job, **ask(TrainingJobName=job["TrainingJobName"]))
    assert error["Code"] == "ResourceInUse"
    assert "Training job names must be unique within an AWS account and region" in error["Message"]


def test_a_missing_job_is_reported(sagemaker):
    for call in (sagemaker.describe_training_job, sagemaker.stop_training_job):
        assert refusal(call, TrainingJobName="missing")["Message"] == "Requested resource not found."


# --- jobs that fail -----------------------------------------------------------------------------------------------


def failure(job):
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Training job failed"
    assert "ModelArtifacts" not in job
    return job["FailureReason"]


@pytest.mark.parametrize(
    ("name", "value", "reported"),
    [("eta", "2.0", "Hyperparameter eta: 2.0 is not in [0, 1]"), ("etta", "1", "Extraneous hyperparameter found: etta"),
     ("max_depth", "deep", "Hyperparameter max_depth: could not parse value")],
)  # fmt: skip
def test_an_invalid_hyperparameter_fails_the_job_and_is_named(trained, name, value, reported):
    job = trained(HyperParameters=PARAMETERS | {name: value})
    assert failure(job) == f"ClientError: {reported}, exit code: 2"


@pytest.mark.parametrize(
    ("line", "reported"),
    [("1 -1:1", "line 2, column 3: '-1"), ("1 1:1 1:2", "line 2, column 7"), ("1 1:nan", "line 2, column 5: 'nan'"),
     ("one 1:1", "line 2, column 1: 'one'")],
)  # fmt: skip
def test_data_that_cannot_be_read_fails_the_job_and_its_line_is_named(s3, trained, bucket, line, reported):
    s3.put_object(Bucket=bucket, Key="bad/train/file", Body=f"0 1:1\n{line}\n")
    reason = failure(trained(InputDataConfig=[channel("train", f"s3://{bucket}/bad/train/")]))
    assert reason.startswith("ClientError: ")
    assert f"/opt/ml/input/data/train/file, {reported}" in reason
    assert "It is read as LibSVM, because the channel's ContentType is text/libsvm." in reason


def test_an_object_that_a_manifest_names_and_that_is_deleted_fails_the_job(sagemaker, s3, ask, bucket):
    s3.put_object(Bucket=bucket, Key="gone/part-0", Body=b"1")
    pause = {"S3DataType": "ManifestFile", "S3Uri": f"s3://{bucket}/pause"}
    s3.put_object(Bucket=bucket, Key="pause", Body=json.dumps([{"prefix": f"s3://{bucket}/"}, "gone/part-0"]))
    s3.delete_object(Bucket=bucket, Key="gone/part-0")
    request = ask(InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": pause}}])
    sagemaker.create_training_job(**request)
    assert "gone/part-0 of manifest" in failure(ended(sagemaker, request["TrainingJobName"]))


def test_a_job_without_its_required_channel_fails(trained, bucket):
    job = trained(InputDataConfig=[channel("validation", f"s3://{bucket}/data/validation/")])
    assert failure(job) == "ClientError: Missing required channel: train, exit code: 2"


def test_a_crash_of_a_container_is_an_algorithm_error_with_exit_code_and_last_output(trained, script):
    job = trained(AlgorithmSpecification=script("print('about to'); raise SystemExit(7)"))
    reason = failure(job)
    assert reason.startswith("AlgorithmError: ")
    assert "its last output was 'about to'" in reason
    assert reason.endswith(", exit code: 7")


def test_the_failure_file_of_a_container_is_quoted(trained, script):
    text = "import os; open(os.environ['SAGEMAKER_BASE_DIR'] + '/output/failure', 'w').write('no luck'); os._exit(1)"
    assert failure(trained(AlgorithmSpecification=script(text))) == "AlgorithmError: no luck, exit code: 1"


def test_reasons_and_logs_speak_of_opt_ml(trained, script, local):
    text = (
        "import os\nbase = os.environ['SAGEMAKER_BASE_DIR']\nprint('reading', base + '/input')\n"
        "open(base + '/output/failure', 'w').write(f'{base}/input/data is bad')\nraise SystemExit(1)"
    )
    job = trained(AlgorithmSpecification=script(text))
    assert failure(job) == "AlgorithmError: /opt/ml/input/data is bad, exit code: 1"
    assert "reading /opt/ml/input" in log_lines(job["TrainingJobName"])


def test_a_container_killed_by_a_signal_has_the_exit_code_that_docker_reports(trained, script):
    for number in (signal.SIGKILL, signal.SIGSEGV):
        reason = failure(trained(AlgorithmSpecification=script(f"import os; os.kill(os.getpid(), {int(number)})")))
        assert reason.startswith("AlgorithmError: ")
        assert reason.endswith(f", exit code: {128 + number}")


def test_a_host_that_fails_ends_the_job_while_others_wait(trained, script):
    text = (
        "import json, os, time\n"
        "host = json.load(open(os.environ['SAGEMAKER_BASE_DIR'] + '/input/config/resourceconfig.json'))['current_host']"
        "\ntime.sleep(60) if host == 'algo-1' else os._exit(3)"
    )
    two = {"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    began = time.monotonic()
    reason = failure(trained(AlgorithmSpecification=script(text), ResourceConfig=two))
    assert "the container on algo-2" in reason
    assert reason.endswith("exit code: 3")
    assert time.monotonic() - began < 20


def test_a_job_whose_bucket_is_deleted_during_training_fails_and_names_it(sagemaker, s3, ask, script):
    s3.create_bucket(Bucket="short-lived")
    output = {"S3OutputPath": "s3://short-lived/"}
    request = ask(OutputDataConfig=output, AlgorithmSpecification=script("import time; time.sleep(0.7)"))
    sagemaker.create_training_job(**request)
    s3.delete_bucket(Bucket="short-lived")
    reason = failure(ended(sagemaker, request["TrainingJobName"]))
    assert reason == "ClientError: Artifact upload failed: S3 bucket short-lived does not exist"


# --- jobs that are stopped ----------------------------------------------------------------------------------------

SAVES_ON_SIGTERM = """
import os, signal, time
def save(*_):
    open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/so-far', 'w').write('saved')
    os._exit(0)
signal.signal(signal.SIGTERM, save)
print('ready', flush=True)
time.sleep(60)
"""


def test_a_job_that_is_stopped_keeps_the_model_it_saved(sagemaker, s3, ask, script):
    request = ask(AlgorithmSpecification=script(SAVES_ON_SIGTERM))
    name = request["TrainingJobName"]
    sagemaker.create_training_job(**request)
    wait_until(lambda: "ready" in str(log_lines_if_any(name)), "the container to be ready")
    sagemaker.stop_training_job(TrainingJobName=name)
    job = ended(sagemaker, name)
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert (job["TrainingJobStatus"], steps[-2:]) == ("Stopped", ["Stopping", "Stopped"])
    assert artifact(s3, job) == {"so-far": b"saved"}
    message = "The request was rejected because the training job is in status Stopped."
    assert refusal(sagemaker.stop_training_job, TrainingJobName=name)["Message"] == message


def log_lines_if_any(name):
    try:
        return log_lines(name)
    except (ClientError, IndexError):
        return []


def test_a_job_that_takes_too_long_is_stopped(s3, trained, script):
    job = trained(AlgorithmSpecification=script(SAVES_ON_SIGTERM), StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert artifact(s3, job) == {"so-far": b"saved"}


# --- checkpoints --------------------------------------------------------------------------------------------------

CHECKPOINTS = """
import json, os, pathlib, signal, sys, time
base = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])
kept = pathlib.Path(json.loads((base / 'input/config/checkpointconfig.json').read_text())['LocalPath'])
assert kept == base / 'mine', kept
"""
RESUMES = """
(base / 'model/restored').write_text(repr({str(p.relative_to(kept)): p.read_text() for p in kept.rglob('*.*')}))
(kept / 'old.txt').unlink()
(kept / 'deep/step.txt').write_text('2')
(kept / 'new.txt').write_text('new')
sys.exit(int(os.environ.get('EXIT', '0')))
"""
SAVES_UNTIL_IT_IS_STOPPED = """
def save(*_):
    (kept / 'last.txt').write_text('last')
    os._exit(0)
signal.signal(signal.SIGTERM, save)
(kept / 'first.txt').write_text('first')
time.sleep(60)
"""


@pytest.fixture
def checkpoints(s3, bucket):
    """Return the CheckpointConfig of a new place in S3, and a function that returns its objects."""
    prefix = f"checkpoints-{uuid.uuid4().hex}"

    def kept():
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
        bodies = {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found}
        return {key.removeprefix(f"{prefix}/"): body.decode() for key, body in bodies.items()}

    return {"S3Uri": f"s3://{bucket}/{prefix}", "LocalPath": "/opt/ml/mine"}, kept


@pytest.mark.parametrize("code", ["0", "3"])
def test_checkpoints_are_restored_and_saved_even_if_the_job_fails(s3, trained, script, checkpoints, code):
    config, kept = checkpoints
    bucket, _, prefix = config["S3Uri"].removeprefix("s3://").partition("/")
    for key, body in {f"{prefix}/old.txt": "old", f"{prefix}/deep/step.txt": "1", f"{prefix}-not/x.txt": "x"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    specification = script(CHECKPOINTS + RESUMES)
    job = trained(AlgorithmSpecification=specification, CheckpointConfig=config, Environment={"EXIT": code})
    assert job["TrainingJobStatus"] == {"0": "Completed", "3": "Failed"}[code], job.get("FailureReason")
    assert job["CheckpointConfig"] == config
    assert kept() == {"deep/step.txt": "2", "new.txt": "new"}
    if code == "0":
        restored = artifact(s3, job)["restored"].decode()
        assert ("'old.txt': 'old'" in restored, "'deep/step.txt': '1'" in restored, "x.txt" in restored) == (
            True, True, False
        )  # fmt: skip


def test_checkpoints_are_saved_during_a_job_and_when_it_is_stopped(sagemaker, ask, script, checkpoints):
    config, kept = checkpoints
    specification = script(CHECKPOINTS + SAVES_UNTIL_IT_IS_STOPPED)
    request = ask(AlgorithmSpecification=specification, CheckpointConfig=config)
    sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    wait_until(lambda: kept() == {"first.txt": "first"}, "the checkpoint to be saved")
    assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
    sagemaker.stop_training_job(TrainingJobName=name)
    assert ended(sagemaker, name)["TrainingJobStatus"] == "Stopped"
    assert kept() == {"first.txt": "first", "last.txt": "last"}


# --- managed spot training ----------------------------------------------------------------------------------------


def test_a_spot_job_reports_its_times_and_ends_when_its_wait_is_over(trained, script):
    times = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
    spot = {"EnableManagedSpotTraining": True, "StoppingCondition": times}
    job = trained(AlgorithmSpecification=script(SAVES_ON_SIGTERM), **spot)
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert job["EnableManagedSpotTraining"] is True
    assert 1 <= job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]


# --- what a container finds ---------------------------------------------------------------------------------------

LISTS_ITS_INPUT = """
import json, os, pathlib
base = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])
data = base / 'input/data'
found = {str(p.relative_to(data)): p.read_text() for p in sorted(data.rglob('*')) if p.is_file()}
config = {p.stem: json.loads(p.read_text()) for p in (base / 'input/config').glob('*.json')}
reported = {'files': found, 'config': config, 'job': os.environ['TRAINING_JOB_NAME'], 'mine': os.environ.get('MINE')}
(base / 'model/reported').write_text(json.dumps(reported))
"""


@pytest.fixture
def reported(s3, trained, script):
    """Run a container that reports its input."""

    def reported(*channels, **changes):
        job = trained(AlgorithmSpecification=script(LISTS_ITS_INPUT), InputDataConfig=list(channels), **changes)
        return json.loads(artifact(s3, job)["reported"])

    return reported


def test_a_container_finds_its_job_where_the_contract_says(reported, s3, bucket):
    s3.put_object(Bucket=bucket, Key="small/one/file", Body=b"1")
    given = reported(channel("train", f"s3://{bucket}/small/one", content_type="text/csv"), Environment={"MINE": "yes"})
    assert given["files"] == {"train/file": "1"}
    assert given["config"]["hyperparameters"] == PARAMETERS
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
    assert given["config"]["resourceconfig"] == hosts
    assert given["config"]["inputdataconfig"]["train"] == {
        "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None",
        "ContentType": "text/csv",
    }  # fmt: skip
    assert given["job"].startswith("job-")
    assert given["mine"] == "yes"


def test_a_prefix_matches_keys_that_begin_with_it_directory_or_not(reported, s3, bucket):
    for key in ("p/part-1", "p/part-2/x", "p/other", "p/deep/part-3"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert reported(channel("c", f"s3://{bucket}/p/part-"))["files"] == {
        "c/part-1": "p/part-1",
        "c/part-2/x": "p/part-2/x",
    }
    assert reported(channel("c", f"s3://{bucket}/p/deep"))["files"] == {"c/part-3": "p/deep/part-3"}
    assert reported(channel("c", f"s3://{bucket}/p/other"))["files"] == {"c/other": "p/other"}


def test_keys_with_extra_slashes_stay_inside_their_channel(reported, s3, trained, bucket):
    s3.put_object(Bucket=bucket, Key="odd//file", Body=b"1")
    assert reported(channel("c", f"s3://{bucket}/odd/"))["files"] == {"c/file": "1"}
    s3.put_object(Bucket=bucket, Key="worse/a/../../file", Body=b"1")
    reason = failure(trained(InputDataConfig=[channel("train", f"s3://{bucket}/worse/")]))
    assert reason.endswith(f"the key of s3://{bucket}/worse/a/../../file points outside the channel")


def test_a_manifest_names_the_objects_of_a_channel(reported, s3, trained, bucket):
    s3.put_object(Bucket=bucket, Key="m/a/1", Body=b"1")
    s3.put_object(Bucket=bucket, Key="m/2", Body=b"2")
    manifest = [{"prefix": f"s3://{bucket}/m/"}, "a/1"]
    s3.put_object(Bucket=bucket, Key="manifest", Body=json.dumps(manifest))
    assert reported(channel("c", f"s3://{bucket}/manifest", "ManifestFile"))["files"] == {"c/a/1": "1"}
    s3.put_object(Bucket=bucket, Key="manifest", Body=json.dumps([*manifest, "missing"]))
    reason = failure(trained(InputDataConfig=[channel("train", f"s3://{bucket}/manifest", "ManifestFile")]))
    assert f"s3://{bucket}/m/missing of manifest s3://{bucket}/manifest does not exist" in reason


def test_a_channel_has_its_own_input_mode_and_shuffles_its_shards(reported, s3, bucket):
    keys = [f"shuffled/{number}" for number in range(8)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    plain = channel("c", f"s3://{bucket}/shuffled/", distribution="ShardedByS3Key")
    two = {"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    shards = [
        set(reported(plain | more, ResourceConfig=two)["files"])
        for more in ({}, {"ShuffleConfig": {"Seed": 7}}, {"ShuffleConfig": {"Seed": 7}})
    ]
    assert shards[0] == {f"c/{number}" for number in range(0, 8, 2)}
    assert shards[0] != shards[1] == shards[2]
    assert len(shards[1]) == 4
    fast = reported(plain | {"InputMode": "FastFile"})
    assert fast["config"]["inputdataconfig"]["c"]["TrainingInputMode"] == "FastFile"
    assert len(fast["files"]) == 8


def test_shards_are_divided_by_key_and_the_model_learns_from_all(s3, trained, sagemaker, bucket):
    two = {"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    constant = "".join(f"{label} 0:1\n" for label in (0, 10))  # each shard has one label: only both give the mean
    for number, line in enumerate(constant.splitlines(keepends=True)):
        s3.put_object(Bucket=bucket, Key=f"shards/part-{number}", Body=line * 20)
    job = trained(
        ResourceConfig=two,
        InputDataConfig=[channel("train", f"s3://{bucket}/shards/", distribution="ShardedByS3Key")],
        HyperParameters={"num_round": "1", "objective": "reg:linear", "eta": "1", "lambda": "0"},
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    predicted = as_booster(artifact(s3, job)["xgboost-model"]).predict(xgb.DMatrix(np.ones((1, 1))))
    assert predicted == pytest.approx([5])
    assert log_lines(job["TrainingJobName"], "algo-2") is not None


# --- metrics and lists --------------------------------------------------------------------------------------------


def test_metric_definitions_find_numbers_in_the_log_and_bad_ones_do_no_harm(trained, script):
    specification = script("print('score=0.5 more'); print('score=0.75'); print('text=abc')") | {
        "MetricDefinitions": [
            {"Name": "score", "Regex": r"score=([\d.]+)"},
            {"Name": "groupless", "Regex": "score"},
            {"Name": "wordy", "Regex": "text=(.*)"},
            {"Name": "broken", "Regex": "(score"},
        ]
    }
    job = trained(AlgorithmSpecification=specification)
    assert job["TrainingJobStatus"] == "Completed"
    assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("score", 0.75)]


NOISE = r"""
print("[1]" * 80_000 + "a" * 40_000 + "!")
print("a" * 4_000 + "!")
for number in range(4_000):
    print(f"{number / 4_000:.2%}", "#" * 50, end="\r")
print("=2")
"""


def test_no_line_and_no_expression_delays_a_job(trained, script):
    specification = script(NOISE) | {
        "MetricDefinitions": [{"Name": "endless", "Regex": "(a+)+$"}, {"Name": "good", "Regex": "=([0-9]+)"}]
    }
    job = trained(AlgorithmSpecification=specification)
    assert job["TrainingJobStatus"] == "Completed"
    assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("good", 2.0)]
    lines = log_lines(job["TrainingJobName"])
    assert sum(line.startswith("[harness] The metric endless is not read from here on") for line in lines) == 1
    assert f"50.00% {'#' * 50}" in lines


def test_jobs_are_listed_by_status_and_name_in_pages(sagemaker, ask, script):
    quick = script("")
    prefix = f"list-{uuid.uuid4().hex[:8]}"
    for number in range(3):
        sagemaker.create_training_job(**ask(TrainingJobName=f"{prefix}-{number}", AlgorithmSpecification=quick))
        ended(sagemaker, f"{prefix}-{number}")
    asked = {"NameContains": prefix, "StatusEquals": "Completed", "SortBy": "Name", "SortOrder": "Ascending"}
    pages = list(sagemaker.get_paginator("list_training_jobs").paginate(**asked, MaxResults=2))
    names = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
    assert names == [[f"{prefix}-0", f"{prefix}-1"], [f"{prefix}-2"]]
    assert sagemaker.list_training_jobs(**asked | {"StatusEquals": "Failed"})["TrainingJobSummaries"] == []
    del asked["SortBy"], asked["SortOrder"]
    jobs = sagemaker.list_training_jobs(**asked)["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in jobs] == [f"{prefix}-{number}" for number in range(3)], "not oldest first"
    for bound, expected in (("Before", []), ("After", jobs)):
        bounded = sagemaker.list_training_jobs(**asked, **{f"LastModifiedTime{bound}": "2020-01-01T00:00:00Z"})
        assert bounded["TrainingJobSummaries"] == expected
    assert (
        "does not emulate WarmPoolStatusEquals"
        in refusal(sagemaker.list_training_jobs, WarmPoolStatusEquals="InUse")["Message"]
    )
    assert refusal(sagemaker.list_training_jobs, NextToken="x")["Message"] == "Invalid NextToken: x"


def test_a_job_leaves_no_files_behind_on_the_machine(local, trained):
    job = trained()
    wait_until(
        lambda: not list(Path(local.connection.directory).glob(f"training/*/{job['TrainingJobName']}")),
        "the job's directory to be gone",
    )
