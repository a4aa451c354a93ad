"""Separate MNIST's zeros from other digits with FactorizationMachines in Amazon SageMaker, from Spark.

This is a program for AWS as anybody would write it, with nothing of the harness in it::

    python pyspark_mnist_factorization_machines.py arn:aws:iam::123456789012:role/SageMaker

It reads the digits from SageMaker's sample bucket of your region as sparse vectors, scales the pixels with Spark,
trains, hosts the model on an endpoint, scores the test digits, saves a picture of the scores, and deletes what it made.
MNIST_TRAIN_ROWS and MNIST_TEST_ROWS in the environment make it use less than all rows.
"""

import os
import sys

import boto3
import matplotlib
import numpy as np
import sagemaker_pyspark
from pyspark.ml.feature import MaxAbsScaler
from pyspark.sql import SparkSession
from sagemaker_pyspark import IAMRole, SageMakerResourceCleanup
from sagemaker_pyspark.algorithms import FactorizationMachinesBinaryClassifier

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = "mnist-zeros.png"
FACTORS = 10


def main():
    role = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SAGEMAKER_ROLE")
    region = boto3.Session().region_name
    if not role or not region:
        sys.exit("Give the role that SageMaker assumes as argument or in SAGEMAKER_ROLE, and a region in AWS_REGION.")

    spark = start_spark(region)
    try:
        train = read_zeros(spark, region, "train", os.environ.get("MNIST_TRAIN_ROWS"))
        test = read_zeros(spark, region, "test", os.environ.get("MNIST_TEST_ROWS"))
        scaler = MaxAbsScaler(inputCol="pixels", outputCol="features").fit(train)
        train, test = (scaler.transform(digits).select("label", "features") for digits in (train, test))
        model = build_estimator(role).fit(train)
        try:
            # Each Spark action on the transformed frame calls the endpoint again, so there is only one.
            rows = model.transform(test).select("label", "score", "predicted_label").collect()
        finally:
            SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
    finally:
        spark.stop()

    labels, scores, predictions = np.array([[row.label, row.score, row.predicted_label] for row in rows]).T
    print(
        f"accuracy: {(labels == predictions).mean():.4f} on {len(rows)} digits, of which {labels.sum():.0f} are zeros"
    )
    save_picture(labels, scores)
    print(f"scores: {PICTURE}")


def start_spark(region):
    # The SDK's jars hold two versions of the AWS SDK: their order matters, and sorted works.
    jars = ":".join(sorted(sagemaker_pyspark.classpath_jars()))
    builder = SparkSession.builder.config("spark.driver.extraClassPath", jars).master("local[*]")
    spark = builder.appName("MNIST with FactorizationMachines").getOrCreate()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", f"s3.{region}.{domain}")
    return spark


def read_zeros(spark, region, split, rows):
    """Return digits as sparse ``pixels``, with the label 1 for zeros and 0 for others."""
    reader = spark.read.format("libsvm").option("numFeatures", "784").option("vectorType", "sparse")
    digits = reader.load(f"s3a://sagemaker-sample-data-{region}/spark/mnist/{split}/")
    digits = digits.selectExpr("double(label = 0) AS label", "features AS pixels")
    return digits.limit(int(rows)) if rows else digits


def build_estimator(role):
    estimator = FactorizationMachinesBinaryClassifier(
        sagemakerRole=IAMRole(role),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    )
    estimator.setFeatureDim(784)
    estimator.setNumFactors(FACTORS)
    estimator.setMiniBatchSize(100)
    estimator.setEpochs(10)
    estimator.setLinearLr(0.01)
    estimator.setFactorsLr(0.001)
    return estimator


def save_picture(labels, scores):
    """Draw the number of zeros, and of other digits, by score."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    bins = np.linspace(0, 1, 41)
    axes.hist(scores[labels == 0], bins, alpha=0.6, label="other digits")
    axes.hist(scores[labels == 1], bins, alpha=0.6, label="zeros")
    axes.set(xlabel="score: probability of a zero", ylabel="digits", yscale="log")
    axes.legend()
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
