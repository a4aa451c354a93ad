"""Classify MNIST's digits with LinearLearner in Amazon SageMaker, from Spark.

This is a program for AWS as anybody would write it, with nothing of the harness in it::

    python pyspark_mnist_linear_learner.py arn:aws:iam::123456789012:role/SageMaker

It reads the digits from SageMaker's sample bucket of your region, trains a linear model of ten classes, hosts it on an
endpoint, classifies the test digits, prints the accuracy, saves the confusion matrix as a picture, and deletes what it
made. MNIST_TRAIN_ROWS and MNIST_TEST_ROWS in the environment make it use less
than all rows.
"""

import os
import sys

import boto3
import matplotlib
import numpy as np
import sagemaker_pyspark
from pyspark.sql import SparkSession
from sagemaker_pyspark import IAMRole, SageMakerResourceCleanup
from sagemaker_pyspark.algorithms import LinearLearnerMultiClassClassifier

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = "mnist-confusion.png"
CLASSES = 10


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
            rows = model.transform(test).select("label", "predicted_label").collect()
        finally:
            SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
    finally:
        spark.stop()

    labels = np.array([row.label for row in rows]).astype(int)
    predictions = np.array([row.predicted_label for row in rows]).astype(int)
    print(f"accuracy: {(labels == predictions).mean():.4f} on {len(rows)} digits")
    save_picture(labels, predictions)
    print(f"confusion matrix: {PICTURE}")


def start_spark(region):
    # The SDK's jars hold two versions of the AWS SDK: their order matters, and sorted works.
    jars = ":".join(sorted(sagemaker_pyspark.classpath_jars()))
    builder = SparkSession.builder.config("spark.driver.extraClassPath", jars).master("local[*]")
    spark = builder.appName("MNIST with LinearLearner").getOrCreate()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", f"s3.{region}.{domain}")
    return spark


def read_digits(spark, region, split, rows):
    reader = spark.read.format("libsvm").option("numFeatures", "784").option("vectorType", "dense")
    digits = reader.load(f"s3a://sagemaker-sample-data-{region}/spark/mnist/{split}/")
    return digits.limit(int(rows)) if rows else digits


def build_estimator(role):
    estimator = LinearLearnerMultiClassClassifier(
        sagemakerRole=IAMRole(role),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    )
    estimator.setNumClasses(CLASSES)
    estimator.setFeatureDim(784)
    estimator.setMiniBatchSize(100)
    estimator.setEpochs(5)
    return estimator


def save_picture(labels, predictions):
    """Draw the number of digits for each label and predicted label."""
    counts = np.zeros((CLASSES, CLASSES), int)
    np.add.at(counts, (labels, predictions), 1)
    figure, axes = plt.subplots(figsize=(6, 5.6), layout="constrained")
    axes.imshow(np.log1p(counts), cmap="Blues")
    for (label, predicted), count in np.ndenumerate(counts):
        if count:
            dark = count > counts.max() / 4
            axes.text(predicted, label, count, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set(xlabel="predicted digit", ylabel="digit", xticks=range(CLASSES), yticks=range(CLASSES))
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
