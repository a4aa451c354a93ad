"""The cache of trained models in the local AWS: the same job again is copied, and any other is trained."""

import dataclasses
import io
import itertools
import sys
import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator

from harness import libsvm
from harness.caches.models import ModelCache
from harness.pipeline.failures import rows_logged
from harness.waiting import wait_until

IMAGES = {tag: f"683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:{tag}" for tag in ("1.5-1", "1.7-1")}
PARAMETERS = {"num_round": "2", "objective": "multi:softmax", "num_class": "3", "eval_metric": "merror"}
NOTE = "[harness] Not trained again: model, log and metrics are from the cache, of a job with the same input at "
STATES = ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def rows(count=60):
    values = np.random.default_rng(1).integers(1, 256, (count, 4)).astype(float)
    text = io.BytesIO()
    libsvm.write(text, (values[:, 0] // 86).clip(0, 2), values, base=0)
    return text.getvalue()


ROWS = rows()


@pytest.fixture(scope="module")
def cache(local, tmp_path_factory):
    """The directory of the cache, which only the tests of this module use."""
    directory = tmp_path_factory.mktemp("cache") / "models"
    local.use_model_cache(directory)
    yield directory
    local.use_model_cache(None)


@pytest.fixture(scope="module")
def bucket(local):
    name = f"cached-{uuid.uuid4().hex}"
    local.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def train(local, bucket, cache):
    """Train on files below a new prefix; return the ended job with its artifact and log."""
    sagemaker, s3, logs = (local.client(service) for service in ("sagemaker", "s3", "logs"))
    numbers = itertools.count()

    def train(files=(ROWS,), image=IMAGES["1.7-1"], count=1, kind="text/libsvm", parameters=PARAMETERS, **changes):
        name = f"cached-{next(numbers)}-{uuid.uuid4().hex[:8]}"
        for number, body in enumerate(files):
            s3.put_object(Bucket=bucket, Key=f"{name}/part-{number:05}-{uuid.uuid4()}-c000.libsvm", Body=body)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/"}
        algorithm = {"TrainingImage": image, "TrainingInputMode": "File"} | changes.pop("algorithm", {})
        request = {
            "TrainingJobName": name,
            "RoleArn": local.role,
            "AlgorithmSpecification": algorithm,
            "HyperParameters": parameters,
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": kind}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
            "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": count, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        sagemaker.create_training_job(**request | changes)
        job = wait_until(
            lambda: sagemaker.describe_training_job(TrainingJobName=name),
            f"training job {name} to end",
            done=lambda job: job["TrainingJobStatus"] in ("Completed", "Failed"),
        )
        found = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/sagemaker/TrainingJobs")
        events = [event for page in found for event in page["events"] if event["logStreamName"].startswith(name)]
        hosts = [event["logStreamName"].partition("/")[2].rpartition("-")[0] for event in events]
        log = list(zip(hosts, (event["message"] for event in events), strict=True))
        artifact = b""
        if job["TrainingJobStatus"] == "Completed":
            artifact = s3.get_object(Bucket=bucket, Key=f"models/{name}/output/model.tar.gz")["Body"].read()
        return SimpleNamespace(
            name=name,
            job=job,
            log=log,
            lines=[line for _, line in log],
            metrics={metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])},
            artifact=artifact,
            is_cached=name in local.jobs_from_cache(),
        )

    return train


@pytest.fixture(scope="module")
def first(train):
    """The first job: trained, and stored."""
    return train()


def test_the_same_job_again_is_copied_with_its_artifact_log_and_metrics(train, first):
    second = train()
    assert (first.is_cached, second.is_cached) == (False, True)
    assert second.artifact == first.artifact != b""
    assert second.lines[0].startswith(NOTE)
    assert second.log[1:] == first.log
    assert second.metrics == first.metrics == {"train:merror": pytest.approx(0, abs=1)}


def test_a_job_from_the_cache_passes_through_the_same_states(train, first):
    for each in (first, train()):
        assert [state["Status"] for state in each.job["SecondaryStatusTransitions"]] == STATES


def test_the_line_about_the_cache_disturbs_no_reader_of_the_log(local, train, first):
    again = train()
    assert again.is_cached
    assert rows_logged(local, again.name) == rows_logged(local, first.name) == len(ROWS.splitlines())


CHANGES = {
    "a hyperparameter": {"parameters": PARAMETERS | {"num_round": "3"}},
    "one byte of a channel": {"files": [ROWS.removesuffix(b"\n")]},
    "the content type": {"kind": "text/x-libsvm"},
    "the number of instances": {"count": 2},
    "the image": {"image": IMAGES["1.5-1"]},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_job_with_any_other_input_is_trained(train, first, changes):
    changed = train(**changes)
    assert changed.job["TrainingJobStatus"] == "Completed", changed.job
    assert not changed.is_cached
    assert not any(line.startswith(NOTE) for line in changed.lines)


def test_a_job_on_two_instances_is_copied_with_the_log_of_each(train):
    trained = train(count=2, parameters=PARAMETERS | {"eta": "0.5"})
    copied = train(count=2, parameters=PARAMETERS | {"eta": "0.5"})
    assert (trained.is_cached, copied.is_cached) == (False, True)
    for host in ("algo-1", "algo-2"):
        lines = [[line for on, line in each.log if on == host] for each in (trained, copied)]
        assert lines[1][0].startswith(NOTE)
        assert lines[1][1:] == lines[0] != []


@pytest.mark.spark
def test_a_fit_of_the_sdk_again_is_copied_though_spark_writes_other_names(
    local, cache, estimator_options, sagemaker_fit, mnist_train
):
    estimators = [XGBoostSageMakerEstimator(**estimator_options()) for _ in range(2)]
    for estimator in estimators:
        estimator.setObjective("multi:softmax")
        estimator.setNumClasses(10)
        estimator.setNumRound(1)
        sagemaker_fit(estimator, mnist_train)  # which compares the rows in the log with those of the frame
    first, second = (str(estimator.latestTrainingJob) for estimator in estimators)
    assert [job in local.jobs_from_cache() for job in (first, second)] == [False, True]


def test_a_job_with_checkpoints_is_trained(train, first, bucket):
    assert not train(CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints"}).is_cached


def test_a_job_that_its_time_limit_would_have_stopped_is_trained(train, cache, tmp_path):
    before, parameters = set(cache.iterdir()), PARAMETERS | {"gamma": "1"}
    train(parameters=parameters)
    [path] = set(cache.iterdir()) - before
    store = ModelCache(cache)
    store.store(path.stem, dataclasses.replace(store.find(path.stem, tmp_path), seconds=1000))
    assert not train(parameters=parameters).is_cached


def test_a_job_that_failed_is_run_again(train):
    failed = [train(files=[b"1 a:b\n"]) for _ in range(2)]
    assert [each.job["TrainingJobStatus"] for each in failed] == ["Failed"] * 2
    assert [each.is_cached for each in failed] == [False] * 2


def test_a_users_container_is_run_each_time(local, train, tmp_path):
    script = tmp_path / "container.py"
    script.write_text(f"open({str(tmp_path / 'runs')!r}, 'a').write('ran ')")
    local.register_container("theirs:1", [sys.executable, str(script)])
    assert not any(train(image="theirs:1").is_cached for _ in range(2))
    assert (tmp_path / "runs").read_text() == "ran ran "


def test_a_damaged_entry_is_trained_again_and_stored_again(train, first, cache):
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    again, after = train(), train()
    assert (again.is_cached, after.is_cached) == (False, True)
    assert after.artifact == again.artifact
