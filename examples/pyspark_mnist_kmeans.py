"""Find ten groups of MNIST's digits with KMeans in Amazon SageMaker, from Spark.

This is a program for AWS as anybody would write it, with nothing of the harness in it::

    python pyspark_mnist_kmeans.py arn:aws:iam::123456789012:role/SageMaker

It reads the digits from SageMaker's sample bucket of your region, trains, hosts the model on an endpoint, finds the
closest cluster of each test digit, saves a picture of the clusters' means, and deletes what it made.
MNIST_TRAIN_ROWS and MNIST_TEST_ROWS in the environment make it use less than all rows.
"""

import os
import sys

import boto3
import matplotlib
import numpy as np
import sagemaker_pyspark
from pyspark.sql import SparkSession
from sagemaker_pyspark import IAMRole, SageMakerResourceCleanup
from sagemaker_pyspark.algorithms import KMeansSageMakerEstimator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = "mnist-clusters.png"
CLUSTERS = 10


def main():
    role = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SAGEMAKER_ROLE")
    region = boto3.Session().region_name
    if not role or not region:
        sys.exit("Give the role that SageMaker assumes as argument or in SAGEMAKER_ROLE, and a region in AWS_REGION.")

    spark = start_spark(region)
    try:
        train = read_digits(spark, region, "train", os.environ.get("MNIST_TRAIN_ROWS"))
        test = read_digits(spark, region, "test", os.environ.get("MNIST_TEST_ROWS"))
        model = build_estimator(role).fit(train)
        try:
            # Each Spark action on the transformed frame calls the endpoint again, so there is only one.
            rows = model.transform(test).select("label", "features", "closest_cluster", "distance_to_cluster").collect()
        finally:
            SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
    finally:
        spark.stop()

    labels = np.array([row.label for row in rows]).astype(int)
    clusters = np.array([row.closest_cluster for row in rows]).astype(int)
    distance = np.mean([row.distance_to_cluster for row in rows])
    print(f"mean distance: {distance:.1f} of {len(rows)} digits to the closest of {CLUSTERS} clusters")
    save_picture(np.array([row.features.toArray() for row in rows]), labels, clusters)
    print(f"means of the clusters: {PICTURE}")


def start_spark(region):
    # The SDK's jars hold two versions of the AWS SDK: their order matters, and sorted works.
    jars = ":".join(sorted(sagemaker_pyspark.classpath_jars()))
    builder = SparkSession.builder.config("spark.driver.extraClassPath", jars).master("local[*]")
    spark = builder.appName("MNIST with KMeans").getOrCreate()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", f"s3.{region}.{domain}")
    return spark


def read_digits(spark, region, split, rows):
    reader = spark.read.format("libsvm").option("numFeatures", "784").option("vectorType", "dense")
    digits = reader.load(f"s3a://sagemaker-sample-data-{region}/spark/mnist/{split}/")
    return digits.limit(int(rows)) if rows else digits


def build_estimator(role):
    estimator = KMeansSageMakerEstimator(
        sagemakerRole=IAMRole(role),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    )
    estimator.setK(CLUSTERS)
    estimator.setFeatureDim(784)
    return estimator


def save_picture(images, labels, clusters):
    """Draw the mean of each cluster's digits, with the label that most of them have."""
    figure, grid = plt.subplots(2, CLUSTERS // 2, figsize=(CLUSTERS * 0.9, 4.4), layout="constrained")
    for cluster, axes in enumerate(grid.flat):
        axes.axis("off")
        mine = clusters == cluster
        if mine.any():
            most = np.bincount(labels[mine]).argmax()
            axes.set_title(f"{mine.sum()} digits\n{(labels[mine] == most).mean():.0%} are {most}", fontsize=9)
            axes.imshow(images[mine].mean(axis=0).reshape(28, 28), cmap="Greys")
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
