"""Every estimator of the SDK trains, serves and answers on its own image, alone and in pipelines."""

import json
from functools import cache

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.ml import Pipeline
from pyspark.ml.feature import PCA
from sagemaker_pyspark import (
    CustomNamePolicy,
    EndpointCreationPolicy,
    SageMakerEstimator,
    SageMakerModel,
    algorithms,
)
from sagemaker_pyspark.transformation.deserializers import KMeansProtobufResponseRowDeserializer
from sagemaker_pyspark.transformation.serializers import ProtobufRequestRowSerializer

from harness import registries
from harness.aws.cleanup.resources import Resource
from harness.errors import SettingsError
from harness.regions import split_s3_uri
from harness.waiting import wait_until
from tests.support.algorithm_cases import CASES, blobs, columns, frame

pytestmark = [pytest.mark.slow, pytest.mark.spark]

NO_ENDPOINT = EndpointCreationPolicy.DO_NOT_CREATE
DATA_FORMAT = "trainingSparkDataFormatOptions"


@pytest.fixture(scope="module")
def build(estimator_options):
    """Make the estimator of a case. Keywords are arguments that differ from those of ``estimator_options``."""

    def build(case, parameters=None, **options):
        built = getattr(algorithms, case.estimator)(**{**estimator_options(), **options})
        for name, value in {**case.parameters, **(parameters or {})}.items():
            built.set(built.getParam(name), value)
        return built

    return build


@pytest.fixture(scope="module")
def trained(build, sagemaker_fit, spark):
    """Return the estimator of a case, which has trained, its rows, and its model behind its endpoint."""

    @cache
    def trained(name):
        estimator, rows = build(CASES[name]), frame(spark, CASES[name])
        return estimator, rows, sagemaker_fit(estimator, rows)

    return trained


@pytest.fixture(scope="module")
def kmeans(trained):
    """The case of KMeans."""
    return trained("kmeans")


@pytest.fixture
def host(kmeans, aws, ledger, harness_settings):
    """Arguments that host the KMeans model again, under names that the ledger knows."""
    names = ledger.names(harness_settings, training=False)
    return {
        "modelImage": registries.image("kmeans", aws.region),
        "modelExecutionRoleARN": aws.role,
        "endpointInstanceType": harness_settings.endpoint_instance_type,
        "endpointInitialInstanceCount": 1,
        "requestRowSerializer": ProtobufRequestRowSerializer(),
        "responseRowDeserializer": KMeansProtobufResponseRowDeserializer(),
        "namePolicy": CustomNamePolicy(names.training_job, names.model, names.endpoint_config, names.endpoint),
    }


def closest(model, rows):
    return {(row.label, row.closest_cluster) for row in model.transform(rows).collect()}


def keys(s3, prefix):
    bucket, start = split_s3_uri(prefix)
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=start).get("Contents", [])]


# --- images -----------------------------------------------------------------------------------------------------------


def test_the_images_are_those_of_the_sdks_jar(spark):
    package = spark._jvm.com.amazonaws.services.sagemaker.sparksdk.algorithms
    maps = package.SagerMakerRegionAccountMaps
    known = {
        "kmeans": maps.AlgorithmsAccountMap(),
        "lda": maps.LDAAccountMap(),
        "xgboost": maps.ApplicationsAccountMap(),
    }
    regions = {name: str(accounts.keys().mkString(" ")).split() for name, accounts in known.items()}
    assert {name: len(found) for name, found in regions.items()} == {"kmeans": 23, "lda": 14, "xgboost": 23}
    for name in registries.SDK_ALGORITHMS:
        accounts = known.get(name, known["kmeans"])
        for region in regions.get(name, regions["kmeans"]):
            image = package.SageMakerImageURIProvider.getImage(region, accounts, name, "1")
            assert registries.image(name, region) == image


def test_the_sdk_refuses_a_region_that_has_no_lda(build):
    with pytest.raises(Py4JJavaError, match="The region eu-west-3 is not supported"):
        build(CASES["lda"], region="eu-west-3")


# --- each algorithm ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_an_estimator_trains_and_its_model_answers_well_in_its_columns(name, trained):
    case, (_, rows, model) = CASES[name], trained(name)
    transformed = model.transform(rows)
    assert transformed.columns == ["label", "features", *case.answers]
    answered = transformed.collect()
    assert len(answered) == rows.count()
    found = columns(answered, ["label", *case.answers])
    assert case.is_good(found["label"], found)


