"""Data of the reference program, read as that program reads it."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from harness.aws import AWS
from harness.mnist import FEATURES, ROWS, Split
from harness.regions import sample_bucket
from harness.spark.jvm import require_jvm_of


def read_libsvm(spark: SparkSession, path: str) -> DataFrame:
    """Return LibSVM rows as the reference program reads them: ``label`` (double) and ``features`` (dense, 784)."""
    return spark.read.format("libsvm").option("numFeatures", str(FEATURES)).option("vectorType", "dense").load(path)


def read_mnist(spark: SparkSession, aws: AWS, split: Split, rows: int) -> DataFrame:
    """Return MNIST as the reference program reads it: columns ``label`` (double) and ``features`` (dense, 784).

    :param split: ``train`` (60,000 rows) or ``test`` (10,000 rows).
    :param rows: number of rows, from the first on.
    :raises SetupError: Spark's JVM does not use ``aws``.
    """
    require_jvm_of(aws)
    frame = read_libsvm(spark, f"s3a://{sample_bucket(aws.region)}/spark/mnist/{split}/")
    # One partition is read in file order; a limit over several takes the rows that a shuffle delivers first.
    return frame if rows >= ROWS[split] else frame.coalesce(1).limit(rows)
