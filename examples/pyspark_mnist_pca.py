"""Find the principal components of MNIST's digits with PCA in Amazon SageMaker, from Spark.

This is a program for AWS as anybody would write it, with nothing of the harness in it::

    python pyspark_mnist_pca.py arn:aws:iam::123456789012:role/SageMaker

It reads the digits from SageMaker's sample bucket of your region, trains, hosts the model on an endpoint, projects the
test digits on the components, saves a picture of the components, and deletes what it made.
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
from sagemaker_pyspark.algorithms import PCASageMakerEstimator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = "mnist-components.png"
COMPONENTS = 10


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
            rows = model.transform(test).select("features", "projection").collect()
        finally:
            SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
    finally:
        spark.stop()

    images = np.array([row.features.toArray() for row in rows])
    projections = np.array([row.projection.toArray() for row in rows])
    share = projections.var(axis=0).sum() / images.var(axis=0).sum()
    print(f"variance kept: {share:.3f} by {COMPONENTS} of 784 components, on {len(rows)} digits")
    save_picture(images, projections)
    print(f"components: {PICTURE}")


def start_spark(region):
    # The SDK's jars hold two versions of the AWS SDK: their order matters, and sorted works.
    jars = ":".join(sorted(sagemaker_pyspark.classpath_jars()))
    builder = SparkSession.builder.config("spark.driver.extraClassPath", jars).master("local[*]")
    spark = builder.appName("MNIST with PCA").getOrCreate()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", f"s3.{region}.{domain}")
    return spark


def read_digits(spark, region, split, rows):
    reader = spark.read.format("libsvm").option("numFeatures", "784").option("vectorType", "dense")
    digits = reader.load(f"s3a://sagemaker-sample-data-{region}/spark/mnist/{split}/")
    return digits.limit(int(rows)) if rows else digits


def build_estimator(role):
    estimator = PCASageMakerEstimator(
        sagemakerRole=IAMRole(role),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    )
    estimator.setNumComponents(COMPONENTS)
    estimator.setFeatureDim(784)
    estimator.setMiniBatchSize(500)
    return estimator


def save_picture(images, projections):
    """Draw each component, the one with the largest variance first.

    The covariance of the pixels with the projections on a component is that component, up to its length.
    """
    order = projections.var(axis=0).argsort()[::-1]
    centred = projections - projections.mean(axis=0)
    components = centred.T @ (images - images.mean(axis=0))
    figure, grid = plt.subplots(2, COMPONENTS // 2, figsize=(COMPONENTS * 0.9, 4.4), layout="constrained")
    for axes, number in zip(grid.flat, order):
        axes.axis("off")
        axes.set_title(f"{projections[:, number].var() / images.var(axis=0).sum():.1%}", fontsize=9)
        most = np.abs(components[number]).max()
        axes.imshow(components[number].reshape(28, 28), cmap="RdBu", vmin=-most, vmax=most)
    figure.suptitle("components of the digits, with their shares of the variance", fontsize=10)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
