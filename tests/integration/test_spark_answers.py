"""Answers of the XGBoost images, and requests of the SDK, as Spark programs see them."""

import io
import pickle
import tarfile
import uuid

import numpy as np
import pytest
import xgboost as xgb
from py4j.protocol import Py4JJavaError
from pyspark.ml.linalg import Vectors
from sagemaker_pyspark import EndpointCreationPolicy, S3DataPath, SageMakerModel
from sagemaker_pyspark.transformation.deserializers import XGBoostCSVRowDeserializer
from sagemaker_pyspark.transformation.serializers import UnlabeledCSVRequestRowSerializer

from harness.waiting import wait_until
from tests.support.estimators import libsvm_estimator

FIRST = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
NEWER = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ROWS = np.array([[1, 0, 5], [0, 2, 0], [4, 0, 0], [0, 0, 9]], np.float32)
MISSING = np.where(ROWS == 0, np.nan, ROWS)


@pytest.fixture(scope="module")
def bucket(local, s3_client):
    name = f"answers-{uuid.uuid4().hex}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def hosted(local, bucket, sagemaker_client, s3_client):
    """Host a booster with an image. Return the endpoint's name."""

    def hosted(booster, image):
        name = f"answers-{uuid.uuid4().hex}"
        stream, content = io.BytesIO(), pickle.dumps(booster)
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            member = tarfile.TarInfo("xgboost-model")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        s3_client.put_object(Bucket=bucket, Key=f"{name}.tar.gz", Body=stream.getvalue())
        container = {"Image": image, "ModelDataUrl": f"s3://{bucket}/{name}.tar.gz"}
        sagemaker_client.create_model(ModelName=name, ExecutionRoleArn=local.role, PrimaryContainer=container)
        variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
        sagemaker_client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker_client.create_endpoint(EndpointName=name, EndpointConfigName=name)
        wait_until(
            lambda: sagemaker_client.describe_endpoint(EndpointName=name)["EndpointStatus"],
            f"{name} to be in service",
            done=lambda status: status == "InService",
        )
        return name

    return hosted


@pytest.fixture(scope="module")
def frame(spark):
    sparse = [Vectors.sparse(3, [(j, float(v)) for j, v in enumerate(row) if v]) for row in ROWS]
    return spark.createDataFrame([(float(i), vector) for i, vector in enumerate(sparse)], ["label", "features"])


def train(**parameters):
    values = np.random.default_rng(1).integers(0, 9, (300, 3)).astype(float)
    values[values < 3] = np.nan
    return xgb.train({"max_depth": 3, **parameters}, xgb.DMatrix(values, np.nansum(values, 1) // 10), 4)


def transformed(endpoint, serializer, frame):
    model = SageMakerModel.fromEndpoint(endpoint, serializer, XGBoostCSVRowDeserializer())
    return [row.prediction for row in model.transform(frame).orderBy("label").collect()]


def test_absent_values_of_sparse_vectors_reach_the_model_as_zeros_in_unlabeled_csv(hosted, frame):
    booster = train(objective="reg:squarederror")
    endpoint = hosted(booster, FIRST)
    as_zeros = booster.predict(xgb.DMatrix(ROWS)).tolist()
    assert as_zeros != booster.predict(xgb.DMatrix(MISSING)).tolist()
    assert transformed(endpoint, UnlabeledCSVRequestRowSerializer(), frame) == as_zeros


@pytest.mark.parametrize(
    ("image", "parameters"),
    [(FIRST, {"objective": "multi:softprob", "num_class": 3}), (NEWER, {})],
    ids=["softprob", "newer"],
)
def test_the_sdk_cannot_read_a_list_of_probabilities_or_a_prediction_a_line(hosted, frame, image, parameters):
    endpoint = hosted(train(**parameters), image)
    with pytest.raises(Py4JJavaError, match="NumberFormatException"):
        transformed(endpoint, UnlabeledCSVRequestRowSerializer(), frame)


def test_fit_warns_that_transform_will_not_read_the_answers(local, bucket, frame):
    estimator = libsvm_estimator(
        NEWER,
        local.role,
        hyperParameters={"num_round": "1"},
        trainingInputS3DataPath=S3DataPath(bucket, "rows"),
        trainingOutputS3DataPath=S3DataPath(bucket, "model"),
        endpointCreationPolicy=EndpointCreationPolicy.DO_NOT_CREATE,
    )
    with pytest.warns(UserWarning, match=r"sagemaker-xgboost:1\.7-1 answers a prediction a line, which the SDK's"):
        estimator.fit(frame)
