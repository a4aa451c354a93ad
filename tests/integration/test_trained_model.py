"""The fixtures' model and the pipeline: predictions compared with XGBoost in-process, and the clean-up.

``test_real_mode.py`` runs this file in real mode too.
"""

import io
import pickle
import tarfile

import numpy as np
import pytest
import xgboost

from harness import mnist
from harness.console import Progress
from harness.mnist import HYPERPARAMETERS
from harness.parity.snapshot import DIRECTORY, read
from harness.pipeline.pipeline import Pipeline


@pytest.fixture(scope="module")
def answered(trained_model, mnist_test):
    """Labels, predictions and pixels of the test rows, as they come from the endpoint."""
    rows = trained_model.transform(mnist_test).select("label", "prediction", "features").collect()
    columns = zip(*[(row.label, row.prediction, row.features.toArray()) for row in rows], strict=True)
    return tuple(map(np.array, columns))


def test_predictions_are_row_for_row_those_of_the_same_model_file_in_process(
    answered, trained_model, sagemaker_client, s3_client
):
    name = sagemaker_client.describe_endpoint(EndpointName=trained_model.endpointName)["EndpointConfigName"]
    config = sagemaker_client.describe_endpoint_config(EndpointConfigName=name)
    model = sagemaker_client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    bucket, _, key = model["PrimaryContainer"]["ModelDataUrl"].removeprefix("s3://").partition("/")
    archive = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        booster = pickle.load(files.extractfile("xgboost-model"))  # as AWS documents it for xgboost:1
    _, predictions, pixels = answered
    from_index_1 = np.column_stack([np.full(len(pixels), np.nan), pixels])  # LibSVM's indices, as Spark writes them
    assert np.array_equal(booster.predict(xgboost.DMatrix(from_index_1)), predictions)


def test_the_rows_are_mnists_and_every_one_is_answered_in_order(answered, harness_settings):
    labels, predictions, pixels = answered
    digits = mnist.load("test", harness_settings.test_rows)
    assert np.array_equal(labels, digits.labels)
    assert np.array_equal(pixels, digits.images)
    assert predictions.shape == labels.shape


def test_the_model_is_as_accurate_as_xgboost_trained_in_process(answered, harness_settings):
    digits = mnist.load("train", harness_settings.train_rows)
    parameters = {name: value for name, value in HYPERPARAMETERS.items() if name not in ("num_round", "silent")}
    booster = xgboost.train(parameters, xgboost.DMatrix(digits.images, digits.labels), HYPERPARAMETERS["num_round"])
    labels, predictions, pixels = answered
    expected = np.mean(booster.predict(xgboost.DMatrix(pixels)) == labels)
    assert expected > 0.8
    assert np.mean(predictions == labels) == pytest.approx(expected, abs=0.005)


def test_every_operation_that_spark_calls_is_in_a_snapshot_of_awss_answers(answered, local):
    from_jvm = [call for call in local.calls()["calls"] if "java" in call["user_agent"].lower()]
    snapshots = [read(DIRECTORY, program) for program in ("spark-sdk", "s3a")]
    known = {(call.service, call.operation) for snapshot in snapshots for call in snapshot.calls}
    assert {call["operation"] for call in from_jvm} >= {"CreateTrainingJob", "InvokeEndpoint", "PutObject"}
    assert {(call["service"], call["operation"]) for call in from_jvm} <= known


def test_nothing_but_emulated_hosts_was_asked_for(answered, local):
    assert local.calls()["refused"] == []


def everything(aws, bucket):
    """Return the names of all that exists in SageMaker and in the bucket, and can be deleted."""
    client, s3 = aws.client("sagemaker"), aws.client("s3")
    listed = [
        *(endpoint["EndpointName"] for endpoint in client.list_endpoints()["Endpoints"]),
        *(config["EndpointConfigName"] for config in client.list_endpoint_configs()["EndpointConfigs"]),
        *(model["ModelName"] for model in client.list_models()["Models"]),
    ]
    return {*listed, *(item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="hsh-").get("Contents", []))}


def test_the_pipeline_leaves_nothing_in_sagemaker_and_s3(aws, ledger, spark, harness_settings, trained_model):
    before = everything(aws, ledger.bucket)
    outcome = Pipeline(aws, ledger, spark, harness_settings, Progress()).run()
    assert {resource.kind for resource in outcome.created} == {
        "endpoint",
        "endpoint config",
        "model",
        "training job",
        "S3 prefix",
    }
    assert outcome.leftovers == []
    assert everything(aws, ledger.bucket) == before


def test_a_leftover_is_reported_with_the_command_that_deletes_it(aws, ledger, spark, harness_settings, faults):
    faults.add("DeleteModel", status=400, code="AccessDeniedException", message="not yours")
    (left,) = Pipeline(aws, ledger, spark, harness_settings, Progress()).run().leftovers
    aws.client("sagemaker").delete_model(ModelName=left.resource.name)
    assert left.command.startswith(f"aws sagemaker delete-model --model-name {left.resource.name} ")