def test_the_generic_estimator_trains_on_a_built_in_image(kmeans, estimator_options, sagemaker_fit, aws):
    image = registries.image("kmeans", aws.region)
    estimator = SageMakerEstimator(
        trainingImage=image,
        modelImage=image,
        hyperParameters={"k": "3", "feature_dim": "2"},
        requestRowSerializer=ProtobufRequestRowSerializer(),
        responseRowDeserializer=KMeansProtobufResponseRowDeserializer("distance", "cluster"),
        **estimator_options(),
    )
    rows = kmeans[1]
    answered = sagemaker_fit(estimator, rows).transform(rows).collect()
    assert len({(row.label, row.cluster) for row in answered}) == 3


def test_two_instances_train_on_the_parts_of_the_rows(kmeans, build, sagemaker_fit):
    estimator, rows = build(CASES["kmeans"], trainingInstanceCount=2), kmeans[1]
    assert len(closest(sagemaker_fit(estimator, rows), rows)) == 3


@pytest.mark.parametrize("name", CASES)
def test_metrics_of_training_are_in_the_jobs_description(name, trained, sagemaker_client):
    job = sagemaker_client.describe_training_job(TrainingJobName=str(trained(name)[0].latestTrainingJob))
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics[CASES[name].metric] > 0
    assert 0 < metrics["train:progress"] <= 100


