"""Find the topics of documents with LDA in Amazon SageMaker, from Spark.

This is a program for AWS as anybody would write it, with nothing of the harness in it::

    python pyspark_bars_lda.py arn:aws:iam::123456789012:role/SageMaker

The documents are made up, so that their topics are known: each of the 25 words is a cell of a square, and each of the
nine topics is a row or a column of it. The program trains, hosts the model on an endpoint, finds the mixture of topics
in each document, saves a picture of the topics, and deletes what it made.
"""

import os
import sys

import boto3
import matplotlib
import numpy as np
import sagemaker_pyspark
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession
from sagemaker_pyspark import IAMRole, SageMakerResourceCleanup
from sagemaker_pyspark.algorithms import LDASageMakerEstimator

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PICTURE = "topics.png"
SIDE = 5
TOPICS = 2 * SIDE - 1
WORDS = SIDE * SIDE
DOCUMENTS, LENGTH = 3000, 100


def main():
    role = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SAGEMAKER_ROLE")
    region = boto3.Session().region_name
    if not role or not region:
        sys.exit("Give the role that SageMaker assumes as argument or in SAGEMAKER_ROLE, and a region in AWS_REGION.")

    spark = start_spark(region)
    try:
        train = test = make_documents(spark).cache()
        model = build_estimator(role).fit(train)
        try:
            # Each Spark action on the transformed frame calls the endpoint again, so there is only one.
            rows = model.transform(test).select("features", "topic_mixture").collect()
        finally:
            SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())
    finally:
        spark.stop()

    counts = np.array([row.features.toArray() for row in rows])
    mixtures = np.array([row.topic_mixture.toArray() for row in rows])
    found = topics_of(counts, mixtures)
    likeness = match(found)
    print(f"likeness: {likeness.max(axis=1).mean():.3f} of the {TOPICS} topics to those found (cosine)")
    save_picture(found[likeness.argmax(axis=1)])
    print(f"topics: {PICTURE}")


def true_topics():
    """Return the distribution of words in each topic: a row or a column of the square.

    The last column is no topic, since the rows and the other columns determine it. LDA needs independent topics.
    """
    cells = np.eye(SIDE)[:, :, None] * np.ones(SIDE)  # bar, row, column
    return np.concatenate([cells, cells[:-1].transpose(0, 2, 1)]).reshape(TOPICS, WORDS) / SIDE


def make_documents(spark):
    random = np.random.default_rng(7)
    mixtures = random.dirichlet(np.full(TOPICS, 0.1), DOCUMENTS)
    counts = [random.multinomial(LENGTH, mixture @ true_topics()) for mixture in mixtures]
    return spark.createDataFrame([(Vectors.dense(row.tolist()),) for row in counts], ["features"])


def topics_of(counts, mixtures):
    """Return the distribution of words in each topic that explains documents with these mixtures best."""
    topics = np.linalg.lstsq(mixtures, counts, rcond=None)[0].clip(min=0)
    return topics / topics.sum(axis=1, keepdims=True)


def match(found):
    """Return the cosine of each true topic with each topic found."""
    unit = [topics / np.linalg.norm(topics, axis=1, keepdims=True) for topics in (true_topics(), found)]
    return unit[0] @ unit[1].T


def start_spark(region):
    # The SDK's jars hold two versions of the AWS SDK: their order matters, and sorted works.
    jars = ":".join(sorted(sagemaker_pyspark.classpath_jars()))
    builder = SparkSession.builder.config("spark.driver.extraClassPath", jars).master("local[*]")
    spark = builder.appName("Topics with LDA").getOrCreate()
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.endpoint", f"s3.{region}.{domain}")
    return spark


def build_estimator(role):
    estimator = LDASageMakerEstimator(
        sagemakerRole=IAMRole(role),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    )
    estimator.setNumTopics(TOPICS)
    estimator.setFeatureDim(WORDS)
    estimator.setMiniBatchSize(DOCUMENTS)
    estimator.setAlpha0(TOPICS * 0.1)
    return estimator


def save_picture(found):
    """Draw the true topics, and below each the one found."""
    figure, grid = plt.subplots(2, TOPICS, figsize=(TOPICS, 2.6), layout="constrained")
    for titled, row, topics in zip(("topics of the documents", "topics found"), grid, (true_topics(), found)):
        row[0].set_title(titled, loc="left", fontsize=9)
        for axes, topic in zip(row, topics):
            axes.set(xticks=[], yticks=[])
            axes.imshow(topic.reshape(SIDE, SIDE), cmap="Greys", vmin=0, vmax=1 / SIDE)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
