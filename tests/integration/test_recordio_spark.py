"""RecordIO-protobuf through the SDK's own Scala classes, in both directions, and the guard of frames sent with it."""

import warnings

import numpy as np
import pytest
from pyspark.ml.linalg import DenseMatrix, Vectors
from sagemaker_pyspark import EndpointCreationPolicy, SageMakerEstimator
from sagemaker_pyspark.algorithms import (
    KMeansSageMakerEstimator,
    LDASageMakerEstimator,
    LinearLearnerBinaryClassifier,
    LinearLearnerMultiClassClassifier,
    LinearLearnerRegressor,
)
from sagemaker_pyspark.transformation import deserializers
from sagemaker_pyspark.transformation.serializers import ProtobufRequestRowSerializer
from scipy import sparse

from harness import recordio, registries
from harness.errors import DataError
from harness.recordio import RecordError
from harness.spark.internals import java_rows, java_schema, jvm
from harness.spark.labels import labels_of_predictor
from harness.spark.protobuf_rows import Rules, check_protobuf
from harness.spark.sdk import format_options

pytestmark = [pytest.mark.slow, pytest.mark.spark]

ROWS = np.array([[1.5, 0, 0.1, 0], [0, 0, 0, 0], [0, 3e38, 0, -7]])
LABELS = np.array([0.0, 1.0, 2.5])


def vectors(kind):
    for row in ROWS:
        keys = np.flatnonzero(row).tolist()
        yield Vectors.dense(row) if kind == "dense" else Vectors.sparse(4, keys, row[keys])


def table(spark, kind, labels=True):
    rows = [(float(label), vector) for label, vector in zip(LABELS, vectors(kind), strict=True)]
    frame = spark.createDataFrame(rows, ["label", "features"]).coalesce(1)
    return frame if labels else frame.drop("label")


def encoded(kind, labels=True):
    rows = ROWS.astype(np.float32)
    return recordio.encode(
        rows if kind == "dense" else sparse.csr_matrix(rows), LABELS.astype(np.float32) if labels else None
    )


# ---- the SDK's classes


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "no labels"])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_sdks_writer_and_ours_write_the_same_bytes(spark, tmp_path, kind, labels):
    table(spark, kind, labels).write.format("sagemaker").save(str(tmp_path / "rows"))
    (file,) = [path for path in (tmp_path / "rows").iterdir() if path.name.startswith("part-")]
    assert file.read_bytes() == encoded(kind, labels)
    rows = recordio.read([file])
    dense = rows.features if kind == "dense" else rows.features.toarray()
    assert dense.tobytes() == ROWS.astype(np.float32).tobytes()
    assert (rows.labels is None) == (not labels)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_sdks_requests_and_ours_are_the_same_bytes(spark, kind):
    wrapper = ProtobufRequestRowSerializer()  # Java forgets the serializer with it
    serializer = wrapper._to_java()
    frame = table(spark, kind, labels=False)
    serializer.setSchema(java_schema(frame))
    body = b"".join(bytes(serializer.serializeRow(row)) for row in java_rows(frame))
    assert body == encoded(kind, labels=False)


def test_the_sdk_reads_our_records(spark):
    converter = jvm(spark).com.amazonaws.services.sagemaker.sparksdk.protobuf.ProtobufConverter
    records = converter.recordIOByteArrayToProtobufs(bytearray(encoded("sparse")))
    found = []
    while records.hasNext():
        record = records.next()
        tensor = record.getFeatures(0).getValue().getFloat32Tensor()
        keys, values = list(tensor.getKeysList()), list(tensor.getValuesList())
        found.append((keys, np.float32(values).tolist(), list(tensor.getShapeList())))
    expected = [(np.flatnonzero(row).tolist(), np.float32(row[row != 0]).tolist(), [4]) for row in ROWS]
    assert found == expected


