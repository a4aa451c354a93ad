"""Train and host XGBoost on MNIST with Amazon SageMaker, from Spark.

This is a program for AWS as anybody would write it, with nothing of the harness in it::

    python pyspark_mnist_xgboost.py arn:aws:iam::123456789012:role/SageMaker

It reads the digits from SageMaker's sample bucket of your region, trains, hosts the model on an endpoint, classifies
the test digits, prints the accuracy, saves a picture of the digits by predicted class, and deletes what it made.
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
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = "mnist-digits.png"
DIGITS_PER_CLASS = 12


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
            rows = model.transform(test).select("label", "prediction", "features").collect()
        finally:
            SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
    finally:
        spark.stop()

    labels = np.array([row.label for row in rows])
    predictions = np.array([row.prediction for row in rows])
    print(f"accuracy: {(labels == predictions).mean():.4f} on {len(rows)} digits")
    save_picture([row.features.toArray() for row in rows], predictions)
    print(f"digits by predicted class: {PICTURE}")


def start_spark(region):
    # The SDK's jars hold two versions of the AWS SDK: their order matters, and sorted works.
    jars = ":".join(sorted(sagemaker_pyspark.classpath_jars()))
    builder = SparkSession.builder.config("spark.driver.extraClassPath", jars).master("local[*]")
    spark = builder.appName("MNIST with XGBoost").getOrCreate()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", f"s3.{region}.{domain}")
    return spark


def read_digits(spark, region, split, rows):
    reader = spark.read.format("libsvm").option("numFeatures", "784").option("vectorType", "dense")
    digits = reader.load(f"s3a://sagemaker-sample-data-{region}/spark/mnist/{split}/")
    return digits.limit(int(rows)) if rows else digits


def build_estimator(role):
    estimator = XGBoostSageMakerEstimator(
        sagemakerRole=IAMRole(role),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    )
    estimator.setEta(0.2)
    estimator.setGamma(4)
    estimator.setMinChildWeight(6)
    estimator.setSilent(0)
    estimator.setObjective("multi:softmax")
    estimator.setNumClasses(10)
    estimator.setNumRound(10)
    return estimator


def save_picture(images, predictions):
    figure, grid = plt.subplots(10, DIGITS_PER_CLASS, figsize=(DIGITS_PER_CLASS * 0.7, 8), layout="constrained")
    for digit in range(10):
        grid[digit, 0].set_title(f"predicted {digit}", loc="left", fontsize=8)
        for axes in grid[digit]:
            axes.axis("off")
        for axes, index in zip(grid[digit], np.flatnonzero(predictions == digit)):
            axes.imshow(images[index].reshape(28, 28), cmap="Greys")
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
