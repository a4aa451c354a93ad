"""Spark loading MNIST: from S3A and from local disk, dense and sparse, with ``numFeatures`` given or found by Spark.

A round is ``spark.read…load`` and every row computed. What is more than MNIST's 60,000 rows is the same files again.
"""

import pytest
from in_spark import FORMS, consume, heap_use, load

from harness import mnist
from harness.bench.results.provenance import mnist_hash
from harness.regions import sample_bucket

ROUNDS = 3


def splits(rows):
    """Return splits of MNIST with ``rows`` rows together, some of them several times."""
    whole, rest = divmod(rows, mnist.ROWS["train"])
    return ["train"] * whole + ["test"] * (rest // mnist.ROWS["test"])


@pytest.fixture(scope="module")
def local_files(tmp_path_factory):
    """MNIST as the sample bucket holds it, by split."""
    directory = tmp_path_factory.mktemp("mnist")
    for split in mnist.ROWS:
        with (directory / split).open("wb") as file:
            file.writelines(mnist.libsvm(split))
    return directory


@pytest.mark.benchmark(group="load MNIST")
@pytest.mark.parametrize("features", ["numFeatures", "no-numFeatures"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("source", ["s3a", "disk"])
def test_loading(benchmark, record_value, record_work, spark, aws, local_files, source, form, features, rows):
    root = f"s3a://{sample_bucket(aws.region)}/spark/mnist" if source == "s3a" else local_files
    paths = [f"{root}/{split}" for split in splits(rows)]
    counts = []

    def read():
        given = mnist.FEATURES if features == "numFeatures" else None
        counts.append(consume(load(spark, paths, form, given)))

    heap = heap_use(spark, read)  # a round apart, which also warms up
    benchmark.pedantic(read, rounds=ROUNDS)
    assert set(counts) == {rows}
    record_work(
        rows=rows, size=sum((local_files / split).stat().st_size for split in splits(rows)), dataset=mnist_hash()
    )
    record_value("heap of the Spark driver before, MB", round(heap.before / 1e6))
    record_value("heap at its peak, with garbage, MB", round(heap.peak / 1e6))