ONE, TWO = np.float32([0.25, 7]), np.float32([1, 0])
MANY = np.float32([[0.1, 0.9, 0], [1, 2, 3]])
ANSWERS = {
    "KMeansProtobufResponseRowDeserializer": {"closest_cluster": TWO, "distance_to_cluster": ONE},
    "PCAProtobufResponseRowDeserializer": {"projection": MANY},
    "LDAProtobufResponseRowDeserializer": {"topic_mixture": MANY},
    "LinearLearnerBinaryClassifierProtobufResponseRowDeserializer": {"score": ONE, "predicted_label": TWO},
    "LinearLearnerMultiClassClassifierProtobufResponseRowDeserializer": {"score": MANY, "predicted_label": TWO},
    "LinearLearnerRegressorProtobufResponseRowDeserializer": {"score": ONE},
    "FactorizationMachinesBinaryClassifierDeserializer": {"score": ONE, "predicted_label": TWO},
    "FactorizationMachinesRegressorDeserializer": {"score": ONE},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_deserializer_of_the_sdk_reads_one_row_for_each_answer(spark, name):
    wrapper = getattr(deserializers, name)()  # Java forgets the deserializer with it
    reader = wrapper._to_java()
    rows = reader.deserializeResponse(bytearray(recordio.encode_answers(ANSWERS[name])))
    fields = list(reader.schema().fieldNames())
    assert set(fields) == set(ANSWERS[name])
    for number in range(2):
        row = rows.next()
        for position, field in enumerate(fields):
            value, expected = row.get(position), ANSWERS[name][field][number]
            assert (list(value.toArray()) if expected.ndim else value) == expected.tolist()
    assert not rows.hasNext()


def test_a_matrix_is_no_row(spark, tmp_path):
    frame = spark.createDataFrame([(DenseMatrix(1, 2, [1.0, 2.0]),)], ["features"]).coalesce(1)
    frame.write.format("sagemaker").save(str(tmp_path / "rows"))
    with pytest.raises(RecordError, match="record 1: its shape has 2 dimensions"):
        recordio.read(sorted((tmp_path / "rows").glob("part-*")))
    with pytest.raises(DataError, match="no column 'features' of type vector"):
        check_protobuf(frame)


# ---- the guard

NAN = float("nan")
GOOD = (1.0, Vectors.dense([1.0, 2.0]))
REFUSED = {
    "a value NaN": ((1.0, Vectors.dense([NAN, 1.0])), "1 of 2 rows have a value that is NaN or infinite"),
    "NaN in a sparse vector": ((1.0, Vectors.sparse(2, [1], [NAN])), "1 of 2 rows have a value that is NaN"),
    "a label NaN": ((NAN, GOOD[1]), "1 of 2 rows have a label that is NaN or infinite"),
    "no label": ((None, GOOD[1]), "1 of 2 rows have no label, for which the SDK sends 0"),
    "no features": ((1.0, None), "1 of 2 rows have no features"),
    "a value beyond 32 bits": (
        (1.0, Vectors.dense([1.0, -3.5e38])),
        "1 of 2 rows have a label or value that becomes inf",
    ),
    "a label beyond 32 bits": ((1e39, GOOD[1]), "1 of 2 rows have a label or value that becomes infinite"),
    "a label above the classes": ((3.0, GOOD[1]), "1 of 2 rows have a label that is not a class from 0 to 2"),
    "a label between classes": ((0.5, GOOD[1]), "1 of 2 rows have a label that is not a class from 0 to 2"),
    "a negative count": ((1.0, Vectors.dense([1.0, -1.0])), "1 of 2 rows have a negative value, but LDA takes counts"),
    "another width": ((1.0, Vectors.dense([1.0])), "1 of 2 rows do not have 2 features, which is feature_dim"),
}


def frame_of(spark, *rows):
    return spark.createDataFrame([*rows], ["label", "features"])


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_would_arrive_changed_is_refused_with_the_reason(spark, case):
    row, reason = REFUSED[case]
    classes = None if "beyond" in case else labels_of_predictor("multiclass_classifier", 3)
    with pytest.raises(DataError) as caught:
        check_protobuf(frame_of(spark, GOOD, row), Rules(features=2, labels=classes, counts="count" in case))
    assert reason in caught.value.what
    assert caught.value.fix


def test_rounding_is_no_fault_but_whole_numbers_that_change_are_named(spark):
    exact = [(0.1, Vectors.dense([0.1, 16777216.0])), (1.0, Vectors.sparse(2, [1], [33554432.0]))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_protobuf(frame_of(spark, *exact), Rules(features=2)) == 2
    changed = [(16777217.0, GOOD[1]), (1.0, Vectors.dense([-16777217.0, 0.0])), GOOD]
    with pytest.warns(UserWarning, match="2 of 3 rows have a whole number above 16,777,216 that changes"):
        assert check_protobuf(frame_of(spark, *changed)) == 3


def test_a_frame_without_rows_or_of_several_widths_is_refused(spark):
    with pytest.raises(DataError, match="The frame has no rows"):
        check_protobuf(frame_of(spark, GOOD).where("label > 5"))
    with pytest.raises(DataError, match="Rows have from 1 to 2 features"):
        check_protobuf(frame_of(spark, GOOD, (1.0, Vectors.dense([1.0]))))


def test_columns_have_the_names_and_types_that_the_sdk_sends(spark):
    other = spark.createDataFrame([(1.0, GOOD[1])], ["y", "x"])
    assert check_protobuf(other, Rules(needs_labels=True), label_column="y", features_column="x") == 1
    assert check_protobuf(other, features_column="x") == 1
    with pytest.raises(DataError, match="no column 'label' of type double"):
        check_protobuf(other.withColumnRenamed("x", "features"), Rules(needs_labels=True))
    with pytest.raises(DataError, match="no column 'label' of type double") as caught:
        check_protobuf(frame_of(spark, (1, GOOD[1])))
    assert "label (bigint)" in caught.value.checked


@pytest.fixture(scope="module")
def built(estimator_options):
    """Make an estimator of a class with hyperparameters, and without an endpoint."""

    def built(kind, options=None, **hyperparameters):
        own = kind(
            **estimator_options(),
            endpointCreationPolicy=EndpointCreationPolicy.DO_NOT_CREATE,
            trainingSparkDataFormatOptions=options or {},
        )
        for name, value in hyperparameters.items():
            own.set(own.getParam(name), value)
        return own

    return built


def created(aws, estimator):
    """Return the training jobs, and the keys in the bucket of an estimator's rows."""
    jobs = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    objects = aws.client("s3").list_objects_v2(Bucket=estimator.trainingInputS3DataPath.bucket).get("Contents", [])
    return [job["TrainingJobName"] for job in jobs], [item["Key"] for item in objects]


@pytest.mark.parametrize(
    ("kind", "hyperparameters", "row", "reason"),
    [
        (KMeansSageMakerEstimator, {"k": 2, "feature_dim": 3}, GOOD, "2 of 2 rows do not have 3 features"),
        (LDASageMakerEstimator, {"feature_dim": 2}, (1.0, Vectors.dense([-1.0, 0.0])), "1 of 2 rows have a negative"),
        (LinearLearnerBinaryClassifier, {}, (2.0, GOOD[1]), "1 of 2 rows have a label that is not 0 or 1"),
        (
            LinearLearnerMultiClassClassifier,
            {"num_classes": 3},
            (3.0, GOOD[1]),
            "label that is not a class from 0 to 2",
        ),
        (LinearLearnerRegressor, {}, (None, GOOD[1]), "1 of 2 rows have no label"),
    ],
    ids=["KMeans", "LDA", "binary", "multiclass", "regressor"],
)
def test_each_fit_refuses_rows_before_anything_is_created(
    built, aws, ledger, spark, kind, hyperparameters, row, reason
):
    ledger.make_bucket()  # whose keys are listed
    own = built(kind, **hyperparameters)
    before = created(aws, own)
    with pytest.raises(DataError, match=reason):
        own.fit(frame_of(spark, GOOD, row))
    assert created(aws, own) == before


@pytest.mark.parametrize(
    ("algorithm", "hyperparameters", "row", "reason"),
    [
        ("kmeans", {"feature_dim": "3"}, GOOD, "2 of 2 rows do not have 3 features"),
        ("lda", {}, (1.0, Vectors.dense([-1.0, 0.0])), "1 of 2 rows have a negative"),
        ("linear-learner", {"predictor_type": "binary_classifier"}, (2.0, GOOD[1]), "label that is not 0 or 1"),
    ],
)
def test_the_generic_estimator_is_checked_too(estimator_options, aws, spark, algorithm, hyperparameters, row, reason):
    image = registries.image(algorithm, aws.region)
    own = SageMakerEstimator(
        trainingImage=image,
        modelImage=image,
        hyperParameters=hyperparameters,
        requestRowSerializer=ProtobufRequestRowSerializer(),
        responseRowDeserializer=deserializers.KMeansProtobufResponseRowDeserializer(),
        **estimator_options(),
    )
    with pytest.raises(DataError, match=reason):
        own.fit(frame_of(spark, GOOD, row))


def test_labels_that_an_algorithm_ignores_are_not_checked(spark):
    rows = frame_of(spark, GOOD, (None, GOOD[1]), (NAN, GOOD[1]), (1e39, GOOD[1]))
    assert check_protobuf(rows, Rules(reads_labels=False)) == 4


def test_an_estimators_own_names_of_columns_are_checked(built, spark):
    own = built(KMeansSageMakerEstimator, {"featuresColumnName": "x", "labelColumnName": "y"}, k=2, feature_dim=3)
    assert format_options(own) == {"featuresColumnName": "x", "labelColumnName": "y"}
    with pytest.raises(DataError, match="1 of 1 rows do not have 3 features"):
        own.fit(spark.createDataFrame([(1.0, GOOD[1])], ["y", "x"]))
