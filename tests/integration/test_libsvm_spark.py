"""LibSVM with Spark and the SDK: every way on which rows travel keeps them, and what would not arrive is refused.

Spark jobs cost a fraction of a second each, so an example is hundreds of rows.
"""

import io
import sys
import tarfile
import uuid
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from pyspark.ml.linalg import Vectors
from sagemaker_pyspark import EndpointCreationPolicy, RandomNamePolicyFactory
from scipy import sparse

from harness import libsvm
from harness.containers.xgboost.data import read_request
from harness.errors import DataError
from harness.libsvm import strategies
from harness.libsvm.dataset import to_csr
from harness.spark.validation import check_libsvm, sample_rows
from tests.support.estimators import libsvm_estimator
from tools.libsvm_differences import serialize_frame

pytestmark = pytest.mark.slow

# A nightly run takes many more examples than CI; each is several Spark jobs.
EXAMPLES = max(2, settings().max_examples // 20)
few_examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SHAPES = ["dense", "sparse", "empty rows", "trailing empty rows", "784 features", "100,000 features"]


@st.composite
def batches(draw, shapes=SHAPES, values=None):
    """Draw hundreds of rows, each with a different number as label: Spark does not promise their order."""
    rows = draw(strategies.datasets(shapes, max_rows=40, values=values))
    times = -(-300 // len(rows))
    features = rows.features
    if isinstance(features, np.ndarray):
        features = np.tile(features, (times, 1))
    else:
        features = sparse.vstack([features] * times, format="csr")
    return libsvm.LibSVM(np.arange(features.shape[0], dtype=float), features)


def bits(rows):
    """Return each row as what it is to the bit: the label, the columns that hold something, and the values there."""
    given = rows.features
    matrix = sparse.csr_matrix(given) if sparse.issparse(given) else None
    found = []
    for row in np.argsort(rows.labels):
        if matrix is None:
            columns, values = np.arange(given.shape[1]), given[row]
        else:
            cells = slice(matrix.indptr[row], matrix.indptr[row + 1])
            columns, values = matrix.indices[cells], matrix.data[cells]
        found.append((rows.labels[row].tobytes(), columns.astype(np.int64).tobytes(), values.astype(float).tobytes()))
    return found


def collected(frame):
    """Return a frame's rows as they are: dense vectors hold every column, sparse ones what they store."""
    rows = frame.select("label", "features").collect()
    vectors = [row.features for row in rows]
    width = max(vector.size for vector in vectors)
    indices = [v.indices if hasattr(v, "indices") else np.arange(v.size) for v in vectors]
    starts = np.append(0, np.cumsum([len(each) for each in indices]))
    data = np.concatenate([vector.values for vector in vectors])
    matrix = sparse.csr_matrix((data, np.concatenate(indices).astype(np.int32), starts), (len(rows), width))
    return libsvm.LibSVM(np.array([row.label for row in rows]), matrix)


def frame_of(spark, rows):
    """Return rows as a frame: dense vectors for an array, sparse ones for a CSR matrix."""
    given = rows.features
    if isinstance(given, np.ndarray):
        vectors = [Vectors.dense(row) for row in given]
    else:
        cells = [slice(*given.indptr[row : row + 2]) for row in range(len(rows))]
        vectors = [Vectors.sparse(given.shape[1], given.indices[cell], given.data[cell]) for cell in cells]
    pairs = list(zip(rows.labels.tolist(), vectors, strict=True))
    return spark.createDataFrame(spark.sparkContext.parallelize(pairs, 2), ["label", "features"])


def read_with_spark(spark, path, features=None, vectors="sparse"):
    reader = spark.read.format("libsvm").option("vectorType", vectors)
    return (reader.option("numFeatures", str(features)) if features else reader).load(str(path))


@pytest.fixture
def scratch(tmp_path):
    """Make directories that are not there yet, one for each example."""
    return lambda: tmp_path / uuid.uuid4().hex


# ---- files


def without_zeros(rows):
    """Return what Spark's reader keeps of rows when it makes sparse vectors."""
    matrix = sparse.csr_matrix(rows.features)  # omits an array's zeros
    matrix.eliminate_zeros()
    return libsvm.LibSVM(rows.labels, matrix)


def with_zeros(features):
    """Return features as an array; scipy's own way adds what is stored to 0.0, which loses the sign of -0.0."""
    if isinstance(features, np.ndarray):
        return features
    dense, stored = np.zeros(features.shape), features.tocoo()
    dense[stored.row, stored.col] = stored.data
    return dense


@pytest.mark.parametrize("known", [True, False], ids=["with numFeatures", "without numFeatures"])
@few_examples
@given(rows=batches())
def test_spark_reads_written_rows_except_for_zeros(spark, scratch, known, rows):
    path = scratch()
    libsvm.write(path, rows.labels, rows.features)
    width = rows.features.shape[1] if known else libsvm.read(path).features.shape[1]
    assume(width)
    read = collected(read_with_spark(spark, path, width if known else None))
    assert read.features.shape == (len(rows), width)
    assert bits(read) == bits(without_zeros(rows))


@few_examples
@given(rows=batches(["dense", "784 features", "empty rows"]))
@example(rows=libsvm.LibSVM(np.arange(2.0), sparse.csr_matrix(([-0.0, 1.0], ([0, 1], [1, 0])), shape=(2, 2))))
def test_dense_vectors_of_spark_have_zeros_for_absent_values(spark, scratch, rows):
    path = scratch()
    libsvm.write(path, rows.labels, rows.features)
    dense = with_zeros(rows.features)
    read = collected(read_with_spark(spark, path, dense.shape[1], "dense"))
    assert bits(read) == bits(libsvm.LibSVM(rows.labels, dense))


@few_examples
@given(rows=batches())
def test_text_written_by_spark_is_read(spark, scratch, rows):
    path = scratch()
    frame_of(spark, rows).write.format("libsvm").save(str(path))
    assert bits(libsvm.read(path, features=rows.features.shape[1])) == bits(rows)


# ---- requests


@few_examples
@given(rows=batches())
def test_the_container_reads_the_matrix_that_the_sdk_serializes(spark, rows):
    width = rows.features.shape[1]
    body = serialize_frame(spark, frame_of(spark, rows), label="label")
    assert bits(libsvm.parse(body, features=width)) == bits(rows)
    unlabelled = libsvm.parse(serialize_frame(spark, frame_of(spark, rows)), features=width)
    assert not unlabelled.labels.any()


@few_examples
@given(rows=batches(values=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_the_xgboost_container_sees_the_values_that_a_32_bit_float_can_hold(spark, rows):
    body = serialize_frame(spark, frame_of(spark, rows), label="label")
    width = rows.features.shape[1]
    read = sparse.csr_matrix(to_csr(read_request(body, "text/x-libsvm"), width + 1))
    assert np.isnan(read[:, 0].data).all(), "Spark's indices count from 1, so column 0 is empty"
    assert bits(libsvm.LibSVM(rows.labels, read[:, 1:])) == bits(rows)


# ---- fit


CONTAINER = """
import os, shutil, sys, time
root = os.environ["SAGEMAKER_BASE_DIR"]
if sys.argv[1:] == ["train"]:
    shutil.copytree(f"{root}/input/data/train", f"{root}/model/train")
"""


@pytest.fixture(scope="module")
def uploaded(aws, s3_client, tmp_path_factory):
    """Fit on a frame with a container whose model is its channel; return the rows that arrived in it."""
    if aws.mode != "mock":
        pytest.skip("the container is registered with the local AWS")
    program = tmp_path_factory.mktemp("container") / "keeps.py"
    program.write_text(CONTAINER)
    aws.register_container("own/keeping:1", [sys.executable, str(program)])

    def uploaded(frame):
        model = libsvm_estimator(
            "own/keeping:1",
            aws.role,
            endpointCreationPolicy=EndpointCreationPolicy.DO_NOT_CREATE,
            namePolicyFactory=RandomNamePolicyFactory(),
        ).fit(frame)
        bucket, _, key = model.modelPath.toS3UriString().removeprefix("s3://").partition("/")
        archive = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            parts = [tar.extractfile(member) for member in tar if "part-" in member.name]
            return libsvm.read(parts)

    return uploaded


@pytest.mark.parametrize("shape", ["dense", "empty rows"], ids=["dense", "sparse"])
def test_rows_that_fit_uploads_arrive_in_the_container_as_in_the_frame(spark, uploaded, shape):
    rows = drawn(shape)
    arrived = uploaded(frame_of(spark, rows)).widened(rows.features.shape[1])
    assert Counter(bits(arrived)) == Counter(bits(rows))


def drawn(shape):
    """Return one batch of a shape, always the same."""
    found = []

    @settings(max_examples=1, phases=[Phase.generate], derandomize=True, database=None)
    @given(batches([shape]))
    def draw(rows):
        found.append(rows)

    draw()
    return found[0]


# ---- the guard


def frame(spark, *rows, columns=("label", "features")):
    return spark.createDataFrame([*rows], list(columns))


def test_a_frame_that_arrives_unchanged_is_accepted_and_counted(spark):
    rows = [(float(label), Vectors.dense([0.0, -1.5, 3.4e38])) for label in range(10)]
    assert check_libsvm(frame(spark, *rows), features=3, classes=10) == 10
    assert check_libsvm(frame(spark, (7.5, Vectors.sparse(3, [], [])), (1.0, Vectors.sparse(3, [1], [2.0])))) == 2


def test_rows_of_the_sample_bucket_are_not_read_by_the_check(spark, aws, mnist_train):
    assert check_libsvm(mnist_train, classes=10) is None
    assert check_libsvm(mnist_train.limit(5).where("label >= 0"), classes=10) == 5


def test_rows_of_the_sample_bucket_are_counted_without_a_job(spark, aws):
    def read(*paths):
        return spark.read.format("libsvm").option("numFeatures", "784").load(list(paths))

    train, test = (f"s3a://sagemaker-sample-data-{aws.region}/spark/mnist/{split}/" for split in ("train", "test"))
    frames = {
        60_000: read(train),
        70_000: read(train, test),
        20_000: read(test, test),
        7: read(test).coalesce(1).limit(20).limit(7),
        10_000: read(test).repartition(3).limit(10_001),
    }
    tracker = spark.sparkContext.statusTracker()
    before = tracker.getJobIdsForGroup(None)
    assert [sample_rows(frame) for frame in frames.values()] == list(frames)
    others = [read(test).where("label > 5"), read(test).union(read(test)), read(test).sample(0.5), spark.range(3)]
    assert [sample_rows(frame) for frame in others] == [None] * len(others)
    assert tracker.getJobIdsForGroup(None) == before
    assert [read(test, test).count(), frames[7].count()] == [20_000, 7]


GOOD = (1.0, Vectors.dense([1.0, 2.0]))
NAN = float("nan")
REFUSED = {
    "a value NaN": ((1.0, Vectors.dense([NAN, 1.0])), "1 of 2 rows have a value that is NaN or infinite"),
    "a value infinite": ((1.0, Vectors.dense([-np.inf, 1.0])), "1 of 2 rows have a value that is NaN or infinite"),
    "NaN in a sparse vector": ((1.0, Vectors.sparse(2, [1], [NAN])), "1 of 2 rows have a value that is NaN"),
    "a label NaN": ((NAN, GOOD[1]), "1 of 2 rows have a label that is NaN or infinite"),
    "no label": ((None, GOOD[1]), "1 of 2 rows have no label"),
    "no features": ((1.0, None), "1 of 2 rows have no features"),
    "a value infinite as 32-bit float": ((1.0, Vectors.dense([1.0, -3.5e38])), "becomes infinite as a 32-bit float"),
    "a label infinite as 32-bit float": ((1e39, GOOD[1]), "becomes infinite as a 32-bit float"),
    "a label above the classes": ((3.0, GOOD[1]), "1 of 2 rows have a label that is not a class from 0 to 2"),
    "a label between classes": ((0.5, GOOD[1]), "1 of 2 rows have a label that is not a class from 0 to 2"),
    "another width": ((1.0, Vectors.dense([1.0])), "Rows have from 1 to 2 features"),
    "dense and sparse": ((1.0, Vectors.sparse(2, [1], [2.0])), "1 of 2 vectors are dense and the others sparse"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_would_arrive_changed_is_refused_with_the_reason(spark, case):
    row, told = REFUSED[case]
    with pytest.raises(DataError) as caught:
        check_libsvm(frame(spark, GOOD, row), classes=None if "infinite as" in case else 3)
    assert told in caught.value.what
    assert caught.value.fix


def test_a_frame_of_another_width_than_declared_is_refused(spark):
    with pytest.raises(DataError, match="2 of 2 rows do not have 3 features"):
        check_libsvm(frame(spark, GOOD, GOOD), features=3)


def test_a_frame_without_rows_is_refused(spark):
    with pytest.raises(DataError, match="The frame has no rows"):
        check_libsvm(frame(spark, GOOD).where("label > 5"))


def test_columns_that_sparks_writer_would_not_take_are_refused(spark):
    swapped = frame(spark, GOOD[::-1], columns=("features", "label"))
    with pytest.raises(DataError, match="more columns than label and features, or has them in another order"):
        check_libsvm(swapped)
    with pytest.raises(DataError, match="no column 'label' of type double") as caught:
        check_libsvm(frame(spark, (1, GOOD[1])))
    assert "label (bigint)" in caught.value.checked


def test_a_frame_that_cannot_be_computed_is_reported_with_the_cause(spark, tmp_path):
    (tmp_path / "rows").write_text("1 1:x\n")
    with pytest.raises(DataError, match='The frame cannot be computed: For input string: "x"'):
        check_libsvm(read_with_spark(spark, tmp_path / "rows", 3))