def test_metrics_of_a_test_channel_are_in_the_jobs_description(
    aws, ledger, harness_settings, s3_client, sagemaker_client
):
    names = ledger.names(harness_settings)
    ledger.make_bucket()
    bucket, prefix = split_s3_uri(names.data)
    text = "".join(f"{x},{y}\n" for x, y in blobs()[1])
    channels = []
    for channel in ("train", "test"):
        s3_client.put_object(Bucket=bucket, Key=f"{prefix}{channel}/rows.csv", Body=text)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"{names.data}{channel}/"}
        kind = {"ContentType": "text/csv;label_size=0"}
        channels.append({"ChannelName": channel, "DataSource": {"S3DataSource": source}, **kind})
    sagemaker_client.create_training_job(
        TrainingJobName=names.training_job,
        RoleArn=aws.role,
        AlgorithmSpecification={
            "TrainingImage": registries.image("kmeans", aws.region), "TrainingInputMode": "File",
        },
        HyperParameters={"k": "3", "feature_dim": "2", "eval_metrics": '["msd", "ssd"]'},
        InputDataConfig=channels,
        OutputDataConfig={"S3OutputPath": f"{names.data}model/"},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )  # fmt: skip
    job = wait_until(
        lambda: sagemaker_client.describe_training_job(TrainingJobName=names.training_job),
        "the job to end",
        done=lambda job: job["TrainingJobStatus"] in ("Completed", "Failed"),
        timeout=900,
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics["test:ssd"] == pytest.approx(120 * metrics["test:msd"], rel=1e-3)


# --- one model, hosted in every way -----------------------------------------------------------------------------------


def test_a_model_is_made_of_a_training_job(kmeans, host):
    estimator, rows, _ = kmeans
    model = SageMakerModel.fromTrainingJob(trainingJobName=str(estimator.latestTrainingJob), **host)
    assert len(closest(model, rows)) == 3


def test_an_endpoint_is_created_with_the_first_transform(kmeans, host, sagemaker_client):
    _, rows, first = kmeans
    policy = EndpointCreationPolicy.CREATE_ON_TRANSFORM
    path = first.modelPath.toS3UriString()
    model = SageMakerModel.fromModelS3Path(modelPath=path, endpointCreationPolicy=policy, **host)
    assert not model.getCreatedResources().endpoint_name
    assert len(closest(model, rows)) == 3
    endpoint = model.getCreatedResources().endpoint_name
    assert sagemaker_client.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"


def test_a_model_is_made_of_an_endpoint(kmeans):
    _, rows, first = kmeans
    answers = KMeansProtobufResponseRowDeserializer()
    model = SageMakerModel.fromEndpoint(str(first.endpointName), ProtobufRequestRowSerializer(), answers)
    assert closest(model, rows) == closest(first, rows)


BODIES = {
    "text/csv": "0,0\n10,0\n0,10\n",
    "application/json": '{"instances": [{"features": [0, 0]}, {"features": [10, 0]}, {"features": [0, 10]}]}',
    "application/jsonlines": '{"features": [0, 0]}\n{"features": [10, 0]}\n{"features": [0, 10]}\n',
}


@pytest.mark.parametrize("content_type", BODIES)
def test_an_endpoint_takes_and_gives_text(content_type, kmeans, sagemaker_runtime_client):
    answer = sagemaker_runtime_client.invoke_endpoint(
        EndpointName=str(kmeans[2].endpointName),
        Body=BODIES[content_type],
        ContentType=content_type,
        Accept=content_type,
    )
    body = answer["Body"].read().decode()
    assert answer["ContentType"].startswith(content_type)
    assert len(set(_clusters(body, content_type))) == 3


def _clusters(body, content_type):
    """Return the closest clusters in an answer."""
    if content_type == "text/csv":
        return [float(line.split(",")[0]) for line in body.splitlines()]
    if content_type == "application/json":
        return [each["closest_cluster"] for each in json.loads(body)["predictions"]]
    return [json.loads(line)["closest_cluster"] for line in body.splitlines()]


def test_staged_rows_are_deleted_unless_they_are_wanted(kmeans, build, sagemaker_fit, s3_client):
    default, rows, _ = kmeans
    keeps = build(CASES["kmeans"], deleteStagingDataAfterTraining=False, endpointCreationPolicy=NO_ENDPOINT)
    sagemaker_fit(keeps, rows)
    staged = [keys(s3_client, each.trainingInputS3DataPath.toS3UriString()) for each in (default, keeps)]
    parts = [[key for key in found if key.endswith(".pbr")] for found in staged]
    assert [len(found) for found in parts] == [0, rows.rdd.getNumPartitions()]


# --- pipelines --------------------------------------------------------------------------------------------------------


def reading(column, **options):
    """Return options of an estimator whose features are in a column."""
    return {"requestRowSerializer": ProtobufRequestRowSerializer(featuresColumnName=column),
            DATA_FORMAT: {"featuresColumnName": column}, **options}  # fmt: skip


def test_a_pipeline_of_two_algorithms_is_trained_recorded_and_deleted(kmeans, build, sagemaker_fit, ledger):
    rows = kmeans[1]
    reduce = build(CASES["pca"], {"feature_dim": 2, "num_components": 2})
    cluster = build(CASES["kmeans"], **reading("projection"))
    model = sagemaker_fit(Pipeline(stages=[reduce, cluster]), rows)
    assert len(closest(model, rows)) == 3

    stages = [str(stage.endpointName).removesuffix("-endpoint") for stage in model.stages]
    kinds = {"training job": "training-job", "model": "model", "endpoint config": "config", "endpoint": "endpoint"}
    created = [Resource(kind, f"{stem}-{end}") for stem in stages for kind, end in kinds.items()]
    assert set(ledger.existing(created)) == set(created) <= set(ledger.created)
    assert ledger.clean_up(created) == []
    assert {resource.kind for resource in ledger.existing(created)} <= {"training job"}  # AWS keeps their records


def test_sparks_own_pca_comes_before_a_sagemaker_kmeans(kmeans, build, sagemaker_fit):
    rows = kmeans[1]
    reduce = PCA(k=2, inputCol="features", outputCol="projected")
    model = sagemaker_fit(Pipeline(stages=[reduce, build(CASES["kmeans"], **reading("projected"))]), rows)
    assert len(closest(model, rows)) == 3


def test_stages_of_a_pipeline_need_names_of_their_own(kmeans, estimator_options, sagemaker_fit):
    options = estimator_options()
    twins = [algorithms.KMeansSageMakerEstimator(**options) for _ in range(2)]
    with pytest.raises(SettingsError, match="Two estimators would create training job"):
        sagemaker_fit(Pipeline(stages=twins), kmeans[1])


# --- defects of the SDK, which users meet in AWS too ------------------------------------------------------------------


def test_the_sdk_cannot_read_a_projection_on_one_component(trained, build, sagemaker_fit):
    rows = trained("pca")[1]
    model = sagemaker_fit(build(CASES["pca"], {"num_components": 1}), rows)
    with pytest.raises(Exception, match=r"java\.lang\.Double"):
        model.transform(rows).collect()


def test_the_sdk_copies_no_estimator(build):
    with pytest.raises(NotImplementedError):
        build(CASES["kmeans"]).copy({})
